"""An average of a model's weights and statistics."""

import keras
from keras import ops

from keras_impl.gradients import compiled
from keras_impl.kernels import Tensor
from keras_impl.model import build
from keras_impl.network import spec_of
from keras_impl.weights import get_weights, variables
from trainspec.averages import Averaging


class Average:
    """`model` has the averaged weights. It begins as a copy of `trained`."""

    def __init__(self, trained: keras.Model, policy: str) -> None:
        self.model = build(spec_of(trained), weights=get_weights(trained), dtype=policy)
        both = zip(variables(self.model), variables(trained), strict=True)
        self.pairs = [(average, weights) for (_, _, average), (_, _, weights) in both]
        self._compiled = compiled(self._update, [variable for pair in self.pairs for variable in pair])

    def update(self, now: Averaging) -> None:
        """Move the average towards the weights, then set the weights to it if the step says so."""
        self._compiled(ops.convert_to_tensor(now.weight, "float64"), ops.convert_to_tensor(now.fold, "bool"))

    def _update(self, weight: Tensor, fold: Tensor) -> None:
        for average, weights in self.pairs:
            moved = average + ops.cast(weight, average.dtype) * (weights - average)
            average.assign(moved)
            weights.assign(ops.where(fold, moved, weights))
