"""`python -m parity [COMMAND]`: the proof, and what else needs both frameworks; without a command, `check`."""

from collections.abc import Callable, Sequence
from importlib import import_module

from deploy import shell

COMMANDS = {  # name -> the module with its command line
    "check": "parity.commands.check",
    "compare": "parity.commands.compare",
    "diff": "parity.commands.diff",
    "forms": "parity.commands.forms",
    "kill": "parity.commands.kill",
    "lockstep": "parity.commands.lockstep",
    "time": "parity.forward_times",
}


def main(argv: Sequence[str]) -> int:
    """Run the command that `argv` begins with; its exit status. Each has a `--help` of its own."""
    name, rest = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("check", argv)
    command: Callable[[Sequence[str]], int] = import_module(COMMANDS[name]).main
    return command(rest)


if __name__ == "__main__":
    shell.run(main)
