"""The variant of a model that takes uint8 images: the pixels of `deploy`'s reader, computed in the graph."""

from dataclasses import replace

import numpy as np
import onnx
import PIL
import pytest
from onnx import TensorProto, helper
from PIL import Image

from deploy import Classifier, runtime
from deploy.contract import RESIZE_RULES
from deploy.images import resize
from deploy.inspection import inspect
from diptych.errors import ExportError
from netspec.compare import limits
from onnx_impl import export_onnx
from onnx_impl.inside import Prefix, resized, takes_images
from onnx_impl.measure import probe
from tiny_classifier import contract, network

PILLOW = int(PIL.__version__.partition(".")[0])
SIZES = [(32, 32), (12, 9), (20, 45), (1, 1)]
SHAPES = [
    (32, 32), (12, 9), (64, 64), (33, 32), (31, 47), (47, 31), (160, 213), (213, 160), (5, 300), (300, 5), (1, 1),
    (1, 40), (40, 1), (101, 150), (97, 100), (200, 200), (8, 8),
]  # fmt: skip


@pytest.fixture(scope="module", params=[(size, rule) for size in SIZES for rule in RESIZE_RULES], ids=str)
def prefix(request):
    size, rule = request.param[0], RESIZE_RULES[request.param[1]]
    added = Prefix()
    out = resized(added, "image", size, rule)
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", "H", "W", 3))
    made = helper.make_tensor_value_info(out, TensorProto.FLOAT, ("N", 3, *size))
    graph = helper.make_graph(added.nodes, "prefix", [given], [made], list(added.constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return size, rule, runtime.start(model.SerializeToString(), provider="cpu", threads=1)


def images(shape: tuple[int, int]) -> np.ndarray:
    """Noise, and black and white, where most of Pillow's roundings are ties."""
    noise = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)
    return np.stack([noise, noise // 128 * 255])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pixels_are_pillows(prefix, shape):
    size, rule, session = prefix
    given = images(shape)
    found = runtime.infer(session, given, "prefix").transpose(0, 2, 3, 1)
    expected = np.stack([np.asarray(resize(Image.fromarray(image), size, rule)) for image in given])
    if PILLOW >= 13:
        assert np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= 1  # older versions take the columns of tall images first


@pytest.mark.parametrize("rule", RESIZE_RULES.values())
@pytest.mark.parametrize("channels", [3, 1])
def test_it_answers_as_the_plain_file_with_the_reader(tmp_path, channels, rule):
    graph = network(channels)
    metadata = replace(contract(channels), resize_rule=rule).properties()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=metadata)
    content = takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m"))
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    session = runtime.start(content, provider="cpu", threads=1)
    plain = Classifier(tmp_path / "m.onnx")
    for shape in ((30, 41), (12, 9), (7, 20)):
        given = images(shape)[..., :channels]
        logits = runtime.infer(session, given, "m")
        prepared = [plain.prepare(each) for each in given]
        expected = plain.logits(np.stack(prepared))
        assert np.abs(logits - expected).max() <= limits().float32_forward * np.abs(expected).max()
    assert takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m")) == content


def operators(graph: onnx.GraphProto) -> list[str]:
    """Of a graph and of those in it."""
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return [node.op_type for node in graph.node] + [name for each in inner for name in operators(each)]


def test_the_image_is_transposed_once_and_nothing_else(tmp_path):
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract().properties())
    content = (tmp_path / "m.onnx").read_bytes()
    counts = [
        operators(onnx.load_model_from_string(each).graph).count("Transpose")
        for each in (content, takes_images(inspect(content, "m")))
    ]
    assert counts == [0, 1]


def test_luma_is_taken_before_the_image_is_resized(tmp_path):
    """So a web page, which gives the variant the luma of a photograph, answers as `predict` does."""
    graph = network(1)
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract(1).properties())
    plain = Classifier(tmp_path / "m.onnx")
    session = runtime.start(takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m")), provider="cpu", threads=1)
    photo = images((30, 41))[0]
    luma = np.asarray(Image.fromarray(photo).convert("L"))[None, ..., None]
    expected = plain.logits(plain.prepare(photo)[None])
    difference = np.abs(runtime.infer(session, luma, "m") - expected).max()
    assert difference <= limits().float32_forward * np.abs(expected).max()
    late = np.asarray(resize(Image.fromarray(photo), plain.image_size).convert("L"))
    assert not np.array_equal(plain.prepare(photo)[..., 0], late)


def test_a_file_that_does_not_say_how_images_are_prepared(tmp_path):
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="no classes, mean, std"):
        takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m"))
