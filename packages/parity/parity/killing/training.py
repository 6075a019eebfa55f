"""The training that is killed: small, with everything in it that could be lost. And its processes."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.files import make_folder, write_bytes
from diptych.errors import DataError
from netspec import Graph, functional as f, trace
from netspec.tracer import Tensor
from parity.killing.stopping_inside import LINE
from trainspec.recipes import Recipe, override, to_toml

DATA, SIZE, CHANNELS = "digits", 16, 3
RECIPE = override(
    Recipe(batch=64, epochs=10.5, precision="fp32", evaluate_every=2),
    {
        "data.name": DATA,
        "data.image_size": SIZE,
        "schedule.peak": 0.005,
        "optimizer.kind": "adamw",
        "average.kind": "ema",
        "average.decay": 0.95,
        "augmentation.crop.pad": 2,
        "augmentation.cutmix.alpha": 1.0,
        "regularisation.label_smoothing": 0.1,
        "checkpoint.every": "10 steps",
    },
)
BEGUN = "run        "  # the line after which a training takes its first step
TESTED = "test       "  # the line after its last


@dataclass(frozen=True)
class Kill:
    """`kill -9`, `seconds` after the first step, or inside the write of a checkpoint.

    There `operation` counts operations on files, from 1, and the training waits for its end with `waits`.
    """

    seconds: float = 0.0
    operation: int = 0
    waits: bool = True

    @property
    def line(self) -> str:
        """The line of its output after which the training is killed."""
        return LINE if self.operation else BEGUN

    def __str__(self) -> str:
        if not self.operation:
            return f"{self.seconds:.2f} s after its first step"
        return f"{'before' if self.waits else 'after'} operation {self.operation} on the files of checkpoints"


@dataclass(frozen=True)
class Ended:
    """How a process ended: `killed`, or by itself. `seconds` are those from its first step to its test."""

    killed: bool
    text: str
    seconds: float


def network() -> Graph:
    """Convolutions, batch norm and dropout."""

    def layers(x: Tensor) -> Tensor:
        x = f.max_pool(f.conv_bn(x, 8, 3, name="conv1"), 2)
        x = f.max_pool(f.conv_bn(x, 16, 3, name="conv2"), 2)
        x = f.dropout(f.relu(f.linear(f.flatten(x), 64, name="fc1")), 0.3)
        return f.linear(x, 10, name="fc2")

    return trace("killed", (CHANNELS, SIZE, SIZE), layers)


def begin(folder: Path, out: str) -> list[str]:
    """The arguments of the command that trains into `folder/out`. Writes its graph and its recipe."""
    graph, recipe = make_folder(folder) / "network.json", folder / "recipe.toml"
    write_bytes(graph, network().to_json().encode())
    write_bytes(recipe, to_toml(RECIPE).encode())
    return ["train", str(graph), "--data", DATA, "--recipe", str(recipe), "--threads", "1", "--out", str(folder / out)]


def run(framework: str, arguments: Sequence[str], kill: Kill | None = None) -> Ended:
    """Run a command of a framework's package in a process of its own, and kill it if asked.

    Raises `DataError` if it ends in any other way than by the kill or with success.
    """
    program = [f"{framework}_impl", *arguments]
    if kill and kill.operation:
        how = "wait" if kill.waits else "go"
        program = ["parity.killing.stopping_inside", str(kill.operation), how, *program]
    text, killed, times = "", False, {BEGUN: 0.0, TESTED: 0.0}
    with subprocess.Popen(
        [sys.executable, "-m", *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                text += line
                times |= {title: time.monotonic() for title in times if line.startswith(title) and not times[title]}
                if kill and line.startswith(kill.line) and not killed:
                    time.sleep(kill.seconds)
                    killed = process.poll() is None
                    process.kill()
        except BaseException:  # this command is stopped: its training is not wanted any longer
            process.kill()
            process.wait()  # Popen itself waits only a moment after Ctrl-C
            raise
    if process.returncode and not (killed and process.returncode == -9):
        raise DataError(f"python -m {' '.join(program)} ended with {process.returncode}: {text[-500:]}")
    return Ended(killed, text, times[TESTED] - times[BEGUN])


def random_kill(generator: np.random.Generator, seconds: float, *, inside: bool) -> Kill:
    """A kill at a random moment of a training that takes `seconds`, or inside a random write."""
    if inside:
        return Kill(float(generator.uniform(0, 0.003)), int(generator.integers(1, 150)), bool(generator.integers(2)))
    return Kill(float(generator.uniform(0, seconds)))
