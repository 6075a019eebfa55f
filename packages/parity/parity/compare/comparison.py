"""A comparison of runs: all of its parts. A part that cannot be computed is the reason why, in a line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from diptych.errors import DiptychError
from parity.compare.answers import Answers, answers, images_of
from parity.compare.latency import Latency, latencies
from parity.compare.selection import Side, read_sides
from parity.compare.significance import Difference
from trainspec.agreement import Agreement, agreement_of, settings_apart

Part = TypeVar("Part")


@dataclass(frozen=True)
class Absent:
    """A part that was not computed. `reason` is a line."""

    reason: str


FLOAT64 = "float64"
UNTRAINED = MappingProxyType({FLOAT64: Absent("the runs were not trained for this page")})


@dataclass(frozen=True, eq=False)
class Pair:
    """The first run beside another one. `settings` are the values in which their recipes differ."""

    a: Side
    b: Side
    settings: tuple[str, ...]
    agreement: Agreement | Absent
    difference: Difference | Absent

    @property
    def title(self) -> str:
        return f"{self.b.title} against {self.a.title}"


@dataclass(frozen=True, eq=False)
class Short:
    """How closely a short training of the same recipe agrees between the frameworks, in another precision.

    What differs in float64 is not rounding. `folders` are the paths of its runs from the page.
    """

    steps: int
    agreement: Agreement
    folders: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs, what they answer, each of them beside the first, how fast their files are, and short trainings.

    These are by their precision, as float64.
    """

    sides: tuple[Side, ...]
    answers: Answers | Absent
    pairs: tuple[Pair, ...]
    latencies: list[Latency] | Absent
    short: Mapping[str, Short | Absent]


def compare(
    folders: Sequence[Path],
    *,
    data: str | None = None,
    unfinished: bool = False,
    short: Mapping[str, Short | Absent] = UNTRAINED,
) -> Comparison:
    """Compare the runs in `folders`, the first with each other one, on the images of `data` (default: the recorded).

    Raises `DataError` for folders that are not runs of one data set, for `data` that cannot be used, and for a run that
    is not finished, unless `unfinished`. What cannot be computed from them is left out, with the reason.
    """
    sides = read_sides(folders, unfinished=unfinished)
    images = attempt(lambda: images_of(sides[0])) if data is None else images_of(sides[0], data)
    found = images if isinstance(images, Absent) else attempt(lambda: answers(sides, images, unfinished=unfinished))
    timed = attempt(lambda: latencies(sides, unfinished=unfinished))
    pairs = []
    for place, other in enumerate(sides[1:], 1):
        agreement = attempt(lambda other=other: agreement_of(sides[0].read, other.read))  # type: ignore[misc]
        settings = tuple(settings_apart(sides[0].run, other.run))
        difference = found if isinstance(found, Absent) else found.difference(0, place)
        pairs.append(Pair(sides[0], other, settings, agreement, difference))
    return Comparison(sides, found, tuple(pairs), timed, short)


def attempt(compute: Callable[[], Part]) -> Part | Absent:
    """What `compute` returns, or why it cannot."""
    try:
        return compute()
    except DiptychError as error:
        return Absent(" ".join(str(error).split()))
