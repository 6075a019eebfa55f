"""What Keras trains on, and in which arithmetic."""

from dataclasses import dataclass

import keras

from keras_impl.kernels import on_tensorflow
from trainspec.limits import framework_seed
from trainspec.precision import resolve_precision
from trainspec.runs.machine import describe_machine

POLICIES = {"fp64": "float64", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


@dataclass(frozen=True)
class Machine:
    """`precision` is one of fp64, fp32, tf32, bf16 and fp16; `label` is the device for people."""

    on_gpu: bool
    label: str
    precision: str

    @property
    def dtype(self) -> str:
        """Of variables and of the loss."""
        return "float64" if self.precision == "fp64" else "float32"

    @property
    def policy(self) -> str:
        """Keras's name for the precision of the layers."""
        return POLICIES.get(self.precision, "float32")


def gpus() -> list[str]:
    """The GPUs that the backend sees, for people."""
    if on_tensorflow():
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in devices]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def choose_machine(precision: str) -> Machine:
    """The GPU if there is one, otherwise the CPU. Raises `RecipeError` for a precision that it does not have."""
    found = gpus()
    resolved = resolve_precision(precision, on_gpu=bool(found))
    if on_tensorflow():
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(resolved == "tf32")
    device = found[0] if found else f"CPU, {describe_machine()['cores']} cores"
    return Machine(bool(found), f"{device} ({keras.backend.backend()})", resolved)


def make_deterministic(seed: int) -> tuple[str, ...]:
    """Equal runs, as far as the backend has it; returns what a reader of the run should know."""
    keras.utils.set_random_seed(framework_seed(seed))
    if not gpus():
        return ()
    if on_tensorflow():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        return ()
    return (f"GPU: two runs on {keras.backend.backend()} may differ in the last bits.",)
