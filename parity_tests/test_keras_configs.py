"""Every Keras layer of ours is made again from its config, and a config that is wrong is refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_impl
from diptych.errors import DiptychError
from keras_idioms import from_json
from keras_samples import feeds, plain
from netspec import explicit_noise
from netspec.probes import probe_weights
from parity.examples import EXAMPLES, example

pytestmark = pytest.mark.usefixtures("fresh_keras")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_is_made_again_from_its_config(name):
    graph = example(name)
    model = keras_impl.build(graph, weights=probe_weights(graph))
    model.layers[1].trainable = False
    ours = [layer for layer in model.layers if type(layer).__module__.startswith("keras_impl")]
    assert ours
    for layer in ours:
        config = json.loads(json.dumps(layer.get_config()))
        again = type(layer).from_config(config)
        assert type(again) is type(layer)
        assert json.loads(json.dumps(again.get_config())) == config
    again = from_json(model, Path())
    assert again.to_json() == model.to_json()
    assert again.spec == graph
    for training in (False,) if explicit_noise(graph).draws else (False, True):
        expected = np.asarray(model(feeds(graph), training=training))
        np.testing.assert_array_equal(np.asarray(again(feeds(graph), training=training)), expected)


def test_an_unknown_op_in_a_file_is_refused():
    config = keras_impl.build(plain()).get_layer("stem").get_config()
    for wrong in ({"op": "eval"}, {"attributes": {}}, {"attributes": config["attributes"] | {"groups": "6"}}):
        with pytest.raises(DiptychError, match="'stem'"):
            keras_impl.layers.Conv2D.from_config(config | wrong)
