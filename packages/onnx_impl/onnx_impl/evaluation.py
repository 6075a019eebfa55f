"""The accuracy of an ONNX file, from its own metadata. Needs no framework, only onnxruntime."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.arguments import checked
from deploy.certificate import NAME as CERTIFICATE, read_certificate
from deploy.model import LoadedModel, load_model
from deploy.runs import PROOF
from deploy.views import views_of
from diptych.errors import DataError
from trainspec.data import Form
from trainspec.evaluation import Evaluation, evaluate as evaluate_split
from trainspec.judging import Recorded
from trainspec.predictions import read_against


@checked
def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    tta: str = "none",
    provider: str | None = None,
    threads: int | None = None,
    isolate: bool = True,
    unfinished: bool = False,
) -> Evaluation:
    """Evaluate an ONNX file, or the one in a run's folder, on the test split of a data set.

    `data` takes the values of `--data`; None means the data set that the file names. `tta` is a kind of test-time
    augmentation: `none`, `mirror` or `mirror_shift`. `provider` must run, and `threads` are for an operator, as in
    `deploy.Classifier`.

    Raises `UsageError` for another `tta`. Raises `DataError` for a file that cannot be used or answers NaN, for a
    provider that does not run, for data of other classes, and for data that cannot be found.
    """
    views_of(tta)  # refuses an unknown one before any work
    loaded = load_model(model, provider=provider, threads=threads, isolate=isolate, unfinished=unfinished)
    return evaluate_loaded(loaded, None if data is None else os.fspath(data), tta=tta, unfinished=unfinished)


def evaluate_loaded(
    loaded: LoadedModel,
    data: str | None,
    *,
    tta: str = "none",
    unfinished: bool = False,
    against: Path | None = None,
) -> Evaluation:
    """As `evaluate`, of a model that is ready to run. `against` is a file of predictions that must fit the images."""
    path, contract = Path(loaded.source), loaded.contract
    certified = read_certificate(path / PROOF / CERTIFICATE).get("weights_sha256")  # if it is a run
    if certified not in (None, contract.weights_sha256):
        raise DataError(f"{path}: model.onnx was not made from the weights of its certificate; restore the right one")
    if contract.missing:
        raise DataError(
            f"{path}: its metadata do not say how images are prepared (no {', '.join(contract.missing)}); give the "
            "model.onnx of a run, or export with --preset"
        )
    form = Form.of_file(contract, path)
    recorded = Recorded.of_model(
        path, contract.classes, contract.data, contract.data_fingerprint, unfinished=unfinished
    )
    found = recorded.load(data, form)
    if loaded.input_shape[0] != found.image_shape[2]:
        raise DataError(f"{path}: takes {loaded.input_shape[0]} channels, but {found.label} has {found.image_shape[2]}")

    read_against(against, len(found.test))  # before the work

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return loaded.logits(images.transpose(0, 3, 1, 2))

    evaluation = evaluate_split(logits, found.test, (contract.mean, contract.std), tta, contract.classes)
    return replace(evaluation, others=recorded.others(found, data))


def predictor(file: str) -> str:
    """What the file of an ONNX file's predictions is named after: `onnx` for a run's own `model.onnx`."""
    return "onnx" if file == "model.onnx" else f"onnx-{Path(file).stem}"
