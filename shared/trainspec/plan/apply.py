"""Make a network's input from a plan and the images.

The frameworks' `augment.py` do the same on the device, with equal bits. Therefore an image is normalised by one float32
subtraction and then one multiplication. No compiler may fuse these two, so the rounding stays the same. It may fuse a
multiplication with an addition after it: the sums of `shift` and `mixup` have NumPy's bits where each operation is
computed by itself, as both frameworks do here; a compiler may change their last bit.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.normalisation import normalisation as normalisation
from trainspec.augment import OTHERS, Draws, Stage, Transform
from trainspec.data.dataset import ArraySplit, Split
from trainspec.data.decoding import Cut
from trainspec.plan.epoch import BatchPlan


class ImageSource:
    """Makes the images of batches, wherever the images are: NumPy's arrays, or tensors on a device.

    The pixels are changed first, then normalised, then changed again; within a stage, in the order of `transforms`. The
    images of a batch that are mixed with others are finished first, and so are the others.
    """

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = tuple(transforms)

    def taken(self, plan: BatchPlan) -> Any:
        """The images of a batch, before any transform of `transforms`, `(B, H, W, C)`."""
        raise NotImplementedError

    def normalised(self, images: Any) -> Any:
        """Images of 0..255, normalised to float32."""
        raise NotImplementedError

    def transformed(self, transform: Transform, images: Any, draws: Draws, others: Mapping[str, Any]) -> Any:
        """Images changed by a transform. `draws` are arrays. `others` are images of this source."""
        raise NotImplementedError

    def batch(self, plan: BatchPlan) -> Any:
        """The images of a batch, float32 `(B, H, W, C)`."""
        images = self._through("pixels", self.taken(plan), plan)
        return self._through("normalised", self.normalised(images), plan)

    def _through(self, stage: Stage, images: Any, plan: BatchPlan) -> Any:
        for transform in self.transforms:
            if transform.stage == stage and transform.kind in plan.draws:
                draws = transform.fitted(plan.draws[transform.kind], *images.shape[1:3])
                partners = plan.partners.get(transform.kind)
                others = {} if partners is None else {OTHERS: self.batch(partners)}
                images = self.transformed(transform, images, draws, others)
        return images


class HostImages(ImageSource):
    """The images of a split, made by NumPy. `mean` and `std` are per channel on the 0..1 scale.

    If the split reads whole images, a transform that cuts boxes out of them does so while they are read.
    """

    def __init__(
        self,
        split: Split,
        transforms: Iterable[Transform],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        chosen = tuple(transforms)
        self.cutters = tuple(one for one in chosen if one.cuts and split.whole)
        super().__init__(one for one in chosen if one not in self.cutters)
        self.split, self.mean, self.std = split, mean, std

    def taken(self, plan: BatchPlan) -> NDArray[np.uint8]:
        cuts = [Cut(one, plan.draws[one.kind]) for one in self.cutters if one.kind in plan.draws]
        return self.split.read(plan.indices, *cuts)

    def normalised(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return normalise(images, self.mean, self.std)

    def transformed(self, transform: Transform, images: Any, draws: Draws, others: Mapping[str, Any]) -> Any:
        return transform.apply(images, {**draws, **others})


def apply(
    images: NDArray[np.uint8],
    plan: BatchPlan,
    transforms: Iterable[Transform],
    mean: Sequence[float],
    std: Sequence[float],
) -> NDArray[np.float32]:
    """The batch of `plan`, float32 `(B, H, W, C)`, made from the data set's `images`, uint8 `(N, H, W, C)`.

    `transforms` are those of the plan. `mean` and `std` are per channel on the 0..1 scale.
    """
    split = ArraySplit(images, np.zeros(len(images), np.int64))
    made: NDArray[np.float32] = HostImages(split, transforms, mean, std).batch(plan)
    return made


def normalise(images: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """uint8 `(N, H, W, C)` images as float32 `(image / 255 - mean) / std`, of the same shape."""
    # On whole rows of pixels: NumPy is ten times slower if it broadcasts over the channels alone.
    offset, scale = (np.tile(constant, images.shape[2]) for constant in normalisation(mean, std))
    rows = images.reshape(-1, len(offset)).astype(np.float32)
    rows -= offset
    rows *= scale
    return rows.reshape(images.shape)


def one_hot(labels: NDArray[np.int64], classes: int, smoothing: float = 0.0) -> NDArray[np.float64]:
    """Targets, float64 `(B, classes)`, for `labels` `(B,)`. `smoothing` is spread over all classes (1512.00567).

    Each row sums to 1 within float64's precision. TensorFlow's gradient assumes this; PyTorch's does not.
    """
    targets = np.full((len(labels), classes), smoothing / classes)
    targets[np.arange(len(labels)), labels] = 1 - smoothing + smoothing / classes
    return targets
