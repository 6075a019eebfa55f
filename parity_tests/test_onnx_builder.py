"""What the ONNX builder writes: valid from the oldest opset to the newest, and within the contract."""

import importlib
import os
import re

import numpy as np
import onnx
import pytest
import torch

import onnx_impl
import onnx_impl.export
import torch_impl
from diptych.errors import ExportError, UsageError, WeightsError
from family_networks import cover
from netspec import Graph, functional as f, inference, list_architectures, trace
from netspec.compare import forward_difference
from netspec.probes import probe_images, probe_weights
from netspec.reduce import reduced
from netspec.weights import weights_hash
from onnx_impl.measure import probe
from onnx_impl.model import DEFAULT_OPSET, NEWEST_OPSET, OLDEST_OPSET, build
from onnx_impl.reading import read_onnx
from onnx_impl.verify import run, session, write_verified
from parity.examples import EXAMPLES, example

OPSETS = (OLDEST_OPSET, NEWEST_OPSET)


def ops_of(graph: Graph) -> set[object]:
    return {node.op.kind for node in inference(graph)}


def zeros(graph):
    return {name: np.zeros(param.shape, np.float32) for name, param in graph.params.items()}


def op_types(model) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("name", list_architectures())
def test_networks_have_no_transpose_and_canonical_initializers(name):
    graph = reduced(name)
    model = build(graph, weights=zeros(graph))
    assert "Transpose" not in op_types(model)
    assert len(model.graph.node) >= len(inference(graph).nodes)
    assert {tensor.name for tensor in model.graph.initializer} >= graph.params.keys()


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_at(opset, name, tmp_path, torch_forward):
    graph = example(name)
    weights = probe_weights(graph)
    model = build(graph, weights=weights, opset=opset)
    assert "Transpose" not in op_types(model)
    assert model.opset_import[0].version == opset
    write_verified(model, graph, torch_forward(graph, weights), tmp_path / "m.onnx", {})


@pytest.mark.parametrize("name", cover(ops_of))
def test_networks_at_the_oldest_and_the_newest_opset(name, tmp_path, torch_forward):
    graph = reduced(name)
    weights = probe(graph)
    forward = torch_forward(graph, weights)
    for opset in OPSETS:
        path = tmp_path / f"{opset}.onnx"
        write_verified(build(graph, weights=weights, opset=opset), graph, forward, path, {})
        assert onnx.load(path).opset_import[0].version == opset


@pytest.mark.parametrize("name", cover(ops_of))
def test_networks_are_exported(name, tmp_path):
    """By the builder's own road, whose judge is ONNX's NumPy evaluator."""
    graph = reduced(name)
    assert onnx_impl.export_onnx(graph, probe(graph), tmp_path / "m.onnx").within


def test_an_opset_that_is_too_old(mixed):
    with pytest.raises(ExportError, match=f"opset {OLDEST_OPSET - 1} is too old.*{OLDEST_OPSET}"):
        build(mixed, opset=OLDEST_OPSET - 1)


def test_the_contract(mixed, tmp_path):
    path, weights = tmp_path / "m.onnx", probe(mixed)
    onnx_impl.export_onnx(mixed, weights, path, metadata={"class_names": "a b"})
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == DEFAULT_OPSET
    (image,), (logits,) = model.graph.input, model.graph.output
    for value, name, shape in ((image, "image", mixed.input_shape), (logits, "logits", (5,))):
        batch, *rest = value.type.tensor_type.shape.dim
        assert value.name == name
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert batch.dim_param == "N"
        assert tuple(dim.dim_value for dim in rest) == shape
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert re.fullmatch("[0-9a-f]{64}", metadata.pop("content_sha256"))
    assert metadata == {
        "schema": "1",
        "architecture": "mixed",
        "graph_digest": mixed.digest,
        "weights_sha256": weights_hash(weights),
        "image_size": "12x9",
        "class_names": "a b",
    }


def test_nodes_and_initializers_have_canonical_names(mixed):
    model = build(mixed)
    assert {node.name for node in model.graph.node} >= {node.name for node in mixed}
    assert [tensor.name for tensor in model.graph.initializer] == list(mixed.params)


@pytest.mark.parametrize("batch", [1, 7])
def test_batches(mixed, batch, torch_forward):
    weights, images = probe(mixed), probe_images(mixed, 8)
    running = session(build(mixed, weights=weights))
    parts = [run(running, {"image": images[i : i + batch]})["logits"] for i in range(0, 8, batch)]
    difference = forward_difference(torch_forward(mixed, weights)(images), np.concatenate(parts))
    assert difference.within, str(difference)


@pytest.fixture
def dense_norm():
    """Batch norm behind a dense layer without a bias."""

    def network(x):
        x = f.linear(f.flatten(x), 6, bias=False, name="fc1")
        return f.linear(f.relu(f.batch_norm(x, name="fc1.bn")), 5, name="fc2")

    return trace("dense_norm", (3, 4, 4), network)


@pytest.mark.parametrize("name", ["mixed", "dense_norm", "nin_bn", "resnet20"])
def test_folded_batch_norm(name, mixed, dense_norm):
    """The same outputs with fewer nodes."""
    graph = {"mixed": mixed, "dense_norm": dense_norm}.get(name) or reduced(name)
    weights, images = probe(graph), probe_images(graph, 8)
    plain, folded = (build(graph, weights=weights, fold_batch_norm=fold) for fold in (False, True))
    norms = op_types(plain).count("BatchNormalization")
    assert norms > 0
    assert "BatchNormalization" not in op_types(folded)
    assert len(folded.graph.node) == len(plain.graph.node) - norms
    outputs = [run(model, {"image": images})["logits"] for model in (plain, folded)]
    difference = forward_difference(*outputs)
    assert difference.within, str(difference)


def test_a_batch_norm_that_stands_alone_is_kept():
    """Where the value in front is read by someone else too, or is no layer's, there is nothing to fold into."""

    def network(x):
        x = f.batch_norm(x, name="first")
        y = f.conv(x, 4, 3, name="conv")
        return f.linear(f.flatten(f.add(f.batch_norm(y, name="bn"), y)), 5, name="fc")

    graph = trace("alone", (3, 8, 8), network)
    weights, images = probe(graph), probe_images(graph, 8)
    plain, folded = (build(graph, weights=weights, fold_batch_norm=fold) for fold in (False, True))
    assert op_types(plain) == op_types(folded)
    assert forward_difference(*(run(model, {"image": images})["logits"] for model in (plain, folded))).within


def test_weights_of_another_network(mixed):
    with pytest.raises(WeightsError, match="lenet5"):
        build("lenet5", weights=zeros(mixed))


def leaves_nothing(export, tmp_path, message="computes something else"):
    path = tmp_path / "m.onnx"
    with pytest.raises(ExportError, match=message):
        export(path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_not_left_behind(mixed, tmp_path, monkeypatch):
    right = onnx_impl.export.reference_forward
    monkeypatch.setattr(onnx_impl.export, "reference_forward", lambda model, images: -right(model, images))
    leaves_nothing(lambda path: onnx_impl.export_onnx(mixed, probe(mixed), path), tmp_path)


def test_a_file_that_proves_nothing_is_not_left_behind(mixed, tmp_path):
    leaves_nothing(
        lambda path: onnx_impl.export_onnx(mixed, zeros(mixed), path), tmp_path, "cannot be verified.*schedule.peak"
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"forward": lambda images: None}, "the forward pass gives object and no logits"),
        ({"metadata": {"a": "\udcff"}}, "is invalid: .*surrogates"),
    ],
)
def test_wrong_arguments_leave_nothing_behind(mixed, tmp_path, wrong, message):
    leaves_nothing(lambda path: onnx_impl.export_onnx(mixed, probe(mixed), path, **wrong), tmp_path, message)


def test_float16_weights_are_folded_as_their_values_in_float32(mixed):
    half = {name: array.astype(np.float16) for name, array in probe(mixed).items()}
    single = {name: array.astype(np.float32) for name, array in half.items()}
    files = [build(mixed, weights=weights, fold_batch_norm=True).SerializeToString() for weights in (half, single)]
    assert files[0] == files[1]


def test_a_file_that_is_invalid_is_not_left_behind(mixed, tmp_path, torch_forward):
    model, weights = build(mixed), probe(mixed)
    model.graph.node[0].op_type = "Convolve"
    leaves_nothing(
        lambda path: write_verified(model, mixed, torch_forward(mixed, weights), path, {}), tmp_path, "invalid"
    )


def test_a_file_outside_the_contract_is_not_left_behind(mixed, tmp_path, torch_forward):
    model, weights = build(mixed), probe(mixed)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    leaves_nothing(
        lambda path: write_verified(model, mixed, torch_forward(mixed, weights), path, {}), tmp_path, "N, C, H, W"
    )


@pytest.mark.parametrize("framework", ["torch_impl", "keras_impl"])
def test_a_native_export_that_differs_is_not_left_behind(framework, mixed, tmp_path, monkeypatch):
    package, export = importlib.import_module(framework), importlib.import_module(f"{framework}.export")
    model, right = package.build(mixed, weights=probe(mixed)), export.forward
    monkeypatch.setattr(export, "forward", lambda model, images: -right(model, images))
    leaves_nothing(lambda path: package.export_onnx(model, path), tmp_path)
    monkeypatch.setattr(export, "forward", right)
    assert package.export_onnx(model, tmp_path / "m.onnx").within
    assert onnx.load(tmp_path / "m.onnx").graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_an_export_in_the_middle_of_a_training_changes_nothing(mixed, tmp_path):
    model = torch_impl.build(mixed, weights=probe(mixed)).double().train()
    assert torch_impl.export_onnx(model, tmp_path / "m.onnx").within
    assert all(module.training for module in model.modules())
    assert {values.dtype for values in model.state_dict().values()} == {torch.float64}


def scaled_gelu(x):
    """The default name of the second node is the name of a constant of the first one."""
    return f.linear(f.flatten(f.scale(f.activation(x, "gelu"), 0.5)), 4, name="fc")


def temperature(x):
    """An inner node has the name of the output."""
    return f.scale(f.linear(f.flatten(x), 4, name="logits"), 0.5, name="cold")


@pytest.mark.parametrize("network", [scaled_gelu, temperature])
def test_names_of_users_do_not_meet_those_of_the_file(tmp_path, network):
    graph = trace(network.__name__, (3, 4, 4), network)
    onnx_impl.export_onnx(graph, probe(graph), tmp_path / "model.onnx")  # verified against the graph
    inputs = probe_images(graph, 3, seed=0)
    values = read_onnx(tmp_path / "model.onnx", others=[graph]).values(inputs)
    assert values.keys() == {node.name for node in graph}
    logits = run(tmp_path / "model.onnx", {"image": inputs})["logits"]
    np.testing.assert_array_equal(values[graph.outputs[0]], logits)


@pytest.mark.parametrize("dtype", [int, np.float16, "half"])
def test_another_precision_is_refused(dtype):
    with pytest.raises(UsageError, match="give float32 or float64"):
        build("lenet5", dtype=dtype)


def test_a_precision_may_be_a_name():
    assert build("lenet5", dtype="float64") == build("lenet5", dtype=np.float64)


def test_a_path_that_is_not_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"odd\xff")
    folder.mkdir()
    graph = trace("small", (3, 4, 4), scaled_gelu)
    onnx_impl.export_onnx(graph, probe(graph), folder / "model.onnx")
    assert (folder / "model.onnx").is_file()
