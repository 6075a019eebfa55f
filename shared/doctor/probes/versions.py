"""The versions of Python and of all packages, and what Diptych's own packages need. Standard library only."""

import platform
import re
from importlib.metadata import Distribution, distributions
from typing import Any

from doctor.probes import answer


def versions() -> dict[str, Any]:
    """`python`; `packages`, the version of each, None where it has none; `requires`, the requirements of our own."""
    packages: dict[str, str | None] = {}
    requires: dict[str, list[str]] = {}
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", _field(one, "Name") or "").lower()
        if name and name not in packages:  # the first one is the one that is imported
            packages[name] = _field(one, "Version")
            if name.startswith("diptych-"):
                requires[name] = one.requires or []
    return {"python": platform.python_version(), "packages": dict(sorted(packages.items())), "requires": requires}


def _field(one: Distribution, name: str) -> str | None:
    """A field of a package's metadata; None where it is missing, as in a package that is half installed."""
    return next(iter(one.metadata.get_all(name) or ()), None)


if __name__ == "__main__":
    answer(versions)
