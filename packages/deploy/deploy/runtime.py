"""The only module that starts onnxruntime, for all packages. It sets the provider and threads, and disables telemetry.

From version 1.29 on, onnxruntime writes a device id and a queue of events under the user's cache folder and sends them,
starting at its import. `ORT_DISABLE_TELEMETRY` prevents both. `deploy` sets it at import, and all code of Diptych that
uses onnxruntime imports this module first. To have telemetry, set the variable to 0.
"""

import os
import sys
from typing import Any

import numpy as np

from deploy.errors import ModelError, first_line

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_SUFFIX = "ExecutionProvider"
_REMOTE = "AzureExecutionProvider"  # in every build, but runs nothing here
MOST_THREADS = 1024  # more than any machine can use; a million crash the process
_FATAL = 4  # one of onnxruntime's severities; what it logs on stderr, it also raises


def switch_telemetry_off() -> None:
    """Call this before onnxruntime is imported. Child processes inherit it."""
    if os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1") != "0" and (runtime := sys.modules.get("onnxruntime")):
        runtime.disable_telemetry_events()  # someone else imported it before; now it sends nothing more


def onnxruntime() -> Any:
    """The module, quiet and without telemetry. Raises `ModelError` if it cannot be loaded."""
    switch_telemetry_off()
    try:
        import onnxruntime as module
    except ImportError as error:
        raise ModelError(f"onnxruntime cannot be loaded ({error}); install diptych-deploy[cpu] or [gpu]") from None
    switch_telemetry_off()
    module.set_default_logger_severity(_FATAL)
    return module


def choose_providers(wanted: str | None) -> list[str]:
    """The providers to start a session with: the wanted one, by default CUDA if it is built in, then the CPU.

    A name may leave out `ExecutionProvider` and may be in any case (`cuda`). TensorRT and others run only on request.
    Raises `ModelError` for a provider that this onnxruntime does not have.
    """
    available = [name for name in onnxruntime().get_available_providers() if name != _REMOTE]
    if wanted is None:
        return [name for name in (CUDA, CPU) if name in available]
    for name in available:
        if wanted.lower() in (name.lower(), name.removesuffix(_SUFFIX).lower()):
            return [name, *([CPU] if name != CPU else [])]
    raise ModelError(f"this onnxruntime has no provider '{wanted}'; it has {', '.join(available)}")


def start(model: bytes | str, *, provider: str | None = None, threads: int | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a model's bytes or file. `get_providers()[0]` is the provider in use.

    Raises `ModelError` if the wanted provider does not run or if `threads` is out of range. Raises whatever onnxruntime
    raises for a model that it cannot load.
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
    """Like `start`, but every failure is a `ModelError` in one line that names `source`."""
    try:
        return start(model, provider=provider, threads=threads)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise ModelError(f"{source}: not an ONNX model that runs ({first_line(error)})") from None


def infer(session: Any, images: Any, source: object) -> Any:
    """The first output, with `images` as the first input. Raises `ModelError` for any error of onnxruntime."""
    try:
        return session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: images})[0]
    except Exception as error:
        raise ModelError(f"{source}: onnxruntime cannot run it on {len(images)} images ({first_line(error)})") from None


def logits_problem(logits: object, batch: int, classes: int | None = None) -> str:
    """Why an output cannot be the logits of `batch` images; empty if it can."""
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.ndim != 2:
        return "its output is not float32 (N, classes)"
    if len(logits) != batch or not logits.shape[1] or (classes is not None and logits.shape[1] != classes):
        wanted = f"({batch}, {'classes' if classes is None else classes})"
        return f"its output has the shape {logits.shape}, not {wanted}"
    wrong = ~np.isfinite(logits).all(1)
    return f"it answers NaN or infinity for image {int(wrong.argmax()) + 1} of {batch}" if wrong.any() else ""
