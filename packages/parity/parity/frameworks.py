"""The frameworks that are compared, in the order that is used everywhere; loads one by its name.

A framework is loaded in the process that computes.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what describes a command line imports this file
    from trainspec.trainer import Framework

PACKAGES = {  # distributions that decide the figures
    "torch": ("torch", "numpy"),
    "keras": ("keras", os.environ.get("KERAS_BACKEND") or "tensorflow", "numpy"),
}
FRAMEWORKS = tuple(PACKAGES)


def load(name: str) -> "Framework":
    """The framework of this name, for a process beside others."""
    if name == "torch":
        # PyTorch's threads spin while they wait for each other. Next to another program, EfficientNet-B0 took 117 s;
        # with this setting it took 8 s.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return as_for_users(name)


def as_for_users(name: str) -> "Framework":
    """The framework of this name, in the environment as it is."""
    framework: Framework = import_module(f"{name}_impl.commands").load()
    return framework
