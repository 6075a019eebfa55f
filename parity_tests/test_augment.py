"""Images that stay on the device are changed as NumPy changes them, to the bit, by the code that a GPU runs."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec import functional as f, trace
from parity.noise_task import noise_task
from trainspec.augment import (
    VOCABULARY,
    Augmentation,
    Crop,
    CutMix,
    Cutout,
    Flip,
    Mixup,
    RandomErasing,
    RandomResizedCrop,
    Shift,
    Transform,
)
from trainspec.recipes import Recipe
from trainspec.stream import Stream
from trainspec.task import Task

SETTINGS: dict[str, list[Transform]] = {  # beside the defaults of every transform
    "crop": [Crop(0), Crop(15), Crop(15, "reflect"), Crop(3, "symmetric")],
    "flip": [Flip("alternating")],
    "shift": [Shift(0.0), Shift(0.9, "reflect"), Shift(0.3, "symmetric")],
    "cutout": [Cutout(3), Cutout(5, whole=True)],
    "random_erasing": [RandomErasing(1.0, 0.3, 1.0, 0.2)],
    "mixup": [Mixup(0.2, 0.5, "sample")],
    "cutmix": [CutMix(1.0, 0.5, "sample"), CutMix(0.3, per="sample", box="corner")],
}
ON_DEVICE = [kind for kind, transform in VOCABULARY.items() if not transform.host_only]
CHOICES = [
    {},
    *({kind: one} for kind in ON_DEVICE for one in (VOCABULARY[kind](), *SETTINGS.get(kind, []))),
    {kind: VOCABULARY[kind]() for kind in ON_DEVICE},
]


def by_torch(task: Task) -> Callable[[Any], np.ndarray]:
    import torch

    from torch_impl.augment import resident

    images = resident(task, torch.device("cpu"))
    assert images is not None
    return lambda plan: images.batch(plan).numpy()


def by_keras(task: Task) -> Callable[[Any], np.ndarray]:
    from keras_impl.quiet import import_keras

    import_keras()
    from keras import ops

    from keras_impl.augment import resident

    images = resident(task)
    assert images is not None
    return lambda plan: ops.convert_to_numpy(images.batch(plan))


@pytest.mark.parametrize("chosen", CHOICES, ids=lambda chosen: "+".join(map(str, chosen.values())) or "none")
@pytest.mark.parametrize("framework", [by_torch, by_keras])
def test_equal_bits(framework: Callable[[Task], Callable[[Any], np.ndarray]], chosen: dict[str, Transform]) -> None:
    augmentation = Augmentation(**chosen)  # type: ignore[arg-type]  # of the kinds that they are
    graph = trace("oblong", (3, 12, 9), lambda x: f.linear(f.flatten(x), 5, name="fc"))
    task = noise_task(graph, Recipe(batch=16, augmentation=augmentation), epoch_steps=3)
    made, compared = framework(task), 0
    for plan in task.plan(3).batches(16):
        expected, found = task.batch(plan).images, made(plan)
        assert found.dtype == expected.dtype == np.float32
        assert found.tobytes() == expected.tobytes()
        compared += expected.size
    assert compared


@pytest.mark.parametrize("framework", ["torch_impl", "keras_impl"])
def test_every_transform_has_its_handler(framework: str) -> None:
    """Of its name, in the order of the vocabulary."""
    handlers = importlib.import_module(f"{framework}.augment").HANDLERS
    assert list(handlers) == ON_DEVICE
    assert [handler.__name__ for handler in handlers.values()] == ON_DEVICE


def test_a_resized_crop_is_what_torch_interpolates() -> None:
    """PyTorch's bilinear filter with anti-aliasing, up and down, to one grey level: Pillow rounds twice."""
    import torch
    import torch.nn.functional as F

    crop, images = RandomResizedCrop(0.05, 0.3), np.random.default_rng(0).integers(0, 256, (40, 24, 31, 3), np.uint8)
    draws = crop.fitted(crop.draw(Stream(0, 0, crop.purpose), len(images)), 24, 31)
    for image, made, (top, left, bottom, right) in zip(images, crop.apply(images, draws), draws["box"], strict=True):
        box = torch.from_numpy(image[top:bottom, left:right].copy()).permute(2, 0, 1)[None].float()
        expected = F.interpolate(box, size=(24, 31), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
        assert np.abs(made - np.rint(expected)).max() <= 1


@pytest.mark.parametrize(("free", "fits"), [(1.9, False), (2.0, True)])
def test_images_that_would_fill_a_gpu_stay_on_the_host(free, fits, monkeypatch, capsys):
    """The network needs the other half of what is free."""
    import torch

    from torch_impl import augment

    task = noise_task(trace("network", (3, 9, 9), lambda x: f.classify(x, 4)), Recipe(batch=4))
    needed = task.data.train.array().nbytes
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * needed), 1 << 40))
    monkeypatch.setattr(augment, "Resident", lambda *_: "on the device")
    assert (augment.resident(task, torch.device("cuda")) is not None) == fits
    assert ("more than half of the GPU's free memory" in capsys.readouterr().out) == (not fits)


def test_images_that_tensorflow_has_no_memory_for_stay_on_the_host(monkeypatch, capsys):
    from keras_impl.quiet import import_keras

    import_keras()
    from keras_impl import augment

    def full(*_):
        raise RuntimeError("{{function_node}} OOM when allocating tensor with shape[1000000]")

    task = noise_task(trace("network", (3, 9, 9), lambda x: f.classify(x, 4)), Recipe(batch=4))
    monkeypatch.setattr(augment, "Resident", full)
    assert augment.resident(task) is None
    assert "do not fit in the GPU's free memory" in capsys.readouterr().out
