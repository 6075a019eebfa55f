"""`python -m parity`: prints a table of comparisons. The exit status is not 0 if one differs.

`python -m parity check` is the same. `time` prints a table of timings (`parity.forward_times`), `diff` compares two
networks (`parity.diff`), `lockstep` two trainings (`parity.lockstep`), `kill` kills trainings (`parity.killing`), and
`compare` writes a page about runs (`parity.compare`).
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from diptych import cli
from diptych.cli import Parser, add_options
from diptych.errors import UsageError
from diptych.machine import processes
from netspec.options import name_or_path, path

GIB = 3.0  # for a process that compares reduced copies; it loads both frameworks

DESCRIPTION = """Compares the implementations of networks and ops.

Without a name it compares every op, and a reduced copy of every network, in float64: each distinct block once, on the
smallest image that proves anything. Parameters are counted at full size.

With a name it compares that network at full size: in float32 under all runtimes, and in float64. Above 2 GMACs the
float64 part (outputs, gradients, a training step) uses a reduced copy, or with --weights a small image. Native exports
of such a network need --native. The column `copy` is the image size of the copy.

With the folder of a run it compares the trained network, and its ONNX files, and writes their certificate anew:
RUN/proof/certificate.json.

`python -m parity check PATTERN` is the same. Sub-commands with a --help of their own:
`python -m parity compare ARCH` trains in both frameworks and writes a page about the two runs.
`python -m parity diff A B` says where two networks differ.
`python -m parity kill` kills trainings, lets them go on, and compares them with one that was never killed.
`python -m parity lockstep ARCH` says whether both frameworks train it by the same formulas.
`python -m parity time RUN` times the frameworks' own forward passes."""

DIFF = """Says where two networks differ: in attributes, structure, weights and values, in this order.

Each of A and B is an architecture with options (resnet20:num_classes=100,activation=mish), the folder of a run, a graph
(.json), a weight file (.safetensors) or an ONNX file (.onnx). Both run on the same images: a run in its framework, an
ONNX file in onnxruntime, everything else in PyTorch; in float64 unless one is an ONNX file. A side without weights has
those of the other, and probe weights where there are none. The exit status is 0 if they are equal, 1 if not, and 2 if
it cannot be said."""

COMPARE = """Writes a page that shows runs side by side: comparisons/NAME/index.html, and its figures in index.json.

ARCH [options]: trains the network in PyTorch and in Keras first, with the options of `train`, each framework in a
process of its own. --runs compares runs that exist, of any framework, the first with each other one. --all writes a
table of all networks with runs under a folder; it links the pages that exist."""

LOCKSTEP = """Trains a network in PyTorch and in Keras side by side, on the same batches, and judges every step.

From one common state both take the step in float64: these must agree, and each update must be NumPy's, or a formula is
wrong and its stage is named (forward, gradient, statistics, update). Each step in the precision asked for is measured
against its own framework's float64 step, beside what the rounding of weights and inputs does to that step. The exit
status is 0 if no formula differs and rounding explains every step, 1 if not, and 2 if it cannot be said."""


KILL = """Kills trainings with `kill -9` at random moments, some of them inside the write of a checkpoint.

Each goes on with --resume until it ends. Its weights, its optimizer's state and its figures must then be those of a
training that was never killed, bit for bit. The network is small, with dropout, mixing and an average of the weights,
on the CPU in float32. The exit status is 0 if nothing differs, and 1 if anything does."""


def main(argv: Sequence[str]) -> int:
    command = COMMANDS.get(argv[0]) if argv else None
    return command(argv[1:]) if command else check(argv)


def for_judging() -> None:
    """Set the environment in which frameworks are compared, before they are imported.

    oneDNN's Winograd convolutions, which TensorFlow uses, round several times as coarsely as all others. On a GPU,
    parity switches TF32 off for the same reason.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's idle threads leave the cores to TensorFlow


def diff(argv: Sequence[str]) -> int:
    """The sub-command `diff`."""
    for_judging()
    parser = Parser(
        prog="python -m parity diff", description=DIFF, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", type=name_or_path, metavar="A", help="what to compare: see above")
    parser.add_argument("b", type=name_or_path, metavar="B", help="likewise")
    parser.add_argument(
        "--out", type=path, metavar="FILE.html", help="write a page with a diagram and a table of nodes"
    )
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.add_argument("--unfinished", action="store_true", help="also take a run that did not reach its end")
    options = parser.parse_args(argv)

    from parity.diff.command import run

    return run(options.a, options.b, out=options.out, json=options.json, unfinished=options.unfinished)


def compare(argv: Sequence[str]) -> int:
    """The sub-command `compare`. Frameworks are trained as users run them."""
    parser = Parser(
        prog="python -m parity compare",
        usage="%(prog)s ARCH [train options] | --runs A B [C ...] | --all RUNS",
        description=COMPARE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--runs", nargs="+", type=path, metavar="RUN", help="two or more runs of one data set")
    parser.add_argument("--all", type=path, metavar="RUNS", help="a folder of runs: a table of all networks")
    parser.add_argument("--unfinished", action="store_true", help="also take runs that did not reach their end")
    parser.add_argument(
        "--pages", type=path, default=Path("comparisons"), metavar="FOLDER", help="where pages are written"
    )
    parser.add_argument(
        "--float64", action="store_true", help="also train an epoch in float64, to see what is not rounding"
    )
    parser.add_argument(
        "--python",
        type=path,
        nargs=2,
        metavar=("TORCH", "KERAS"),
        help="the Pythons that train, where each framework has an environment of its own; default: this one",
    )
    options, arguments = parser.parse_known_args(argv)
    if sum(map(bool, (options.runs, options.all, arguments))) != 1:
        raise UsageError("give one of ARCH with options of train, --runs A B, and --all RUNS (see --help)")
    if options.unfinished and not options.runs:
        raise UsageError("--unfinished goes with --runs")
    if options.float64 and not arguments:
        raise UsageError("--float64 goes with ARCH")

    from parity.compare.command import compare_all, compare_runs, compare_training

    if options.all:
        compare_all(options.all, options.pages)
    elif options.runs:
        compare_runs(options.runs, options.pages, unfinished=options.unfinished)
    else:
        compare_training(arguments, options.pages, options.python or (), float64=options.float64)
    return 0


def lockstep(argv: Sequence[str]) -> int:
    """The sub-command `lockstep`."""
    for_judging()
    from trainspec.recipes import TrainOptions
    from trainspec.task import TASK_OPTIONS

    parser = Parser(
        prog="python -m parity lockstep", description=LOCKSTEP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, TASK_OPTIONS)
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps to train (20)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="judge only every K-th step (1)")
    parser.set_defaults(out=Path("lockstep"))
    given = vars(parser.parse_args(argv))
    network, steps, every = (given.pop(name) for name in ("network", "steps", "every"))
    options = TrainOptions.read(**given)

    from parity.lockstep.command import run

    return run(network, options, steps, every)


def kill(argv: Sequence[str]) -> int:
    """The sub-command `kill`. Frameworks are trained as users run them."""
    parser = Parser(
        prog="python -m parity kill", description=KILL, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frameworks", nargs="+", choices=("torch", "keras"), default=["torch", "keras"])
    parser.add_argument("--kills", type=int, default=25, metavar="N", help="kills in each framework (25)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the moments (0)")
    parser.add_argument("--out", type=path, default=Path("killed"), metavar="FOLDER", help="where the runs are made")
    options = parser.parse_args(argv)

    from parity.killing.command import run

    return run(options.frameworks, options.kills, options.seed, options.out)


def time(argv: Sequence[str]) -> int:
    """The sub-command `time`. Frameworks are timed as users run them."""
    from parity.forward_times import main

    main(argv)
    return 0


def check(argv: Sequence[str]) -> int:
    """The command without a sub-command."""
    for_judging()
    parser = Parser(
        prog="python -m parity", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="networks by wildcard, ops as 'op.*', or a RUN")
    parser.add_argument(
        "--native", action="store_true", help="both frameworks' own ONNX exports too, also of large networks"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every network, in float32 at full size and in float64 as a reduced copy; takes an hour, and an "
        "interrupted run continues the next time",
    )
    parser.add_argument(
        "--results", metavar="FOLDER", type=path, default=Path("results"), help="where --all keeps its table"
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        type=path,
        metavar="FILE",
        help="canonical weights in place of probe weights; a second file is for Keras, to see where two files differ",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        help="networks at a time; default: as many reduced copies as there are cores and memory for, one at full size",
    )
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="test the proof: plant faults in one implementation at a time and see that parity finds and names them; "
        "with --all in one network of every family",
    )
    options = parser.parse_args(argv)
    if len(options.patterns) == 1 and Path(options.patterns[0]).is_dir():
        return run_of(options)
    if options.mutants:
        return mutants(options)
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs}: at least 1")
    if options.all and (options.patterns or options.weights):
        raise UsageError("--all compares every network with probe weights: leave names and --weights out")

    from parity.comparisons import default_comparisons, full_comparisons, named_comparisons

    if options.all:
        comparisons = full_comparisons(native=options.native)
    elif options.patterns:
        comparisons = named_comparisons(options.patterns, native=options.native, given=bool(options.weights))
    else:
        comparisons = default_comparisons(native=options.native)
    if options.weights and (len(comparisons) > 1 or len(options.weights) > 2):
        raise UsageError("--weights takes one or two files, for one network")

    from parity.report import run

    small = not (options.all or options.patterns)
    jobs = options.jobs or (processes(GIB) if small else 1)
    return run(comparisons, weights=options.weights or (), keep=options.results if options.all else None, jobs=jobs)


def run_of(options: argparse.Namespace) -> int:
    """What `check` does with the folder of a run."""
    if options.weights or options.all or options.jobs is not None:
        raise UsageError(f"{options.patterns[0]} is a run, with weights of its own: give --mutants or nothing else")

    from parity.certify import certify

    return certify(Path(options.patterns[0]), mutants=options.mutants)


def mutants(options: argparse.Namespace) -> int:
    """What `check` does with `--mutants`."""
    if options.native or options.weights or options.jobs is not None:
        raise UsageError("--mutants goes with names or --all, and with --results")
    if not options.patterns and not options.all:
        raise UsageError("--mutants needs names of networks, or --all")

    from netspec.registry import list_architectures, matching
    from parity.lightest import one_of_each_family
    from parity.mutants.testing import try_networks

    if options.all:
        return try_networks(list(one_of_each_family().values()), keep=options.results)
    return try_networks(matching(options.patterns, list_architectures(), "network"))


COMMANDS = {"check": check, "compare": compare, "diff": diff, "kill": kill, "lockstep": lockstep, "time": time}

if __name__ == "__main__":
    cli.run(main)
