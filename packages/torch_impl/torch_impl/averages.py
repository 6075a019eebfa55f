"""An average of a module's weights and statistics."""

from copy import deepcopy

import torch
from torch import nn

from torch_impl.weights import tensors_of
from trainspec.averages import Averaging


class Average:
    """`model` has the averaged weights. It begins as a copy of `trained`."""

    def __init__(self, trained: nn.Module) -> None:
        self.model = deepcopy(trained)
        self.pairs = list(zip(tensors_of(self.model).values(), tensors_of(trained).values(), strict=True))

    @torch.no_grad()
    def update(self, now: Averaging) -> None:
        """Move the average towards the weights, then set the weights to it if the step says so."""
        for average, weights in self.pairs:
            average.lerp_(weights, now.weight)
            if now.fold:
                weights.copy_(average)
