"""`deploy` imports nothing of ours, and prepares an image exactly as training did."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deploy import ImageError, Model, ModelError, read_image
from deploy.__main__ import main
from deploy.errors import UsageError, first_line
from netspec import architecture, initial_weights
from netspec.compare import Difference, limits
from onnx_impl import build
from onnx_impl.verify import run
from trainspec.data import Form
from trainspec.data.images import RESIZE_RULE, decode
from trainspec.plan import normalise

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
CLASSES = [f"class {number}" for number in range(10)]


def photograph(size: tuple[int, int], kind: str = "JPEG", orientation: int = 1) -> bytes:
    """Random, with an EXIF orientation."""
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.fixture
def proto():
    metadata = {
        "classes": json.dumps(CLASSES),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
        "resize_rule": RESIZE_RULE,
    }
    graph = architecture("lenet5")
    return build(graph, weights=initial_weights(graph), metadata=metadata)


@pytest.mark.parametrize(("size", "orientation"), [((32, 32), 1), ((40, 33), 6), ((31, 100), 3), ((20, 12), 1)])
def test_an_image_is_prepared_as_in_training(tmp_path, proto, size, orientation):
    content = photograph(size, orientation=orientation)
    (tmp_path / "image.jpg").write_bytes(content)
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    model = Model(tmp_path / "model.onnx")
    image = read_image(tmp_path / "image.jpg", model.image_size)
    expected = decode(content, Form(32), "image.jpg")
    assert np.array_equal(image, expected)
    prepared = normalise(expected[None], MEAN, STD).transpose(0, 3, 1, 2)
    logits = run(proto, {"image": np.ascontiguousarray(prepared)})["logits"]
    assert np.array_equal(model.logits(image[None]), logits)
    best = model.predict(image[None], top=10)[0]
    assert [prediction.name for prediction in best] == [CLASSES[index] for index in np.argsort(-logits[0])]
    total = Difference(abs(sum(prediction.probability for prediction in best) - 1), limits().float32_forward, "sum")
    assert total.within, str(total)


@pytest.mark.parametrize(
    "settings", [{"channels": 4}, {"size": 0}, {"size": (8,)}, {"size": "8"}, {"size": 8, "rule": "crop"}]
)
def test_a_wrong_argument_is_not_the_image_s_fault(settings):
    with pytest.raises(UsageError, match=f"^{[*settings][-1]} = "):
        read_image(photograph((9, 9)), **settings)


@pytest.mark.parametrize("size", [(8, 9), [8, 9], (np.int64(8), np.int64(9))])
def test_a_size_is_any_pair_of_whole_numbers(size):
    assert read_image(photograph((30, 20)), size).shape == (8, 9, 3)


def test_the_reason_is_shown_not_its_place_in_the_runtime():
    said = (
        "[ONNXRuntimeError] : 1 : FAIL : Load model from m failed:/src/core/graph/model_load_utils.h:46 void "
        "onnxruntime::Validate(const std::unordered_map<std::string, int>&, int) ONNX Runtime only supports opset 26"
    )
    assert first_line(RuntimeError(said)) == "Load model from m failed: ONNX Runtime only supports opset 26"


def test_what_cannot_be_used_is_one_line(tmp_path, proto):
    (tmp_path / "text.jpg").write_text("no image")
    for path, words in ((tmp_path / "text.jpg", "cannot be read as an image"), (tmp_path / "none.png", "no such file")):
        with pytest.raises(ImageError, match=words):
            read_image(path, (32, 32))
    with pytest.raises(ModelError, match="not an ONNX model"):
        Model(tmp_path / "text.jpg")
    del proto.metadata_props[:]
    (tmp_path / "bare.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="lack classes"):
        Model(tmp_path / "bare.onnx")


def test_it_imports_nothing_of_ours():
    program = (
        "import sys, deploy, deploy.__main__, deploy.predict; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('netspec', 'trainspec', 'onnx_impl', 'torch_impl', 'keras_impl', 'onnx', 'torch', 'keras', 'tensorflow')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["package", "quantize"])
def test_a_command_of_another_package_runs_where_that_is_installed(command, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m onnx_impl {command}" in capsys.readouterr().out
    monkeypatch.setattr("deploy.commands.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=f"{command} needs the package onnx_impl, which is not installed here"):
        main([command, "RUN"])
