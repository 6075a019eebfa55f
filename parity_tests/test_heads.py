"""Auxiliary heads: both frameworks give them by name in training; what is deployed has none."""

import copy
from importlib import import_module

import keras
import numpy as np
import onnx
import pytest
import torch

import keras_impl
import onnx_impl
import torch_impl
from diptych.errors import WeightsError
from netspec import Graph, architecture, functional as f, initial_weights, trace, without_heads, without_noise
from netspec.compare import Difference, limits, tensor_difference
from netspec.probes import probe_images
from netspec.tracer import Heads, Tensor
from onnx_impl.measure import probe
from onnx_impl.verify import run
from torch_impl.trainer import loss_of
from training_sides import framework as loaded
from trainspec.data import Form, find_data
from trainspec.judging import read_run
from trainspec.recipes import Recipe, override
from trainspec.task import Asked, Task
from trainspec.training import train

HEADS = {"logits": 1.0, "aux1": 0.3, "side.aux2": 0.5}
FRAMEWORKS = {"torch": torch_impl, "keras": keras_impl}


def headed(classes: int) -> Graph:
    """Two heads on one map, one of them with dropout, the other with a batch norm."""

    def network(x: Tensor) -> Heads:
        x = f.max_pool(f.conv_bn(x, 8, 3, name="conv1"), 2)
        one = f.linear(f.dropout(f.flatten(x), 0.5), classes, name="aux1.fc")
        two = f.linear(f.global_avg_pool(f.conv_bn(x, 4, 1, name="side.aux2.conv")), classes, name="side.aux2.fc")
        return {f.classify(f.conv_bn(x, 12, 3, name="conv2"), classes): 1.0, one: 0.3, two: 0.5}

    return trace("headed", (3, 12, 12), network)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return headed(classes=5)


@pytest.fixture(scope="module")
def weights(graph):
    return probe(graph)


@pytest.fixture(scope="module")
def images(graph):
    """`(8, 3, 12, 12)`, float64."""
    return probe_images(graph, 8).astype(np.float64)


@pytest.fixture(scope="module")
def targets():
    return np.eye(5)[np.arange(8) % 5]


def outputs(framework, graph, weights, images, *, training):
    if framework == "keras":
        model = keras_impl.build(graph, weights=weights, dtype="float64")
        return model(images.transpose(0, 2, 3, 1), training=training)
    with torch.no_grad():
        return torch_impl.build(graph, weights=weights).double().train(training)(torch.from_numpy(images))


def of_the_logits(graph, weights):
    return {name: weights[name] for name in without_heads(graph).params}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_training_gives_heads_by_name_and_evaluation_the_logits(framework, graph, weights, images):
    heads = outputs(framework, graph, weights, images, training=True)
    assert {name: tuple(values.shape) for name, values in heads.items()} == dict.fromkeys(HEADS, (8, 5))
    plain, fewer = without_heads(graph), of_the_logits(graph, weights)
    for training in (True, False):
        alone = outputs(framework, plain, fewer, images, training=training)
        logits = heads["logits"] if training else outputs(framework, graph, weights, images, training=False)
        np.testing.assert_array_equal(logits, alone)


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn", "inception_v3"])
def test_the_networks_that_have_heads_are_built_with_them(name):
    spec = architecture(name, num_classes=3, aux_heads=True)
    module, model, proto = (builder.build(spec) for builder in (torch_impl, keras_impl, onnx_impl))
    assert sorted(module.state_dict()) == sorted(spec.params) == sorted(keras_impl.get_weights(model))
    assert list(model.output) == list(spec.heads)
    assert [output.name for output in proto.graph.output] == ["logits"]
    assert onnx_impl.get_weights(proto, spec).keys() == without_heads(spec).params.keys()


def as_deepcopy(model):
    return copy.deepcopy(copy.deepcopy(model).train()).eval()


def as_exported(model):
    return torch.export.export(
        model, (torch.zeros(2, 3, 12, 12),), dynamic_shapes=({0: torch.export.Dim("N")},)
    ).module()


def as_compiled(model):
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize("form", [as_deepcopy, as_exported, as_compiled])
def test_a_torch_model_with_heads_is_an_ordinary_module(form, graph, weights, images):
    model, inputs = torch_impl.build(graph, weights=weights).eval(), torch.from_numpy(images).float()
    assert isinstance(model, torch.fx.GraphModule)
    other = form(model)
    with torch.no_grad():
        np.testing.assert_array_equal(other(inputs).numpy(), model(inputs).numpy())
    if form is not as_exported:
        assert list(other.train()(inputs)) == list(HEADS)


def assert_float32_loss(loss, expected):
    """What Keras's own loop tells of a loss is float32, whatever the model is."""
    difference = Difference(abs(float(loss) - expected) / expected, limits().float32_forward, "loss")
    assert difference.within, str(difference)


def test_both_sum_the_losses_of_the_heads_by_their_weights(graph, weights, images, targets):
    graph = without_noise(graph)
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
    heads = outputs("keras", graph, weights, images, training=True)
    expected = sum(weight * float(cross_entropy(targets, heads[name])) for name, weight in HEADS.items())
    model = keras_impl.build(graph, weights=weights, dtype="float64")
    model.compile(keras.optimizers.SGD(0.0), loss=cross_entropy, jit_compile=False)
    assert_float32_loss(model.train_on_batch(images.transpose(0, 2, 3, 1), targets), expected)
    heads = outputs("torch", graph, weights, images, training=True)
    loss = loss_of(heads, torch.from_numpy(targets), graph.heads)
    difference = tensor_difference({"loss": loss.numpy()}, {"loss": np.array(expected)})
    assert difference.within, str(difference)


def test_a_keras_model_with_heads_is_fitted_like_any_other(graph, weights, images, targets):
    model = keras_impl.build(graph, weights=weights, dtype="float64")
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
    model.compile("sgd", loss=loss, metrics=[keras.metrics.CategoricalAccuracy()], jit_compile=False)
    batch = images.transpose(0, 2, 3, 1), targets
    logits = model.predict(batch[0], verbose=0)
    evaluated, accuracy = model.evaluate(*batch, verbose=0)
    assert_float32_loss(evaluated, float(loss(targets, logits)))
    assert accuracy == (logits.argmax(1) == targets.argmax(1)).mean()
    history = model.fit(*batch, validation_data=batch, verbose=0).history
    assert history.keys() == {"loss", "categorical_accuracy", "val_loss", "val_categorical_accuracy"}


def test_a_keras_model_with_heads_is_inside_another_twice(graph, weights, images):
    """As in a Siamese network."""
    model = keras_impl.build(graph, weights=weights)
    one, other = keras.Input(model.input_shape[1:]), keras.Input(model.input_shape[1:])
    pair = keras.Model([one, other], keras.ops.subtract(model(one), model(other)))
    nhwc = images.transpose(0, 2, 3, 1)
    assert not pair.predict([nhwc, nhwc], verbose=0).any()
    assert {id(variable) for variable in pair.variables} <= {id(variable) for variable in model.variables}


def test_a_loss_that_a_layer_adds_counts_once(graph, weights, targets):
    losses = []
    for factor in (None, 0.5):
        model = keras_impl.build(graph, weights=weights)
        model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
        (layer,) = (layer for layer in model.layers if layer.name == "aux1.fc")
        layer.kernel_regularizer = None if factor is None else lambda kernel: 0.5 * keras.ops.sum(kernel * kernel)
        layer.kernel.regularizer = layer.kernel_regularizer
        heads = {name: keras.ops.convert_to_tensor(targets, "float32") for name in HEADS}
        losses.append(float(model.compute_loss(None, targets, heads)))
        added = sum(map(float, model.losses))
    assert added > 0.1
    assert_float32_loss(losses[1], losses[0] + added)


@pytest.mark.parametrize("builder", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_weights_trained_with_heads_load_without_them_and_not_the_other_way(builder, graph, weights, tmp_path):
    path, plain = tmp_path / "w.safetensors", without_heads(graph)
    builder.save_weights(builder.build(graph, weights=weights), path)
    found = builder.get_weights(builder.build(plain, weights=path))
    assert found.keys() == plain.params.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in found)
    assert builder.get_weights(builder.build(graph, weights=path)).keys() == graph.params.keys()
    builder.save_weights(builder.build(plain, weights=path), path)
    with pytest.raises(
        WeightsError, match=r"'aux1\.fc\.weight' of headed is not in .*, and no other tensor of its aux"
    ):
        builder.build(graph, weights=path)


def test_the_onnx_file_has_one_output(graph, weights, images):
    model = onnx_impl.build(graph, weights=weights)
    found = run(model, {"image": images.astype(np.float32)})
    alone = run(
        onnx_impl.build(without_heads(graph), weights=of_the_logits(graph, weights)),
        {"image": images.astype(np.float32)},
    )
    assert found.keys() == {"logits"}
    np.testing.assert_array_equal(found["logits"], alone["logits"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_with_heads(framework, tmp_path, capsys):
    """Trained with heads, judged and shipped without them."""
    recipe = override(Recipe(batch=200, epochs=1, precision="fp64"), {"data.image_size": 12, "schedule.peak": 0.01})
    data = find_data("digits", notice=print).load(Form(12), recipe.seed)
    graph = headed(classes=10)
    task = Task("headed", graph, initial_weights(graph), data, "digits", recipe)
    folder = train(task, loaded(framework), Asked(out=tmp_path)).folder
    _, read, trained = read_run(folder)
    assert read == graph
    assert not [name for name in graph.params if np.array_equal(trained[name], task.weights[name])]
    for model in (folder / "model.onnx", folder / "proof" / f"{framework}.onnx"):
        proto = onnx.load(model)
        assert [output.name for output in proto.graph.output] == ["logits"]
        assert not [tensor.name for tensor in proto.graph.initializer if "aux" in tensor.name]
    predictions = folder / f"predictions-{framework}.npy"
    import_module(f"{framework}_impl.__main__").main(["evaluate", str(folder), "--against", str(predictions)])
    assert "on 100.000 % of the images" in capsys.readouterr().out
