"""The one place where a user's mistake becomes one line and an exit status."""

import os
import sys
from collections.abc import Callable, Sequence

from netspec.errors import DiptychError


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Run `main(argv)` and leave the process: 0 (or what it returned), 2 for a user's mistake, 130 for Ctrl-C."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except DiptychError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # `... | head` closed the pipe; Python would complain once more at shutdown
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    raise SystemExit(status or 0)
