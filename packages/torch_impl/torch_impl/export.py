"""Exports to ONNX with PyTorch's own exporter, as an independent check of the ONNX builder."""

import copy
import logging
import os
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from onnx import ModelProto
from torch import nn

import onnx_impl
from deploy.arguments import checked
from deploy.errors import first_line
from diptych.errors import ExportError
from netspec.compare import Difference
from onnx_impl.export_request import request_of_run
from onnx_impl.model import check_opset
from onnx_impl.verify import write_verified
from torch_impl.model import Network, build
from torch_impl.weights import SPEC, constants_of, get_weights, spec_of, unwrapped
from trainspec.runs import Run

OPSET = 18  # the exporter writes it without a conversion afterwards


@checked
def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
) -> Difference:
    """Export a built module with `torch.onnx.export(dynamo=True)`, verify it and write it.

    For a run, this exports its trained weights, with the metadata of its own `model.onnx`. The file has the input
    `image` `(N, C, H, W)` and the output `logits`; N is symbolic. It is checked, and compared with the module under
    onnxruntime at batch 1 and 7. Returns the difference that was found. On failure it raises `ExportError` and leaves
    no file.
    """
    if isinstance(model, Run):
        what = request_of_run(model.folder, "torch")
        model, metadata = build(what.graph, weights=what.weights), {**what.metadata, **(metadata or {})}
    network = deployed(model)
    return write_verified(convert(network, opset), spec_of(network), partial(forward, network), path, metadata or {})


def ship_onnx(model: nn.Module, path: str | os.PathLike[str], metadata: Mapping[str, str]) -> Difference:
    """Write a run's ONNX file with the ONNX builder and the module's weights, and verify it against the module.

    On failure it raises `ExportError` and leaves no file.
    """
    network = deployed(model)
    judge = partial(forward, network)
    return onnx_impl.export_onnx(spec_of(network), get_weights(network), path, forward=judge, metadata=metadata)


def convert(network: nn.Module, opset: int = OPSET) -> ModelProto:
    """Convert a `deployed` module's pass with `torch.onnx.export`, with the contract's names. Raises `ExportError`."""
    check_opset(opset)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.CRITICAL)  # if it cannot convert, it logs a traceback ...
    spec = spec_of(network)
    # Whatever defaults a user has set.
    example = torch.zeros(2, *spec.input_shape, dtype=torch.float32, device="cpu")
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
    assert program is not None  # a call without a file name returns a program
    proto = program.model_proto
    written = next(entry.version for entry in proto.opset_import if not entry.domain)
    if written != opset:  # ... and leaves the opset as it was
        raise ExportError(f"PyTorch's exporter cannot write this network in opset {opset}: ask for {written}")
    return proto


def forward(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Logits `(N, classes)` of a `deployed` module for canonical images `(N, C, H, W)`."""
    with torch.no_grad():
        logits: np.ndarray = network(torch.from_numpy(images)).numpy()
    return logits


def deployed(model: nn.Module) -> nn.Module:
    """A copy as deployed: float32, in evaluation mode, on the CPU.

    The module itself may be in training, on a GPU, in any precision. A module that `torch.jit` or `torch.export` made
    cannot change these, so a new network gets its weights.
    """
    inner = unwrapped(model)
    if not isinstance(inner, Network):
        weights = get_weights(inner)  # raises if there is more than the network
        if SPEC in constants_of(inner):
            inner = build(spec_of(inner), weights=weights)
    return copy.deepcopy(inner).eval().float().cpu()
