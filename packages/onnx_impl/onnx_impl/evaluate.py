"""The accuracy of an ONNX file, by what it says about itself: no framework, only onnxruntime."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.contract import Contract
from deploy.errors import DeployError
from deploy.model import load_model
from netspec.errors import DataError, DiptychError
from trainspec.data import PUBLISHED, DataSet, digits, find_data
from trainspec.evaluation import Evaluation, evaluate, report
from trainspec.runs import Run

CHOICES = {digits.LABEL: digits.NAME} | {cifar.label: cifar.name for cifar in PUBLISHED.values()}  # by label


def evaluate_file(options: argparse.Namespace) -> None:
    """Top-1 of an ONNX file over the test split of a data set."""
    path: Path = options.model
    evaluation = evaluate_onnx(path, options.data)
    default = (path if path.is_dir() else path.parent) / "predictions-onnx.npy"
    report(evaluation, options, default)


def evaluate_onnx(path: Path, choice: str | None = None, *, isolate: bool = True) -> Evaluation:
    """Evaluate the ONNX file at `path`, or in the folder of a run, over the test split of `choice`.

    `choice` is as `--data` has it; None means the data set that the file names. Raises `DataError` for a file that
    cannot be used or answers NaN, for data of other classes, and for data that cannot be found.
    """
    try:
        model = load_model(path, isolate=isolate)
    except DeployError as error:
        raise DataError(str(error)) from None
    contract = model.contract
    if contract.missing:
        raise DataError(
            f"{path}: its metadata do not say how images are prepared (no {', '.join(contract.missing)}); give the "
            "model.onnx of a run, or export with --preset"
        )
    data = _data(path, contract, choice)
    if model.input_shape[0] != data.image_shape[2]:
        raise DataError(f"{path}: takes {model.input_shape[0]} channels, and {data.label} has {data.image_shape[2]}")

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return model.logits(images.transpose(0, 3, 1, 2))

    try:
        return evaluate(logits, data.test, (contract.mean, contract.std))
    except DeployError as error:
        raise DataError(str(error)) from None


def _data(path: Path, contract: Contract, choice: str | None) -> DataSet:
    """The data set that is judged on, checked against the file's classes."""
    height, width = contract.image_size
    if height != width:
        raise DataError(f"{path}: takes images of {height}x{width}; data sets are read as squares")
    found = find_data(choice if choice is not None else recorded_choice(path, contract), notice=print)
    data = found.load(height, 0)  # the seed draws the validation split, and the test split is not drawn
    if data.classes != contract.classes:
        order = "in another order than" if set(data.classes) == set(contract.classes) else "not those of"
        counts = f"{len(contract.classes)} and {len(data.classes)}"
        raise DataError(
            f"{path}: its classes are {order} {found.label} ({counts}); give the data that it was trained on"
        )
    return data


def recorded_choice(path: Path, contract: Contract) -> str:
    """What `--data` would be for the data set that a file names, or that the run beside it recorded.

    Raises `DataError` where neither says it.
    """
    if choice := CHOICES.get(contract.data):
        return choice
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    for place in (folder, folder.parent):  # a run's model.onnx, and the exports in its folder `proof`
        try:
            facts = Run.open(place).facts
        except DiptychError:
            continue
        if contract.data and facts.get("data_label") == contract.data and isinstance(facts.get("data_choice"), str):
            return str(facts["data_choice"])
    named = f"was trained on {contract.data}, which is not found" if contract.data else "does not name its data"
    raise DataError(f"{path}: {named}; give --data D")
