"""Chooses the device and the precision for training in Keras, and whether runs repeat to the bit."""

from dataclasses import dataclass, replace

import keras

from diptych.errors import RecipeError
from diptych.machine import cores
from keras_impl.kernels import on_tensorflow
from trainspec.plan import Batch
from trainspec.precision import NO_PROMISE, resolve_deterministic, resolve_precision

PROMISE = "the same seed gives the same bits again on this machine in TensorFlow with {} threads"
POLICIES = {"fp64": "float64", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


@dataclass(frozen=True)
class Device:
    """`precision` is one of fp64, fp32, tf32, bf16 and fp16. `label` names the device for people.

    `threads` is the framework's number of CPU threads; the bits of results depend on it. `deterministic`: whether runs
    repeat to the bit, as far as the backend can; `determinism` says so to the readers of a run.
    """

    on_gpu: bool
    label: str
    precision: str
    threads: int
    deterministic: bool = False
    determinism: str = ""

    @property
    def dtype(self) -> str:
        """The dtype of variables and of the loss."""
        return "float64" if self.precision == "fp64" else "float32"

    @property
    def policy(self) -> str:
        """Keras's name for the precision of the layers."""
        return POLICIES.get(self.precision, "float32")

    @property
    def peak_bytes(self) -> int | None:
        """The most bytes of the GPU's memory that tensors have taken at a time; None on a CPU or another backend."""
        return gpu_peak_bytes() if self.on_gpu and on_tensorflow() else None

    def repeating(self, asked: bool | None) -> "Device":
        """The device where runs repeat to the bit, if `asked` for: by default on a CPU. It holds for the process."""
        wanted = resolve_deterministic(asked, on_gpu=self.on_gpu)
        if wanted and on_tensorflow():
            make_deterministic()
        promise = (
            PROMISE.format(self.threads) if on_tensorflow() else f"as far as seen; {self.label} does not promise it"
        )
        return replace(self, deterministic=wanted, determinism=promise if wanted else NO_PROMISE)

    def feed(self, batch: Batch) -> Batch:
        """Convert a batch of arrays or tensors for a model, to the precision of the loss."""
        images, targets = (keras.ops.convert_to_tensor(part, self.dtype) for part in (batch.images, batch.targets))
        noise = {name: keras.ops.convert_to_tensor(mask) for name, mask in batch.noise.items()}
        return Batch(images, targets, noise, keras.ops.convert_to_tensor(batch.loss_weight, self.dtype))


def gpus() -> list[str]:
    """Names, for people, of the GPUs that the backend sees."""
    if on_tensorflow():
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in devices]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def gpu_peak_bytes() -> int:
    """TensorFlow's peak of the first GPU's memory, in bytes."""
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def choose_device(precision: str, threads: int | None = None) -> Device:
    """The GPU if there is one, otherwise the CPU. `threads` defaults to as many as the process may use.

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
    return Device(bool(found), label, resolved, used)


def set_threads(threads: int | None) -> int:
    """Set TensorFlow's number of threads before its first operation. Returns the number in use.

    Raises `RecipeError` if TensorFlow already runs with another number, which a process cannot change, or if `threads`
    is given on another backend.
    """
    if not on_tensorflow():
        if threads not in (None, cores()):
            raise RecipeError(f"--threads: {keras.backend.backend()} takes all cores; leave it out")
        return cores()
    import tensorflow as tf

    wanted = threads or cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(wanted)
        tf.config.threading.set_inter_op_parallelism_threads(wanted)
    except RuntimeError:  # TensorFlow already runs
        present = tf.config.threading.get_intra_op_parallelism_threads() or cores()
        if threads not in (None, present):
            raise RecipeError(
                f"TensorFlow already uses {present} threads in this process; start a new process for {threads}"
            ) from None
        return present
    return wanted


def make_deterministic() -> None:
    """Give TensorFlow's operations their deterministic form. It cannot take that back in this process.

    Random operations then need a seed, or they are errors: `fit` shuffles with one. A seed of the user's own is kept.
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    try:
        tf.random.uniform(())
    except RuntimeError:
        tf.random.set_seed(0)
