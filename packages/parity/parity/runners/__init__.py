"""One interface to every way to run a network. A framework is imported when its runner is made."""

from parity.runners.keras import KerasRunner
from parity.runners.onnx import OnnxRunner, native_logits, run_onnx
from parity.runners.runner import Feeds, Runner, Sides, TrainingStep, train_once
from parity.runners.torch import TorchRunner

__all__ = [
    "Feeds",
    "KerasRunner",
    "OnnxRunner",
    "Runner",
    "Sides",
    "TorchRunner",
    "TrainingStep",
    "native_logits",
    "run_onnx",
    "train_once",
]
