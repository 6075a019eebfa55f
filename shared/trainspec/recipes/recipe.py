"""The contents of a recipe: frozen dataclasses, one for each section of its TOML file.

The field's metadata has the limits of its value: `least` and `most` include their number, `above` and `below` do not.
Reading (`sections.py`), writing and the command line are all derived from these fields.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netspec.init import SEEDS
from trainspec.augment import Augmentation
from trainspec.averages import AnyAverage
from trainspec.checkpoints.settings import CheckpointSettings
from trainspec.data.form import Channels, Form, Resize, Storage
from trainspec.initialisation import Init, Initialisation
from trainspec.optimizers import SGD, AnyOptimizer, ParameterTable
from trainspec.patchup import PatchUp
from trainspec.schedules import AnySchedule, Cosine, Place, Step

Precision = Literal["auto", "fp64", "fp32", "tf32", "bf16", "fp16"]
TestTimeAugmentation = Literal["none", "mirror", "mirror_shift"]  # the kinds in `deploy.views`


def _limited(default: Any, meaning: str = "", also: tuple[str, ...] = (), **limits: float) -> Any:
    """A field with limits. `also`: names that people use for it elsewhere, for hints."""
    return field(default=default, metadata={"help": meaning, "also": also, **limits})


@dataclass(frozen=True)
class Data:
    """`name`: the data set's own name; None until one is chosen.

    `image_size`: in pixels. Without it, the network's native size is used: networks of one family may differ in it.

    `resize`: how an image becomes the input. "crop" scales its shorter side to the size and crops the centre. "margin"
    scales it to 8/7 of the size first, as 256 for 224: how ImageNet networks are evaluated. "squash" scales each side,
    as origin 2 does for most networks. `channels`: with 1, an image becomes its luma (ITU-R 601) before it is resized;
    with 3, a grey image has its level in all three channels.

    `storage`: "memory" decodes and resizes all images at the start, so random crops are cut out of resized images;
    "files" decodes each one when it is needed, in worker processes, and cuts random resized crops out of whole images;
    "auto" takes files where the decoded images would take more than a quarter of the free memory.

    `balance`: an epoch visits a class of n images in proportion to n to the power of 1 - balance. With 0, it visits
    each image once; with 1, all classes equally often. An epoch has as many visits as there are images.
    """

    name: str | None = None
    image_size: int | None = _limited(None, also=("size", "img_size", "resolution", "input_size"), least=1)
    resize: Resize = field(default="crop", metadata={"also": ("resize_rule", "crop_mode", "resize_mode")})
    channels: Channels = field(default=3, metadata={"also": ("in_channels", "in_chans", "grayscale")})

    storage: Storage = field(default="auto", metadata={"also": ("cache", "in_memory")})

    balance: float = _limited(0.0, also=("balanced", "class_weights", "oversample"), least=0.0, most=1.0)

    def form(self, image_size: int) -> Form:
        """The form of the images, `image_size` pixels wide and high."""
        return Form(image_size, self.resize, self.channels, self.storage)


@dataclass(frozen=True)
class Regularisation:
    """`label_smoothing`: 1512.00567. `dropout`: the rate of every dropout layer; None keeps the architecture's own."""

    label_smoothing: float = _limited(0.0, also=("smoothing",), least=0.0, below=1.0)
    dropout: float | None = _limited(None, also=("drop_rate", "dropout_rate"), least=0.0, below=1.0)


@dataclass(frozen=True)
class EvaluationSettings:
    """`tta`: test-time augmentation, for a second figure of the test at the end of a training."""

    tta: TestTimeAugmentation = field(default="none", metadata={"also": ("test_time_augmentation", "tta_level")})


ELSEWHERE = {  # what is not an option of the network, and where it is written
    "dropout": "write regularisation.dropout instead",
    "num_classes": "the data decide it; leave it out",
    "in_channels": "write data.channels instead",
    "image_size": "write data.image_size instead",
    "distinct_blocks": "only tests have it; leave it out",
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, except the network and the data themselves.

    `batch`: images between two updates. An epoch leaves out what does not fill a batch: different images each time.

    `accumulate`: a batch is split into so many equal parts, in order. The gradients are those of the mean loss over the
    whole batch, and the weights are updated once. Batch norm sees the parts.

    `network`: options of the architecture, such as `aux_heads = true` or `activation = "mish"`. The architecture itself
    checks them.
    """

    epochs: float = _limited(
        200.0,
        "passes over the training split; a fraction is allowed",
        also=("epoch", "num_epochs", "max_epochs"),
        above=0.0,
        most=1e15,
    )
    batch: int = _limited(128, "images in a step", also=("batch_size", "bs"), least=1)
    accumulate: int = _limited(
        1, "equal parts of a batch that are computed one after the other", also=("accum_steps", "grad_accum"), least=1
    )
    init: Init = field(default="he_normal", metadata={"help": "how kernels and their biases are drawn"})
    precision: Precision = field(default="auto", metadata={"help": "arithmetic; auto: the fastest this machine has"})
    evaluate_every: int = _limited(1, "epochs between two validations", least=1)
    seed: int = _limited(
        0,
        "seed of the initial weights, the batches and the validation split",
        also=("random_seed",),
        least=0,
        below=SEEDS,
    )
    data: Data = field(default_factory=Data)
    initialisation: Initialisation = field(default_factory=Initialisation)
    optimizer: AnyOptimizer = field(default_factory=SGD)
    schedule: AnySchedule = field(default_factory=Cosine)
    augmentation: Augmentation = field(default_factory=Augmentation)
    regularisation: Regularisation = field(default_factory=Regularisation)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    parameters: tuple[ParameterTable, ...] = ()
    average: AnyAverage | None = field(default=None, metadata={"also": ("ema", "model_ema", "swa", "lookahead")})
    patchup: PatchUp | None = field(default=None, metadata={"also": ("patch_up",)})
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    network: Mapping[str, bool | int | float | str] = field(
        default_factory=dict, hash=False, metadata={"help": "as above"}
    )

    def steps(self, steps_per_epoch: int) -> int:
        """The length of the training, at least one step. A part of a step counts as a whole one."""
        return max(1, math.ceil(round(self.epochs * steps_per_epoch, 6)))

    def batch_of(self, images: int) -> int:
        """The images in a step of a training on `images` images: no more than there are."""
        return min(self.batch, images)

    def late(self, last: Place) -> Iterator[str]:
        """What a training with this `last` step is too short for, a sentence for each value."""
        epochs = last.in_epochs.total_steps
        found = [f"schedule.{text}" for text in self.schedule.late(last)]
        found += [f"average.{text}" for text in self.average.late(last)] if self.average else []
        found += [
            f"parameters.until = {table.until:g} of '{table.match}' is beyond the end"
            for table in self.parameters
            if table.until is not None and last.epochs < table.until
        ]
        if self.evaluate_every > math.ceil(epochs):
            found.append(f"evaluate_every = {self.evaluate_every} validates only at the end")
        interval = self.checkpoint.interval(last.steps_per_epoch)
        if interval and last.total_steps < interval.steps < math.inf:
            found.append(f'checkpoint.every = "{self.checkpoint.every}" is beyond the end')
        yield from (f"in a training of {epochs:.4g} epochs {text}" for text in found)

    def idle(self) -> Iterator[str]:
        """Which values change nothing, a sentence for each. They are not refused: recipes of earlier runs have some."""
        if isinstance(self.schedule, Step) and self.schedule.rates and self.schedule.gamma != Step.gamma:
            yield f"schedule.gamma = {self.schedule.gamma:g} has no effect beside schedule.rates"
        yield from (
            f"parameters: the table of '{table.match}' sets nothing; give it rate_factor, decay_factor, freeze or anew"
            for table in self.parameters
            if table.is_idle
        )

    def problem(self) -> str | None:
        """What is wrong with the values taken together; None if nothing is."""
        if self.batch % self.accumulate:
            return f"accumulate: a batch of {self.batch} images cannot be split into {self.accumulate} equal parts"
        return next((f"network.{key}: {advice}" for key, advice in ELSEWHERE.items() if key in self.network), None)
