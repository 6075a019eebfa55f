"""The optimizers of recipes, in the exact form of `trainspec.optimizers`: PyTorch's own where it computes the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainspec import optimizers
from trainspec.optim import UPDATES, Group, StepSettings

Groups = list[dict[str, Any]]
KEYS = {"momentum": "momentum_buffer", "first_moment": "exp_avg", "second_moment": "exp_avg_sq", UPDATES: "step"}
"""PyTorch's names of slots, where it has names of its own."""


class ByParameter(torch.optim.Optimizer):
    """An optimizer whose `change(parameter, gradient, group, slot)` is subtracted. `slot` gives the state by name."""

    def __init__(self, groups: Groups, change: Callable[..., Tensor]) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self.change = change

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]

                    def slot(name: str, state: Any = state, parameter: Tensor = parameter) -> Tensor:
                        key = KEYS.get(name, name)
                        if key not in state:
                            state[key] = blank(name, parameter)
                        kept: Tensor = state[key]
                        return kept

                    parameter -= self.change(parameter, parameter.grad, group, slot)


def blank(name: str, parameter: Tensor) -> Tensor:
    """A slot before a parameter's first update: zeros, or the number 0."""
    return torch.zeros((), device=parameter.device) if name == UPDATES else torch.zeros_like(parameter)


def sgd(recipe: optimizers.SGD, groups: Groups) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(
        groups,
        lr=0.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,  # without momentum it is the same, and PyTorch refuses it
        fused=True,  # one pass over the memory instead of five
    )
    if recipe.momentum:
        # PyTorch leaves a buffer of its own uninitialised where a gradient of the first step, in fp16, is not finite.
        for parameter in (each for group in optimizer.param_groups for each in group["params"]):
            optimizer.state[parameter][KEYS["momentum"]] = blank("momentum", parameter)
    return optimizer


def adam(recipe: optimizers.Adam, groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=0.0, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon, fused=True)


def adamw(recipe: optimizers.AdamW, groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=0.0, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon, fused=True)


def rmsprop(recipe: optimizers.RMSprop, groups: Groups) -> torch.optim.Optimizer:
    def change(parameter: Tensor, gradient: Tensor, group: dict[str, Any], slot: Callable[[str], Tensor]) -> Tensor:
        gradient = gradient + group["weight_decay"] * parameter
        moment = slot("second_moment").mul_(recipe.rho).addcmul_(gradient, gradient, value=1 - recipe.rho)
        scaled = group["lr"] * gradient / (moment + recipe.epsilon).sqrt()
        return slot("momentum").mul_(recipe.momentum).add_(scaled)

    return ByParameter(groups, change)


def muon(recipe: optimizers.Muon, groups: Groups) -> torch.optim.Optimizer:
    def change(parameter: Tensor, gradient: Tensor, group: dict[str, Any], slot: Callable[[str], Tensor]) -> Tensor:
        rate, decay, buffer = group["lr"], group["weight_decay"], slot("momentum")
        if parameter.dim() != 4:
            return rate * heavy_ball(recipe.sgd, gradient + decay * parameter, buffer)
        matrix = heavy_ball(recipe, gradient, buffer).reshape(len(parameter), -1)
        update = orthogonal(recipe, matrix).view(parameter.shape)
        scale = len(parameter) ** 0.5 / parameter.norm().clamp(min=recipe.epsilon) if recipe.normalise else 1.0
        return parameter - (1 - rate * decay) * scale * parameter + rate * update

    return ByParameter(groups, change)


def heavy_ball(recipe: optimizers.SGD | optimizers.Muon, gradient: Tensor, buffer: Tensor) -> Tensor:
    """The direction of SGD with momentum. `buffer` is updated."""
    if recipe.momentum == 0:
        return gradient
    buffer.mul_(recipe.momentum).add_(gradient)
    return gradient + recipe.momentum * buffer if recipe.nesterov else buffer


def orthogonal(recipe: optimizers.Muon, matrix: Tensor) -> Tensor:
    """The matrix with its singular values near 1, by Newton-Schulz."""
    first, second, third = recipe.coefficients
    x = matrix.bfloat16() if recipe.bfloat16 else matrix
    x = x / (x.norm() + recipe.epsilon)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(recipe.iterations):
        a = x @ x.T
        x = first * x + (second * a + third * a @ a) @ x
    return (x.T if tall else x).to(matrix.dtype)


HANDLERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "muon": muon,
}


def optimizer_of(model: nn.Module, recipe: optimizers.Optimizer, groups: Sequence[Group]) -> torch.optim.Optimizer:
    """The recipe's optimizer over a built module's parameters; call `apply_settings` before every step."""
    parameters = dict(model.named_parameters())
    return HANDLERS[recipe.kind](recipe, [{"params": [parameters[name] for name in group.names]} for group in groups])


def without_frozen(model: nn.Module, groups: Sequence[Group]) -> dict[str, nn.Parameter]:
    """The parameters that are not frozen in every step, in the module's order. The others get no gradients."""
    frozen = {name for group in groups if group.is_frozen for name in group.names}
    for name in frozen:
        model.get_parameter(name).requires_grad_(False)
    return {name: parameter for name, parameter in model.named_parameters() if name not in frozen}


def apply_settings(optimizer: torch.optim.Optimizer, now: StepSettings) -> None:
    """Set what the next step does to each group. The gradients of frozen groups are dropped."""
    for group, settings in zip(optimizer.param_groups, now.groups, strict=True):
        group["lr"], group["weight_decay"] = settings.rate, settings.decay
        if settings.frozen:
            for parameter in group["params"]:
                parameter.grad = None


def clip(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Scale all gradients down together where their norm is above `norm`. The tensors themselves are not changed:
    `Trainer.backward` has returned them."""
    gradients = {parameter: parameter.grad for parameter in parameters if parameter.grad is not None}
    factor = (norm / torch.nn.utils.get_total_norm(gradients.values())).clamp(max=1.0)
    for parameter, gradient in gradients.items():
        parameter.grad = gradient * factor


def get_slots(optimizer: torch.optim.Optimizer, names: Sequence[str], model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The optimizer's state as `<slot>.<parameter>`. PyTorch has none before a parameter's first update: zeros."""
    for parameter_name, parameter in model.named_parameters():
        kept = optimizer.state.get(parameter, {})
        for name in names:
            found = kept.get(KEYS.get(name, name))
            yield f"{name}.{parameter_name}", blank(name, parameter) if found is None else found


def set_slots(
    optimizer: torch.optim.Optimizer, names: Sequence[str], model: nn.Module, state: Mapping[str, np.ndarray]
) -> None:
    """Copy a state that `get_slots` gave into the optimizer."""
    for parameter_name, parameter in model.named_parameters():
        for name in names:
            values = torch.tensor(state[f"{name}.{parameter_name}"])
            optimizer.state[parameter][KEYS.get(name, name)] = blank(name, parameter).copy_(values)
