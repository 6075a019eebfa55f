"""Names the most probable classes of images. The model's own metadata say how to prepare the images."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploy.arguments import checked
from deploy.errors import ImageError, ModelError, UsageError
from deploy.images import Content, read_image as read_image
from deploy.inputs import ImageSource, check_batch, check_channels, prepare
from deploy.model import load_model
from deploy.normalisation import normalised
from deploy.views import mean_logits, views_of

Item = TypeVar("Item")


@dataclass(frozen=True)
class Prediction:
    """A class and its probability, 0..1."""

    name: str
    probability: float


class Classifier:
    """An ONNX file with metadata that say how to prepare images and what the classes are called.

    `Classifier("model.onnx")(["cat.jpg"])` gives the most probable classes of each image. The path may be the folder of
    a run, or of a package, whose model must be the one that its manifest names.

    `provider` must run (`cuda`); the default is CUDA if it runs, otherwise the CPU. `threads` defaults to the cores
    that this process may use, also in a container. The attributes `provider` and `running` say what is in use.
    `isolate` first tries a file without a content hash in a child process. `unfinished` also accepts the model of an
    unfinished run. `tta` is a kind of test-time augmentation (`deploy.views`): the logits are the mean over the views
    of each image.

    `image_size` is `(height, width)`. Raises `ModelError` for a file that is not an ONNX model, is damaged, or lacks
    the metadata, and for a provider that does not run; `UsageError` for an unknown `tta`.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str],
        provider: str | None = None,
        threads: int | None = None,
        *,
        isolate: bool = True,
        unfinished: bool = False,
        tta: str = "none",
    ) -> None:
        views_of(tta)
        settings = {"provider": provider, "threads": threads, "isolate": isolate, "unfinished": unfinished, "tta": tta}
        self._path, self._settings = os.path.abspath(path), settings
        self.tta = tta
        self.model = load_model(path, provider=provider, threads=threads, isolate=isolate, unfinished=unfinished)
        contract = self.model.contract
        if contract.missing:
            raise ModelError(
                f"{path}: its metadata lack {', '.join(contract.missing)}; give the model.onnx of a run, or export "
                "with --preset, or with --mean, --std and --classes"
            )
        self.contract = contract
        self.classes = list(contract.classes)
        self.mean, self.std = np.asarray(contract.mean, np.float64), np.asarray(contract.std, np.float64)
        self.image_size = contract.image_size

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the file is opened again: a session of onnxruntime cannot be pickled."""
        return _opened, (type(self), self._path, self._settings)

    @property
    def provider(self) -> str:
        """The provider in use, by onnxruntime's name."""
        return self.model.provider

    @property
    def running(self) -> str:
        """The provider and the threads in words, as `CPUExecutionProvider, 2 threads`."""
        return self.model.running

    def __call__(self, images: ImageSource | Iterable[ImageSource], top: int = 5) -> list[list[Prediction]]:
        """The `top` most probable classes of each image, the likeliest first.

        An image is a path, a file's bytes, an open binary file, a PIL image, or a uint8 array `(h, w, 3)` of any size.
        An array of paths is a list of images.
        Raises `ImageError` or `ModelError` for an image that cannot be used.
        """
        answers = list(self.stream(images, top))
        if not answers:
            raise ImageError("no images given")
        return answers

    def stream(self, images: ImageSource | Iterable[ImageSource], top: int = 5) -> Iterator[list[Prediction]]:
        """The answers of `__call__`, one image after the other, in a memory that does not grow with their number.

        `images` may be endless: a batch at a time is taken.
        """
        for answer in self.attempts(images, top):
            if isinstance(answer, ImageError):
                raise answer
            yield answer

    def attempts(
        self, images: ImageSource | Iterable[ImageSource], top: int = 5
    ) -> Iterator[list[Prediction] | ImageError]:
        """Like `stream`, but an image that cannot be used has its error for an answer, and the next ones follow.

        Raises at once what does not depend on the images.
        """
        _check_top(top)
        check_channels(self.model.input_shape[0], self.model.source)
        return self._attempts(images, top)

    def _attempts(
        self, images: ImageSource | Iterable[ImageSource], top: int
    ) -> Iterator[list[Prediction] | ImageError]:
        for batch in batches(_each(images), self.model.batch):
            prepared = [self._attempt(*given) for given in batch]
            usable = [image for image in prepared if not isinstance(image, ImageError)]
            try:
                answers = iter(self.predict(np.stack(usable), top) if usable else ())
            except ModelError as error:
                raise ModelError(f"{error}{_beginning(*batch[0])}") from None
            yield from (image if isinstance(image, ImageError) else next(answers) for image in prepared)

    def prepare(self, image: ImageSource, name: str = "") -> NDArray[np.uint8]:
        """An image as `logits` takes it: uint8 `(H, W, C)`, resized by the rule. Raises `ImageError`, with `name`."""
        return prepare(image, self.image_size, self.model.input_shape[0], name, self.contract.resize_rule)

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 logits `(N, classes)` of uint8 images `(N, H, W, C)` of the model's size.

        Raises `ImageError` for any other array, `ModelError` if an output is not finite.
        """
        images = check_batch(images, self.image_size, self.model.input_shape[0])
        batch = self.model.batch
        parts = [images[start : start + batch] for start in range(0, len(images), batch)]
        return np.concatenate([mean_logits(self._forward, part, self.tta) for part in parts]).astype(np.float32)

    def predict(self, images: NDArray[np.uint8], top: int = 5) -> list[list[Prediction]]:
        """The `top` most probable classes of each image, the likeliest first. Takes the same images as `logits`."""
        _check_top(top)
        logits = self.logits(images).astype(np.float64)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = odds / odds.sum(1, keepdims=True)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
        return [
            [Prediction(self.classes[index], float(row[index])) for index in best]
            for row, best in zip(probabilities, order, strict=True)
        ]

    def _attempt(self, image: ImageSource, name: str) -> NDArray[np.uint8] | ImageError:
        try:
            return self.prepare(image, name)
        except ImageError as error:
            return error

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.model.logits(self._prepared(images))

    def _prepared(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return normalised(images, self.contract.mean, self.contract.std)


Model = Classifier


def _opened(kind: type[Classifier], path: str, settings: Mapping[str, Any]) -> Classifier:
    return kind(path, **settings)


def _check_top(top: int) -> None:
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise UsageError(f"top {top!r}: give a whole number of at least 1")


def _each(images: ImageSource | Iterable[ImageSource]) -> Iterator[tuple[ImageSource, str]]:
    """Yields the images one by one, each with the name that errors call it, empty for its own name.

    A single image counts as a list of one, and an array of text or objects as a list. Of a list, those without a name
    of their own are called by their place.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind in "UO":
        images = images.tolist()
    single = (str, os.PathLike, Content, Image.Image)
    if isinstance(images, single) or hasattr(images, "read") or (isinstance(images, np.ndarray) and images.ndim != 4):
        yield images, ""  # type: ignore[misc]  # an open file can be iterated over too
        return
    try:
        places = enumerate(iter(images))
    except TypeError:
        raise ImageError(f"a {type(images).__name__} is not a list of images") from None
    for place, image in places:
        named = isinstance(image, str | os.PathLike) or hasattr(image, "name")
        yield image, "" if named else f"images[{place}]"


def _beginning(image: ImageSource, name: str) -> str:
    """Which image is the first of a batch, if it has a name."""
    name = name or str(image if isinstance(image, str | os.PathLike) else getattr(image, "name", ""))
    return f"; the images begin with {name}" if name else ""


def batches(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in lists of `size`; the last one may be shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
