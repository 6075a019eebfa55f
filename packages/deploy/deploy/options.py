"""Parses command lines. Reports a mistake in one line with the nearest name, and checks arguments that are paths.

All commands use it. Standard library only, like `deploy.shell`.
"""

import argparse
import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from deploy.errors import UsageError

SWITCH = argparse.BooleanOptionalAction  # of an option that is also there as --no-NAME
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes, if the file system does not say


class Parser(argparse.ArgumentParser):
    """A parser that raises a user's mistake as a `UsageError`: one line, without usage text."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            given = next((text for text in unknown if text.startswith("-")), None)
            known = nearest(given.partition("=")[0], self._names(options)) if given else ""
            self._command(options).error(f"unrecognized arguments: {' '.join(unknown)}{known}")
        self._check_outputs(options)
        return options

    def _names(self, options: argparse.Namespace) -> list[str]:
        """The options of the command that was chosen."""
        names = [name for action in self._chosen(options) for name in action.option_strings if name.startswith("--")]
        return list(dict.fromkeys(names))

    def _chosen(self, options: argparse.Namespace) -> Iterator[argparse.Action]:
        """The arguments of this command and of those below it that were chosen."""
        yield from (action for action in self._actions if not isinstance(action, argparse._SubParsersAction))
        if (below := self._below(options)) is not None:
            yield from below._chosen(options)

    def _command(self, options: argparse.Namespace) -> "Parser":
        """The parser of the command that was chosen."""
        below = self._below(options)
        return self if below is None else below._command(options)

    def _below(self, options: argparse.Namespace) -> "Parser | None":
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = action.choices.get(getattr(options, action.dest, ""))
                return chosen if isinstance(chosen, Parser) else None
        return None

    def _check_outputs(self, options: argparse.Namespace) -> None:
        """Refuse a file to write that another argument reads, or also writes. Raises `StorageError`."""
        from deploy.outputs import (  # here, because it reads paths as this module does
            check_apart,
            check_different,
            output_file,
        )

        values = {action: getattr(options, action.dest, None) for action in self._chosen(options)}
        read = [value for action, value in values.items() if action.type is not output_file]
        flat = [one for value in read for one in (value if isinstance(value, list | tuple) else [value])]
        written = [value for action, value in values.items() if action.type is output_file and isinstance(value, Path)]
        for place, value in enumerate(written):
            check_apart(value, *flat)
            check_different(value, *written[:place])


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean a, b?`, or a list of the known names. Case and punctuation do not matter."""
    names = list(names)
    if close := closest(name, names):
        return f"; did you mean {', '.join(close)}?"
    if not names:
        return ""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:12])}{', ...' * (len(names) > 12)}"


def closest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Up to `most` of `names`: those that differ only in case and punctuation, else similar ones, the best first."""
    forms: dict[str, list[str]] = {}
    for known in names:
        forms.setdefault(_form(known), []).append(known)
    wanted = _form(name)
    alike = [wanted] if wanted in forms else difflib.get_close_matches(wanted, forms, n=most, cutoff=0.5)
    return [known for form in alike for known in forms[form]][:most]


def _form(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold() or name


def path(text: str) -> Path:
    """An argument that is a path. `~` is the home folder even if the shell did not expand it, as in `--out='~/runs'`.

    Raises `argparse.ArgumentTypeError` for a path that no file system accepts, before any work is done.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("an empty path" if not text else "a path cannot contain a NUL character")
    found = Path(os.path.expanduser(text))  # not Path.expanduser, which raises if there is no home folder
    if str(found).startswith("~") and not os.path.lexists(found):
        home = found.parts[0]
        raise argparse.ArgumentTypeError(
            f"there is no home folder {home}; write the whole path, or ./{home} for a file of this name"
        )
    longest = longest_name(found)
    for part in found.parts:
        if len(os.fsencode(part)) > longest:
            shown = f"{part[:20]}..."
            raise argparse.ArgumentTypeError(
                f"the name {shown} has {len(os.fsencode(part))} bytes; at most {longest} are possible"
            )
    if len(os.fsencode(found)) > LONGEST_PATH:
        raise argparse.ArgumentTypeError(
            f"the path has {len(os.fsencode(found))} bytes; at most {LONGEST_PATH} are possible"
        )
    return found


def image(text: str) -> Path | str:
    """An argument that is an image: a path, or `-` for standard input."""
    return text if text == "-" else path(text)


def name_or_path(text: str) -> str:
    """An argument that is a name or a path. If it looks like a path, it is read by `path`."""
    return str(path(text)) if not text or text.startswith("~") or "\0" in text or len(os.fsencode(text)) > 200 else text


def longest_name(path: Path) -> int:
    """The largest number of bytes of a file name in the nearest existing folder."""
    for folder in (path, *path.parents):
        try:
            return os.pathconf(folder, "PC_NAME_MAX")
        except (OSError, ValueError, AttributeError):
            continue
    return LONGEST_NAME
