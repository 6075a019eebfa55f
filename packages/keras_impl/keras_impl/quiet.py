"""Imports Keras on a supported backend, without TensorFlow's start-up log, and registers our layers with it.

This module itself does not import a framework.
"""

import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from deploy.errors import first_line
from diptych.errors import DiptychError

BACKENDS = ("tensorflow", "jax")
LOG = re.compile(  # TensorFlow's messages below fatal, written before it reads its log level
    rb"WARNING: All log messages before absl|[IWE]\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
    rb"|To enable the following instructions"
)


def import_keras() -> None:
    """Import Keras and its backend without their start-up log. All other output on stderr is passed on.

    Raises `DiptychError` if the backend is not supported or not installed, before anything is imported, and if Keras
    cannot be imported.
    """
    check_backend()
    try:
        import keras  # noqa: F401  # through `Quietly`
    except Exception as error:  # any exception: Keras checks its keras.json in many ways
        path = configuration()
        hint = f"; its configuration is {path}" if os.path.exists(path) else ""
        raise DiptychError(f"Keras cannot be imported: {first_line(error)}{hint}") from error


def check_backend() -> None:
    """Raise `DiptychError` unless Keras runs, or would run, on a backend that is supported and installed."""
    name, source = chosen_backend()
    if name not in BACKENDS:
        known = " or ".join(BACKENDS)
        raise DiptychError(f"{source} is {name!r}, but Diptych needs {known}: set KERAS_BACKEND=tensorflow")
    if find_spec(name) is None:
        raise DiptychError(f"{source} is {name!r}, which is not installed: install it or set KERAS_BACKEND=tensorflow")


def chosen_backend() -> tuple[str, str]:
    """The backend of Keras, and what chose it. Looks where Keras looks, without importing Keras."""
    keras: Any = sys.modules.get("keras")
    if hasattr(keras, "config"):  # its import has finished
        return keras.config.backend(), "the backend of Keras, which is imported already,"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    path = configuration()
    try:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # Keras uses its defaults then, too
        settings = {}
    except OSError as error:
        raise DiptychError(f"Keras's configuration {path} cannot be read: {error.strerror}") from None
    if not isinstance(settings, dict):
        raise DiptychError(f"Keras's configuration {path} is not a JSON object: correct it or delete it")
    return settings.get("backend", "tensorflow"), f"'backend' in {path}"


def configuration() -> str:
    """Path of Keras's settings file."""
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME", os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras"))
    return os.path.expanduser(os.path.join(folder, "keras.json"))


@contextmanager
def without_start_up_log() -> Iterator[None]:
    """Keep TensorFlow's log out of the process's stderr and pass on the rest. After an error, pass on everything."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of retracing, which is normal with many networks
    try:
        aside, kept = tempfile.TemporaryFile(), os.dup(2)  # noqa: SIM115  # closed below
    except OSError:  # stderr is closed, or there is no room for a file
        yield
        return
    with aside:
        flush_stderr()
        os.dup2(aside.fileno(), 2)
        unwanted: re.Pattern[bytes] | None = LOG
        try:
            yield
        except BaseException:
            unwanted = None
            raise
        finally:
            flush_stderr()
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            with suppress(OSError):  # nobody reads stderr any more
                for line in aside:
                    if unwanted is None or not unwanted.match(line):
                        os.write(2, line)


def flush_stderr() -> None:
    with suppress(AttributeError, ValueError, OSError):  # it may be None, closed or a notebook's own
        sys.stderr.flush()


class Quietly(MetaPathFinder):
    """Imports Keras without the start-up log, whoever imports it, and registers our layers.

    So Keras can load models with our layers, and importing this package does not load Keras.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "keras" else None
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = partial(import_and_register, loader.exec_module)
        return spec


def import_and_register(execute: Callable[[ModuleType], None], keras: ModuleType) -> None:
    """Import Keras by `execute`. On an unsupported backend, do nothing else."""
    try:
        check_backend()
    except DiptychError:
        execute(keras)
    else:
        with without_start_up_log():
            execute(keras)
        register()


def register() -> None:
    """Register our classes with Keras."""
    with suppress(DiptychError, ImportError):  # an unsupported backend, or one of our modules is still being imported
        import_module("keras_impl.network")


def watch_for_keras() -> None:
    """Register our classes with Keras: now if it is imported, otherwise at its import."""
    if "keras" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, Quietly())
