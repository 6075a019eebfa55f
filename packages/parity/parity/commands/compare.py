"""`compare`: writes a page about runs. Frameworks are trained as users run them."""

import argparse
from collections.abc import Sequence

from deploy.options import SWITCH, Parser, name_or_path, path
from deploy.outputs import output_folder
from diptych.errors import UsageError

DESCRIPTION = """Writes a page that shows runs side by side: comparisons/NAME/index.html, and its figures in index.json.

ARCH [options]: trains the network in PyTorch and in Keras first, with the options of `train`, each framework in a
process of its own. --runs compares runs that exist, of any framework, the first with each other one. --all writes a
table of all networks with runs under a folder; it links the pages that exist."""


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m parity compare",
        usage="%(prog)s ARCH [train options] | --runs A B [C ...] | --all RUNS",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--runs", nargs="+", type=path, metavar="RUN", help="two or more runs of one data set")
    parser.add_argument("--all", type=path, metavar="RUNS", help="a folder of runs: a table of all networks")
    parser.add_argument(
        "--data", type=name_or_path, metavar="D", help="the data set of the runs; default: the one that they name"
    )
    parser.add_argument("--unfinished", action="store_true", help="also take runs that did not reach their end")
    parser.add_argument(
        "--pages",
        type=output_folder,
        default="comparisons",
        metavar="FOLDER",
        help="where pages are written (comparisons)",
    )
    parser.add_argument(
        "--float64",
        action=SWITCH,
        help="also train 20 steps in float64, to see what is not rounding, and in float32 if the runs are in another "
        "precision; on by default",
    )
    parser.add_argument(
        "--python",
        type=path,
        nargs=2,
        metavar=("TORCH", "KERAS"),
        help="the Pythons that train, where each framework has an environment of its own; default: this one",
    )
    parser.add_argument("--resume", help=argparse.SUPPRESS)  # an option of train that makes no sense here
    options, arguments = parser.parse_known_args(argv)
    if options.resume is not None:
        raise UsageError("--resume goes on with one run; train a new one in each framework, or compare with --runs")
    if sum(map(bool, (options.runs, options.all, arguments))) != 1:
        which = "--runs" if options.runs else "--all"
        odd = f"{arguments[0]} does not go with {which}; " if arguments else ""
        raise UsageError(f"{odd}give one of ARCH with options of train, --runs A B, and --all RUNS (see --help)")
    if options.unfinished and not options.runs:
        raise UsageError("--unfinished goes with --runs")
    if options.data is not None and options.all:
        raise UsageError("--data goes with --runs or ARCH")
    for name in ("float64", "python"):
        if getattr(options, name) is not None and not arguments:
            raise UsageError(f"--{name} goes with ARCH")

    from parity.compare.command import compare_all, compare_runs, compare_training

    if options.all:
        compare_all(options.all, options.pages)
    elif options.runs:
        compare_runs(options.runs, options.pages, data=options.data, unfinished=options.unfinished)
    else:
        arguments = arguments if options.data is None else ["--data", options.data, *arguments]
        compare_training(arguments, options.pages, options.python or (), float64=options.float64 is not False)
    return 0
