"""What a framework provides for a training: a device, a `Trainer` that makes steps, and the deployed network.

The loop is in `trainspec.training`. It provides the position, the rates and everything random. Parity compares the same
`Trainer.step` that users run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from trainspec.plan import Batch
from trainspec.recipes import Recipe

if TYPE_CHECKING:
    from trainspec.resident import Resident
    from trainspec.task import Task


LOWER_RATE = "try a lower rate: --set schedule.peak=..."


class TrainingError(DiptychError):
    """The training cannot go on: its loss became NaN or infinite."""


class Device(Protocol):
    """What a framework computes on. `label` and `precision` are shown to people, `determinism` too.

    `threads` is the number of CPU threads. The exact bits of a result depend on it. `deterministic`: whether the same
    training on the same machine has the same bits again; `determinism`: what the framework promises of it.
    """

    @property
    def on_gpu(self) -> bool: ...
    @property
    def label(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def deterministic(self) -> bool: ...
    @property
    def determinism(self) -> str: ...
    @property
    def peak_bytes(self) -> int | None:
        """The most bytes of a GPU's memory that this process has used at a time; None on a CPU or if not known."""


@dataclass(frozen=True, eq=False)
class Step:
    """The result of a step: mean loss and number of right answers. Both are scalars, perhaps still on the device."""

    loss: Any
    correct: Any

    @classmethod
    def of_parts(cls, steps: Sequence["Step"]) -> "Step":
        """The result over all equal parts of a batch."""
        return cls(sum(step.loss for step in steps) / len(steps), sum(step.correct for step in steps))


class Trainer(Protocol):
    """A network in training, made from (graph, weights, recipe, device).

    It trains the graph with explicit noise; the masks come with the batch. It evaluates the graph without noise. Both
    share their variables. A trainer does not count steps.
    """

    @property
    def graph(self) -> Graph:
        """The graph that is trained, with explicit noise."""

    def resident(self, task: "Task") -> "Resident | None":
        """The training images on this trainer's device. None on a CPU, where NumPy makes the batches."""

    def place(self, batch: Batch) -> Batch:
        """Convert a batch made by NumPy to the form that this trainer uses."""

    def step(self, batch: Batch, now: StepSettings) -> Step:
        """Train on a placed batch: compute the gradients of the loss, update all weights and statistics."""

    def backward(self, batch: Batch) -> tuple[Step, Any]:
        """The first half of a step: the gradients, in the framework's own form. Statistics are updated, too."""

    def update(self, gradients: Any, now: StepSettings) -> None:
        """The second half of a step: apply the gradients."""

    def canonical(self, gradients: Any) -> Iterator[tuple[str, NDArray[Any]]]:
        """The gradients one by one, with canonical names and in canonical layout.

        A parameter that is frozen in every step has none.
        """

    def gradients(self, batch: Batch) -> Weights:
        """The gradients of `backward`, by canonical name."""

    def logits(self, images: NDArray[np.float32], averaged: bool = False) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode.

        With `averaged`, by the average of the weights if the recipe has one.
        """

    def weights(self, averaged: bool = False) -> Weights:
        """Every tensor by canonical name, or its average."""

    def state(self) -> Weights:
        """All that a step changes, by name: see `trainspec.state.joined`."""

    def restore(self, state: Weights) -> None:
        """Continue from a state."""


class Deployed(Protocol):
    """A trained network in float32, for use."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`."""

    def export(self, path: Path, metadata: dict[str, str]) -> Difference:
        """Write the ONNX builder's model and verify it against the framework."""

    def export_natively(self, path: Path, metadata: dict[str, str]) -> Difference | None:
        """Write the model of the framework's own exporter and verify it the same way. None if it has no exporter."""


@dataclass(frozen=True)
class Framework:
    """A loaded framework. The versions of the distributions `packages` are recorded in a run."""

    name: str
    packages: tuple[str, ...]
    choose_device: Callable[[str, int | None], Any]  # from a precision and a number of threads
    trainer: Callable[[Graph, Mapping[str, np.ndarray], Recipe, Any], Trainer]
    deploy: Callable[[Graph, Weights, int | None], Deployed]
    forget: Callable[[], None]  # frees the memory of networks that are not used any more
