"""A Keras model of ours is subclassed, frozen and shared as any other, whatever is set for all of Keras."""

import keras
import numpy as np
import pytest

import keras_impl
from keras_idioms import saved
from keras_samples import Own, compiled, feeds, labels, plain

pytestmark = pytest.mark.usefixtures("fresh_keras")


def test_a_subclassed_model_trains_and_keeps_the_network(tmp_path):
    graph = plain()
    model = keras_impl.build(graph)
    own, before = compiled(Own(model)), keras_impl.get_weights(model)
    own.fit(feeds(graph), labels(), verbose=0)
    assert not np.array_equal(before["fc.weight"], keras_impl.get_weights(own.network)["fc.weight"])
    own.save_weights(tmp_path / "own.weights.h5")
    other = Own(keras_impl.build(graph, seed=7))
    other(feeds(graph))
    other.load_weights(tmp_path / "own.weights.h5")
    np.testing.assert_array_equal(other(feeds(graph)), own(feeds(graph)))


def test_two_models_of_one_network_do_not_disturb_one_another():
    graph = plain()
    one, two = (keras_impl.build(graph, seed=seed) for seed in (1, 2))
    expected = np.asarray(two(feeds(graph)))
    compiled(one).fit(feeds(graph), labels(), verbose=0)
    np.testing.assert_array_equal(np.asarray(two(feeds(graph))), expected)
    image = keras.Input(one.input.shape[1:])
    both = keras.Model(image, keras.layers.Average()([one(image), two(image)]))
    assert both.count_params() == 2 * graph.num_total


def test_layers_are_frozen_and_named(tmp_path, capsys):
    graph = plain()
    model = keras_impl.build(graph)
    model.get_layer("stem").trainable = False
    model = saved(model, tmp_path)
    assert not model.get_layer("stem").trainable
    assert len(model.trainable_weights) == sum(param.trainable for param in graph.params.values()) - 1
    before = keras_impl.get_weights(model)
    compiled(model).fit(feeds(graph), labels(), verbose=0)
    after = keras_impl.get_weights(model)
    assert {name for name in before if np.array_equal(before[name], after[name])} == {"stem.weight"}
    model.trainable = False
    assert not saved(model, tmp_path).trainable_weights
    model.summary(line_length=200)
    shown = capsys.readouterr().out
    assert all(node.name in shown for node in graph)


def test_other_data_formats_and_precisions_of_keras_are_no_matter():
    """What a user has set for all of Keras: images are channels-last all the same, and the policy is the user's."""
    graph = plain()
    expected = np.asarray(keras_impl.build(graph)(feeds(graph)))
    floatx, data_format = keras.config.floatx(), keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_first")
        np.testing.assert_array_equal(np.asarray(keras_impl.build(graph)(feeds(graph))), expected)
        for kind in ("float16", "float64"):
            keras.config.set_floatx(kind)
            keras.config.set_dtype_policy(kind)
            model = keras_impl.build(graph)
            assert {variable.dtype for variable in model.weights} == {kind}
            assert np.asarray(model(feeds(graph))).dtype == kind
            compiled(model).train_on_batch(feeds(graph), labels())
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_image_data_format(data_format)
        keras.config.set_dtype_policy("float32")
