"""An image with its expected pixels, and inputs with their expected outputs: proof that a machine computes the same."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploy import runtime
from deploy.contract import Contract
from deploy.inputs import prepare
from deploy.normalisation import normalised
from deploy.package.manifest import PackageError
from deploy.package.tensors import read_tensor, tensor_bytes

IMAGE, PIXELS = "preprocessing/image.png", "preprocessing/pixels.pb"
INPUT, OUTPUT = "test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb"
FILES = (IMAGE, PIXELS, INPUT, OUTPUT)
ROUNDING = 1  # of 255: Pillow's versions round in another order
PILLOW = "11"
EXACT, APPROXIMATE = 1e-3, 5e-2  # of the largest logit: float32 by any provider, and integers or float16


def limit(contract: Contract) -> float:
    """How far outputs may differ on another machine, as a part of the largest logit."""
    return APPROXIMATE if contract.compression else EXACT


def pattern(size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """A picture, uint8 `(h, w, C)`, oblong and larger than `size`: slopes, a checkerboard and a fine texture."""
    height, width = size[0] * 5 // 4 + 3, size[1] * 7 // 4 + 5
    y, x = np.ogrid[:height, :width]
    planes = ((5 * x + 3 * y) % 256, 255 * ((x // 5 + y // 7) % 2), (x * y // 3) % 256)
    return np.stack([plane.astype(np.uint8) for plane in np.broadcast_arrays(*planes)[:channels]], axis=2)


def views(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three images `(3, H, W, C)` made of one: as it is, upside down and negative."""
    return np.stack([pixels, pixels[::-1], 255 - pixels])


def make(session: Any, contract: Contract, channels: int) -> dict[str, bytes]:
    """The files, by their path in the package. Raises `DiptychError`."""
    picture = pattern(contract.image_size, channels)
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if channels == 1 else picture).save(file, "PNG")
    pixels = prepare(file.getvalue(), contract.image_size, channels, IMAGE, contract.resize_rule)
    given = normalised(views(pixels), contract.mean, contract.std)
    logits = runtime.logits(session, given, "the model", len(contract.classes))
    return {
        IMAGE: file.getvalue(),
        PIXELS: tensor_bytes(pixels, "pixels"),
        INPUT: tensor_bytes(given, "image"),
        OUTPUT: tensor_bytes(logits, "logits"),
    }


def check_pixels(folder: Path, contract: Contract, channels: int) -> None:
    """Raise `PackageError` unless this machine makes the expected input of the image."""
    pixels, given = read_tensor(folder / PIXELS), read_tensor(folder / INPUT)
    found = prepare(folder / IMAGE, contract.image_size, channels, rule=contract.resize_rule)
    if found.shape != pixels.shape or np.abs(found.astype(int) - pixels).max() > ROUNDING:
        raise PackageError(f"{folder / IMAGE}: decoded to other pixels here; install Pillow {PILLOW} or newer")
    if not np.array_equal(normalised(views(pixels), contract.mean, contract.std), given):
        raise PackageError(f"{folder / INPUT}: the image is normalised to other values here")


def check_outputs(session: Any, folder: Path, limit: float) -> float:
    """The largest difference of the logits, as a part of the largest logit. Raises `PackageError` above `limit`."""
    expected = read_tensor(folder / OUTPUT)
    images = read_tensor(folder / INPUT)
    return compare(runtime.infer(session, images, folder), expected, limit, folder / OUTPUT)


def compare(found: NDArray[Any], expected: NDArray[Any], limit: float, source: object) -> float:
    """As `check_outputs`, of logits that are already there."""
    if found.shape != expected.shape or not found.size:
        raise PackageError(f"{source}: the output here has shape {found.shape}, expected {expected.shape}")
    largest = float(np.abs(expected).max()) or 1.0  # all are 0 where the head was not trained
    difference = float(np.abs(found - expected).max()) / largest
    if not difference <= limit:
        raise PackageError(
            f"{source}: the output here differs by {difference:.1e} from the expected one, limit {limit:.0e}"
        )
    return difference
