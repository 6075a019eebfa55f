"""`python -m parity.train_all torch | keras`: trains every network for a few steps, to see the loss fall."""

from collections.abc import Sequence

from deploy import shell
from deploy.options import Parser, name_or_path
from deploy.outputs import output_folder
from diptych.pool import Pool
from parity.frameworks import FRAMEWORKS
from trainspec.recipes.find import COLLECTIONS


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m parity.train_all", description="A few steps of every network or by every original recipe."
    )
    parser.add_argument("framework", choices=FRAMEWORKS, metavar="FRAMEWORK", help="torch or keras")
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help="networks, or original recipes as 'lenet5*', by wildcard; default: all",
    )
    parser.add_argument(
        "--recipe", choices=COLLECTIONS, default=COLLECTIONS[0], help="modern, or original: all original recipes"
    )
    parser.add_argument(
        "--data",
        type=name_or_path,
        metavar="D",
        help="the images for original recipes; default: digits",
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        default="results",
        metavar="FOLDER",
        help="the folder of train_all.jsonl and train_all.md, or train_all_original.jsonl and .md (results)",
    )
    options = parser.parse_args(argv)

    from parity.train_all.run import train, train_all

    with Pool(train) as pool:
        return train_all(options.framework, pool, options.patterns, options.out, options.recipe, options.data)


if __name__ == "__main__":
    shell.run(main)
