"""`check`, and the command without a name: prints a table of comparisons."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from deploy.files import is_folder
from deploy.options import Parser, path
from deploy.outputs import output_folder
from diptych.errors import UsageError
from diptych.machine import processes
from parity.commands.judging import for_judging

RESULTS = Path("results")
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
`python -m parity forms RUN` judges every ONNX file that a trained network can become.
`python -m parity kill` kills trainings, lets them go on, and compares them with one that was never killed.
`python -m parity lockstep ARCH` says whether both frameworks train it by the same formulas.
`python -m parity time RUN` times the frameworks' own forward passes."""


def main(argv: Sequence[str]) -> int:
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
        "--results", metavar="FOLDER", type=output_folder, help="where --all keeps its table; default: results"
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
    from parity.comparisons import NAMES, default_comparisons, full_comparisons, named_comparisons

    if len(options.patterns) == 1 and options.patterns[0] not in NAMES and is_folder(options.patterns[0]):
        return run_of(options)
    for pattern in options.patterns:
        if pattern not in NAMES and is_folder(pattern):
            raise UsageError(f"{pattern} is a folder: a run is compared alone, so leave the other names out")
    if options.all and (options.patterns or options.weights):
        raise UsageError("--all compares every network with probe weights: leave names and --weights out")
    if options.results and not options.all:
        raise UsageError("--results goes with --all")
    if options.mutants:
        return mutants(options)
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs}: at least 1")

    if options.all:
        comparisons = full_comparisons(native=options.native)
    elif options.patterns:
        comparisons = named_comparisons(options.patterns, native=options.native, given=bool(options.weights))
    else:
        comparisons = default_comparisons(native=options.native)
    if options.weights and (len(comparisons) > 1 or len(options.weights) > 2):
        raise UsageError("--weights takes one or two files, for one network")

    from netspec import load_weights
    from parity.report import run

    weights = [load_weights(comparisons[0].network, file) for file in options.weights or ()]
    keep = (options.results or RESULTS) if options.all else None
    small = not (options.all or options.patterns)
    jobs = options.jobs or (processes(GIB) if small else 1)
    return run(comparisons, weights=weights, keep=keep, jobs=jobs)


def run_of(options: argparse.Namespace) -> int:
    """What the command does with the folder of a run."""
    if options.weights or options.all or options.native or options.results or options.jobs is not None:
        raise UsageError(f"{options.patterns[0]} is a run, with weights of its own: give --mutants or nothing else")

    from parity.certify import certify

    return certify(Path(options.patterns[0]), mutants=options.mutants)


def mutants(options: argparse.Namespace) -> int:
    """What the command does with `--mutants`."""
    if options.native or options.weights or options.jobs is not None:
        raise UsageError(
            "--mutants plants faults one by one, with probe weights: leave --jobs, --native and --weights out"
        )
    if not options.patterns and not options.all:
        raise UsageError("--mutants needs names of networks, or --all")

    from netspec.registry import list_architectures, matching
    from parity.mutants.testing import networks, try_networks

    if options.all:
        return try_networks(networks(), keep=options.results or RESULTS)
    return try_networks(matching(options.patterns, list_architectures(), "network"))
