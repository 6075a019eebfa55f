"""Reads and writes the canonical weights of a PyTorch module."""

import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

import netspec
from deploy.arguments import checked
from diptych.errors import GraphError
from netspec import Graph, from_json
from netspec.init import Weights
from netspec.weight_names import canonical_names
from netspec.weights import check_names, check_weights, checked_arrays

SPEC = "_spec"  # a module's buffer that holds its graph
CONSTANTS = ("filter", "divisors", SPEC)  # our buffers that are not weights; a scripted module keeps them all


def encoded(spec: Graph) -> Tensor:
    """The graph as uint8 bytes, which a change of precision does not touch."""
    return torch.frombuffer(bytearray(zlib.compress(spec.to_json().encode())), dtype=torch.uint8)


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside PyTorch's wrappers: `torch.compile`, DDP, averages, a Sequential of one module."""
    while isinstance(model, nn.Module) and not isinstance(model, fx.GraphModule):
        children = dict(model.named_children())
        if not type(model).__module__.startswith("torch.") or list(children) not in (["module"], ["_orig_mod"], ["0"]):
            break
        (model,) = children.values()
    return model


def constants_of(module: Any) -> dict[str, Tensor]:
    """The buffers of a module itself, or of an `ExportedProgram`."""
    return dict(module.named_buffers(recurse=False)) if isinstance(module, nn.Module) else module.constants


def spec_of(model: nn.Module) -> Graph:
    """The graph that a module was built from, also if PyTorch has wrapped, compiled or traced it.

    Raises `GraphError` for a module that `build` did not make, or that has other layers around the network.
    """
    inner = unwrapped(model)
    if not isinstance(inner, nn.Module | ExportedProgram):
        raise GraphError(f"{inner!r:.60} is not a module made by torch_impl.build")
    if isinstance(spec := getattr(inner, "meta", {}).get("spec"), Graph):
        return spec
    encoding = constants_of(inner).get(SPEC)
    if encoding is not None:
        return from_json(zlib.decompress(encoding.cpu().numpy().tobytes()))
    if isinstance(inner, fx.GraphModule):
        for layer in inner.modules():
            if isinstance(spec := layer.__dict__.get("spec"), Graph):
                return spec
    kind = type(model).__name__
    for name, part in inner.named_modules() if isinstance(inner, nn.Module) else ():
        if "spec" in getattr(part, "meta", {}):
            raise GraphError(f"{kind} has layers around the network {part.meta['spec'].name}: pass its '{name}'")
    raise GraphError(f"{kind} has no graph: it is not a module made by torch_impl.build")


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """The module's own tensors by canonical name, in the graph's order. Raises `WeightsError` for any others."""
    spec, state = spec_of(model), unwrapped(model).state_dict
    found = dict(state() if callable(state) else state)  # an ExportedProgram has a dictionary
    found = {name: tensor for name, tensor in found.items() if name.rpartition(".")[2] not in CONSTANTS}
    tensors = canonical_names(spec, found, f"the {type(model).__name__}")
    check_names(spec, tensors, f"the {type(model).__name__}")
    return {name: tensors[name] for name in spec.params}


@checked
def set_weights(model: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Copy canonical arrays into the module, in its own precision and on its own device.

    Raises `WeightsError` as `netspec.weights.checked_arrays` does.
    """
    spec, state = spec_of(model), tensors_of(model)
    arrays = checked_arrays(spec, weights)
    check_weights(spec, state, f"the {type(model).__name__}")
    with torch.no_grad():
        for name, values in arrays.items():
            state[name].copy_(torch.from_numpy(np.ascontiguousarray(values)))


@checked
def get_weights(model: Any) -> Weights:
    """Copies of the module's tensors by canonical name, in its own precision, or float32 for bfloat16."""
    return {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().cpu().numpy().copy()
        for name, tensor in tensors_of(model).items()
    }


@checked
def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a canonical weight file, float32, that every builder reads."""
    netspec.save_weights(spec_of(model), get_weights(model), path)


@checked
def load_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Read a weight file or a run as `netspec.load_weights` does. Raises `WeightsError` for one that does not fit."""
    set_weights(model, netspec.load_weights(spec_of(model), path))
