"""The optimizer of a recipe, in the form that the spec pins, PyTorch's: Keras's own has the rate inside the velocity.

`b = momentum * b + g`, the step `b` or with Nesterov `g + momentum * b`, `p -= rate * step`; the decay is an L2
term in `g`.
"""

from collections.abc import Sequence
from typing import Any

import keras

from keras_impl.weights import variables
from trainspec.recipes import Optimizer


class SGD(keras.optimizers.Optimizer):
    """SGD with momentum. `decays` are by variable, in the order of the model's trainable variables.

    The rate is a float64 variable, `rate`, where Keras's own is a float32 one whatever the model's precision.
    """

    def __init__(self, decays: Sequence[float], momentum: float, nesterov: bool, **options: Any) -> None:
        rate = keras.Variable(0.0, dtype="float64", trainable=False, name="rate")
        super().__init__(learning_rate=lambda: rate.value, **options)
        self.rate = rate
        self.decays, self.momentum, self.nesterov = tuple(decays), momentum, nesterov

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.buffers = self.add_optimizer_variables(variables, "buffer")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        if self.decays[index]:
            gradient = gradient + self.decays[index] * variable
        buffer = self.momentum * self.buffers[index] + gradient
        self.assign(self.buffers[index], buffer)
        step = gradient + self.momentum * buffer if self.nesterov else buffer
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * step)


def sgd(model: keras.Model, recipe: Optimizer) -> SGD:
    """SGD over a built model's variables. The rate is to be set before every step: it starts at 0."""
    kinds = {id(variable): param.kind for _, param, variable in variables(model)}
    decays = [
        recipe.weight_decay if kinds[id(variable)] == "kernel" or recipe.decay_norms_and_biases else 0.0
        for variable in model.trainable_variables
    ]
    return SGD(decays, recipe.momentum, recipe.nesterov)


def set_rate(optimizer: SGD, rate: float) -> None:
    """The learning rate of the next step."""
    optimizer.rate.assign(rate)
