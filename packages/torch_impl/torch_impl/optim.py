"""The optimizers of recipes, in the spec's exact form.

SGD is PyTorch's own: `b = momentum * b + g`; the step is `b`, or `g + momentum * b` with Nesterov; `p -= rate * step`.
The decay is an L2 term in `g`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from trainspec import optimizers
from trainspec.optim import Group, StepSettings


def sgd(recipe: optimizers.SGD, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        groups,
        lr=0.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,  # without momentum it is the same, and PyTorch refuses it
        fused=True,  # one pass over the memory instead of five
    )


HANDLERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": sgd}


def optimizer_of(model: nn.Module, recipe: optimizers.Optimizer, groups: Sequence[Group]) -> torch.optim.Optimizer:
    """The recipe's optimizer over a built module's parameters; call `apply_settings` before every step."""
    parameters = dict(model.named_parameters())
    return HANDLERS[recipe.kind](recipe, [{"params": [parameters[name] for name in group.names]} for group in groups])


def apply_settings(optimizer: torch.optim.Optimizer, now: StepSettings) -> None:
    """Set what the next step does to each group. The gradients of frozen groups are dropped."""
    for group, settings in zip(optimizer.param_groups, now.groups, strict=True):
        group["lr"], group["weight_decay"] = settings.rate, settings.decay
        if settings.frozen:
            for parameter in group["params"]:
                parameter.grad = None
