"""The position of a training, to JSON and back."""

import json

import numpy as np
import pytest

from trainspec.state import TrainState
from trainspec.trainer import Step, TrainingError


def test_there_and_back():
    state = TrainState()
    for loss in (2.0, 1.0, 0.5):
        state.record(Step(np.float32(loss), np.int64(3)), 4, 0.1)
    assert TrainState.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert (state.step, state.step_in_epoch, state.images, state.top1) == (3, 3, 12, 75.0)
    assert state.mean_loss == pytest.approx(3.5 / 3)
    state.end_epoch(1.5, 3)
    assert state == TrainState(epoch=1, step=3, seconds=1.5, rate=0.1)


def test_a_loss_that_is_no_number():
    state = TrainState()
    for _ in range(3):
        state.record(Step(1.0, 0), 4, 0.1)
    state.check([1.0, np.float32(2.0)])
    with pytest.raises(TrainingError, match=r"in step 2 \(epoch 1, rate 0.1\); try a lower rate"):
        state.check([float("inf"), 1.0])
