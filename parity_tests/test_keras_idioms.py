"""A Keras model that was saved, cloned, copied, nested or checkpointed is still the same network."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_impl
import netspec
from family_networks import ONE_OF_A_FAMILY, is_shallow
from keras_idioms import IDIOMS, OF_ONE_INPUT, Idiom, saved
from keras_impl.network import Network, spec_of
from keras_samples import GRAPHS, compiled, feeds, labels
from netspec import Graph, without_heads
from netspec.probes import probe_weights
from netspec.reduce import reduced

pytestmark = pytest.mark.usefixtures("fresh_keras")


QUICK = {"saved", "from_json", "cloned", "deep_copied", "in_functional", "in_sequential"}  # with heads and draws, too


def check_idiom(graph: Graph, idiom: Idiom, folder: Path) -> None:
    """Equal outputs, one training step, and weights and an export that our own functions take of the result."""
    model = keras_impl.build(graph, weights=probe_weights(graph))
    other = idiom(model, folder)
    expected = np.asarray(model(feeds(graph), training=False))
    np.testing.assert_array_equal(np.asarray(other(feeds(graph), training=False)), expected)
    assert np.ptp(expected) > 0
    check_citizen(other, graph, folder)
    before = other.get_weights()
    other = other if getattr(other, "compiled", False) else compiled(other)
    loss, _ = other.train_on_batch(feeds(graph), labels())
    assert np.isfinite(loss)
    moved = [not np.array_equal(old, new) for old, new in zip(before, other.get_weights(), strict=True)]
    assert sum(moved) >= min(2, len(moved))


def check_citizen(model: keras.Model, graph: Graph, folder: Path) -> None:
    """`model` has the graph, or without its heads where it is a part of another model, and our functions take it."""
    spec = spec_of(model)
    assert spec in (graph, without_heads(graph))
    path = folder / "weights.safetensors"
    keras_impl.save_weights(model, path)
    weights = netspec.load_weights(spec, path)
    keras_impl.set_weights(model, {name: np.zeros_like(values) for name, values in weights.items()})
    assert not any(values.any() for values in keras_impl.get_weights(model).values())
    keras_impl.load_weights(model, path)
    for name, values in keras_impl.get_weights(model).items():
        np.testing.assert_array_equal(values, weights[name])


CASES = [
    pytest.param(name, idiom, marks=() if name == "plain" or idiom in QUICK else pytest.mark.long)
    for name in GRAPHS
    for idiom in IDIOMS
    if len(GRAPHS[name]().inputs) == 1 or idiom not in OF_ONE_INPUT
]


@pytest.mark.parametrize(("name", "idiom"), CASES)
def test_idioms(name, idiom, tmp_path):
    check_idiom(GRAPHS[name](), IDIOMS[idiom], tmp_path)


@pytest.fixture
def steps(idiom) -> Iterator[None]:
    """The training step is compiled for `saved` alone: TensorFlow takes half a minute to compile a deep network."""
    tf.config.run_functions_eagerly(idiom != "saved")
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.long
@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("idiom", IDIOMS)
@pytest.mark.parametrize("family", ONE_OF_A_FAMILY)
def test_idioms_of_every_family(family, idiom, tmp_path):
    check_idiom(reduced(ONE_OF_A_FAMILY[family]), IDIOMS[idiom], tmp_path)


@pytest.mark.long
@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("idiom", IDIOMS)
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_idioms_with_auxiliary_heads(name, idiom, tmp_path):
    check_idiom(reduced(name, aux_heads=True), IDIOMS[idiom], tmp_path)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if is_shallow(reduced(name)) else pytest.mark.long)
        for family, name in ONE_OF_A_FAMILY.items()
    ],
)
def test_every_family_is_saved_and_loaded(family, tmp_path):
    graph = reduced(ONE_OF_A_FAMILY[family])
    model = keras_impl.build(graph, weights=probe_weights(graph))
    assert (model.count_params(), model.spec) == (graph.num_total, graph)
    other = saved(model, tmp_path)
    assert type(other) is Network
    assert other.spec == graph
    expected = np.asarray(model(feeds(graph, 2), training=False))
    np.testing.assert_array_equal(np.asarray(other(feeds(graph, 2), training=False)), expected)
    assert len(ONE_OF_A_FAMILY) >= 24


def test_a_frozen_network_under_a_new_head_keeps_its_statistics():
    graph = reduced(ONE_OF_A_FAMILY["resnet_cifar"])
    base = keras_impl.build(graph)
    base.trainable = False
    before = base.get_weights()
    model = compiled(keras.Sequential([base, keras.layers.Dense(5)]))
    model.fit(feeds(graph), labels(), epochs=2, verbose=0)
    assert all(np.array_equal(one, other) for one, other in zip(before, base.get_weights(), strict=True))
    base.trainable = True
    model = compiled(keras.Sequential([base, keras.layers.Dense(5)]))
    model.fit(feeds(graph), labels(), epochs=1, verbose=0)
    assert not any(
        np.array_equal(one, other)
        for one, other, variable in zip(before, base.get_weights(), base.weights, strict=True)
        if "moving" in variable.path
    )
