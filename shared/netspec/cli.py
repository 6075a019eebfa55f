"""The one place where a user's mistake becomes one line and an exit status."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from deploy import shell
from netspec.errors import DiptychError


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and leave the process, as `deploy.shell.run` says: a `DiptychError` is one line and 2."""
    shell.run(main, (DiptychError,))
