"""Keras models of every dtype policy and form are exported as ONNX, and a SavedModel computes the same."""

import numpy as np
import onnx
import pytest

import keras_impl
from keras_idioms import IDIOMS, saved
from keras_samples import GRAPHS, feeds, plain
from netspec.compare import forward_difference
from netspec.probes import probe_weights

pytestmark = pytest.mark.usefixtures("fresh_keras")


POLICIES = ["float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_model_of_any_policy_is_saved_and_exported(policy, tmp_path):
    graph = plain()
    model = saved(keras_impl.build(graph, weights=probe_weights(graph), dtype=policy), tmp_path)
    assert {layer.dtype_policy.name for layer in model.layers if layer.name != "image"} == {policy}
    keras_impl.export_onnx(model, tmp_path / "model.onnx")
    keras_impl.export_onnx(keras_impl.build(graph, weights=keras_impl.get_weights(model)), tmp_path / "float32.onnx")
    one, two = (onnx.load(tmp_path / name) for name in ("model.onnx", "float32.onnx"))
    assert [tensor.raw_data for tensor in one.graph.initializer] == [
        tensor.raw_data for tensor in two.graph.initializer
    ]


@pytest.mark.parametrize("idiom", ["saved", "cloned", "in_functional", "nested_and_saved"])
@pytest.mark.parametrize("name", ["headed", "noisy"])
def test_forms_of_a_network_are_exported(name, idiom, tmp_path):
    model = keras_impl.build(GRAPHS[name]())
    keras_impl.export_onnx(IDIOMS[idiom](model, tmp_path), tmp_path / "model.onnx")
    assert [value.name for value in onnx.load(tmp_path / "model.onnx").graph.input] == ["image"]


def test_the_savedmodel_computes_the_same(tmp_path):
    import tensorflow as tf

    model = keras_impl.build(plain(), weights=probe_weights(plain()))
    model.export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    served = np.asarray(loaded.serve(feeds(plain(), 8)))
    difference = forward_difference(np.asarray(model(feeds(plain(), 8))), served)
    assert difference.within, str(difference)
