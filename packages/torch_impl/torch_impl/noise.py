"""Modules that draw at random in training, or are given the draws as further inputs."""

import torch
from torch import Tensor, nn

from netspec.ops import Shape


class Noise(nn.Module):
    """Multiply by a draw of zeros and ones, `(N, *shape)`, and divide by `keep`, the probability of a one.

    The draw is the second input. Without a second input, training makes a draw and evaluation keeps everything.
    """

    def __init__(self, keep: float, shape: Shape) -> None:
        super().__init__()
        self.keep, self.shape = keep, shape

    def forward(self, x: Tensor, draw: Tensor | None = None) -> Tensor:
        if draw is None:
            if not self.training:
                return x
            draw = torch.empty(x.shape[0], *self.shape, dtype=x.dtype, device=x.device).bernoulli_(self.keep)
        return x * (draw.to(x.dtype) / self.keep)

    def extra_repr(self) -> str:
        return f"keep={self.keep}"


class ShakeDrop(nn.Module):
    """Multiply by `gate + alpha - gate * alpha`, and the gradient by `gate + beta - gate * beta`.

    The draws are further inputs, `(N, 1, ...)` each. Without them, training makes draws and evaluation multiplies by
    `survival`, the probability that a gate is 1.
    """

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor, *draws: Tensor) -> Tensor:
        if not draws:
            if not self.training:
                return x * self.survival
            gate, alpha, beta = torch.rand(3, x.shape[0], *(1,) * (x.dim() - 1), dtype=x.dtype, device=x.device)
            draws = gate < self.survival, 2 * alpha - 1, beta
        gate, alpha, beta = (draw.to(x.dtype) for draw in draws)
        ahead, back = gate + alpha - gate * alpha, gate + beta - gate * beta
        return x * back + (x * (ahead - back)).detach()

    def extra_repr(self) -> str:
        return f"survival={self.survival}"


def patch_up(x: Tensor, *draws: Tensor) -> Tensor:
    """Mix patches with those of others. Draws: `(1, C, H, W)`, `(N, 1, 1, 1)`, `(1, 1, 1, 1)`, or none: identity."""
    if not draws:
        return x
    mask, partner, weight = draws
    share = (1 - mask.to(x.dtype)) * (1 - weight.to(x.dtype))
    return (1 - share) * x + share * x.index_select(0, partner.reshape(-1).long())
