"""Where a command line is read, and where a user's mistake becomes one line and an exit status."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from deploy import options, shell
from diptych.errors import DiptychError, UsageError


class Parser(options.Parser):
    """An argument parser whose mistakes are a user's like any other: one line, no usage text."""

    mistake = UsageError


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and leave the process, as `deploy.shell.run` says: a `DiptychError` is one line and 2."""
    shell.run(main, (DiptychError,))
