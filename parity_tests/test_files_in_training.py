"""Images that are decoded from their files during a training: the same batches in both frameworks, memory and speed."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.layout import from_channels_last
from training_sides import trainer_of
from trainspec.batches import batches_of
from trainspec.recipes import Recipe, TrainOptions, override
from trainspec.recipes.find import to_toml
from trainspec.task import Task, prepare

PHOTOGRAPHS, WIDTH, HEIGHT, CLASSES = 20_000, 500, 400, 10
MEMORY = 2.5e9  # bytes, of all processes of a training
LEAST_SPEED = 0.6  # of that from memory
STEPS = 24  # of each timed training


def photograph(place: Path) -> None:
    """A JPEG of slopes and a coarse texture, about as large as a photograph's. The path decides its pixels."""
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(place.name.encode()).digest()[:8]))
    coarse = random.integers(0, 256, (HEIGHT // 10, WIDTH // 10, 3), np.uint8)
    image = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noise = random.integers(0, 12, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(np.asarray(image) // 2 + 60 + noise).save(place, "JPEG", quality=85)


def photographs(folder: Path, count: int) -> Path:
    """A class folder of `count` photographs."""
    places = [folder / f"class{number % CLASSES}" / f"{number:05}.jpg" for number in range(count)]
    for number in range(CLASSES):
        (folder / f"class{number}").mkdir(parents=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(photograph, places, chunksize=50))
    return folder


RECIPE = override(
    Recipe(batch=128),
    {
        "precision": "fp32",
        "data.image_size": 64,
        "schedule.peak": 0.01,
        "augmentation.random_resized_crop": True,
        "augmentation.flip": True,
    },
)


def task_of(folder: Path, network: str, batch: int) -> Task:
    recipe = override(RECIPE, {"data.storage": "files", "batch": batch, "augmentation.mixup.alpha": 0.2})
    return prepare(network, TrainOptions(str(folder), recipe))[0]


def batches_in(name: str, task: Task, count: int) -> Iterator[np.ndarray]:
    """The images of the first batches as a framework is fed them, float32 `(B, C, H, W)`."""
    made = batches_of(task, trainer_of(name, task))
    epochs = (task.plan(epoch).batches(task.batch_size, drop_last=True) for epoch in itertools.count())
    for batch in itertools.islice(made(itertools.chain.from_iterable(epochs)), count):
        images = np.asarray(batch.images)
        yield from_channels_last(images, "map") if name == "keras" else images


def assert_equal_batches(task: Task, count: int) -> None:
    sides = [batches_in(name, task, count) for name in ("torch", "keras")]
    compared = 0
    for one, other in zip(*sides, strict=True):
        assert one.dtype == other.dtype == np.float32
        assert one.std() > 0
        assert np.array_equal(one, other)
        compared += 1
    assert compared == count


def test_both_frameworks_get_the_same_batches(tmp_path):
    assert_equal_batches(task_of(photographs(tmp_path / "set", 60), "lenet5", 8), 10)


def in_all(process: subprocess.Popen) -> int:
    """Bytes of memory of a process and of those that it started; pages that they share count once."""
    total, waiting = 0, [process.pid]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
            for thread in (folder / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except OSError:
            continue
    return total


def trained(folder: Path, out: Path, framework: str, storage: str) -> tuple[dict, int]:
    """What a training command records, and the most memory of all its processes together."""
    recipe = out / "recipe.toml"
    recipe.write_text(
        to_toml(override(RECIPE, {"data.storage": storage, "epochs": STEPS * 128 / (0.81 * PHOTOGRAPHS)}))
    )
    command = [sys.executable, "-m", f"{framework}_impl", "train", "resnet18", "--data", folder, "--recipe", recipe]
    with subprocess.Popen([*map(str, command), "--out", out / storage], stdout=subprocess.PIPE, text=True) as process:
        most = 0
        while process.poll() is None:
            most = max(most, in_all(process))
            time.sleep(1)
        assert process.stdout
        assert process.returncode == 0, process.stdout.read()
    (run,) = (out / storage).iterdir()
    return json.loads((run / "run.json").read_text()), most


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say how large the processes are")
def test_20_000_photographs(tmp_path):
    """Show 7 of issue 15. The speeds are of one machine, one after the other: nothing else may run beside them."""
    folder = photographs(tmp_path / "set", PHOTOGRAPHS)
    for framework in ("torch", "keras"):
        out = tmp_path / framework
        out.mkdir()
        found = {storage: trained(folder, out, framework, storage) for storage in ("memory", "files")}
        speeds = {storage: facts["images_per_second"] for storage, (facts, _) in found.items()}
        facts, most = found["files"]
        print(
            f"{framework}: {speeds['files']} images/s from files, {speeds['memory']} from memory "
            f"({speeds['files'] / speeds['memory']:.2f}); at most {most / 1e9:.2f} GB in all; "
            f"{facts['data_wait_percent']} % of the time waiting for data"
        )
        assert most < MEMORY
        assert speeds["files"] >= LEAST_SPEED * speeds["memory"]
    assert_equal_batches(task_of(folder, "lenet5", 128), 100)
