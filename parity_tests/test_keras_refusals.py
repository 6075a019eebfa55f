"""A Keras model that is more, less or other than one network of ours is refused in one line."""

from collections.abc import Callable
from typing import Any

import keras
import pytest

import keras_impl
from diptych.errors import DiptychError
from keras_samples import Own, plain

pytestmark = pytest.mark.usefixtures("fresh_keras")


def with_layers_around(model: keras.Model) -> keras.Model:
    return keras.Sequential([keras.layers.Rescaling(2.0), model])


def with_an_operation_behind(model: keras.Model) -> keras.Model:
    image = keras.Input(model.input.shape[1:])
    return keras.Model(image, keras.ops.softmax(model(image)))


def twice(model: keras.Model) -> keras.Model:
    inputs = [keras.Input(model.input.shape[1:]) for _ in range(2)]
    return keras.Model(inputs, keras.layers.Add()([model(image) for image in inputs]))


def features(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, model.get_layer("stem.bn").output)


def with_another_head(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, keras.layers.Dense(3, name="mine")(model.get_layer("fc").input))


def with_layers_replaced(model: keras.Model) -> keras.Model:
    def replace(layer: keras.Layer) -> keras.Layer:
        kind = layer.__class__
        own = keras.layers.ReLU(name=layer.name) if layer.name == "stem.bn.relu" else None
        return own or kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=replace)


def quantized(model: keras.Model) -> keras.Model:
    model.quantize("int8")
    return model


def adapted(model: keras.Model) -> keras.Model:
    model.get_layer("fc").enable_lora(2)
    return model


REFUSED: dict[Callable[[keras.Model], Any], str] = {
    with_layers_around: "layers around the network: pass the model inside it, 'network",
    with_an_operation_behind: "pass the model inside it, 'network",
    twice: "pass the model inside it, 'network",
    features: "lacks the layer",
    with_another_head: "has a foreign or changed layer, 'mine'",
    with_layers_replaced: "has a foreign or changed layer, 'stem.bn.relu'",
    quantized: "has a foreign or changed layer, 'fc'",
    adapted: "has a foreign or changed layer, 'fc'",
    Own: "is a subclassed model: pass the network inside it, 'network",
    lambda model: keras.Sequential([keras.layers.Dense(3)]): "has no graph: pass the model made by keras_impl.build",
    lambda model: model.get_layer("stem"): "not a Conv2D",
    lambda model: None: "not a NoneType",
}


@pytest.mark.parametrize("make", REFUSED)
def test_what_is_not_a_network_alone_is_refused_in_one_line(make, tmp_path):
    model = make(keras_impl.build(plain()))
    path = tmp_path / "file"
    for action in (
        lambda: keras_impl.get_weights(model),
        lambda: keras_impl.set_weights(model, {}),
        lambda: keras_impl.save_weights(model, path),
        lambda: keras_impl.load_weights(model, path),
        lambda: keras_impl.export_onnx(model, path),
    ):
        with pytest.raises(DiptychError) as caught:
            action()
        assert REFUSED[make] in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not path.exists()
