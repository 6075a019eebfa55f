"""The three ways to make a batch, NumPy's and the two twins for images on a device, give the same bits."""

import numpy as np
import pytest

from trainspec.plan import BatchPlan, apply, draw_epoch, normalisation

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 12, 9, 3), np.uint8)


def by_torch(plan: BatchPlan, padding: int) -> np.ndarray:
    import torch

    from torch_impl.batches import apply as twin

    indices, crops = (torch.from_numpy(part.astype(np.int64)) for part in (plan.indices, plan.crops))
    offset, scale = map(torch.from_numpy, normalisation(MEAN, STD))
    made = twin(torch.from_numpy(images()), indices, crops, torch.from_numpy(plan.flips), padding, offset, scale)
    return made.numpy()


def by_keras(plan: BatchPlan, padding: int) -> np.ndarray:
    from keras_impl.quiet import import_keras

    import_keras()
    from keras import ops

    from keras_impl.batches import apply as twin

    given = (images(), plan.indices.astype(np.int32), plan.crops.astype(np.int32), plan.flips)
    made = twin(*map(ops.convert_to_tensor, given), padding, *map(ops.convert_to_tensor, normalisation(MEAN, STD)))
    return ops.convert_to_numpy(made)


@pytest.mark.parametrize(("padding", "flip"), [(0, False), (0, True), (4, True), (15, True)])
@pytest.mark.parametrize("twin", [by_torch, by_keras])
def test_equal_bits(twin, padding, flip):
    compared = 0
    for plan in draw_epoch(3, 1, 50, padding=padding, flip=flip).batches(16):
        expected = apply(images(), plan, padding=padding, mean=MEAN, std=STD)
        made = twin(plan, padding)
        assert made.dtype == expected.dtype == np.float32
        assert made.tobytes() == expected.tobytes()
        compared += expected.size
    assert compared
