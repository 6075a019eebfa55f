"""Canonical weights in and out of a PyTorch module."""

import os
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import fx, nn

import netspec
from netspec import Graph
from netspec.init import Weights
from netspec.weights import check_weights


def spec_of(model: nn.Module) -> Graph:
    """The graph that a module was built from."""
    return cast(fx.GraphModule, model).meta["spec"]


def set_weights(model: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Copy canonical arrays into the module, in its own precision and on its own device."""
    check_weights(spec_of(model), weights)
    state = model.state_dict()
    with torch.no_grad():
        for name, values in weights.items():
            state[name].copy_(torch.from_numpy(np.ascontiguousarray(values)))


def get_weights(model: nn.Module) -> Weights:
    """Copies of the module's tensors by canonical name, in its own precision."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write a canonical weight file, float32, that every builder reads."""
    netspec.save_weights(spec_of(model), get_weights(model), path)


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Read a canonical weight file. Raises `WeightsError` when it is damaged or of another network."""
    set_weights(model, netspec.load_weights(spec_of(model), path))
