"""What the tests of `compare` share: runs of both frameworks, and the numbers of a page."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

import keras_impl.__main__
import torch_impl.__main__
from netspec.compare import limits

TRAIN = "train lenet5 --data digits --epochs 1 --precision fp32 --out"
COMMANDS = {"torch": torch_impl.__main__.main, "keras": keras_impl.__main__.main}
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)")
SKIPPED = ("svg", "style", "script", "pre", "title")  # pictures, and source that is quoted


def train_both(out: Path) -> dict[str, Path]:
    """One epoch on the digits in each framework, in the folder `out`: the runs by framework."""
    for run in COMMANDS.values():
        run([*TRAIN.split(), str(out)])
    return {name: next(out.glob(f"lenet5-{name}-*")) for name in COMMANDS}


class Text(HTMLParser):
    """The text of a page without what is `SKIPPED`, its links, and the text outside of them below each heading."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.links: list[str] = []
        self.unlinked: dict[str, str] = {"": ""}
        self.within: list[str] = []
        self.open = ""  # the heading or link that the text is in
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag in ("a", "h2"):
            self.open = tag
        if tag in SKIPPED:
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.within and tag == self.within[-1]:
            self.within.pop()
        if tag == self.open:
            self.open = ""

    def handle_data(self, data: str) -> None:
        if self.within:
            return
        self.parts.append(data)
        if self.open == "h2":
            self.unlinked[data] = ""
        elif not self.open:
            self.unlinked[[*self.unlinked][-1]] += f"{data} "


def values(table: object) -> set[float]:
    """All numbers in JSON, and those in its texts."""
    if isinstance(table, dict):
        return set().union(*map(values, [*table.values(), *table]), set())
    if isinstance(table, list):
        return set().union(*map(values, table), {float(len(table))})
    if isinstance(table, str):
        return {float(found.replace(",", "")) for found in NUMBER.findall(table)}
    return {float(table)} if isinstance(table, int | float) else set()


def found(text: str, known: np.ndarray) -> bool:
    """Whether a printed number is a known one, rounded to the digits that it is printed with."""
    plain = text.replace(",", "")
    mantissa, _, exponent = plain.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (int(exponent or 0) - digits)
    return bool((np.abs(known - float(plain)) <= half * (1 + limits().float64)).any())


def changed(run: Path, folder: Path, **facts: object) -> Path:
    """A copy of `run` with other facts."""
    file = shutil.copytree(run, folder) / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))
    return folder
