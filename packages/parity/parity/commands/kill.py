"""`kill`: kills trainings and lets them go on. Frameworks are trained as users run them."""

import argparse
from collections.abc import Sequence

from deploy.options import Parser
from deploy.outputs import output_folder
from parity.frameworks import FRAMEWORKS

DESCRIPTION = """Kills trainings with `kill -9` at random moments, some of them inside the write of a checkpoint.

Each goes on with --resume until it ends. Its weights, its optimizer's state and its figures must then be those of a
training that was never killed, bit for bit. The network is small, with dropout, mixing and an average of the weights,
on the CPU in float32. The exit status is 0 if nothing differs, and 1 if anything does."""


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m parity kill", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frameworks", nargs="+", choices=FRAMEWORKS, default=FRAMEWORKS, help="default: both")
    parser.add_argument("--kills", type=int, default=25, metavar="N", help="kills in each framework (25)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the moments (0)")
    parser.add_argument(
        "--out", type=output_folder, default="killed", metavar="FOLDER", help="where the runs are made (killed)"
    )
    options = parser.parse_args(argv)

    from parity.killing.command import run

    return run(options.frameworks, options.kills, options.seed, options.out)
