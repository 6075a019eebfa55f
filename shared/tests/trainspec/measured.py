"""Programs run in a process of their own, with the memory that they took."""

import os
import subprocess
import sys
from pathlib import Path

_REPORT = """
import re as _re
def _peak():
    return int(_re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
"""


def measured(program: str, *arguments: object, seconds: float = 120) -> tuple[str, int]:
    """What `program` prints, and by how many MiB it grew after its line `# measured`. It must end well."""
    imports, _, work = program.partition("# measured\n")
    whole = f"{_REPORT}\n{imports}\n_before = _peak()\n{work}\nprint(_peak() - _before)\n"
    done = subprocess.run(
        [sys.executable, "-c", whole, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed, _, grown = done.stdout.rstrip("\n").rpartition("\n")
    return printed, int(grown)
