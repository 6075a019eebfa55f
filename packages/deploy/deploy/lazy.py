"""Imports the public names of a package at their first use.

So a command can refuse a wrong name, and react to Ctrl-C, before it spends seconds on loading a framework.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy(package: str, **homes: tuple[str, ...]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`: `homes` maps each submodule to the public names that it holds."""
    modules = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    def names() -> list[str]:
        return sorted({name for name in vars(sys.modules[package]) if name.startswith("__")} | modules.keys())

    return find, names
