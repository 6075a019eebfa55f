"""`python -m parity.onnx_speed NETWORK ...`: the ONNX builder's files against both native exports, in turns.

And against the frameworks' own forward passes.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np

from deploy import runtime, shell
from deploy.files import write_bytes
from deploy.options import Parser
from deploy.outputs import output_file
from deploy.shell import say
from diptych.errors import UsageError
from diptych.machine import describe_machine
from netspec import Graph
from netspec.init import Weights
from netspec.probes import probe_images
from netspec.registry import resolve
from parity.forward_times import time_network
from parity.runners import KerasRunner, TorchRunner

NETWORKS = ("lenet5", "resnet20", "preresnet20", "mobilenet_v2@96", "densenet40_k12")
BATCHES = (1, 32)
FILES = ("builder", "folded", "PyTorch's export", "TensorFlow's export")
OURS, NATIVE = FILES[:2], FILES[2:]
TABLE = "results/onnx_speed.md"
TITLES = {"torch": "PyTorch", "keras": "Keras"}
HEAD = (
    *("network", "batch", *(f"{name}, ms" for name in FILES), "best native / builder", "best native / folded"),
    *(f"{title} itself, wall ms" for title in TITLES.values()),
    "faster of both / builder",
)


def files_of(graph: Graph, weights: Weights) -> dict[str, bytes]:
    """The four files of a network with the same weights, by the names in `FILES`."""
    import onnx_impl

    made = (
        onnx_impl.build(graph, weights=weights),
        onnx_impl.build(graph, weights=weights, fold_batch_norm=True),
        TorchRunner(graph, weights, "float32").native_onnx(),
        KerasRunner(graph, weights, "float32").native_onnx(),
    )
    return {name: model.SerializeToString() for name, model in zip(FILES, made, strict=True)}


def measure(graph: Graph, batch: int, files: dict[str, bytes], rounds: int) -> tuple[dict[str, float], list[str]]:
    """Median milliseconds of a pass of each file on one thread, and best native / ours for both of our files.

    Each file has a session in every place of the order: where its memory lies changes a session's time by up to 6 %.
    """
    from onnx_impl.turns import processor_times, ratio

    images = probe_images(graph, batch)

    def passing(content: bytes) -> Callable[[], object]:
        session = runtime.start(content, provider=runtime.CPU, threads=1)
        return lambda: session.run(None, {"image": images})

    names = list(files)
    runs = {
        f"{name} {place}": passing(files[name])
        for place in range(len(names))
        for name in (*names[place:], *names[:place])
    }
    single = processor_times(runs, rounds)
    times = {name: np.concatenate([single[f"{name} {place}"] for place in range(len(names))]) for name in names}
    medians = {name: 1e3 * float(np.median(seconds)) for name, seconds in times.items()}
    best = min(NATIVE, key=medians.__getitem__)
    ratios = {ours: ratio(times[best], times[ours]) for ours in OURS}
    return medians, [against(medians[best] / medians[ours], one.low, one.high) for ours, one in ratios.items()]


def against(medians: float, low: float, high: float) -> str:
    """The ratio of the medians, with the interval of the median of the rounds' ratios."""
    return f"{medians:.3f} ({low:.2f} to {high:.2f})"


def themselves(graph: Graph, weights: Weights, builder: float) -> tuple[str, ...]:
    """The median milliseconds of each framework's own pass of one image, and the least of them as times `builder`.

    Each in a process of its own, on one thread, on the wall.
    """
    timed = {one.by: one.p50 for one in time_network(graph, weights, batches=(1,), threads=(1,))}
    return (*(f"{timed[name]:.3f}" for name in TITLES), f"{min(timed.values()) / builder:.1f}")


def table(names: Sequence[str], rounds: int, notice: Callable[[str], None]) -> str:
    """A Markdown table, a row for each network and batch. `name@96` is a network at 96 pixels."""
    from onnx_impl.measure import probe

    rows = [HEAD, ("---",) * len(HEAD)]
    for name in names:
        architecture, _, size = name.partition("@")
        if size and not size.isdecimal():
            raise UsageError(f"{name}: give a network, or a network at a size, as vgg19@96")
        graph = resolve(architecture, **({"image_size": int(size)} if size else {}))
        weights = probe(graph)
        files = files_of(graph, weights)
        for batch in BATCHES:
            medians, ratios = measure(graph, batch, files, rounds)
            own = themselves(graph, weights, medians[FILES[0]]) if batch == 1 else ("",) * (len(TITLES) + 1)
            rows.append((name, str(batch), *(f"{medians[file]:.3f}" for file in FILES), *ratios, *own))
            notice(" | ".join(rows[-1]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="python -m parity.onnx_speed", description="ONNX files of one network, timed in turns.")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"default: {' '.join(NETWORKS)}")
    parser.add_argument(
        "--rounds", type=int, default=31, metavar="N", help="turns of each session, four for each file (31)"
    )
    parser.add_argument("--out", type=output_file, default=TABLE, metavar="FILE", help=f"the table ({TABLE})")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        raise UsageError(f"--rounds {options.rounds}: give at least 1")
    load = os.getloadavg()[0]
    rows = table(options.networks or NETWORKS, options.rounds, say)
    machine = describe_machine()
    text = (
        "# ONNX files in turns\n\n"
        f"`python -m parity.onnx_speed --rounds {options.rounds}` on {machine['cpu']}, {machine['cores']} cores, one "
        f"thread for each pass, in processor time; others used the machine too: its load was {load:.1f} at the start "
        f"and {os.getloadavg()[0]:.1f} at the end. Times are medians. A ratio is that of two medians, with the 95 % "
        "interval of the median of the rounds' ratios; above 1, ours is faster. `folded` is the file of `package` and "
        "of `export_onnx -- RUN --fold`; `builder`, the file of a run, keeps its batch norms, which onnxruntime folds "
        "as it loads the file. A framework's own pass is one of its evaluation, in a process of its own, in time on "
        "the wall.\n\n" + rows
    )
    write_bytes(options.out, text.encode())
    say(f"written: {options.out}")


if __name__ == "__main__":
    shell.run(main)
