"""`python -m parity diff`: every difference at the right place, in words, and for programs."""

import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import keras_impl.__main__
import torch_impl.__main__
from diptych.errors import DiptychError
from family_networks import ONE_OF_A_FAMILY, is_light
from netspec import architecture, inference, initial_weights, save_weights
from netspec.compare import limits
from netspec.diagram import draw
from netspec.fold import fold_batch_norm
from netspec.reduce import reduced
from onnx_impl import build, export_onnx
from onnx_impl.measure import probe
from onnx_impl.reading import read_onnx
from onnx_impl.rewritten import rewritten
from parity.__main__ import main
from parity.diff import as_json, diff, lines
from parity.diff.findings import DIFFERENT, EQUAL, UNKNOWN
from parity.diff.page import page
from parity.diff.union import union

TRAIN = "train lenet5 --data digits --epochs 1 --out"
NETWORK = "resnet20"


def said(findings) -> str:
    return "\n".join(lines(findings))


def with_op(graph, name, **changes):
    """The graph with one node's attributes changed."""
    nodes = tuple(replace(n, op=replace(n.op, **changes)) if n.name in name else n for n in graph)
    return replace(graph, nodes=nodes, blocks=())


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A network as every kind of file, and the same with one difference."""
    folder = tmp_path_factory.mktemp("files")
    graph = architecture(NETWORK)
    weights = probe(graph)
    changed = weights | {"stage2.block1.conv2.weight": weights["stage2.block1.conv2.weight"] * np.float32(1 + 2**-10)}
    moved = with_op(graph, ["stem"], padding=(0, 2, 1, 1))
    norms = [node.name for node in graph if node.op.kind == "batch_norm" and node.name.startswith("stage2")]
    for name, one in {"a": graph, "pad": moved, "epsilon": with_op(graph, norms, epsilon=1e-3)}.items():
        (folder / f"{name}.json").write_text(one.to_json())
    save_weights(graph, weights, folder / "a.safetensors")
    save_weights(graph, changed, folder / "b.safetensors")
    export_onnx(graph, weights, folder / "a.onnx")
    export_onnx(graph, changed, folder / "b.onnx")
    export_onnx(moved, weights, folder / "pad.onnx")
    export_onnx(graph, weights, folder / "folded.onnx", fold_batch_norm=True)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """One epoch on the digits in each framework."""
    found = {}
    for name, command in (("torch", torch_impl.__main__.main), ("keras", keras_impl.__main__.main)):
        out = tmp_path_factory.mktemp(name)
        command([*TRAIN.split(), str(out)])
        (found[name],) = out.iterdir()
    return found


def test_equal(files):
    for a, b in ((NETWORK, "a.json"), ("a.json", "a.safetensors"), ("a.safetensors", "a.onnx"), ("a.onnx", "a.onnx")):
        findings = diff(*(str(files / name) if "." in name else name for name in (a, b)))
        assert findings.status == EQUAL, said(findings)
        assert findings.values.nodes


def test_one_pad(files):
    for suffix in ("json", "onnx"):  # of an ONNX file, the pads are read from its nodes
        findings = diff(str(files / f"a.{suffix}"), str(files / f"pad.{suffix}"))
        assert findings.status == DIFFERENT
        assert "stem: padding 1,1,1,1 against 0,2,1,1" in said(findings)
        assert [part.nodes for part in findings.structure.changed] == [("stem",)]
        assert findings.values.first.node == "stem"
        assert findings.values.first.before == 0


def test_equal_differences_are_said_once(files):
    findings = diff(str(files / "a.json"), str(files / "epsilon.json"))
    (part,) = findings.structure.changed
    assert f"{len(part.nodes)} nodes: epsilon 1e-5 against 0.001, first at {part.nodes[0]}" in said(findings)
    assert findings.values.first.node == part.nodes[0]


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_one_tensor(files, suffix):
    """A kernel 1 + 2**-10 times as large: so much larger are its tensor and, without a bias, its node's values."""
    findings = diff(str(files / f"a.{suffix}"), str(files / f"b.{suffix}"))
    assert findings.status == DIFFERENT
    assert not findings.attributes
    assert not findings.structure.differs
    ((name, value),) = findings.weights.differing
    assert name == "stage2.block1.conv2.weight"
    first = findings.values.first
    assert first.node == "stage2.block1.conv2"
    if suffix == "safetensors":
        assert abs(value - 2**-10) <= limits().float32_forward * 2**-10  # rounded to float32
        assert abs(first.value - 2**-10) <= limits().float32_forward * 2**-10
        assert first.before == 0
    assert f"tensors differ: {name}" in said(findings)


def test_blocks_that_only_one_has():
    text = said(diff("resnet20", "resnet32"))
    places = [line[12:] for line in text.splitlines() if "only in B" in line]
    assert places == ["6 places like stage1.block3: only in B, 43 nodes"]


def test_a_run_against_another_architecture(runs):
    findings = diff(str(runs["torch"]), "lenet5:in_channels=1,num_classes=7,image_size=28")
    assert findings.status == DIFFERENT
    text = said(findings)
    assert "classes 10 against 7" in text
    assert "fc3: out_features 10 against 7" in text


def test_two_orders_of_a_block():
    """Nodes of one name whose places are swapped: no cycle in the picture, and the first place is named."""
    findings = diff("resnet20", "preresnet20")
    assert findings.status == DIFFERENT
    assert findings.values.first.node == "stage1.block0.conv1"
    assert "stem.bn: only in A, 2 nodes" in said(findings)
    assert 'id="stage1.block0.norm1"' in page(findings)


def test_other_preparation_and_class_names(runs, tmp_path):
    """Of a run against a run, and against a file: the logits are equal, the answers to a picture are not."""
    changed = shutil.copytree(runs["torch"], tmp_path / "changed")
    facts = json.loads((changed / "run.json").read_text())
    facts |= {"mean": [0.5] * 3, "classes": ["zero", *facts["classes"][1:]]}
    (changed / "run.json").write_text(json.dumps(facts))
    for other in (runs["torch"], runs["torch"] / "model.onnx"):
        text = said(findings := diff(str(changed), str(other)))
        assert findings.status == DIFFERENT
        assert re.search(r"mean .*0\.5.* against .*0\.30", text)
        assert "name of class 0 zero against 0" in text


def test_two_frameworks(runs):
    findings = diff(str(runs["torch"]), str(runs["keras"]))
    assert findings.status == DIFFERENT
    assert "A in PyTorch, B in Keras" in said(findings)
    assert findings.values.precision == "float64"
    assert not findings.structure.differs
    first = next(name for name, _ in findings.weights.differing)
    assert findings.values.first.node == first.rpartition(".")[0]
    assert findings.values.alone.first is None
    assert "with the weights of A in both, all nodes agree" in said(findings)


def test_a_run_and_its_own_file(runs):
    for folder in runs.values():
        findings = diff(str(folder), str(folder / "model.onnx"))
        assert findings.status == EQUAL, said(findings)
        assert findings.values.precision == "float32"


def test_native_exports(runs):
    """Compared by logits; and by the initializers where they have canonical names."""
    torch, keras = (folder / "proof" / f"{name}.onnx" for name, folder in runs.items())
    findings = diff(str(torch), str(runs["torch"]))
    assert findings.a.graph is None
    assert findings.weights.meet
    assert findings.status == EQUAL, said(findings)
    findings = diff(str(keras), str(runs["keras"]))
    assert not findings.weights.meet
    assert findings.values.logits <= limits().float32_forward
    assert findings.status == UNKNOWN
    assert "no tensor has one name" in said(findings)
    assert diff(str(torch), str(keras)).status == DIFFERENT


@pytest.mark.parametrize("name", ONE_OF_A_FAMILY.values())
@pytest.mark.parametrize("fold", [False, True])
def test_the_graph_of_a_file_of_every_family(name, fold, tmp_path):
    """Read back from the metadata and the nodes: by the registry, or for a reduced copy by the graph beside it."""
    graph = architecture(name, num_classes=7)
    if not is_light(graph):
        graph = reduced(name)
        (tmp_path / "graph.json").write_text(graph.to_json())
    weights = initial_weights(graph)
    (tmp_path / "m.onnx").write_bytes(rewritten(build(graph, weights=weights, fold_batch_norm=fold)))
    graph = inference(graph)
    expected = fold_batch_norm(graph, weights)[0] if fold else graph
    assert read_onnx(tmp_path / "m.onnx").graph == expected


def test_a_folded_file_computes_the_same(files):
    findings = diff(str(files / "a.onnx"), str(files / "folded.onnx"))
    assert findings.b.graph is not None
    assert findings.status == DIFFERENT
    assert findings.values.logits <= limits().float32_forward


def test_another_image(files):
    findings = diff(NETWORK, f"{NETWORK}:image_size=48x64")
    assert findings.status == DIFFERENT
    assert "input 3x32x32 against 3x48x64" in said(findings)
    assert findings.values.reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("resnet21", "no file or folder, and no architecture; did you mean resnet"),
        ("resnet20:classes=3", "no option 'classes'"),
        ("resnet20:num_classes", "takes KEY=VALUE"),
        ("nothing.json", "no file nothing.json"),
        ("nothing.onnx", "no such file"),
        ("nothing.safetensors", "cannot read weights"),
        (str(Path(__file__).parent), "not the folder of a run"),
        (__file__, "not a graph"),
    ],
)
def test_what_is_none_of_these(given, reason):
    with pytest.raises(DiptychError, match=re.escape(reason)) as caught:
        diff(given, NETWORK)
    assert "\n" not in str(caught.value)


def test_weights_of_an_unknown_network(files, tmp_path):
    graph = replace(architecture("lenet5"), name="mine")
    save_weights(graph, probe(graph), tmp_path / "mine.safetensors")
    with pytest.raises(DiptychError, match=r"graph\.json"):
        diff(str(tmp_path / "mine.safetensors"), NETWORK)
    (tmp_path / "mine.json").write_text(graph.to_json())
    assert diff(str(tmp_path / "mine.safetensors"), str(tmp_path / "mine.json")).status == EQUAL
    (tmp_path / "mine.json").rename(tmp_path / "graph.json")
    assert diff(str(tmp_path / "mine.safetensors"), "lenet5").status == EQUAL


def test_the_command(files, tmp_path, capsys):
    a, b, out = str(files / "a.json"), str(files / "pad.json"), tmp_path / "page.html"
    assert main(["diff", a, b, "--json", "--out", str(out)]) == DIFFERENT
    facts = json.loads(capsys.readouterr().out)
    assert facts["status"] == DIFFERENT
    assert facts["structure"]["changed"][0]["changes"] == [{"what": "padding", "a": "1,1,1,1", "b": "0,2,1,1"}]
    assert facts["values"]["first"]["node"] == "stem"
    assert main(["diff", a, a]) == EQUAL
    assert capsys.readouterr().out.splitlines()[-1] == "verdict     equal"
    text = out.read_text()
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "stem: padding 1,1,1,1 against 0,2,1,1" in text


def test_the_page_has_every_node_and_number(files):
    findings = diff(str(files / "a.safetensors"), str(files / "b.safetensors"))
    text = page(findings)
    for part in findings.values.nodes:
        row = re.search(rf'<tr id="{re.escape(part.node)}".*?</tr>', text, re.DOTALL)[0]
        assert (f"{part.value:.1e}" if part.value else ">0<") in row
    for sentence in said(findings).splitlines()[2:-1]:
        assert sentence[12:].replace("'", "&#39;") in text
    assert len(text) < 3_000_000


@pytest.mark.parametrize(("a", "b"), list(pairwise(ONE_OF_A_FAMILY.values())))
def test_any_two_are_drawn_as_one(a, b):
    one, other = architecture(a), architecture(b)
    both = union(one, other)
    assert {node.name for node in both} == {node.name for node in (*one, *other)}
    assert ElementTree.fromstring(draw(both, [])).tag.endswith("svg")


def test_json_has_no_infinity(files):
    findings = diff("lenet5", "lenet5:num_classes=7")
    assert "not comparable" in page(findings)
    assert json.loads(as_json(findings))["values"]["first"]["value"] is None
