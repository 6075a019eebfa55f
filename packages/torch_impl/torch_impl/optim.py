"""The optimizer of a recipe, in the form that the spec pins; it is PyTorch's own.

`b = momentum * b + g`, the step `b` or with Nesterov `g + momentum * b`, `p -= rate * step`; the decay is an L2
term in `g`.
"""

import torch
from torch import nn

from torch_impl.weights import spec_of
from trainspec.recipes import Optimizer


def sgd(model: nn.Module, recipe: Optimizer) -> torch.optim.SGD:
    """SGD over a built module's parameters. The rate is to be set before every step: it starts at 0."""
    kinds = spec_of(model).params
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_decayed = kinds[name].kind == "kernel" or recipe.decay_norms_and_biases
        (decayed if is_decayed else spared).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=0.0,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,  # without momentum it is the same, and PyTorch refuses it
        fused=True,  # one pass over the memory in place of five
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
