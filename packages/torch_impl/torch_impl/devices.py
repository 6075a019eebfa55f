"""Chooses the device and the precision for training in PyTorch, and whether runs repeat to the bit."""

import os
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from diptych.machine import cores
from trainspec.plan import Batch
from trainspec.precision import NO_PROMISE, resolve_deterministic, resolve_precision

CPU_PROMISE = "the same seed gives the same bits again on this machine in PyTorch with {} threads"
GPU_PROMISE = "the same bits again, but for operations that have no such form in PyTorch; it warns of each"
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Device:
    """`precision` is one of fp64, fp32, tf32, bf16 and fp16. `label` names the device for people.

    `threads` is the framework's number of CPU threads; the bits of results depend on it. `deterministic`: whether runs
    repeat to the bit, as far as PyTorch can; `determinism` says so to the readers of a run.
    """

    torch_device: torch.device
    label: str
    precision: str
    threads: int
    deterministic: bool = False
    determinism: str = ""

    @property
    def on_gpu(self) -> bool:
        return self.torch_device.type != "cpu"

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of parameters and of the loss."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    @property
    def peak_bytes(self) -> int | None:
        """The most bytes of the GPU's memory that tensors have taken at a time; None on a CPU."""
        return None if self.torch_device.type == "cpu" else torch.cuda.max_memory_allocated(self.torch_device)

    def repeating(self, asked: bool | None) -> "Device":
        """The device where runs repeat to the bit, if `asked` for: by default on a CPU. It holds for the process."""
        wanted = resolve_deterministic(asked, on_gpu=self.on_gpu)
        if wanted:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # not in its stubs
        torch.backends.cudnn.benchmark = not wanted
        torch.use_deterministic_algorithms(wanted, warn_only=True)
        promise = GPU_PROMISE if self.on_gpu else CPU_PROMISE.format(self.threads)
        return replace(self, deterministic=wanted, determinism=promise if wanted else NO_PROMISE)

    def place(self, model: nn.Module) -> nn.Module:
        """The module on this device, in the layout that is fastest there."""
        placed = model.to(self.torch_device, self.dtype)
        return placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stubs

    def feed(self, batch: Batch) -> Batch:
        """Convert a batch of arrays or tensors for a module: `(B, C, H, W)` over channels-last memory."""
        images = self._fed(batch.images).to(self.dtype)
        targets = self._fed(batch.targets).to(self.dtype)
        return Batch(images, targets, {name: self._fed(mask) for name, mask in batch.noise.items()}, batch.loss_weight)

    def _fed(self, array: Any) -> torch.Tensor:
        tensor = torch.as_tensor(array).to(self.torch_device, non_blocking=True)
        return tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor

    def autocast(self) -> torch.autocast:
        """A context that computes the forward pass in `precision`."""
        dtype = AUTOCAST.get(self.precision)
        return torch.autocast(self.torch_device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def found_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_device(precision: str, threads: int | None = None) -> Device:
    """The GPU if there is one, otherwise the CPU. `threads` defaults to as many as the process may use.

    Raises `RecipeError` for a precision that the machine does not have.
    """
    chosen = found_device()
    resolved = resolve_precision(precision, on_gpu=chosen.type == "cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = resolved == "tf32"
    torch.set_num_threads(threads or cores())
    used = torch.get_num_threads()
    label = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else f"CPU, {used} threads"
    return Device(chosen, label, resolved, used)
