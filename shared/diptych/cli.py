"""Reads command lines, and turns a user's mistake into one line and an exit status."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from deploy import commands, options, shell
from deploy.commands import Command as Command, Option as Option, add_options as add_options, option as option
from diptych.errors import DiptychError, UsageError

SWITCH = options.SWITCH


class Parser(options.Parser):
    """An argument parser that reports mistakes as user errors: one line, without a usage text."""

    mistake = UsageError


def run_command(program: str, description: str, choices: Sequence[Command], argv: Sequence[str]) -> int | None:
    """Run the command of `python -m program` that a command line names; its exit status. Raises `UsageError`."""
    return commands.run_command(program, description, choices, argv, Parser)


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit, as `deploy.shell.run` does: a `DiptychError` becomes one line and status 2."""
    shell.run(main, (DiptychError,))
