"""A small model in onnxruntime, started as `deploy` starts every model."""

import time
from typing import Any

from doctor.probes import answer
from doctor.probes.libraries import loaded

# An ONNX model of `y = relu(x)` on float32 (N, 2), opset 17: the environment may not have the package onnx to make one.
MODEL = bytes.fromhex(
    "08083a400a0c0a0178120179220452656c75120472656c755a140a0178120f0a0d080112090a0312014e0a0208026214"
    "0a0179120f0a0d080112090a0312014e0a02080242021011"
)


def runtime() -> dict[str, Any]:
    """Run `y = relu(x)`. Raises whatever is wrong with onnxruntime."""
    import numpy as np

    from deploy import runtime as deployed

    begin = time.monotonic()
    session = deployed.load(MODEL, "a small model")
    values = np.array([[-1.0, 2.0]], np.float32)
    found = deployed.infer(session, values, "a small model")
    if not np.array_equal(found, np.maximum(values, 0)):
        raise ArithmeticError(f"relu of {values.tolist()} is {found.tolist()}")
    provider = deployed.provider_of(session)
    return {
        "did": f"onnxruntime {deployed.onnxruntime().__version__} ran a model",
        "seconds": time.monotonic() - begin,
        "device": f"{provider.removesuffix('ExecutionProvider')}, {deployed.threads_of(session)} threads",
        "on_gpu": provider != deployed.CPU,
        "providers": session.get_providers(),
        "libraries": loaded(),
    }


if __name__ == "__main__":
    answer(runtime)
