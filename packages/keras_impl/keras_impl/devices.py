"""What Keras trains on, and in which arithmetic."""

from dataclasses import dataclass

import keras

from diptych.errors import RecipeError
from diptych.machine import cores
from keras_impl.kernels import on_tensorflow
from trainspec.plan import Batch
from trainspec.precision import resolve_precision

POLICIES = {"fp64": "float64", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


@dataclass(frozen=True)
class Device:
    """`precision` is one of fp64, fp32, tf32, bf16 and fp16; `label` is the device for people.

    `threads` are those of the framework on the CPU: its bits depend on their number. `notes` are for readers of a run.
    """

    on_gpu: bool
    label: str
    precision: str
    threads: int
    notes: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        """Of variables and of the loss."""
        return "float64" if self.precision == "fp64" else "float32"

    @property
    def policy(self) -> str:
        """Keras's name for the precision of the layers."""
        return POLICIES.get(self.precision, "float32")

    def feed(self, batch: Batch) -> Batch:
        """A batch of arrays or tensors as a model takes it, in the precision of the loss."""
        images, targets = (keras.ops.convert_to_tensor(part, self.dtype) for part in (batch.images, batch.targets))
        return Batch(images, targets, {name: keras.ops.convert_to_tensor(mask) for name, mask in batch.noise.items()})


def gpus() -> list[str]:
    """The GPUs that the backend sees, for people."""
    if on_tensorflow():
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in devices]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def choose_device(precision: str, threads: int | None = None) -> Device:
    """The GPU if there is one, otherwise the CPU, with `threads` or as many as the process may use.

    Raises `RecipeError` for a precision that the machine does not have.
    """
    found = gpus()
    resolved = resolve_precision(precision, on_gpu=bool(found))
    if on_tensorflow():
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(resolved == "tf32")
    used = set_threads(threads)
    device = found[0] if found else f"CPU, {used} threads"
    label = f"{device} ({keras.backend.backend()})"
    return Device(bool(found), label, resolved, used, make_deterministic(bool(found)))


def set_threads(threads: int | None) -> int:
    """Give TensorFlow its threads before its first operation, and return how many it has.

    Raises `RecipeError` where it has begun with another number, which cannot be changed in a process, and for a number
    on another backend.
    """
    if not on_tensorflow():
        if threads is not None:
            raise RecipeError(f"--threads: {keras.backend.backend()} takes all cores; leave it out")
        return cores()
    import tensorflow as tf

    wanted = threads or cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(wanted)
        tf.config.threading.set_inter_op_parallelism_threads(wanted)
    except RuntimeError:  # TensorFlow has begun
        present = tf.config.threading.get_intra_op_parallelism_threads() or cores()
        if threads not in (None, present):
            raise RecipeError(f"TensorFlow runs on {present} threads in this process, not on {threads}") from None
        return present
    return wanted


def make_deterministic(on_gpu: bool) -> tuple[str, ...]:
    """Equal runs, as far as the backend has it; returns what a reader of the run should know."""
    if not on_gpu:
        return ()
    if on_tensorflow():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        return ()
    return (f"GPU: two runs on {keras.backend.backend()} may differ in the last bits.",)
