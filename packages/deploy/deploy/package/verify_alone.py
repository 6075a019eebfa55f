"""What `verify.py` in a package does: `python -m deploy verify` on its own folder."""

from collections.abc import Sequence
from pathlib import Path

from deploy.options import Parser
from deploy.package.verification import checks
from deploy.shell import say


def main(folder: Path, argv: Sequence[str]) -> None:
    parser = Parser(prog="verify.py", description="Checks this folder, and that this machine computes what it should.")
    parser.add_argument("--provider", metavar="P", help="provider that must run: cuda, cpu, ...")
    options = parser.parse_args(argv)
    for line in checks(folder, provider=options.provider):
        say(line)
