"""Packages whose public names are imported when they are first used, and their versions.

A command can so refuse a wrong name before it has spent seconds on loading a framework.
"""

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any


def lazy(package: str, **homes: tuple[str, ...]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A module's `__getattr__` and `__dir__`: `homes` maps each submodule to the public names that it holds.

    There is a `__version__` too.
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name == "__version__":
            return version(package)
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    def names() -> list[str]:
        own = (name for name in vars(import_module(package)) if name.startswith("__"))
        return sorted({*own, *modules, "__version__"})

    return find, names


def version(package: str) -> str:
    """The version of the installed distribution that holds a package of ours, or `unknown` beside an installation."""
    try:
        return metadata.version(f"diptych-{'shared' if package in ('netspec', 'trainspec') else package}")
    except metadata.PackageNotFoundError:
        return "unknown"
