"""`python -m parity forms RUN ...`: every ONNX file that a trained network can become, over the whole test split."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.contract import KEEPING, RESIZE_RULE, Contract
from deploy.files import write_bytes
from deploy.inspection import Inspected, inspect, read_model
from deploy.intervals import of_accuracy
from deploy.shell import say
from diptych.errors import DataError
from diptych.machine import describe_machine
from netspec import Graph, without_heads
from netspec.init import Weights
from parity.memory import release
from parity.runners import KerasRunner, TorchRunner
from trainspec.data import DataSet, Split
from trainspec.judging import check_made_from, read_run
from trainspec.predictions import predictions_file, read_predictions, share_equal
from trainspec.runs import Run

RUNNERS: dict[str, type[TorchRunner] | type[KerasRunner]] = {"PyTorch": TorchRunner, "TensorFlow": KerasRunner}
LIMIT = 1.0  # points of top-1 that a smaller file may lose
REFERENCE = "model.onnx"  # its time is 1
HEAD = ("file", "kB", "top-1, %", "95 % interval", "agrees with training, %", "ms", f"time / {REFERENCE}")


@dataclass(frozen=True)
class Form:
    """One ONNX file of a network. `raw`: it takes uint8 `(N, H, W, C)`, not normalised float32 `(N, C, H, W)`."""

    name: str
    content: bytes
    raw: bool = False


def forms_of(folder: Path, found: Inspected, graph: Graph, weights: Weights, data: DataSet) -> Iterator[Form]:
    """The files of a run: float32 by three exporters, folded, with images inside, in float16 and in INT8."""
    from onnx_impl.inside import takes_images
    from onnx_impl.packaging import folded

    yield Form(REFERENCE, found.content)
    whole, _ = folded(folder)
    yield Form("folded", whole)
    plain = without_heads(graph)
    given = {name: weights[name] for name in plain.params}
    for name, runner in RUNNERS.items():
        yield Form(f"{name}'s export", runner(plain, given, "float32").native_onnx().SerializeToString())
        release()
    inside = inspect(whole, "folded")
    if found.contract.resize_rule not in KEEPING:  # a data set's images are resized already
        inside = replace(inside, contract=replace(inside.contract, resize_rule=RESIZE_RULE))
    yield Form("uint8", takes_images(inside), raw=True)
    yield from _smaller(whole, found.contract, data)


def _smaller(content: bytes, contract: Contract, data: DataSet) -> Iterator[Form]:
    from onnx_impl.quantization import CALIBRATION, compress
    from onnx_impl.smaller import needs_reduced_range

    own = needs_reduced_range()
    for to, reduced in (("float16", own), ("int8", own), ("int8", not own)):
        made = compress(
            content,
            contract,
            data,
            to=to,
            limit=LIMIT,
            images=CALIBRATION,
            reduce_range=reduced,
            notice=lambda line: None,
        )
        bits = f", {7 if reduced else 8}-bit weights" if to == "int8" else ""
        floats = made.facts.get("float_layers")
        kept = f", {floats} of {made.facts['layers']} layers in float32" if floats else ""
        yield Form(f"{to}{bits}{kept}{' (refused)' if made.problem else ''}", made.content)


def table_of(folder: Path, data: str | None, notice: Callable[[str], None]) -> str:
    """A Markdown section about a run. `data` finds its data set. Raises a `DiptychError` for what cannot be used."""
    from onnx_impl.judging import Judge
    from onnx_impl.quantization import data_of
    from onnx_impl.turns import processor_times, ratio

    run, graph, weights = read_run(folder)
    found = inspect(read_model(folder / REFERENCE), folder / REFERENCE)
    check_made_from(run, found.contract, graph, weights)
    images = data_of(folder, found.contract, data, False)
    trained = answers_of(run, images.test)
    forms = list(forms_of(folder, found, graph, weights, images))
    judges = {form.name: Judge(found.contract, form.raw) for form in forms}
    times = processor_times({form.name: judges[form.name].passing(form.content, images.test) for form in forms})
    rows = [HEAD, ("---",) * len(HEAD)]
    for form in forms:
        predictions = judges[form.name].logits(form.content, images.test).argmax(1)
        top1 = share_equal(predictions, images.test.labels)
        low, high = of_accuracy(top1, len(images.test))
        agreed = share_equal(predictions, trained)
        time = 1e3 * float(np.median(times[form.name]))
        share = str(ratio(times[form.name], times[REFERENCE]))
        size = f"{len(form.content) / 1e3:,.0f}"
        rows.append((form.name, size, f"{top1:.2f}", f"{low:.2f} to {high:.2f}", f"{agreed:.2f}", f"{time:.3f}", share))
        notice(" | ".join(rows[-1]))
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"## {_title(run)}\n\n{len(images.test):,} test images of {images.label}.\n\n{lines}"


def answers_of(run: Run, test: Split) -> NDArray[np.int64]:
    """What the framework answered after the training.

    Raises `DataError` if the run does not say how right it was, or the file has other answers by now.
    """
    file = run.folder / predictions_file(run.facts["framework"])
    run.check_recorded(("test_top1",), "it may be of an older version; train again")
    answers = read_predictions(file)
    half = 50 / len(test)  # points of half an image
    if len(answers) != len(test) or abs(share_equal(answers, test.labels) - run.facts["test_top1"]) > half:
        command = f"nox -s evaluate_{run.facts['framework']} -- {run.folder}"
        raise DataError(f"{file}: not the answers of the training for these images; evaluate the run again: {command}")
    return answers


def _title(run: Run) -> str:
    return f"{run.facts['architecture']}, trained in {run.facts['framework']}"


def write_forms(runs: Sequence[Path], out: Path, data: str | None = None) -> None:
    """Write the table of all files of these runs. `data` finds their data set; by default each run names its own."""
    load = os.getloadavg()[0]
    for folder in runs:
        if (state := Run.open(folder).state) != "finished":
            raise DataError(f"{folder} is {state}: only a finished run has answers to compare with")
    parts = [table_of(folder, data, say) for folder in runs]
    machine = describe_machine()
    text = (
        "# Every form of a trained network\n\n"
        f"`nox -s parity -- forms RUN ...` on {machine['cpu']}, {machine['cores']} cores. `agrees`: the share of the "
        "test images on which the file gives the class that the framework gave after the training. Times are of one "
        "image on one thread, in processor time, in turns: the median, and the median ratio with its 95 % interval. "
        "They were not measured on other processors. "
        f"The load of the machine was {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end. An INT8 file is "
        f"refused if it may lose more than {LIMIT:g} point or is slower; float16 is timed only where CUDA runs.\n\n"
    )
    write_bytes(out, (text + "\n".join(parts)).encode())
    say(f"written: {out}")
