"""What every exported ONNX file says of itself, and what is refused before anything is written."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import onnx
import pytest
from onnx import helper

import keras_impl.__main__
import onnx_impl.__main__
import torch_impl.__main__
from deploy import Classifier, ModelError
from deploy.contract import PROBE_WEIGHTS, RESIZE_RULES, Contract
from deploy.inspection import inspect
from diptych.errors import DataError, DiptychError, ExportError, GraphError
from netspec import architecture, functional as f, initial_weights, save_weights, trace
from netspec.compare import forward_difference
from netspec.limits import ONNX_BYTES, check_onnx_size, onnx_size
from netspec.probes import probe_images, probe_weights
from netspec.reduce import reduced
from onnx_impl import build, export_onnx
from onnx_impl.evaluation import evaluate
from onnx_impl.judge import reference_forward
from onnx_impl.measure import probe
from onnx_impl.model import NEWEST_OPSET, OLDEST_OPSET
from onnx_impl.presets import PRESETS, describe
from onnx_impl.verify import session
from parity.examples import EXAMPLES, example
from trainspec.data import Form, digits

EXPORTERS = {
    "onnx": onnx_impl.__main__.main,
    "torch": torch_impl.__main__.main,
    "keras": keras_impl.__main__.main,
}
ONE_OF_AN_OP = {name.partition(".")[0]: name for name in EXAMPLES}.values()


@pytest.mark.parametrize("opset", range(OLDEST_OPSET, NEWEST_OPSET + 1))
def test_the_judge_agrees_at_every_opset(opset, tmp_path):
    """One network of every op, and one with batch norms: before opset 14 the evaluator's own takes the batch's."""
    for graph in (*map(example, ONE_OF_AN_OP), reduced("resnet20")):
        assert export_onnx(graph, probe(graph), tmp_path / "m.onnx", opset=opset).within


@pytest.mark.parametrize("name", EXAMPLES)
def test_our_operators_of_the_judge_are_the_evaluators(name):
    """At an opset where the evaluator's own are right; LRN it has wrong at every one."""
    graph = example(name)
    model, images = build(graph, weights=probe_weights(graph)), probe_images(graph, 2)
    if name.startswith("local_response_norm"):
        pytest.skip("onnx's own is wrong")
    expected = onnx.reference.ReferenceEvaluator(model).run(["logits"], {"image": images})[0]
    assert forward_difference(reference_forward(model, images), expected, unit=float(np.abs(expected).max())).within


NAMES = ("ein Hund", "猫")
ASKED = ["lenet5", "--num-classes", "2", "--preset", "imagenet", "--classes", "names.txt", "--std", "0.1,0.2,0.3"]


@pytest.fixture(scope="module", params=EXPORTERS)
def exported(request, tmp_path_factory):
    """`(framework, path)` of a file that each exporter wrote without weights, and said so."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "names.txt").write_text("\r\n".join(NAMES) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as shown:
        patch.chdir(folder)
        EXPORTERS[request.param](["export", *ASKED])
    assert PROBE_WEIGHTS in shown.getvalue()
    return request.param, folder / "exports" / f"lenet5-{request.param}.onnx"


def test_an_export_can_be_asked(exported):
    classifier = Classifier(exported[1])
    contract = classifier.contract
    assert contract.classes == NAMES
    assert (contract.mean, contract.std) == ((0.485, 0.456, 0.406), (0.1, 0.2, 0.3))
    assert contract.weights == PROBE_WEIGHTS
    assert contract.architecture == "lenet5"
    assert {each.name for each in classifier(np.zeros((50, 40, 3), np.uint8))[0]} == set(NAMES)


def test_every_file_says_the_schema_of_its_metadata(exported):
    metadata = {entry.key: entry.value for entry in onnx.load(exported[1]).metadata_props}
    assert metadata["schema"] == "1"
    assert metadata["image_size"] == "32x32"


def test_a_file_says_its_shapes_and_nothing_of_the_machine(exported):
    content = exported[1].read_bytes()
    assert inspect(content, exported[1]).hashed
    model = onnx.load_from_string(content)
    values = {entry.name: entry.type.tensor_type.shape for entry in (*model.graph.value_info, *model.graph.output)}
    assert all(len(values[name].dim) for node in model.graph.node for name in node.output)
    for word in (b"site-packages", b"torch_impl/", b"keras_impl/", b'.py"'):
        assert word not in content


def test_equal_models_make_equal_bytes(exported, monkeypatch):
    framework, path = exported
    if framework == "keras":
        pytest.skip("Keras numbers the layers that a process has made: equal in another process, not in this one")
    monkeypatch.chdir(path.parents[1])
    first = path.read_bytes()
    EXPORTERS[framework](["export", *ASKED])
    assert path.read_bytes() == first


def test_shapes_are_those_that_run(mixed):
    model = build(mixed, weights=probe(mixed))
    said = {entry.name: [dim.dim_value for dim in entry.type.tensor_type.shape.dim] for entry in model.graph.value_info}
    assert said
    model.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in said)
    running = session(model)
    names = [output.name for output in running.get_outputs()]
    outputs = dict(zip(names, running.run(None, {"image": probe_images(mixed, 2)}), strict=True))
    assert all(list(outputs[name].shape[1:]) == shape[1:] for name, shape in said.items())


def test_trained_weights_are_not_called_random(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lenet = architecture("lenet5")
    weights = initial_weights(lenet)
    save_weights(lenet, weights, "w.safetensors")
    onnx_impl.__main__.main(["export", "lenet5", "--weights", "w.safetensors", "--preset", "cifar10"])
    assert PROBE_WEIGHTS not in capsys.readouterr().out
    assert Classifier(tmp_path / "exports" / "lenet5-onnx.onnx").contract.weights == ""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--preset", "imagenette"], "no preset 'imagenette'; did you mean imagenet"),
        (["--classes", "two.txt"], "needs --mean and --std"),
        (["--mean", "0,0,0"], "needs --mean and --std"),
        (["--preset", "cifar10", "--num-classes", "7"], "10 classes, but it has 7 logits"),
        (["--preset", "imagenet", "--classes", "two.txt"], "2 classes, but it has 10 logits"),
        (["--preset", "imagenet", "--classes", "none.txt"], "none.txt: cannot be read"),
        (["--preset", "imagenet", "--classes", "."], "not a file of class names"),
        (["--preset", "imagenet", "--classes", "latin.txt"], "UTF-8"),
        (["--preset", "imagenet", "--classes", "gap.txt"], "line 2 is empty"),
        (["--preset", "imagenet", "--mean", "0.5"], "1 means and 3 standard deviations"),
        (["--preset", "imagenet", "--std", "0,1,1"], "deviation of 0"),
        (["--preset", "imagenet", "--std", "nan,1,1"], "std"),
        (["--preset", "imagenet", "--in-channels", "1"], "3 values of mean, but its input has 1 channels"),
        (["--mean", "a,b,c"], "a,b,c"),
        (["--mean", "123.7,116.3,103.5", "--std", "58.4,57.1,57.4"], "--mean 123.7,116.3,103.5: .* 0..1 scale"),
        (["--preset", "imagenet", "--std", "58.4,57.1,57.4"], "--std 58.4,57.1,57.4: .* divide those of 0..255"),
    ],
)
def test_what_a_file_cannot_say_is_refused(argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.txt").write_text("a\nb\n")
    (tmp_path / "gap.txt").write_text("a\n\nb\n")
    (tmp_path / "latin.txt").write_bytes("né\n".encode("latin-1"))
    with pytest.raises(DiptychError, match=message):
        onnx_impl.__main__.main(["export", "lenet5", *argv])
    assert not (tmp_path / "exports").exists()


def test_another_schema_is_refused_before_its_values_are_read(of_digits, tmp_path):
    other = changed(of_digits, tmp_path / "m.onnx", schema="2", mean="of a later version")
    with pytest.raises(ModelError, match=r"m\.onnx: its metadata have schema '2'; this version .* reads schema 1$"):
        Classifier(other)


def test_a_file_without_a_schema_is_read(of_digits, tmp_path):
    """It comes from elsewhere, or from an earlier version."""
    model = onnx.load(of_digits)
    known = {entry.key: entry.value for entry in model.metadata_props if entry.key != "content_sha256"}
    del known["schema"]
    helper.set_model_props(model, known)
    assert inspect(model.SerializeToString(), "m").contract.classes == tuple("0123456789")


def test_names_that_are_not_utf8_survive():
    contract = Contract(classes=("a\udcff", "b\x00"), mean=(0.0,), std=(1.0,))
    text = dict(contract.properties())["classes"]
    assert text.encode()  # protobuf takes it
    assert Contract.read(contract.properties().items()) == contract
    assert json.loads(text) == ["a\udcff", "b\x00"]


@pytest.mark.parametrize(
    "name", ["../../x", "/abs", "x" * 300, "a\0b", "a\nb", "", ".hidden", "~", "a/b", "a\\b", "\x1b[2J"]
)
def test_a_graph_is_named_by_what_can_name_a_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    described = json.loads(architecture("lenet5").to_json())
    (tmp_path / "g.json").write_text(json.dumps({**described, "name": name}))
    for main in EXPORTERS.values():
        with pytest.raises(GraphError, match="is not a name for a graph"):
            main(["export", "g.json"])
    assert [path.name for path in tmp_path.iterdir()] == ["g.json"]


def test_options_in_a_name_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx_impl.__main__.main(["export", "resnet20", "--option", "activation=mish"])
    assert [path.name for path in (tmp_path / "exports").glob("*.onnx")] == ["resnet20(activation=mish)-onnx.onnx"]


def test_a_file_above_2_gib_is_refused_before_its_weights_are_drawn(monkeypatch):
    graph = architecture("vgg19", num_classes=200_000)
    monkeypatch.setattr("netspec.weights.initial_weights", None)
    for attempt in (lambda: check_onnx_size(graph), lambda: build(graph)):
        with pytest.raises(ExportError, match=r"3\.\d\d GiB.*at most 2 GiB"):
            attempt()
    check_onnx_size(architecture("vgg19"))


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "resnext29_8x64d", "vgg11"])
def test_the_size_of_a_file_is_never_underestimated(name):
    graph = reduced(name)
    assert len(build(graph).SerializeToString()) < onnx_size(graph) < ONNX_BYTES


def test_resnest_takes_a_batch_of_none():
    graph = reduced("resnest50d")
    logits = session(build(graph)).run(None, {"image": np.zeros((0, *graph.input_shape), np.float32)})[0]
    assert logits.shape[0] == 0


@pytest.fixture(scope="module")
def of_digits(tmp_path_factory):
    """A file that says that it is of the digits."""
    folder, data = tmp_path_factory.mktemp("digits"), digits.load_digits(Form(8), 0)
    graph = trace("tiny", (3, 8, 8), lambda x: f.linear(f.flatten(f.relu(f.conv(x, 4, 3, name="c"))), 10, name="fc"))
    contract = Contract(data.classes, data.mean, data.std, (8, 8), data.notes[1][13:-1], data=data.label)
    export_onnx(graph, probe(graph), folder / "m.onnx", metadata=contract.properties())
    return folder / "m.onnx"


def changed(path, target, **properties):
    model = onnx.load(path)
    known = {entry.key: entry.value for entry in model.metadata_props if entry.key != "content_sha256"}
    helper.set_model_props(model, {**known, **properties})
    target.write_bytes(model.SerializeToString())
    return target


def test_an_evaluation_takes_the_data_that_the_file_names(of_digits, tmp_path):
    assert evaluate(of_digits).top1 == evaluate(of_digits, "digits").top1
    other = changed(of_digits, tmp_path / "other.onnx", data="flowers")
    with pytest.raises(DataError, match="flowers.*give --data"):
        evaluate(other, isolate=False)
    assert evaluate(other, "digits", isolate=False).top1 == evaluate(of_digits).top1


def test_an_evaluation_compares_classes_and_their_order(of_digits, tmp_path):
    for names, message in (
        ("9876543210", "in another order"),
        ("abcdefghij", "have changed since the training|other ones"),
    ):
        other = changed(of_digits, tmp_path / "other.onnx", classes=json.dumps(list(names)))
        with pytest.raises(DataError, match=message):
            evaluate(other, isolate=False)


def test_an_evaluation_has_the_guards_of_a_prediction(of_digits, tmp_path):
    content = bytearray(of_digits.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="content_sha256"):
        evaluate(tmp_path / "flipped.onnx")
    with pytest.raises(ModelError, match="content_sha256"):
        Classifier(tmp_path / "flipped.onnx")


def test_weights_that_are_not_the_files_own_are_refused(of_digits, tmp_path):
    """Also where the file has no hash over its content, and where auxiliary heads or folding left weights out."""
    model = onnx.load(changed(of_digits, tmp_path / "m.onnx"))
    raw = bytearray(model.graph.initializer[0].raw_data)
    raw[5] ^= 1
    model.graph.initializer[0].raw_data = bytes(raw)
    with pytest.raises(ModelError, match="weights_sha256"):
        inspect(model.SerializeToString(), "m")
    for graph, fold in ((reduced("googlenet", aux_heads=True), False), (reduced("resnet20"), True)):
        proto = build(graph, fold_batch_norm=fold)
        assert inspect(proto.SerializeToString(), "m").contract.weights_sha256


def test_metadata_are_described_once():
    graph = architecture("lenet5")
    assert describe(graph).missing == ["classes", "mean", "std", "resize_rule"]
    rules = {name: describe(graph, name).resize_rule for name in PRESETS}
    assert rules == {"imagenet": RESIZE_RULES["margin"], "cifar10": RESIZE_RULES["crop"]}
    assert describe(graph, "imagenet").classes[:2] == ("class 0", "class 1")
