"""The versions of Python and of all packages, and what Diptych's own packages need. Standard library only."""

import platform
import re
from importlib.metadata import distributions
from typing import Any

from doctor.probes import answer


def versions() -> dict[str, Any]:
    """`python`; `packages`, the version of each; `requires`, the requirements of our own."""
    packages: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()
        if name and name not in packages:  # the first one is the one that is imported
            packages[name] = one.version
            if name.startswith("diptych-"):
                requires[name] = one.requires or []
    return {"python": platform.python_version(), "packages": dict(sorted(packages.items())), "requires": requires}


if __name__ == "__main__":
    answer(versions)
