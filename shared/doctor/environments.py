"""Python and packages in every environment, against `constraints.txt`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from doctor.child import Answer, ask
from doctor.finding import Finding, quoted
from doctor.place import WORK, Environment, Place
from doctor.remedies import remedy

PYTHONS = (3, 11), (3, 14)  # from, and below
FEW = 4  # packages to install one by one; with more, the environment is made again
OURS = "diptych-"  # the names of packages that are on no index: nox installs them from the checkout


def check(place: Place) -> Iterator[Finding]:
    """What is installed, one environment after the other, and what should be."""
    found = list(place)
    pins = read_pins(place.constraints)
    if not pins:
        again = f"git checkout {quoted(place.constraints)}" if (place.root / ".git").exists() else ""
        yield Finding("constraints.txt", "it has no versions here, so none is compared", again)
    for one in found:
        yield from in_environment(one, ask(one.python, "versions", seconds=place.seconds), pins, place.constraints)
    if absent := [kind for kind in WORK if kind not in {one.kind for one in found}]:
        yield Finding("others", f"{', '.join(absent)}: not made yet; nox makes one when it needs it")


def in_environment(one: Environment, answer: Answer, pins: Mapping[str, str], constraints: Path) -> Iterator[Finding]:
    """What the probe `versions` says about an environment."""
    if answer.problem:
        yield Finding(one.kind, answer.problem, remedy(one, answer.problem))
        return
    version, packages = answer.facts["python"], answer.facts["packages"]
    wrong = list(_wrong(packages, answer.facts["requires"], pins))
    if not PYTHONS[0] <= tuple(map(int, version.split(".")[:2])) < PYTHONS[1]:
        yield Finding(one.kind, f"Python {version}, but Diptych needs 3.11 to 3.13", one.again)
    if not (one.folder / "installed").is_file():
        yield Finding(one.kind, "its installation did not end", one.again)
    half = [name for name, installed in packages.items() if installed is None]
    for name in half:
        yield Finding(one.kind, f"{name} is only half installed", one.again)  # pip itself ends in an error
    if len(wrong) > FEW:
        more = f"and {len(wrong) - 1} more packages are not as in constraints.txt"
        yield Finding(one.kind, f"{wrong[0][1]}, {more}", one.again)
    else:
        for name, text in wrong:
            pip = f"{quoted(one.python)} -m pip install --constraint {quoted(constraints)} {name}"
            pinned = f"{pip}{f'=={pins[name]}' if name in pins else ''}"
            yield Finding(one.kind, text, one.again if name.startswith(OURS) else pinned)
    facts = {"python": version, "packages": packages}
    same = len((pins.keys() & packages.keys()) - {*half, *(name for name, _ in wrong)})
    counted = "1 package" if same == 1 else f"{same} packages"
    yield Finding(one.kind, f"Python {version}; {counted} as in constraints.txt", facts=facts)


def _wrong(
    packages: Mapping[str, str | None], requires: Mapping[str, Sequence[str]], pins: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Names of packages that are missing or have another version than `pins`, each with a sentence."""
    for owner, needs in requires.items():
        for need in needs:
            name = canonical(re.split(r"[^\w.-]", need, maxsplit=1)[0])
            if "extra ==" not in need and name not in packages:
                yield name, f"{name} is not installed, but {owner} needs it"
    for name, version in packages.items():
        if name in pins and version and version.partition("+")[0] != pins[name]:
            yield name, f"{name} {version}, but constraints.txt says {pins[name]}"


def read_pins(constraints: Path) -> dict[str, str]:
    """The version of each package in a file of lines `name==version`; empty if there is no such file."""
    try:
        lines = constraints.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return {}
    pairs = (line.partition("#")[0].split("==") for line in lines)
    return {canonical(pair[0].strip()): pair[1].strip() for pair in pairs if len(pair) == 2}


def canonical(name: str) -> str:
    """The form of a package's name in which equal names are equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
