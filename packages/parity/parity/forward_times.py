"""`python -m parity time`: the frameworks' own forward passes, as JSON that `python -m deploy benchmark` puts beside.

What is timed is what an evaluation runs: a pass in evaluation mode, in float32, from images to logits, both as arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.benchmarking import BATCHES, SECONDS, lines
from deploy.commands import add_options, option
from deploy.options import Parser, name_or_path
from deploy.outputs import output_file
from deploy.shell import say
from deploy.timings import Timing, check_settings, in_turns, save_timings
from diptych.pool import Pool
from netspec import Graph
from netspec.init import Weights
from netspec.options import FORM_OPTIONS
from netspec.probes import probe_images
from parity.frameworks import FRAMEWORKS, as_for_users
from parity.runners.runner import channels_last
from trainspec.trainer import Deployed

OPTIONS = (
    option(
        "network",
        type=name_or_path,
        metavar="RUN",
        help="the folder of a run, an architecture's name, or a .json file of a graph",
    ),
    *FORM_OPTIONS,
    option("--framework", nargs="+", choices=FRAMEWORKS, default=FRAMEWORKS, help="default: both"),
    option("--batch", nargs="+", type=int, default=BATCHES, metavar="N", help="batch sizes (1 8 32)"),
    option("--threads", nargs="+", type=int, metavar="N", help="numbers of threads; default: all cores"),
    option("--seconds", type=float, default=SECONDS, metavar="S", help="seconds of each combination (2)"),
    option("--json", type=output_file, metavar="FILE", help="write the timings, for `deploy benchmark --beside FILE`"),
    option("--unfinished", action="store_true", help="also take a RUN that did not reach its end"),
)


@dataclass(frozen=True, eq=False)
class Job:
    """What a process times: a framework on so many threads, None for all that it may use, in batches of these sizes."""

    framework: str
    graph: Graph
    weights: Weights
    threads: int | None
    batches: Sequence[int]
    seconds: float


def measure(job: Job) -> list[Timing]:
    """Time a forward pass for each size of a batch, in turns, in this process."""
    framework = as_for_users(job.framework)
    device = framework.choose_device("fp32", job.threads)
    deployed = framework.deploy(job.graph, job.weights, job.threads)
    measured = in_turns([_pass(deployed, job.graph, batch) for batch in job.batches], job.seconds)
    name = device.label.partition(",")[0]  # of a CPU, the label has the threads too
    return [
        Timing.of(job.framework, name, device.threads, batch, first, times)
        for batch, (first, times) in zip(job.batches, measured, strict=True)
    ]


def _pass(deployed: Deployed, graph: Graph, batch: int) -> Callable[[], object]:
    images = np.ascontiguousarray(channels_last(probe_images(graph, batch)))
    return lambda: deployed.logits(images)


def time_network(
    graph: Graph,
    weights: Weights,
    *,
    frameworks: Sequence[str] = FRAMEWORKS,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int | None] = (None,),
    seconds: float = SECONDS,
) -> list[Timing]:
    """Time the forward pass in every combination, `seconds` each.

    Each framework and number of threads has a process of its own: the threads of one would wait for those of the other,
    and TensorFlow cannot change their number. Raises `UsageError` for numbers out of range.
    """
    check_settings(batches, threads, seconds)
    jobs = [Job(name, graph, weights, count, batches, seconds) for name in frameworks for count in threads]
    return [timing for job in jobs for timing in _measured(job)]


def _measured(job: Job) -> list[Timing]:
    with Pool(measure) as pool:
        ((_, done),) = pool.each([job])
        return done.result()


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m parity time", description="Latency and throughput of the frameworks' own forward passes."
    )
    add_options(parser, OPTIONS)
    time_command(**vars(parser.parse_args(argv)))
    return 0


def time_command(
    network: str,
    framework: Sequence[str],
    batch: Sequence[int],
    threads: Sequence[int] | None,
    seconds: float,
    json: Path | None,
    **chosen: Any,
) -> None:
    """Print a table of the timings and write them as JSON if asked. `chosen` are the form and `unfinished`."""
    from onnx_impl.export_request import request

    check_settings(batch, threads or (None,), seconds)
    what = request(network, "onnx", notice=lambda line: None, **chosen)
    found = time_network(
        what.graph,
        what.weights,
        frameworks=tuple(dict.fromkeys(framework)),
        batches=batch,
        threads=threads or (None,),
        seconds=seconds,
    )
    for line in lines(found):
        say(line)
    if json is not None:
        save_timings(json, network, found)
