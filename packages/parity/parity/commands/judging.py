"""The environment in which frameworks are compared."""

import os


def for_judging() -> None:
    """Set the environment in which frameworks are compared, before they are imported.

    oneDNN's Winograd convolutions, which TensorFlow uses, round several times as coarsely as all others. On a GPU,
    parity switches TF32 off for the same reason.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's idle threads leave the cores to TensorFlow
