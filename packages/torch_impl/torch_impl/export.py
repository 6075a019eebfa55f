"""PyTorch's own road to ONNX, an independent judge of the ONNX builder's."""

import copy
import logging
import os
import warnings
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from onnx import ModelProto
from torch import nn

import onnx_impl
from deploy.errors import first_line
from diptych.errors import ExportError
from netspec.compare import Difference
from onnx_impl.export_request import request_of_run
from onnx_impl.model import check_opset
from onnx_impl.verify import write_verified
from torch_impl.model import Network, build
from torch_impl.weights import SPEC, constants_of, get_weights, spec_of, unwrapped
from trainspec.runs import Run

OPSET = 18  # what the exporter writes without converting afterwards


def export_onnx(
    model: nn.Module | Run,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> Difference:
    """Export a built module with `torch.onnx.export(dynamo=True)`, verify and write it.

    A run has its trained weights exported, with what its own `model.onnx` says of itself. Input `image`
    `(N, C, H, W)`, output `logits`, N symbolic. The file is checked and run under onnxruntime
    against the module at batch 1 and 7; returns the difference that was found. Raises `ExportError`, and
    then leaves no file.
    """
    if isinstance(model, Run):
        what = request_of_run(model.folder, "torch")
        model, metadata = build(what.graph, weights=what.weights), {**what.metadata, **(metadata or {})}
    network = deployed(model)
    return write_verified(convert(network, opset), spec_of(network), partial(forward, network), path, metadata or {})


def ship_onnx(model: nn.Module, path: str | os.PathLike[str], metadata: Mapping[str, str]) -> Difference:
    """Write the ONNX builder's file with the module's weights, verified against the module: what a run ships.

    Raises `ExportError`, and then leaves no file.
    """
    network = deployed(model)
    judge = partial(forward, network)
    return onnx_impl.export_onnx(spec_of(network), get_weights(network), path, forward=judge, metadata=metadata)


def convert(network: nn.Module, opset: int = OPSET) -> ModelProto:
    """What `torch.onnx.export` makes of a `deployed` module's pass, with the contract's names. Raises `ExportError`."""
    check_opset(opset)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.CRITICAL)  # where it cannot convert it says so in a traceback ...
    spec = spec_of(network)
    example = torch.zeros(2, *spec.input_shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("N")},),
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"PyTorch's exporter cannot convert {spec.name}: {first_line(error)}") from None
    assert program is not None  # without a file name there is a program
    proto = program.model_proto
    written = next(entry.version for entry in proto.opset_import if not entry.domain)
    if written != opset:  # ... and leaves the opset as it was
        raise ExportError(f"PyTorch's exporter cannot write opset {opset} of this network: ask for {written}")
    return proto


def forward(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Logits `(N, classes)` of a `deployed` module for canonical images `(N, C, H, W)`."""
    with torch.no_grad():
        logits: np.ndarray = network(torch.from_numpy(images)).numpy()
    return logits


def deployed(model: nn.Module) -> nn.Module:
    """A copy as it is deployed: the module itself may be in the middle of a training, on a GPU, in any precision.

    What `torch.jit` or `torch.export` made of a network can change none of these: a new one gets its weights.
    """
    inner = unwrapped(model)
    if not isinstance(inner, Network):
        weights = get_weights(inner)  # raises where there is more than the network
        if SPEC in constants_of(inner):
            inner = build(spec_of(inner), weights=weights)
    return copy.deepcopy(inner).eval().float().cpu()
