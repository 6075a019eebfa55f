"""The display of a training, the same for all frameworks."""

from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.shell import OutputError, printable
from trainspec.runs.metrics import EpochMetrics

EVERY = 20  # steps between two updates: reading a loss makes the device wait


class TrainingProgress:
    """A live line on a terminal (epoch, images/s, loss, top-1, rate, time left), and one printed line per epoch.

    Without a terminal, only the printed lines appear. Loss and top-1 are read from the device only when `due(step)`,
    and then passed to `update`.
    """

    def __init__(self, total_steps: int, steps_per_epoch: int, console: Console | None = None) -> None:
        self.console = console or Console()
        self.steps_per_epoch = steps_per_epoch
        self._live = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            speed_estimate_period=120,
        )
        self._task = self._live.add_task("training", total=total_steps, epoch=1, figures="")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def due(self, step: int) -> bool:
        """Whether the display wants the figures of `step`."""
        return self.console.is_terminal and step % EVERY == 0

    def update(self, step: int, total_steps: int, *, speed: float, loss: float, top1: float, lr: float) -> None:
        """Show that `step` of `total_steps` steps are done.

        `speed` (images/s), `loss` and `top1` (percent) are those of the epoch so far, `lr` is the rate of the step.
        """
        self._live.update(
            self._task,
            completed=step,
            total=total_steps,
            epoch=f"{max(step - 1, 0) // self.steps_per_epoch + 1}/{-(-total_steps // self.steps_per_epoch)}",
            figures=f"{speed:,.0f} images/s  loss {_loss(loss)}  top-1 {top1:.1f} %  lr {lr:.2g}",
        )

    def epoch(self, metrics: EpochMetrics, total_steps: int) -> None:
        """Print the figures of a finished epoch."""
        validation = ""
        if metrics.val_loss is not None and metrics.val_top1 is not None:
            validation = f"  validation: loss {_loss(metrics.val_loss)}, top-1 {metrics.val_top1:.2f} %"
        self.say(
            f"epoch {metrics.epoch}/{-(-total_steps // self.steps_per_epoch)}{self._part(metrics.step)}  "
            f"{metrics.seconds:.1f} s  "
            f"{metrics.images_per_second:,.0f} images/s  lr {metrics.lr:.2g}  "
            f"training: loss {_loss(metrics.train_loss)}, top-1 {metrics.train_top1:.2f} %"
            f"{validation}  plan {metrics.plan_digest[:12]}"
        )

    def _part(self, step: int) -> str:
        """The number of steps of an incomplete epoch, for its line; empty for a whole one."""
        steps = step % self.steps_per_epoch
        return f" ({steps} of {self.steps_per_epoch} steps)" if steps else ""

    def say(self, text: str) -> None:
        """Print a line (above the live one). If the output is closed, the training goes on."""
        with suppress(OutputError):
            self.console.print(printable(text), soft_wrap=True, markup=False, highlight=False)


def _loss(value: float) -> str:
    """A loss with four decimals; from 1e5 on, when a training diverges, in scientific notation."""
    return f"{value:.4f}" if value < 1e5 else f"{value:.2e}"
