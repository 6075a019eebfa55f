"""The predictions of an evaluation: saved in a file, read, and compared with those of another one."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.errors import first_line
from deploy.files import check_file, check_folder, replacing
from deploy.shell import say
from diptych.errors import DataError, StorageError
from diptych.reading import read_bytes
from trainspec.evaluation import Evaluation

MOST = 1 << 30  # bytes in a file: enough for 134 million images


def predictions_file(by: str, tta: str = "none", others: str = "") -> str:
    """The name of the file for predictions `by` a framework or an ONNX file. `others` as in `Evaluation`."""
    parts = ("predictions", by, "" if tta == "none" else tta, others)
    return f"{'-'.join(filter(None, parts))}.npy"


def report(
    evaluation: Evaluation, folder: Path | None, by: str, predictions: Path | None, against: Path | None
) -> float | None:
    """Save an evaluation's predictions, print it, and compare its predictions with those in the file `against`.

    They are saved as `predictions`, by default in `folder`, each kind under a name of its own; without a folder they
    are not saved. Returns the percentage of predictions that are equal to those in `against`, or None without it.
    """
    other = read_against(against, len(evaluation.predictions))
    file = predictions or (folder / predictions_file(by, evaluation.tta, evaluation.others) if folder else None)
    if file is not None:
        save_predictions(evaluation, file)  # before any output: a closed pipe may end the command
    say(evaluation)
    if evaluation.others and file and not predictions:
        say(f"predictions of these other images: {file}")
    if other is None:
        return None
    share = share_equal(evaluation.predictions, other)
    say(f"agrees with {against} on {share:.3f} % of the images")
    return share


def check_place(predictions: Path | None, folder: Path | None) -> None:
    """Raise `StorageError` where predictions cannot be saved as `predictions`, or without it in `folder`."""
    try:
        if predictions is not None:
            check_file(predictions)
        elif folder is not None:
            check_folder(folder)
    except StorageError as error:
        raise StorageError(f"{error}, or give --predictions FILE") from None


def read_against(file: Path | None, images: int) -> NDArray[np.int64] | None:
    """The predictions in `file`, or None without a file. Raises `DataError` unless there are `images` predictions."""
    if file is None:
        return None
    other = read_predictions(file)
    if len(other) != images:
        raise DataError(
            f"{file} has predictions of {len(other):,} images, but {images:,} are evaluated: they are different images"
        )
    return other


def share_equal(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """The percentage of equal predictions. Raises `DataError` where their numbers differ."""
    if one.shape != other.shape:
        raise DataError(f"{len(one)} predictions cannot be compared with {len(other)}: they are of different images")
    return 100 * float((one == other).mean())


def save_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write the predictions as .npy, whole or not at all."""
    with replacing(path) as file:
        np.save(file, evaluation.predictions)


def read_predictions(path: Path) -> NDArray[np.int64]:
    """Read what `save_predictions` wrote: one whole number per image. Raises `DataError` for any other file."""
    content = read_bytes(path, most=MOST)
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    except Exception as error:  # NumPy parses the header as Python code, and that can raise anything
        raise DataError(f"{path}: not a file of predictions ({first_line(error)})") from None
    rest = len(content) - file.tell()
    # Checked before NumPy uses the header: it may ask for more memory than there is, or for pickled objects.
    if dtype.kind not in "iu" or len(shape) != 1 or rest != shape[0] * dtype.itemsize or not shape[0]:
        raise DataError(f"{path}: not a file of predictions (it holds {dtype} of the shape {shape} in {rest:,} bytes)")
    return np.frombuffer(content, dtype, offset=file.tell()).astype(np.int64)
