"""`python -m trainspec agreement RUN RUN` reports how closely two runs of one recipe agree."""

from collections.abc import Sequence

from deploy.shell import say
from diptych import cli
from diptych.cli import Parser
from netspec.options import path


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="python -m trainspec", description="What is known of finished runs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    agreement = commands.add_parser("agreement", help="batches, first losses, weights and predictions of two runs")
    agreement.add_argument("runs", nargs=2, type=path, metavar="RUN", help="the folder of a run")
    options = parser.parse_args(argv)
    from trainspec.agreement import compare_runs

    for line in compare_runs(*options.runs):
        say(line)


if __name__ == "__main__":
    cli.run(main)
