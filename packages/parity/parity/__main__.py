"""`python -m parity`: a table of comparisons, and a non-zero status when one differs."""

import argparse
import os
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

from netspec import cli
from netspec.errors import DiptychError, UnknownNameError, WeightsError
from netspec.graph import Graph
from netspec.options import Parser
from netspec.registry import architecture, list_architectures
from netspec.weights import load_weights
from parity.scope import held_by_default

# Before TensorFlow is imported: oneDNN's Winograd convolutions round several times as coarsely as everyone
# else's. On a GPU parity switches TF32 off for the same reason.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

CHECKS = ("counts", "float32", "float64", "gradients", "statistics")
HEAVY_MACS = 2_000_000_000  # above, gradients and native exports are left to --all and to --native


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="parity",
        description="Holds a network's implementations to one another.",
    )
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help="networks by wildcard, ops as 'op.*'; default: every op and small families",
    )
    parser.add_argument("--native", action="store_true", help="native exports of large networks too")
    parser.add_argument("--all", action="store_true", help="every network, and gradients of large ones too: hours")
    parser.add_argument(
        "--weights",
        nargs="+",
        metavar="FILE",
        help="canonical weights in place of probe weights; a second file goes to Keras, to see where two files part",
    )
    options = parser.parse_args(argv)
    graphs = _chosen(options.patterns, options.all)
    if options.weights and (len(graphs) > 1 or len(options.weights) > 2):
        raise WeightsError("--weights takes one or two files, for one network")
    return _report(graphs, options)


def _chosen(patterns: Sequence[str], everything: bool) -> list[Graph]:
    from parity.examples import EXAMPLES, example

    every_op = [f"op.{name}" for name in EXAMPLES]
    names = every_op + list_architectures()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownNameError(f"no network or op matches '{pattern}'")
    wanted = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not patterns:
        wanted = names if everything else every_op + held_by_default()
    return [example(name[3:]) if name.startswith("op.") else architecture(name) for name in wanted]


def _report(graphs: Sequence[Graph], options: argparse.Namespace) -> int:
    from rich.console import Console

    from parity.check import Result, check, subject
    from parity.goldens import expected

    console = Console(soft_wrap=True)
    header = "".join(f"{name:>14}" for name in CHECKS)
    console.print(f"[bold]{'network':<30}{header}{'seconds':>9}[/]")
    failures: list[tuple[str, Result]] = []
    worst: dict[str, tuple[float, str]] = {}
    compared = 0
    for graph in graphs:
        begin = time.perf_counter()
        heavy = graph.macs > HEAVY_MACS
        results: list[Result] = []
        try:
            files = [load_weights(graph, path) for path in options.weights or ()]
            one = subject(graph, *files)
            results.extend(
                check(
                    one,
                    gradients=options.all or not heavy,
                    native=options.all or options.native or not heavy,
                    expected=expected(graph.name),
                )
            )
        except DiptychError as error:
            if options.weights:
                raise
            results.append(Result("compared", False, "-", str(error)))
        by_name = {result.check: result for result in results}
        cells = ""
        for name in CHECKS:
            result = by_name.get(name)
            text = f"{result.text if result else '-':>14}"
            cells += text if result is None or result.passed else f"[bold red]{text}[/]"
            if result and result.value is not None and result.value > worst.get(name, (-1.0, ""))[0]:
                worst[name] = (result.value, graph.name)
        compared += len(results)
        failures += [(graph.name, result) for result in results if not result.passed]
        console.print(f"{graph.name:<30}{cells}{time.perf_counter() - begin:>9.1f}", highlight=False)
    console.print("\n* no count from elsewhere to hold it to.   -: left out, see --help")
    for name, (value, network) in worst.items():
        console.print(f"worst {name}: {value:.1e} in {network}", highlight=False)
    for network, result in failures:
        console.print(f"[bold red]FAILED[/] {network}: {result.check}: {result.where}", highlight=False, markup=True)
    console.print(f"{compared} comparisons of {len(graphs)} networks, {len(failures)} failed", highlight=False)
    return 1 if failures or not compared else 0


if __name__ == "__main__":
    cli.run(main)
