"""Reads command lines, and turns a user's mistake into one line and an exit status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from deploy import options, shell
from diptych.errors import DiptychError, UsageError


@dataclass(frozen=True)
class Option:
    """An argument of a command, as `argparse` takes it: its names or its position, and its settings."""

    names: tuple[str, ...]
    settings: Mapping[str, Any]


def option(*names: str, **settings: Any) -> Option:
    """An argument of a command."""
    return Option(names, settings)


@dataclass(frozen=True)
class Command:
    """A command of a program; `run` takes the option values by name."""

    name: str
    help: str
    options: tuple[Option, ...]
    run: Callable[..., int | None]


class Parser(options.Parser):
    """An argument parser that reports mistakes as user errors: one line, without a usage text."""

    mistake = UsageError


def run_command(program: str, description: str, commands: Sequence[Command], argv: Sequence[str]) -> int | None:
    """Run the command of `python -m program` that a command line names; its exit status. Raises `UsageError`."""
    parser = Parser(prog=f"python -m {program}", description=description)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        add_options(choices.add_parser(command.name, help=command.help), command.options)
    values = vars(parser.parse_args(argv))
    chosen = {command.name: command for command in commands}[values.pop("command")]
    return chosen.run(**values)


def add_options(parser: Any, options: Sequence[Option]) -> None:
    """Add options to a parser, or to a group of its arguments."""
    for one in options:
        parser.add_argument(*one.names, **one.settings)


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit, as `deploy.shell.run` does: a `DiptychError` becomes one line and status 2."""
    shell.run(main, (DiptychError,))
