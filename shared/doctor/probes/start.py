"""Starts a probe in an environment that may lack this package: `python -P .../start.py step torch`.

Standard library only.
"""

import runpy
import sys
from importlib import import_module
from pathlib import Path


def start(probe: str) -> None:
    """Run a probe as `python -m` would, with this `doctor` and otherwise what its environment has."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import_module("doctor.probes")  # through which its modules are found from now on
    del sys.path[0]  # beside the doctor there may be all packages of another environment
    runpy.run_module(f"doctor.probes.{probe}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    start(sys.argv.pop(1))
