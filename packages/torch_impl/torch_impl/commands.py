"""The functions and commands of PyTorch's package, made by `onnx_impl.library`."""

from onnx_impl.library import Library
from trainspec.trainer import Framework


def load() -> Framework:
    """Loads PyTorch."""
    from torch_impl.trainer import TORCH

    return TORCH


LIBRARY = Library("torch_impl", "PyTorch", "torch.onnx", load)
train, evaluate = LIBRARY.train, LIBRARY.evaluate
