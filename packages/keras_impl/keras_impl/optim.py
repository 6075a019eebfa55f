"""The optimizers of recipes, in the exact form of `trainspec.optimizers`. Keras's own differ, as in SGD's velocity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_impl.kernels import Tensor
from keras_impl.weights import of_variables, to_variables, variables
from trainspec import optimizers
from trainspec.optim import UPDATES, Group, StepSettings


@dataclass(frozen=True, eq=False)
class Update:
    """The update of one variable.

    `decay` is None if the variable never decays. `number` counts the variable's updates from 1, in float64. `slots` is
    its state by name; `keep(name, value)` sets one, `add(name, value)` adds to one in place.
    """

    variable: Any
    gradient: Tensor
    rate: Tensor
    decay: Tensor | None
    number: Tensor
    slots: Mapping[str, Any]
    keep: Callable[[str, Tensor], None]
    add: Callable[[str, Tensor], None]

    @property
    def decayed(self) -> Tensor:
        """The gradient with its L2 term."""
        return self.gradient if self.decay is None else self.gradient + self.decay * self.variable


class Optimizer(keras.optimizers.Optimizer):
    """An optimizer over groups of variables. `places` gives the group of each variable, in order.

    `settings`, float64 `(3, groups)`, has the rate and the decay of each group, and 1 where it is not frozen. Keras's
    own rate is float32 whatever the model's precision.
    """

    def __init__(self, recipe: optimizers.Optimizer, groups: Sequence[Group], places: Sequence[int]) -> None:
        super().__init__(learning_rate=0.0)  # never read
        self.recipe, self.groups, self.places = recipe, tuple(groups), tuple(places)
        self.settings, self.updates = (
            keras.Variable(np.zeros(shape), dtype="float64", trainable=False, name=name)
            for name, shape in (("settings", (3, len(groups))), (UPDATES, (len(groups),)))
        )

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.slots = {name: self.add_optimizer_variables(variables, name) for name in self.recipe.slots}

    def apply_settings(self, now: StepSettings) -> None:
        """Set what the next step does to each group."""
        rows = [(group.rate, group.decay, float(not group.frozen)) for group in now.groups]
        self.settings.assign(np.transpose(rows))

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> None:
        self.updates.assign_add(self.settings[2])
        super().apply(self.clipped(grads, trainable_variables or self._trainable_variables), trainable_variables)

    def clipped(self, gradients: Sequence[Tensor], variables: Sequence[Any]) -> Sequence[Tensor]:
        """All gradients, scaled down together where their norm is above the limit. Those of frozen groups are zero."""
        if self.recipe.clip_norm is None:
            return gradients
        places = [self.places[self._get_variable_index(variable)] for variable in variables]
        active = [
            ops.where(self.settings[2, place] > 0, gradient, ops.zeros_like(gradient))
            for place, gradient in zip(places, gradients, strict=True)
        ]
        norm = ops.sqrt(sum(ops.sum(gradient * gradient) for gradient in active))
        factor = ops.minimum(self.recipe.clip_norm / norm, 1.0)
        return [factor * gradient for gradient in active]

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        place = self.places[index]
        group = self.groups[place]
        rate, decay = (ops.cast(self.settings[row, place], variable.dtype) for row in (0, 1))
        active = self.settings[2, place] > 0
        slots = {name: kept[index] for name, kept in self.slots.items()}

        def keep(name: str, value: Tensor) -> None:
            self.assign(slots[name], ops.where(active, value, slots[name]) if group.freezes else value)

        # Added and subtracted in place: a new value would take the memory of the variable once more.
        def add(name: str, value: Tensor) -> None:
            self.assign_add(slots[name], ops.where(active, value, 0.0) if group.freezes else value)

        decay = decay if group.decay else None
        update = Update(variable, gradient, rate, decay, self.updates[place], slots, keep, add)
        change = HANDLERS[self.recipe.kind](self.recipe, update)
        self.assign_sub(variable, ops.where(active, change, 0.0) if group.freezes else change)


def sgd(recipe: optimizers.SGD, update: Update) -> Tensor:
    return update.rate * heavy_ball(recipe, update.decayed, update)


def adam(recipe: optimizers.Adam | optimizers.AdamW, update: Update) -> Tensor:
    return update.rate * adaptive(recipe, update.decayed, update)


def adamw(recipe: optimizers.AdamW, update: Update) -> Tensor:
    change = update.rate * adaptive(recipe, update.gradient, update)
    return change if update.decay is None else change + update.rate * update.decay * update.variable


def rmsprop(recipe: optimizers.RMSprop, update: Update) -> Tensor:
    gradient = update.decayed
    moment = recipe.rho * update.slots["second_moment"] + (1 - recipe.rho) * gradient * gradient
    update.keep("second_moment", moment)
    scaled = update.rate * gradient / ops.sqrt(moment + recipe.epsilon)
    buffer = recipe.momentum * update.slots["momentum"] + scaled
    update.keep("momentum", buffer)
    return buffer


def muon(recipe: optimizers.Muon, update: Update) -> Tensor:
    variable = update.variable
    if len(variable.shape) != 4:
        return sgd(recipe.sgd, update)
    filters = variable.shape[-1]
    matrix = ops.reshape(heavy_ball(recipe, update.gradient, update), (-1, filters))
    change = ops.reshape(orthogonal(recipe, matrix), variable.shape)
    norm = ops.maximum(ops.sqrt(ops.sum(variable * variable)), recipe.epsilon)
    scale = filters**0.5 / norm if recipe.normalise else 1.0
    kept = 1.0 if update.decay is None else 1.0 - update.rate * update.decay
    return variable - kept * scale * variable + update.rate * change


def heavy_ball(recipe: optimizers.SGD | optimizers.Muon, gradient: Tensor, update: Update) -> Tensor:
    """The direction of SGD with momentum."""
    if recipe.momentum == 0:
        return gradient
    buffer = update.slots["momentum"]
    update.keep("momentum", recipe.momentum * buffer)
    update.add("momentum", gradient)
    return gradient + recipe.momentum * buffer if recipe.nesterov else buffer


def adaptive(recipe: optimizers.Adam | optimizers.AdamW, gradient: Tensor, update: Update) -> Tensor:
    """The direction of Adam."""
    first = recipe.beta1 * update.slots["first_moment"] + (1 - recipe.beta1) * gradient
    second = recipe.beta2 * update.slots["second_moment"] + (1 - recipe.beta2) * gradient * gradient
    update.keep("first_moment", first)
    update.keep("second_moment", second)
    first, second = (
        moment / ops.cast(1.0 - ops.power(beta, update.number), moment.dtype)
        for moment, beta in ((first, recipe.beta1), (second, recipe.beta2))
    )
    return first / (ops.sqrt(second) + recipe.epsilon)


def orthogonal(recipe: optimizers.Muon, matrix: Tensor) -> Tensor:
    """The matrix with its singular values near 1, by Newton-Schulz. It is the transpose of the spec's."""
    first, second, third = recipe.coefficients
    x = ops.cast(matrix, "bfloat16") if recipe.bfloat16 else matrix
    x = x / (ops.sqrt(ops.sum(x * x)) + recipe.epsilon)
    tall = x.shape[0] > x.shape[1]
    x = ops.transpose(x) if tall else x
    for _ in range(recipe.iterations):
        a = x @ ops.transpose(x)
        x = first * x + (second * a + third * (a @ a)) @ x
    return ops.cast(ops.transpose(x) if tall else x, matrix.dtype)


HANDLERS: dict[str, Callable[..., Tensor]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "muon": muon,
}


def optimizer_of(model: keras.Model, recipe: optimizers.Optimizer, groups: Sequence[Group]) -> Optimizer:
    """The recipe's optimizer over a built model's variables; call `apply_settings` before every step."""
    groups_of = {name: place for place, group in enumerate(groups) for name in group.names}
    places = {id(variable): groups_of[name] for name, _, variable in variables(model) if name in groups_of}
    optimizer = Optimizer(recipe, groups, [places[id(variable)] for variable in model.trainable_variables])
    optimizer.build(model.trainable_variables)
    return optimizer


def without_frozen(model: keras.Model, groups: Sequence[Group]) -> list[Any]:
    """The variables of the parameters that are not frozen in every step, in the model's order."""
    frozen = {name for group in groups if group.is_frozen for name in group.names}
    kept = {id(variable) for name, _, variable in variables(model) if name not in frozen}
    return [variable for variable in model.trainable_variables if id(variable) in kept]


def get_slots(optimizer: Optimizer, names: Sequence[str], model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
    """The optimizer's state as `<slot>.<parameter>`, in canonical layouts."""
    trained = model.trainable_variables
    numbers = ops.convert_to_numpy(optimizer.updates)[list(optimizer.places)]
    for name in names:
        values = numbers if name == UPDATES else optimizer.slots[name]
        for parameter, value in of_variables(model, zip(trained, values, strict=True)):
            yield f"{name}.{parameter}", value


def set_slots(optimizer: Optimizer, names: Sequence[str], model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Copy a state that `get_slots` gave into the optimizer."""
    trained = model.trainable_variables
    for name in names:
        own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
        values = to_variables(model, trained, own)
        if name == UPDATES:
            optimizer.updates.assign([values[optimizer.places.index(place)] for place in range(len(optimizer.groups))])
        else:
            for slot, value in zip(optimizer.slots[name], values, strict=True):
                slot.assign(value)
