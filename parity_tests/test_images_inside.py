"""The variant of a model that takes uint8 images: the pixels of `deploy`'s reader, computed in the graph."""

import numpy as np
import onnx
import PIL
import pytest
from onnx import TensorProto, helper
from PIL import Image

from deploy import Classifier, runtime
from deploy.images import resize
from deploy.inputs import prepare
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


@pytest.fixture(scope="module", params=SIZES, ids=str)
def prefix(request):
    added = Prefix()
    out = resized(added, "image", request.param)
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", "H", "W", 3))
    made = helper.make_tensor_value_info(out, TensorProto.FLOAT, ("N", 3, *request.param))
    graph = helper.make_graph(added.nodes, "prefix", [given], [made], list(added.constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return request.param, runtime.start(model.SerializeToString(), provider="cpu", threads=1)


def images(shape: tuple[int, int]) -> np.ndarray:
    """Noise, and black and white, where most of Pillow's roundings are ties."""
    noise = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), np.uint8)
    return np.stack([noise, noise // 128 * 255])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pixels_are_pillows(prefix, shape):
    size, session = prefix
    given = images(shape)
    found = runtime.infer(session, given, "prefix").transpose(0, 2, 3, 1)
    expected = np.stack([np.asarray(resize(Image.fromarray(image), size)) for image in given])
    if PILLOW >= 13:
        assert np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= 1  # older versions take the columns of tall images first


@pytest.mark.parametrize("channels", [3, 1])
def test_it_answers_as_the_plain_file_with_the_reader(tmp_path, channels):
    graph = network(channels)
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract(channels).properties())
    content = takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m"))
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    session = runtime.start(content, provider="cpu", threads=1)
    plain = Classifier(tmp_path / "m.onnx")
    for shape in ((30, 41), (12, 9), (7, 20)):
        given = images(shape)[..., :channels]
        logits = runtime.infer(session, given, "m")
        prepared = [prepare(each, plain.image_size, channels) for each in given]
        expected = plain.logits(np.stack(prepared))
        assert np.abs(logits - expected).max() <= limits().float32_forward * np.abs(expected).max()
    assert takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m")) == content


def test_a_file_that_does_not_say_how_images_are_prepared(tmp_path):
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="no classes, mean, std"):
        takes_images(inspect((tmp_path / "m.onnx").read_bytes(), "m"))
