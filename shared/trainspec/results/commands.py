"""Recorded commands, as people type them."""

import re
import shlex
from pathlib import Path

from trainspec.recipes.find import shipped_recipes

HIDDEN = ("--out", "--threads")  # options that do not change what is trained; with a value
KEYS = re.compile(r"^(-*[\w.-]+=)+")
SILENT = "--json"  # likewise, without one


def shown_command(command: str) -> str:
    """A recorded command as people type it: a session of nox, without places of this machine."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if not (match := re.fullmatch(r"python -m (\w+)_impl train", " ".join(words[:4]))):
        return command
    kept, skip = [], False
    for word in words[4:]:
        option = word.partition("=")[0]
        if word == SILENT:
            continue
        if skip or option in HIDDEN:
            skip = not skip and option in HIDDEN and "=" not in word
            continue
        value = KEYS.sub("", word)  # also of --set key=value and of --set=key=value
        is_path = "/" in value and not value.startswith("-") and value not in shipped_recipes()
        kept.append(f"{word.removesuffix(value)}{Path(value).name}" if is_path else word)
    return shlex.join(["nox", "-s", f"train_{match[1]}", "--", *kept])
