"""What the tests of the builders share: small graphs, and the list of differences that are known."""

import os
import signal
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

# Before the frameworks are imported: TensorFlow as `python -m parity` has it, and threads that sleep while they
# wait, for processes that test side by side.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A shell starts what runs in the background with Ctrl-C ignored, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HERE = Path(__file__).parent


def known_differences() -> list[dict[str, str]]:
    return tomllib.loads((HERE / "known_differences.toml").read_text()).get("difference", [])


def pytest_configure(config: pytest.Config) -> None:
    noise = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"  # Keras's, of NumPy 2
    config.addinivalue_line("filterwarnings", noise)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_size, reverse=True)
    for item in items:
        name = item.nodeid.rpartition("/")[2]
        for known in known_differences():
            if fnmatchcase(name, known["test"]):
                item.add_marker(pytest.mark.xfail(strict=True, reason=f"{known['reason']} ({known['issue']})"))


def _size(item: pytest.Item) -> int:
    """Tests of large networks come first: a process has most room for them while it is new."""
    size_of = getattr(getattr(item, "module", None), "size_of", None)
    return size_of(item) if size_of else 0


@pytest.fixture(scope="session")
def mixed():
    """A small network with a stride, a batch norm, a slope, an average pool with counted pads, and two biases."""
    from netspec import functional as f, trace

    def network(x):
        x = f.conv_bn(x, 6, 3, 2, activation=None, bias=True, name="conv1")
        x = f.activation(x, "leaky_relu", slope=0.2)
        x = f.avg_pool(f.conv(x, 8, 3, name="conv2"), 3, 2, padding=1)
        return f.linear(f.flatten(x), 5, name="fc")

    return trace("mixed", (3, 12, 9), network)


@pytest.fixture
def fresh_keras() -> Iterator[None]:
    """What Keras keeps of a session (names, graphs) is dropped behind the test."""
    yield
    import keras

    keras.backend.clear_session()


@pytest.fixture(scope="session")
def torch_forward() -> Callable:
    """`torch_forward(graph, weights)`: PyTorch's forward pass, float32 images to logits."""
    from parity.runners import TorchRunner

    def make(graph, weights) -> Callable[[np.ndarray], np.ndarray]:
        runner = TorchRunner(graph, weights, "float32")
        return lambda images: runner.forward({"image": images})

    return make
