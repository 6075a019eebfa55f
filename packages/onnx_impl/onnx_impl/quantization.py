"""Guarded compression: a smaller file is written only with its measured loss and speed, and refused if they are bad."""

import bisect
import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deploy import runtime
from deploy.arguments import checked
from deploy.certificate import beside, certificate_of, check_export, find_certificate
from deploy.contract import Contract
from deploy.errors import ModelError
from deploy.files import write_together
from deploy.inspection import Inspected, inspect
from deploy.intervals import paired
from deploy.model import usable_model
from deploy.outputs import check_apart
from deploy.package.facts import training_state
from deploy.package.manifest import sha256
from deploy.runs import FINISHED, owner_of
from diptych.errors import DataError, ExportError, ParityError, UsageError
from diptych.machine import describe_machine, describe_versions
from diptych.stopping import until_stopped
from netspec.compare import forward_difference
from onnx_impl.judging import Judge, decibels, sample
from onnx_impl.packaging import folded
from onnx_impl.rewritten import rewritten
from onnx_impl.smaller import Quantizer, halved, largest_value, needs_reduced_range
from trainspec.certificate import PACKAGES, figures
from trainspec.data import DataSet, Form, Split
from trainspec.judging import Recorded

CALIBRATION = 256  # images
JUDGED = 128  # validation images for the noise of each layer
COMPARED = 250  # test images for the difference in the certificate
CALIBRATION_BATCH = 32
Target = Literal["int8", "float16"]
MEANT_FOR = {"int8": runtime.CPU, "float16": runtime.CUDA}  # a CPU computes float16 in float32
HALF_LARGEST = float(np.finfo(np.float16).max)
SHOWN = 5  # of the noisiest layers
NAMED = 8  # float layers that the metadata name


@dataclass(frozen=True)
class Compressed:
    """A smaller model: the bytes of its file, what was measured, and why it should not be used, or nothing."""

    content: bytes
    facts: dict[str, Any]
    problem: str


@checked
def quantize(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    to: Target = "int8",
    limit: float = 1.0,
    images: int | None = None,
    reduce_range: bool | None = None,
    force: bool = False,
    out: str | os.PathLike[str] | None = None,
    unfinished: bool = False,
    notice: Callable[[str], None] = print,
) -> Path:
    """Write a smaller file of a run or of an ONNX file. Returns its path: by default `net.int8.onnx` beside `net.onnx`.

    `data` takes the values of `--data`; by default it is the data set that the file names. `images` (256) of its
    training split calibrate the ranges of INT8. The layers that spoil most on the validation split stay in float32
    until the test split would pass if it lost as much. The test split then judges once: the upper end of the paired
    interval of the loss must be within `limit` points, and the file must not be slower: INT8 on the CPU, float16 on
    CUDA where that runs. `reduce_range` gives weights 7 bits; by default where this processor needs it. `force` also
    writes a file that fails. `notice` gets the lines of a report.

    Raises `ExportError` for a file that fails or cannot be compressed, `DataError` for data that do not fit,
    `ModelError` for a file that cannot be used, and `UsageError` for a limit that is not a number from 0 on, or below
    what so many test images can show.
    """
    if not 0 <= limit < math.inf:
        raise UsageError(f"--limit {limit:g}: give a number of at least 0")
    if images is not None and images < 1:
        raise UsageError(f"--images {images}: give at least 1")
    if to != "int8" and (images is not None or reduce_range is not None):
        raise UsageError(f"--images and --reduce-range are for INT8; leave them out for {to}")
    model, data = Path(model), None if data is None else os.fspath(data)
    is_run = os.path.isdir(model)
    stem = (model / "model.onnx" if is_run else model).as_posix().removesuffix(".onnx")
    path = Path(out if out is not None else f"{stem}.{to}.onnx")
    if out is None and (owner := owner_of(path)):
        raise ExportError(f"{path} would be a file of {owner}; give --out FILE")
    check_apart(path, model if out is not None else None)
    check_export(path)  # before the work
    if is_run:
        found = inspect(folded(model, unfinished=unfinished)[0], model)
    else:
        found = usable_model(model, unfinished=unfinished)
    if found.contract.missing or found.contract.compression:
        raise ExportError(f"{model}: give a float32 file with classes and the preparation of images")
    state = training_state(found.contract, model)
    if not unfinished and state not in (None, FINISHED):
        raise ExportError(f"{model}: its training did not reach its end ({state}); give --unfinished to use it anyway")
    split = data_of(model, found.contract, data, unfinished)
    if not force:
        check_limit(limit, len(split.test), model)
    reduced = needs_reduced_range() if reduce_range is None else reduce_range
    try:
        made = compress(
            found.content,
            found.contract,
            split,
            to=to,
            limit=limit,
            images=images or CALIBRATION,
            reduce_range=reduced,
            training=state,
            notice=notice,
        )
    except (ExportError, ModelError) as error:  # for a run or a file that the user gave
        raise type(error)(f"{model}: {error}") from None
    if made.problem and not force:
        raise ExportError(f"{model}: {made.problem}; give --force to write it anyway")
    proof = certificate(model, path.name, found, made, split.test)
    write_together(path.parent, {path.name: made.content, beside(path).name: proof})
    return path


def certificate(model: Path, name: str, found: Inspected, made: Compressed, images: Split) -> bytes:
    """That of the file `name`, made of the float32 file of `model`: how far their logits for `images` are apart."""
    judge, some = Judge(found.contract), sample(images, COMPARED)
    key, exports, reasons = f"{name} | the float32 file", {}, {}
    try:
        apart = forward_difference(judge.logits(found.content, some), judge.logits(made.content, some))
        exports[key] = figures(replace(apart, limit=math.inf))
        reasons[key] = "no limit: a smaller file is judged by its accuracy, as its metadata say"
    except ParityError as error:
        reasons["exports"] = str(error)
    source = find_certificate(model, found.contract.weights_sha256, sha256(found.content))
    files = {name: sha256(made.content)}
    return certificate_of(found.contract, files, exports or None, source, describe_versions(PACKAGES), reasons)


def check_limit(limit: float, images: int, source: object) -> None:
    """Raise `UsageError` if even equal answers on so many test `images` leave more points open than `limit`."""
    least = open_points(images)
    if least > limit:
        enough = f"{math.ceil(10 * least) / 10:g}"
        raise UsageError(
            f"{source}: {images:,} test images cannot show a loss below {least:.2f} points; "
            f"give --limit {enough}, or --data with more images"
        )


def open_points(images: int) -> float:
    """The points of top-1 that equal answers on so many images leave open."""
    return 100 * paired(0, 0, images)[1]


def compress(
    content: bytes,
    contract: Contract,
    data: DataSet,
    *,
    to: str,
    limit: float,
    images: int,
    reduce_range: bool,
    notice: Callable[[str], None],
    training: str | None = None,
) -> Compressed:
    """Compress the bytes of a float32 file and judge the result, as `quantize` says. `training`: how it ended."""
    judge = Judge(contract)
    facts: dict[str, Any] = {"to": to, "limit": limit, "data": data.label, "data_fingerprint": data.fingerprint}
    facts |= {} if training in (None, FINISHED) else {"training": training}
    problem = ""
    with tempfile.TemporaryDirectory() as name:
        if to == "int8":
            some = sample(data.train, images)
            calibration = partial(judge.batches, some, CALIBRATION_BATCH)
            quantizer = Quantizer(content, calibration, Path(name), reduce_range=reduce_range)
            kept = _kept_in_float(quantizer, content, judge, data, limit, notice)
            smaller = quantizer.quantized(without=kept)
            facts |= {"calibration_images": len(some), "reduce_range": reduce_range, "float_layers": len(kept)}
            facts |= {"layers": len(quantizer.layers), **({"worst_in_float": kept[:NAMED]} if kept else {})}
            if len(kept) == len(quantizer.layers):
                problem = (
                    f"no layer can be quantized: as the validation split shows, it may lose more than --limit {limit:g}"
                )
        else:
            smaller = halved(content, Path(name))
            one_by_one = until_stopped(judge.batches(sample(data.validation, JUDGED), 1))
            found = largest_value(content, one_by_one, Path(name))
            facts |= {"arithmetic": "float32, as a CPU computes float16", "largest_value": float(f"{found:.4g}")}
    written = rewritten(smaller, compression="{}")
    right = judge.right(written, data.test)
    loss, low, high = judge.points_lost(judge.right(content, data.test), right)
    facts |= {
        "test_images": len(data.test),
        "top1": round(100 * float(right.mean()), 3),
        "points_lost": round(loss, 3),
        "points_lost_interval": [round(low, 3), round(high, 3)],
        "bytes": f"{len(written) / len(content):.3f} of the float32 file's",
    }
    if high > limit:
        lost = f"it may lose {high:.2f} points of top-1 (upper end of the 95 % interval)"
        problem = problem or f"{lost}, but --limit is {limit:g}"
    if (largest := facts.get("largest_value", 0.0)) > HALF_LARGEST:
        problem = problem or f"a value inside it reaches {largest:.3g}, but float16 ends at {HALF_LARGEST:g}"
    provider = MEANT_FOR[to]
    speed = judge.speed(content, written, data.test, provider)
    if speed is None:
        facts["time"] = f"not measured: {provider} does not run here"
    else:
        where = provider
        if provider == runtime.CPU:
            where = f"{provider} on {describe_machine()['cpu']}; not measured on other processors"
        facts["time"] = f"{speed} of the float32 file's, batch 1, one thread, {where}"
        if speed.median > 1:
            problem = problem or f"it is slower: it takes {speed} of the float32 file's time"
    facts["verdict"] = f"not to be used: {problem}" if problem else "within the limit"
    for key, value in facts.items():
        notice(f"{key.replace('_', ' '):<22}{value}")
    whole = rewritten(smaller, compression=json.dumps(facts))
    inspect(whole, f"the {to} file")  # nobody else would notice that it breaks the contract
    return Compressed(whole, facts, problem)


def _kept_in_float(
    quantizer: Quantizer,
    content: bytes,
    judge: Judge,
    data: DataSet,
    limit: float,
    notice: Callable[[str], None],
) -> list[str]:
    """The fewest of the noisiest layers that must stay in float32, for the test split to pass if it loses as much.

    The test split is judged by the upper end of its interval. So that end must be within `limit`, for as many images
    that are answered as the validation images are; the loss itself, if there are too few test images to show that. A
    layer's noise is that of the logits if it alone is quantized. More layers in float32 are taken to lose less.
    """
    some = sample(data.validation, JUDGED)
    shown = open_points(len(data.test)) <= limit
    expected = judge.logits(content, some)
    noise = {}
    for layer in until_stopped(quantizer.layers):
        alone = judge.logits(quantizer.quantized(only=[layer]).SerializeToString(), some)
        noise[layer] = decibels(expected, alone)
    worst = sorted(noise, key=noise.__getitem__)
    first = [f"{name} {noise[name]:.0f} dB" for name in worst[:SHOWN]] + ["..."] * (len(worst) > SHOWN)
    notice(f"{'signal to noise':<22}{', '.join(first)}")

    right = judge.right(content, data.validation)

    def within(count: int) -> bool:
        smaller = quantizer.quantized(without=worst[:count]).SerializeToString()
        loss, _, high = judge.points_lost(right, judge.right(smaller, data.validation), len(data.test))
        may = f", so the test split may show {high:.2f}" if shown else ""
        notice(f"{'validation':<22}{count} of {len(worst)} layers in float32: loses {loss:.2f} points{may}")
        return (high if shown else loss) <= limit

    if within(0):
        return []
    return worst[: bisect.bisect_left(range(1, len(worst)), True, key=within) + 1]


def data_of(model: Path, contract: Contract, data: str | None, unfinished: bool) -> DataSet:
    """The data set of a file, with the validation split of its run where the file is in its folder."""
    recorded = Recorded.of_model(
        model, contract.classes, contract.data, contract.data_fingerprint, unfinished=unfinished
    )
    found = recorded.load(data, Form.of_file(contract, model))
    if found.image_shape[2] != len(contract.mean) or not len(found.validation) or not len(found.test):
        raise DataError(
            f"{model}: {found.label} has other channels than the file, or no validation or test images; give --data D"
        )
    return found
