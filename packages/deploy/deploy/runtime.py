"""The only module that starts onnxruntime, for all packages. It sets the provider and threads, and disables telemetry.

CUDA computes in float32, without TF32. TensorRT has no option for that in onnxruntime.

From version 1.29 on, onnxruntime writes a device id and a queue of events under the user's cache folder and sends them,
starting at its import. `ORT_DISABLE_TELEMETRY` prevents both. `deploy` sets it at import, and all code of Diptych that
uses onnxruntime imports this module first. To have telemetry, set the variable to 0.
"""

import operator
import os
import sys
from typing import Any

import numpy as np

from deploy.cgroups import usable_cores
from deploy.errors import ModelError, first_line

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_OPTIONS = {CUDA: {"use_tf32": "0"}}  # TF32, on by default, keeps 10 bits of a float32's 23
_SUFFIX = "ExecutionProvider"
_REMOTE = "AzureExecutionProvider"  # in every build, but runs nothing here
_RECORD = "session.record_ep_graph_assignment_info"  # makes a session remember which provider has which operator
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
        raise ModelError(
            f"onnxruntime cannot be loaded ({error}); install onnxruntime, or onnxruntime-gpu for CUDA"
        ) from None
    switch_telemetry_off()
    module.set_default_logger_severity(_FATAL)
    return module


def choose_providers(wanted: str | None) -> list[str]:
    """The providers to start a session with: the wanted one, by default CUDA if it is built in, then the CPU.

    A name may leave out `ExecutionProvider` and may be in any case (`cuda`). TensorRT and others run only on request;
    CUDA takes what TensorRT leaves. Raises `ModelError` for a provider that this onnxruntime does not have.
    """
    available = [name for name in onnxruntime().get_available_providers() if name != _REMOTE]
    if wanted is None:
        return [name for name in (CUDA, CPU) if name in available]
    if not isinstance(wanted, str):
        raise ModelError(f"provider = {wanted!r}: give the name of one, as 'cuda'; it has {', '.join(available)}")
    for name in available:
        if wanted.lower() in (name.lower(), name.removesuffix(_SUFFIX).lower()):
            next_ones = (CUDA, CPU) if name == TENSORRT else (CPU,)
            return [name, *(other for other in next_ones if other in available and other != name)]
    raise ModelError(f"this onnxruntime has no provider '{wanted}'; it has {', '.join(available)}")


def start(model: bytes | str, *, provider: str | None = None, threads: int | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a model's bytes or file. `provider_of` and `threads_of` say how it runs.

    `threads` defaults to the cores that this process may use: onnxruntime would take those of the whole machine, also
    inside a container. onnxruntime's own fallback to another provider is off.

    Raises `ModelError` if the wanted provider does not run or takes no operator of the model, and if `threads` is out
    of range. Raises whatever onnxruntime raises for a model that it cannot load.
    """
    try:
        threads = usable_cores() if threads is None else operator.index(threads)
    except TypeError:
        raise ModelError(f"threads = {threads!r}: give a whole number") from None
    if not 1 <= threads <= MOST_THREADS:
        raise ModelError(f"{threads} threads: give 1 to {MOST_THREADS}")
    chosen = choose_providers(provider)
    if provider is not None:
        return _wanted(model, chosen, threads)
    for place, first in enumerate(chosen):
        try:
            session = _session(model, chosen[place:], threads)
        except Exception:
            if first == chosen[-1]:
                raise
            continue
        if provider_of(session) == first or session.get_providers() == chosen[-1:]:
            break
    return session


def _wanted(model: bytes | str, chosen: list[str], threads: int) -> Any:
    """A session that runs under the first of `chosen`. Raises `ModelError` if it does not."""
    wanted = chosen[0]
    try:
        session = _session(model, chosen, threads)
    except Exception as error:
        if wanted == CPU:
            raise
        raise ModelError(f"the provider {wanted} cannot run it here ({first_line(error)})") from None
    if wanted not in session.get_providers():
        raise ModelError(f"the provider {wanted} does not run here (its libraries or its device are missing)")
    if (running := provider_of(session)) != wanted:
        raise ModelError(f"the provider {wanted} supports none of its operators, so {running} would run them")
    return session


def _session(model: bytes | str, providers: list[str], threads: int) -> Any:
    module = onnxruntime()
    options = module.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    if len(providers) > 1:  # for the CPU alone it would only cost time
        options.add_session_config_entry(_RECORD, "1")
    settings = [_OPTIONS.get(name, {}) for name in providers]
    return module.InferenceSession(model, options, providers=providers, provider_options=settings, enable_fallback=0)


def threads_of(session: Any) -> int:
    """How many threads an operator of this session uses on the CPU."""
    return int(session.get_session_options().intra_op_num_threads)


def operators_of(session: Any) -> dict[str, int]:
    """How many operators of the optimized model each provider runs; empty if there is only one provider.

    Also empty for an older onnxruntime, which does not tell.
    """
    try:
        parts = session.get_provider_graph_assignment_info() if len(session.get_providers()) > 1 else []
    except Exception:  # not recorded, or not known
        return {}
    counts: dict[str, int] = {}
    for part in parts:
        counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
    return counts


def provider_of(session: Any) -> str:
    """The provider in use: the first one of the session that has an operator, where onnxruntime tells it."""
    providers: list[str] = session.get_providers()
    counts = operators_of(session)
    return next((name for name in providers if counts.get(name)), providers[0])


def running(session: Any) -> str:
    """The provider and the threads in words; if some operators run elsewhere, how many the provider has."""
    provider, counts, threads = provider_of(session), operators_of(session), threads_of(session)
    had, total = counts.get(provider, 0), sum(counts.values())
    share = f" ({had} of {total} operators)" if had < total else ""
    return f"{provider}{share}, {threads} thread{'s' * (threads != 1)}"


def passed_over(session: Any, wanted: str | None) -> str:
    """The better provider that the default would have been, but that does not run here; "" if there is none.

    `wanted` is the provider that the session was started with; one that a user names is never passed over.
    """
    best = provider_of(session) if wanted is not None else choose_providers(None)[0]
    return "" if best == provider_of(session) else best


def notes(passed_over: str) -> list[str]:
    """What a user should know about a provider that was passed over; nothing if none was."""
    return [f"{passed_over} is built into this onnxruntime, but does not run here"] if passed_over else []


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


def logits(session: Any, images: Any, source: object, classes: int | None = None) -> Any:
    """The float32 logits `(N, classes)` of `images`. Raises `ModelError` if the output is not that, or not finite."""
    found = infer(session, images, source)
    if problem := _logits_problem(found, len(images), classes):
        raise ModelError(f"{source}: {problem}")
    return found


def _logits_problem(logits: object, batch: int, classes: int | None) -> str:
    """Why an output cannot be the logits of `batch` images; empty if it can."""
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.ndim != 2:
        return "its output is not float32 (N, classes)"
    if len(logits) != batch or not logits.shape[1] or (classes is not None and logits.shape[1] != classes):
        wanted = f"({batch}, {'classes' if classes is None else classes})"
        return f"its output has the shape {logits.shape}, not {wanted}"
    wrong = ~np.isfinite(logits).all(1)
    return f"its output is NaN or infinite for image {int(wrong.argmax()) + 1} of {batch}" if wrong.any() else ""
