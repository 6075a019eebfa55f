"""Describes the commands of a program, and runs the one that a command line names. Standard library only.

Every program of Diptych with several commands is described this way, so only one place sees argparse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from deploy.errors import UsageError
from deploy.options import Parser


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


def run_command(
    program: str,
    description: str,
    commands: Sequence[Command],
    argv: Sequence[str],
    elsewhere: Mapping[str, str] | None = None,
) -> int | None:
    """Run the command of `python -m program` that a command line names; its exit status.

    `elsewhere` are commands that people look for here, each with the package that has it: it runs them where it is
    installed. Raises `UsageError`.
    """
    if argv and (owner := (elsewhere or {}).get(argv[0])):
        found = find_spec(owner)
        if found is None or found.origin is None:  # a folder of that name is not a package
            raise UsageError(f"{argv[0]} needs the package {owner}, which is not installed here: see README.md")
        status: int | None = import_module(f"{owner}.__main__").main(argv)
        return status
    top = Parser(prog=f"python -m {program}", description=description)
    choices = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        add_options(choices.add_parser(command.name, help=command.help), command.options)
    values = vars(top.parse_args(argv))
    chosen = {command.name: command for command in commands}[values.pop("command")]
    return chosen.run(**values)


def add_options(parser: Any, options: Sequence[Option]) -> None:
    """Add options to a parser, or to a group of its arguments."""
    for one in options:
        parser.add_argument(*one.names, **one.settings)
