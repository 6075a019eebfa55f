"""`python -m parity.train_all torch | keras`: trains every network for a few steps, to see the loss fall."""

from collections.abc import Sequence
from pathlib import Path

from diptych import cli
from diptych.cli import Parser
from diptych.pool import Pool
from netspec.options import path


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m parity.train_all", description="A few steps of every network, to see the loss fall."
    )
    parser.add_argument("framework", choices=("torch", "keras"), metavar="FRAMEWORK", help="torch or keras")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="networks by wildcard; default: all")
    parser.add_argument(
        "--out",
        type=path,
        default=Path("results"),
        metavar="FOLDER",
        help="the folder of train_all.jsonl and train_all.md",
    )
    options = parser.parse_args(argv)

    from parity.train_all.run import train, train_all

    with Pool(train) as pool:
        return train_all(options.framework, pool, options.patterns, options.out)


if __name__ == "__main__":
    cli.run(main)
