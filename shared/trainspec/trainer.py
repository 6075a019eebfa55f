"""What a framework brings to a training: a device, a `Trainer` that makes steps, and the network that is deployed.

The loop is `trainspec.training`; position, rates and everything random come from there. What parity compares is a
trainer's step, the one that users run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diptych.errors import DiptychError
from netspec import Graph
from netspec.compare import Difference
from netspec.init import Weights
from trainspec.optim import StepSettings
from trainspec.plan import Batch, BatchPlan
from trainspec.recipes import Recipe

if TYPE_CHECKING:
    from trainspec.task import Task


class TrainingError(DiptychError):
    """A training that cannot go on: its loss became NaN or infinite."""


class Device(Protocol):
    """What a framework computes on. `label` and `precision` are for people, `notes` for readers of the run.

    `threads` are those of the CPU: the bits of a result depend on their number.
    """

    @property
    def label(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, eq=False)
class Step:
    """What a step gives: its mean loss and its number of right answers, scalars that may still be on the device."""

    loss: Any
    correct: Any


class Resident(Protocol):
    """The training images of a task on a device."""

    def batch(self, plan: BatchPlan) -> Any:
        """The images of a batch there, as `trainspec.plan.apply` makes them: float32 `(B, H, W, C)`."""


class Trainer(Protocol):
    """A network in training, made of (graph, weights, recipe, device).

    It trains the graph with explicit noise, whose masks come with the batch, over the same variables as those of the
    network without noise, which it evaluates. It counts no steps.
    """

    @property
    def graph(self) -> Graph:
        """What it trains, with explicit noise."""

    def resident(self, task: "Task") -> Resident | None:
        """The training images on this trainer's device; None on a CPU, where NumPy makes the batches."""

    def place(self, batch: Batch) -> Batch:
        """A batch made by NumPy, as this trainer takes it."""

    def step(self, batch: Batch, now: StepSettings) -> Step:
        """Train on a placed batch: the gradients of the loss, and the update of all weights and statistics."""

    def backward(self, batch: Batch) -> tuple[Step, Any]:
        """The first stage of a step: the gradients, as the framework has them. Statistics are updated, too."""

    def update(self, gradients: Any, now: StepSettings) -> None:
        """The second stage of a step: apply the gradients."""

    def canonical(self, gradients: Any) -> Iterator[tuple[str, NDArray[Any]]]:
        """Gradients by canonical name and in the canonical layout, one after the other."""

    def gradients(self, batch: Batch) -> Weights:
        """Those of `backward`, by canonical name."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""

    def weights(self) -> Weights:
        """Every tensor by canonical name."""


class Deployed(Protocol):
    """A trained network in float32, as it will be used."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`."""

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's model, verified against the framework."""

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write what the framework's own exporter makes, verified likewise."""


@dataclass(frozen=True)
class Framework:
    """A framework that is loaded. `packages` are the distributions whose versions count."""

    name: str
    packages: tuple[str, ...]
    choose_device: Callable[[str, int | None], Any]  # of a precision and a number of threads
    trainer: Callable[[Graph, Mapping[str, np.ndarray], Recipe, Any], Trainer]
    deploy: Callable[[Graph, Weights, int | None], Deployed]
    forget: Callable[[], None]  # gives back the memory of networks that are done with
