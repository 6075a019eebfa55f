"""Every network that parity holds by default, at the smallest size that is worth it; `nox -s parity` has their own."""

import pytest

from netspec import architecture, find
from parity.check import check, counts, float64_forward, subject
from parity.goldens import expected
from parity.runners import KerasRunner, OnnxRunner, TorchRunner
from parity.scope import held_by_default

COUNTED_ONLY = {"resnet110", "resnet1202"}  # a minute and more here; shared/tests counts them, nox -s parity runs them
ONLY_DEEPER = {  # what they add to their neighbours is depth: counts and float64, where agreement proves the function
    *(f"vgg{depth}{suffix}" for depth in (13, 16, 19) for suffix in ("", "_bn")),
    "resnet32",
    "resnet44",
    "vgg19_cifar",
}
NAMES = [name for name in held_by_default() if name not in COUNTED_ONLY | ONLY_DEEPER]
NATIVE = set({find(name).family: name for name in reversed(NAMES)}.values())  # the first of each family


def small(name: str):
    entry = find(name)
    return architecture(name) if entry.input_shape[1] <= 32 else architecture(name, image_size=32, num_classes=10)


@pytest.mark.parametrize("name", NAMES)
def test_parity(name):
    """All comparisons; for the first of a family all six ways to its logits, native exports included."""
    graph = small(name)
    golden = expected(name) if graph.input_shape == find(name).input_shape else None
    results = list(check(subject(graph), native=name in NATIVE, expected=golden))
    assert [result.check for result in results] == ["counts", "float32", "float64", "gradients", "statistics"]
    assert not [result for result in results if not result.passed]


@pytest.mark.parametrize("name", sorted(ONLY_DEEPER))
def test_forward_in_float64(name):
    one = subject(small(name))
    makers = {"torch": TorchRunner, "keras": KerasRunner}
    runners = {key: make(one.graph, one.weights, "float64") for key, make in makers.items()}
    for result in (counts(one, runners, OnnxRunner(one.graph, one.weights), {}), float64_forward(one, runners)):
        assert result.passed, result.where


def test_what_is_left_out_is_registered():
    assert set(held_by_default()) >= COUNTED_ONLY | ONLY_DEEPER
