"""What people give a classifier, and what it answers with: inputs, providers, commands, and nothing left behind."""

import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from PIL import Image

import deploy
from deploy import Classifier, DeployError, ImageError, ModelError
from deploy.contract import RESIZE_RULE, Contract
from deploy.isolation import try_model
from netspec import functional as f, trace
from netspec.compare import forward_difference
from onnx_impl import build, export_onnx
from onnx_impl.measure import probe
from trainspec.plan import normalise

NAMES = tuple(f"class {number}" for number in range(5))
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def network(channels: int = 3, height: int = 12, width: int = 9):
    return trace(
        "tiny", (channels, height, width),
        lambda x: f.linear(f.flatten(f.conv_bn(x, 4, 3, 2, name="stem")), 5, name="fc"),
    )  # fmt: skip


def contract(channels: int = 3, height: int = 12, width: int = 9) -> Contract:
    return Contract(NAMES, MEAN[:channels], STD[:channels], (height, width), RESIZE_RULE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a run, as far as `predict` is concerned, and images beside it."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "run").mkdir()
    graph = network()
    export_onnx(graph, probe(graph), folder / "run" / "model.onnx", metadata=contract().properties())
    (folder / "images" / "deep" / "er").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "one.png")
    Image.fromarray(pixels[::-1]).save(folder / "images" / "deep" / "er" / "two.webp", lossless=True)
    (folder / "images" / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def classifier(folder):
    return Classifier(folder / "run")


def images(count: int = 3, shape: tuple[int, ...] = (12, 9, 3)) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)


REFUSED = {
    "float images of 0..1": (images() / 255, r"float64.*uint8.*\* 255"),
    "float32": (images().astype(np.float32), "float32.*values 0..255"),
    "uint16": (images().astype(np.uint16), "uint16"),
    "int64": (images().astype(np.int64), "int64"),
    "bool": (images() > 9, "bool"),
    "objects": (images().astype(object), "object"),
    "channels first": (images().transpose(0, 3, 1, 2), r"\(3, 3, 12, 9\).*transpose\(0, 2, 3, 1\)"),
    "one channel": (images()[..., :1], r"\(3, 12, 9, 1\)"),
    "no channels": (images()[..., 0], r"\(3, 12, 9\)"),
    "transparent": (images(3, (12, 9, 4)), r"\(3, 12, 9, 4\)"),
    "another size": (images(3, (9, 12, 3)), r"\(3, 9, 12, 3\)"),
    "one image": (images()[0], r"images\[None\]"),
    "no images": (images()[:0], "without images"),
    "no pixels": (images(3, (0, 9, 3)), r"\(3, 0, 9, 3\)"),
    "a list": (images().tolist(), "list is not an array"),
    "nothing": (None, "NoneType is not an array"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("method", ["logits", "predict"])
def test_arrays_that_would_be_answered_wrongly_are_refused(classifier, case, method):
    array, message = REFUSED[case]
    with pytest.raises(ImageError, match=message):
        getattr(classifier, method)(array)


def test_logits_are_those_of_the_graph(classifier, folder):
    batch = images(70)  # more than one pass
    prepared = np.ascontiguousarray(normalise(batch, MEAN, STD).transpose(0, 3, 1, 2))
    logits = classifier.logits(batch)
    assert logits.shape == (70, 5)
    assert forward_difference(logits, classifier.model.session.run(None, {"image": prepared})[0]).within
    assert len({each.name for each in classifier.predict(batch[:1], top=9)[0]}) == 5


def test_every_way_to_give_an_image_is_the_same(classifier, folder):
    path = folder / "images" / "one.png"
    content = path.read_bytes()
    image = Image.open(path)
    image.load()
    with path.open("rb") as file:
        ways = [path, str(path), content, io.BytesIO(content), file, image, np.asarray(image)]
        answers = classifier(ways)
    assert all(answer == answers[0] for answer in answers)
    assert classifier(path) == classifier(content) == classifier(image) == answers[:1]
    assert classifier(np.asarray(image)[None]) == answers[:1]


def test_images_of_pillow_are_converted_as_files_are(classifier):
    pixels = images(1, (40, 30, 4))[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    for image in (
        Image.fromarray(pixels), Image.fromarray(pixels[..., :3]).convert("P"), Image.fromarray(pixels[..., 0]),
        Image.fromarray(pixels[..., :2], "LA"), Image.fromarray(pixels[..., 0]).convert("1"),
    ):  # fmt: skip
        file = io.BytesIO()
        image.save(file, "PNG", exif=exif)
        opened = Image.open(io.BytesIO(file.getvalue()))
        assert classifier(opened) == classifier(file.getvalue())
    assert classifier(Image.fromarray(pixels[..., :3]).convert("CMYK"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no images"), (7, "int is not"), ([7], "int is not an image"), ([None], "NoneType is not an image"),
        ([np.zeros((4, 4, 3))], "float64"), ([np.zeros((3, 40, 30), np.uint8)], "channels come last"),
        ([np.zeros((0, 0, 3), np.uint8)], "not an image's"), ([b""], "cannot be read as an image"),
        (["none.png"], "none.png"), ([Image.new("I", (5, 5))], "more than 8 bits"),
        ([Image.new("F", (5, 5))], "more than 8 bits"), (["a\0b"], "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_an_image_is_a_sentence(classifier, given, message):
    with pytest.raises(DeployError, match=message):
        classifier(given)


@pytest.mark.parametrize("top", [0, -1, 1.5, True, None])
def test_top_is_a_number(classifier, top):
    with pytest.raises(DeployError, match="top"):
        classifier.predict(images(1), top)


def test_a_grey_network_gets_grey_images(tmp_path):
    graph = network(channels=1)
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract(channels=1).properties())
    grey = Classifier(tmp_path / "m.onnx")
    pixels = images(1, (12, 9))[0]
    assert grey(pixels) == grey.predict(pixels[None, ..., None])
    with pytest.raises(ImageError, match=r"uint8 \(N, 12, 9, 1\)"):
        grey.logits(images())


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "cuda", "TensorrtExecutionProvider", "azure", "", "gpu"])
def test_a_provider_that_does_not_run_is_an_error(folder, provider):
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        pytest.skip("runs here")
    with pytest.raises(ModelError, match=f"no provider '{provider}'.*CPUExecutionProvider"):
        Classifier(folder / "run", provider=provider)


def test_the_provider_that_runs_is_named(folder):
    for provider in ("cpu", "CPU", "CPUExecutionProvider"):
        assert Classifier(folder / "run", provider=provider, threads=1).provider == "CPUExecutionProvider"
    for threads in (0, -1, 10**6):
        with pytest.raises(ModelError, match="threads"):
            Classifier(folder / "run", threads=threads)


def test_a_default_that_falls_back_is_named(folder, monkeypatch):
    """CUDA is built in and does not start: the CPU runs by default, and an error is what asked for CUDA."""
    import onnxruntime

    start = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers",
        lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    )  # fmt: skip
    asked = []

    def session(model, options, providers):
        asked.append(providers)
        return start(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    assert Classifier(folder / "run").provider == "CPUExecutionProvider"
    assert asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
    with pytest.raises(ModelError, match="CUDAExecutionProvider does not run here"):
        Classifier(folder / "run", provider="cuda")


@pytest.mark.parametrize("name", ["none.onnx", "", ".", "x" * 300 + ".onnx", "a\0b", "/dev/null", "fifo", "folder"])
def test_a_model_that_is_not_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError):
        Classifier(name)


def test_a_large_file_that_is_not_a_model_is_not_read(tmp_path):
    for size, message in ((2**31 - 9, "first bytes"), (6 * 10**9, "at most 2 GiB")):
        with (tmp_path / "large.onnx").open("wb") as file:
            file.truncate(size)
        tracemalloc.start()
        with pytest.raises(ModelError, match=message):
            Classifier(tmp_path / "large.onnx")
        assert tracemalloc.get_traced_memory()[1] < 1e7
        tracemalloc.stop()


def test_a_file_without_a_hash_is_tried_first(tmp_path, monkeypatch):
    graph = network()
    model = build(graph, weights=probe(graph), metadata=contract().properties())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    tried = []
    monkeypatch.setattr(deploy.model, "try_model", lambda *arguments: tried.append(arguments[1]))
    Classifier(tmp_path / "m.onnx", isolate=False)
    assert tried == []
    Classifier(tmp_path / "m.onnx")
    assert tried == [(3, 12, 9)]


def test_a_trial_has_limits(folder):
    content = (folder / "run" / "model.onnx").read_bytes()
    try_model(content, (3, 12, 9), "m")
    for limits, message in (
        ({"memory": 2**26}, "memory|cannot be tried|ends the process"),
        ({"seconds": 0.01}, "done"),
    ):
        with pytest.raises(ModelError, match=message):
            try_model(content, (3, 12, 9), "m", **limits)
    with pytest.raises(ModelError, match="cannot run it"):
        try_model(content, (3, 5, 5), "m")


def test_a_classifier_is_shared_by_threads(classifier):
    batch = images(8)
    expected = classifier.logits(batch)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(classifier.logits(batch))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(np.array_equal(answer, expected) for answer in answers)


def predict(folder, *argv, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    argv = [sys.executable, "-m", "deploy", "predict", *map(str, argv)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, env=kept | environment)


def test_after_a_prediction_an_empty_home_is_still_empty(folder, tmp_path):
    """A file without a hash, so that the child is looked at too."""
    graph, home = network(), tmp_path / "home"
    home.mkdir()
    model = build(graph, weights=probe(graph), metadata=contract().properties())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    caches = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), "")
    done = predict(folder, tmp_path / "m.onnx", "images", HOME=str(home), **caches)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def test_the_command_takes_runs_folders_and_webp(folder):
    done = predict(folder, "run", "images", "images/one.png", "--top", "2", "--threads", "1", "--provider", "cpu")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "run: CPUExecutionProvider"
    assert lines[1].startswith("note: 1 files in the folders are not images")
    named = ["images/deep/er/two.webp", "images/one.png", "images/one.png"]
    assert [line for line in lines[2:] if not line.startswith("  ")] == named
    assert len(lines) == 2 + 3 * 3
    answer = json.loads(predict(folder, "run", "images", "--json").stdout)
    assert answer["provider"] == "CPUExecutionProvider"
    assert [image["image"] for image in answer["images"]] == named[:2]
    assert all(sum(each["probability"] for each in image["predictions"]) > 0.999 for image in answer["images"])


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "images/one.png", "images/none.png"], ["run", "images/notes.txt"], ["run", "run"], ["images", "images"],
        ["run", "images", "--top", "0"], ["run", "images", "--threads", "0"], ["run", "images", "--provider", "cuda"],
        ["run", "x" * 300], ["run/model.onnx/x", "images"], ["run"], ["run", "images", "--top", "many"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_is_one_line_before_any_answer(folder, argv):
    done = predict(folder, *argv)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
