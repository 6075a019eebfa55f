"""The one place that starts onnxruntime, for all packages: which provider runs, on how many threads, and no telemetry.

From version 1.29 on onnxruntime writes a device id and a queue of events under the user's cache folder and sends them,
from the moment it is imported. `ORT_DISABLE_TELEMETRY` keeps it from both; `deploy` sets it when it is imported, and
everything of Diptych that uses onnxruntime imports this module first. Who wants telemetry sets the variable to 0.
"""

import os
import sys
from typing import Any

import numpy as np

from deploy.errors import ModelError, first_line

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_SUFFIX = "ExecutionProvider"
_REMOTE = "AzureExecutionProvider"  # in every build, and runs nothing here
MOST_THREADS = 1024  # more than any machine has use for; a million end the process
_FATAL = 4  # of onnxruntime's severities: what it logs on stderr it also raises


def switch_telemetry_off() -> None:
    """Before onnxruntime is imported; its children inherit it."""
    if os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1") != "0" and (runtime := sys.modules.get("onnxruntime")):
        runtime.disable_telemetry_events()  # imported by someone else before: it sends nothing more


def onnxruntime() -> Any:
    """The module, quiet and without telemetry. Raises `ModelError` where it is not installed."""
    switch_telemetry_off()
    try:
        import onnxruntime as module
    except ImportError as error:
        raise ModelError(f"onnxruntime cannot be loaded ({error}); install diptych-deploy[cpu] or [gpu]") from None
    switch_telemetry_off()
    module.set_default_logger_severity(_FATAL)
    return module


def choose_providers(wanted: str | None) -> list[str]:
    """The providers to start a session with: the one that is wanted, or CUDA where it is built in, then the CPU.

    A provider is named as onnxruntime names it or without `ExecutionProvider`, in any case (`cuda`). TensorRT and the
    others run only where they are asked for. Raises `ModelError` for one that this onnxruntime does not have.
    """
    available = [name for name in onnxruntime().get_available_providers() if name != _REMOTE]
    if wanted is None:
        return [name for name in (CUDA, CPU) if name in available]
    for name in available:
        if wanted.lower() in (name.lower(), name.removesuffix(_SUFFIX).lower()):
            return [name, *([CPU] if name != CPU else [])]
    raise ModelError(f"this onnxruntime has no provider '{wanted}'; it has {', '.join(available)}")


def start(model: bytes | str, *, provider: str | None = None, threads: int | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a model's bytes or of its file; `get_providers()[0]` is the one that runs.

    Raises `ModelError` for a provider that was asked for and does not run and for `threads` out of range, and whatever
    onnxruntime raises for a model that it cannot load.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ModelError(f"{threads} threads: give 1 to {MOST_THREADS}")
    module = onnxruntime()
    chosen = choose_providers(provider)
    options = module.SessionOptions()
    options.log_severity_level = _FATAL
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = module.InferenceSession(model, options, providers=chosen)
    running = session.get_providers()
    if provider is not None and running[0] != chosen[0]:
        raise ModelError(f"the provider {chosen[0]} does not run here (its libraries or its device are missing)")
    return session


def load(model: bytes, source: object, *, provider: str | None = None, threads: int | None = None) -> Any:
    """`start`, where every failure is a `ModelError` in one line that names `source`."""
    try:
        return start(model, provider=provider, threads=threads)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise ModelError(f"{source}: not an ONNX model that runs ({first_line(error)})") from None


def infer(session: Any, images: Any, source: object) -> Any:
    """The first output for `images` at the first input. Raises `ModelError` for whatever onnxruntime raises."""
    try:
        return session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: images})[0]
    except Exception as error:
        raise ModelError(f"{source}: onnxruntime cannot run it on {len(images)} images ({first_line(error)})") from None


def logits_problem(logits: object, batch: int, classes: int | None = None) -> str:
    """What keeps an output from being the logits of `batch` images, or nothing."""
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.ndim != 2:
        return "its output is not float32 (N, classes)"
    if len(logits) != batch or not logits.shape[1] or (classes is not None and logits.shape[1] != classes):
        wanted = f"({batch}, {'classes' if classes is None else classes})"
        return f"its output has the shape {logits.shape}, not {wanted}"
    wrong = ~np.isfinite(logits).all(1)
    return f"it answers NaN or infinity for image {int(wrong.argmax()) + 1} of {batch}" if wrong.any() else ""
