"""`python -m parity.killing.stopping_inside NUMBER HOW PROGRAM ...`: a program that tells when it writes a checkpoint.

Every operation on a file in a folder of checkpoints counts. Before number NUMBER it prints a line. With HOW `wait` it
then waits, so that it is killed before this operation; with `go` it goes on, and is killed somewhere after it.
"""

import os
import re
import runpy
import sys
import time
from collections.abc import Sequence
from typing import Any

from trainspec.checkpoints.file import FOLDER

EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"}  # Python's names for what it audits
WRITTEN = re.compile(rf"/{FOLDER}(/step-[^/]*|/\.diptych-.*)?$")  # not the sources in a folder of the same name
LINE = "inside the write of a checkpoint"
LONG = 600.0  # seconds


def main(argv: Sequence[str]) -> None:
    """Run the program."""
    number, how, program, *arguments = argv
    left = int(number)

    def hook(event: str, values: tuple[Any, ...]) -> None:
        nonlocal left
        if event in EVENTS and WRITTEN.search(str(values[0])):
            left -= 1
            if left == 0:
                os.write(1, f"{LINE}: {event}\n".encode())
                if how == "wait":
                    time.sleep(LONG)

    sys.addaudithook(hook)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
