"""Loads an ONNX file, checks it and makes it ready to run. `Classifier` and `onnx_impl evaluate` use it."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy import runtime
from deploy.contract import Contract
from deploy.inspection import Inspected, inspect, read_model
from deploy.isolation import try_model

PIXELS = 1 << 22  # at most, of all images in one pass
LARGEST_BATCH = 64


@dataclass(frozen=True)
class LoadedModel:
    """`input_shape` is `(C, H, W)`; `provider` is onnxruntime's name of the provider in use.

    `running` says in words on what it runs. `passed_over` names the better provider that does not run here, if any.
    """

    source: str
    contract: Contract
    input_shape: tuple[int, int, int]
    provider: str
    classes: int | None
    session: Any = field(repr=False)
    passed_over: str = ""

    @property
    def threads(self) -> int:
        """How many threads an operator uses on the CPU."""
        return runtime.threads_of(self.session)

    @property
    def running(self) -> str:
        """As `runtime.running`."""
        return runtime.running(self.session)

    @property
    def batch(self) -> int:
        """The number of images that run together. It bounds the memory of a pass."""
        return batch_of(*self.input_shape[1:])

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 logits `(N, classes)` of normalised float32 images `(N, C, H, W)`, computed `batch` images at a time.

        Raises `ModelError` if the runtime fails or an output is not finite.
        """
        starts = range(0, len(images), self.batch)
        return np.concatenate([self._run(images[start : start + self.batch]) for start in starts])

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        classes = len(self.contract.classes) or self.classes
        logits: NDArray[np.float32] = runtime.logits(self.session, np.ascontiguousarray(images), self.source, classes)
        return logits


def batch_of(height: int, width: int) -> int:
    """The number of images of this size that run together."""
    return max(1, min(LARGEST_BATCH, PIXELS // (height * width)))


def usable_model(path: str | os.PathLike[str], *, isolate: bool = True, unfinished: bool = False) -> Inspected:
    """Read and check the ONNX file at `path`, as `load_model` does, without starting it.

    A file without a content hash is tried in a child process, unless `isolate` is False. Raises `ModelError`.
    """
    content = read_model(path, unfinished=unfinished)
    inspected = inspect(content, os.fspath(path))
    if isolate and not inspected.hashed:
        try_model(content, inspected.input_shape, os.fspath(path))
    return inspected


def load_model(
    path: str | os.PathLike[str],
    *,
    provider: str | None = None,
    threads: int | None = None,
    isolate: bool = True,
    unfinished: bool = False,
) -> LoadedModel:
    """Load, check and start the ONNX file at `path`, or `model.onnx` in the folder of a run or of a package.

    `provider` must run (`CUDAExecutionProvider` or `cuda`); the default is CUDA if it runs, otherwise the CPU.
    `threads` defaults to the cores that this process may use.
    `isolate`: first try a file without a content hash in a child process. `unfinished`: also accept the model of an
    unfinished run.

    A file's own hash says that the file was not damaged since it was written. It does not say who wrote it, and a file
    with a valid one is not tried in a child process: take such files only from those whom you trust.

    Raises `ModelError` in one line for any problem with the file, the provider or `threads`.
    """
    source = os.fspath(path)
    runtime.choose_providers(provider)  # before the work
    inspected = usable_model(path, isolate=isolate, unfinished=unfinished)
    session = runtime.load(inspected.content, source, provider=provider, threads=threads)
    running, passed_over = runtime.provider_of(session), runtime.passed_over(session, provider)
    shape = inspected.input_shape
    return LoadedModel(source, inspected.contract, shape, running, inspected.classes, session, passed_over)
