"""The optimizers of recipes, in the spec's exact form. Keras's own SGD has the rate inside the velocity.

SGD: `b = momentum * b + g`; the step is `b`, or `g + momentum * b` with Nesterov; `p -= rate * step`. The decay is an
L2 term in `g`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_impl.kernels import Tensor
from keras_impl.weights import variables
from trainspec import optimizers
from trainspec.optim import Group, StepSettings

Keep = Callable[[Any, Tensor], None]


class Optimizer(keras.optimizers.Optimizer):
    """An optimizer over groups of variables. `places` gives the group of each variable, in order.

    The settings of the groups are float64 variables; Keras's own rate is float32 whatever the model's precision.
    """

    def __init__(self, groups: Sequence[Group], places: Sequence[int]) -> None:
        super().__init__(learning_rate=0.0)  # never read
        self.groups, self.places = tuple(groups), tuple(places)
        self.rates, self.decays, self.active = (
            keras.Variable([0.0] * len(groups), dtype="float64", trainable=False, name=name)
            for name in ("rates", "decays", "active")
        )

    def apply_settings(self, now: StepSettings) -> None:
        """Set what the next step does to each group."""
        self.rates.assign([group.rate for group in now.groups])
        self.decays.assign([group.decay for group in now.groups])
        if any(group.freezes for group in self.groups):
            self.active.assign([float(not group.frozen) for group in now.groups])

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        place = self.places[index]
        group = self.groups[place]
        rate, decay = (ops.cast(values[place], variable.dtype) for values in (self.rates, self.decays))
        active = self.active[place] > 0

        def keep(slot: Any, value: Tensor) -> None:
            self.assign(slot, ops.where(active, value, slot) if group.freezes else value)

        change = rate * self.step_of(index, variable, gradient, decay if group.decay else None, keep)
        # Subtracted in place: a new value would take the memory of the variable once more.
        self.assign_sub(variable, ops.where(active, change, 0.0) if group.freezes else change)

    def step_of(self, index: int, variable: Any, gradient: Tensor, decay: Tensor | None, keep: Keep) -> Tensor:
        """The step of a variable, which the rate multiplies. `keep` sets a slot of the optimizer's state.

        `decay` is None if the group has no decay.
        """
        raise NotImplementedError


class SGD(Optimizer):
    """SGD with momentum."""

    def __init__(self, recipe: optimizers.SGD, groups: Sequence[Group], places: Sequence[int]) -> None:
        super().__init__(groups, places)
        self.momentum, self.nesterov = recipe.momentum, recipe.nesterov

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.buffers = self.add_optimizer_variables(variables, "buffer")

    def step_of(self, index: int, variable: Any, gradient: Tensor, decay: Tensor | None, keep: Keep) -> Tensor:
        if decay is not None:
            gradient = gradient + decay * variable
        buffer = self.momentum * self.buffers[index] + gradient
        keep(self.buffers[index], buffer)  # now: the old buffer is not needed any more, and may be large
        return gradient + self.momentum * buffer if self.nesterov else buffer


def sgd(recipe: optimizers.SGD, groups: Sequence[Group], places: Sequence[int]) -> Optimizer:
    return SGD(recipe, groups, places)


HANDLERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd}


def optimizer_of(model: keras.Model, recipe: optimizers.Optimizer, groups: Sequence[Group]) -> Optimizer:
    """The recipe's optimizer over a built model's variables; call `apply_settings` before every step."""
    groups_of = {name: place for place, group in enumerate(groups) for name in group.names}
    places = {id(variable): groups_of[name] for name, _, variable in variables(model) if name in groups_of}
    return HANDLERS[recipe.kind](recipe, groups, [places[id(variable)] for variable in model.trainable_variables])
