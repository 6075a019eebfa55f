"""A Keras model of ours survives what people do with models in Keras: save, load, clone, copy, nest, checkpoint."""

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from keras.callbacks import BackupAndRestore, ModelCheckpoint

import keras_impl
import netspec
from keras_impl.network import Headed, Network, spec_of
from netspec import Graph, explicit_noise, functional as f, list_architectures, trace, without_heads
from netspec.compare import forward_difference
from netspec.errors import DiptychError
from netspec.init import probe_weights
from netspec.reduce import reduced
from netspec.registry import find
from netspec.tracer import Heads, Tensor
from onnx_impl.verify import random_images
from parity.examples import EXAMPLES, example

BATCH = 4
FAMILIES = {find(name).family: name for name in reversed(list_architectures())}  # the first network of each


def plain() -> Graph:
    def network(x: Tensor) -> Tensor:
        x = f.max_pool(f.conv_bn(x, 6, 3, name="stem"), 2)
        x = f.add(x, f.conv_bn(x, 6, 3, name="block.conv"))
        return f.linear(f.flatten(f.avg_pool(x, 2)), 5, name="fc")

    return trace("plain", (3, 12, 8), network)


def headed() -> Graph:
    def network(x: Tensor) -> Heads:
        x = f.conv_bn(x, 6, 3, 2, name="stem")
        aux = f.linear(f.flatten(f.dropout(x, 0.5)), 5, name="aux.fc")
        return {f.classify(f.conv_bn(x, 8, 3, name="conv"), 5): 1.0, aux: 0.3}

    return trace("headed", (3, 12, 8), network)


def noisy() -> Graph:
    return explicit_noise(trace("noisy", (3, 12, 8), lambda x: f.linear(f.dropout(f.flatten(x), 0.5), 5, name="fc")))


GRAPHS = {graph.__name__: graph for graph in (plain, headed, noisy)}


def feeds(graph: Graph, batch: int = BATCH) -> Any:
    """What the model takes: images `(N, H, W, C)`, and draws where it has inputs for them."""
    generator = np.random.default_rng(0)
    draws = [generator.random((batch, *shape[1:], shape[0])) < 0.5 for shape in list(graph.inputs.values())[1:]]
    values = [random_images(graph, batch).transpose(0, 2, 3, 1), *(draw.astype(np.float32) for draw in draws)]
    return values if len(values) > 1 else values[0]


def labels(batch: int = BATCH) -> np.ndarray:
    return np.arange(batch) % 2


def compiled(model: keras.Model) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, metrics=["accuracy"], jit_compile=False)
    return model


def with_weights_of(model: keras.Model, other: keras.Model) -> keras.Model:
    other.set_weights(model.get_weights())
    return other


def saved(model: keras.Model, folder: Path, **options: Any) -> keras.Model:
    path = folder / ("model" if options else "model.keras")
    model.save(path, **options)
    return keras.saving.load_model(path)


def weights_only(model: keras.Model, folder: Path) -> keras.Model:
    model.save_weights(folder / "model.weights.h5")
    other = keras_impl.build(model.spec, seed=7)
    other.load_weights(folder / "model.weights.h5")
    return other


def from_config(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, type(model).from_config(model.get_config()))


def from_json(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, keras.models.model_from_json(model.to_json()))


def cloned(model: keras.Model, folder: Path) -> keras.Model:
    return with_weights_of(model, keras.models.clone_model(model))


def deep_copied(model: keras.Model, folder: Path) -> keras.Model:
    return copy.deepcopy(model)


def pickled(model: keras.Model, folder: Path) -> keras.Model:
    return pickle.loads(pickle.dumps(model))


def checkpoint(model: keras.Model, folder: Path) -> keras.Model:
    best = ModelCheckpoint(folder / "best.keras", monitor="loss", save_best_only=True)
    compiled(model).fit(feeds(model.spec), labels(), epochs=1, callbacks=[best], verbose=0)
    return keras.saving.load_model(folder / "best.keras")


def checkpoint_of_weights(model: keras.Model, folder: Path) -> keras.Model:
    best = ModelCheckpoint(folder / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True)
    compiled(model).fit(feeds(model.spec), labels(), epochs=1, callbacks=[best], verbose=0)
    other = keras_impl.build(model.spec, seed=7)
    other.load_weights(folder / "best.weights.h5")
    return other


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise InterruptedError


def restored(model: keras.Model, folder: Path) -> keras.Model:
    """Interrupted after two of three epochs, and gone on with in another model: there is nothing left of two epochs."""
    backup = partial(BackupAndRestore, folder / "backup", delete_checkpoint=False)
    fit = {"x": feeds(model.spec), "y": labels(), "verbose": 0}
    with pytest.raises(InterruptedError):
        compiled(model).fit(**fit, epochs=3, callbacks=[backup(), Stop()])
    other = compiled(keras_impl.build(model.spec, seed=7))
    other.fit(**fit, epochs=2, callbacks=[backup()])
    return other


def in_functional(model: keras.Model, folder: Path) -> keras.Model:
    inputs = [keras.Input(part.shape[1:]) for part in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    return keras.Model(inputs, model(inputs))


def in_sequential(model: keras.Model, folder: Path) -> keras.Model:
    return keras.Sequential([model])


def nested_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(in_functional(in_functional(model, folder), folder), folder)


def in_sequential_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(keras.Sequential([keras.Input(model.inputs[0].shape[1:]), model]), folder)


def compiled_and_saved(model: keras.Model, folder: Path) -> keras.Model:
    return saved(compiled(model), folder)


def compiled_and_cloned(model: keras.Model, folder: Path) -> keras.Model:
    return cloned(compiled(model), folder)


def wrapped_again(model: keras.Model, folder: Path) -> keras.Model:
    return keras.Model(model.input, model.output) if not isinstance(model, Headed) else model


class Own(keras.Model):
    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network(inputs, training=training)


def in_subclass(model: keras.Model, folder: Path) -> keras.Model:
    return Own(model)


Idiom = Callable[[keras.Model, Path], keras.Model]
IDIOMS: dict[str, Idiom] = {
    idiom.__name__: idiom
    for idiom in (
        saved,
        weights_only,
        from_config,
        from_json,
        cloned,
        deep_copied,
        pickled,
        checkpoint,
        checkpoint_of_weights,
        restored,
        in_functional,
        in_sequential,
        nested_and_saved,
        in_sequential_and_saved,
        compiled_and_saved,
        compiled_and_cloned,
        wrapped_again,
    )
} | {"saved_as_a_folder": partial(saved, zipped=False)}
OF_ONE_INPUT = {"in_sequential", "in_sequential_and_saved"}
QUICK = {"saved", "from_json", "cloned", "deep_copied", "in_functional", "in_sequential"}  # with heads and draws, too


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    keras.backend.clear_session()


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


@pytest.mark.long
@pytest.mark.parametrize("idiom", IDIOMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_idioms_of_every_family(family, idiom, tmp_path):
    check_idiom(reduced(FAMILIES[family]), IDIOMS[idiom], tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("idiom", IDIOMS)
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_idioms_with_auxiliary_heads(name, idiom, tmp_path):
    check_idiom(reduced(name, aux_heads=True), IDIOMS[idiom], tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_saved_and_loaded(family, tmp_path):
    graph = reduced(FAMILIES[family])
    model = keras_impl.build(graph, weights=probe_weights(graph))
    assert (model.count_params(), model.spec) == (graph.num_total, graph)
    other = saved(model, tmp_path)
    assert type(other) is Network
    assert other.spec == graph
    expected = np.asarray(model(feeds(graph, 2), training=False))
    np.testing.assert_array_equal(np.asarray(other(feeds(graph, 2), training=False)), expected)
    assert len(list(FAMILIES)) >= 24


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
    for training in (False, True) if "dropout" not in name and "stochastic" not in name else (False,):
        expected = np.asarray(model(feeds(graph), training=training))
        np.testing.assert_array_equal(np.asarray(again(feeds(graph), training=training)), expected)


def test_an_unknown_op_in_a_file_is_refused():
    config = keras_impl.build(plain()).get_layer("stem").get_config()
    for wrong in ({"op": "eval"}, {"attributes": {}}, {"attributes": config["attributes"] | {"groups": "6"}}):
        with pytest.raises(DiptychError, match="'stem'"):
            keras_impl.layers.Conv2D.from_config(config | wrong)


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
    Own: "is a class of its own: pass the network inside it, 'network",
    lambda model: keras.Sequential(
        [keras.layers.Dense(3)]
    ): "holds no graph: pass the model that keras_impl.build made",
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


def test_the_savedmodel_computes_the_same(tmp_path):
    import tensorflow as tf

    model = keras_impl.build(plain(), weights=probe_weights(plain()))
    model.export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    served = np.asarray(loaded.serve(feeds(plain(), 8)))
    difference = forward_difference(np.asarray(model(feeds(plain(), 8))), served)
    assert difference.within, str(difference)


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
