"""PyTorch as `train_all` sees it."""

import os

from trainspec.trainer import Framework

PACKAGES = ("torch", "numpy")


def framework() -> Framework:
    """Loads PyTorch."""
    # Its threads spin while they wait for one another: beside another program EfficientNet-B0 took 117 s, and so 8.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from torch_impl.trainer import TORCH

    return TORCH
