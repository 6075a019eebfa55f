"""PyTorch as `train_all` sees it."""

import gc
import os

from trainspec.few_steps import Framework

PACKAGES = ("torch", "numpy")


def framework() -> Framework:
    """Loads PyTorch."""
    # Its threads spin while they wait for one another: beside another program EfficientNet-B0 took 117 s, and so 8.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from torch_impl.machine import choose_machine
    from torch_impl.train import Trainer

    return Framework(choose_machine("fp32").label, Trainer, forget)


def forget() -> None:
    """Modules are full of cycles."""
    gc.collect()
