"""An onnxruntime that has CUDA built in, on a machine where only the CPU starts."""

from typing import Any

import onnxruntime
import pytest

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
NOTE = f"note: {CUDA} is built into this onnxruntime, but does not run here"


def break_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    start = onnxruntime.InferenceSession

    def session(model: bytes, options: Any, **settings: Any) -> Any:
        return start(model, options, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
