"""What people give a classifier, and what it answers with: arrays, files, images of Pillow."""

import io
import pickle
import threading

import numpy as np
import pytest
from PIL import Image

import image_files
from deploy import Classifier, DeployError, ImageError, ModelError
from deploy.inputs import prepare
from netspec.compare import forward_difference
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from tiny_classifier import MEAN, STD, contract, images, network, write_run
from trainspec.plan import normalise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def classifier(folder):
    return Classifier(folder / "run")


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
    "no images": (images()[:0], "the batch has no images"),
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
    assert classifier(np.array([str(path)] * 2)) == classifier(np.array([path] * 2)) == answers[:2]
    assert classifier(np.array(str(path))) == answers[:1]


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


def test_images_of_pillow_are_turned_as_files_are():
    for name, content in (image_files.jpeg_files() | image_files.webp_files()).items():
        opened = Image.open(io.BytesIO(content))
        assert np.array_equal(prepare(opened, (40, 30), 3), prepare(content, (40, 30), 3)), name
    changed = image_files.image(30, 40)
    changed.getexif()[0x0112] = 6
    turned = image_files.image(30, 40).transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(*(prepare(each, (40, 30), 3) for each in (changed, turned)))
    changed = image_files.image(40, 30)
    changed.info["exif"] = b"junk"
    assert np.array_equal(*(prepare(each, (40, 30), 3) for each in (changed, image_files.image(40, 30))))


def test_images_in_memory_have_no_limit_of_files(monkeypatch):
    monkeypatch.setattr("deploy.inputs.MAX_BYTES", 100)
    array = images(1, (40, 30, 3))[0]
    assert np.array_equal(prepare(array, (40, 30), 3), array)
    monkeypatch.setattr("deploy.images.MAX_PIXELS", 999)
    with pytest.raises(ImageError, match="30 x 40 pixels, more than"):
        prepare(array, (40, 30), 3)


@pytest.mark.parametrize(("mode", "kept"), [("RGBa", "RGBA"), ("La", "LA"), ("PA", "RGBA")])
def test_transparency_in_modes_that_png_does_not_have(mode, kept):
    """It is put on white. Pillow's own conversion to RGB would put it on black."""
    image = Image.fromarray(images(1, (40, 30, 4))[0]).convert("LA" if mode == "La" else "RGBA")
    image = (
        Image.merge("PA", (image.convert("L").convert("P"), image.getchannel("A")))
        if mode == "PA"
        else image.convert(mode)
    )
    assert np.array_equal(*(prepare(each, (40, 30), 3) for each in (image, image.convert(kept))))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no images"), (7, "int is not"), ([7], "int is not an image"), ([None], "NoneType is not an image"),
        ([np.zeros((4, 4, 3))], "float64"), ([np.zeros((3, 40, 30), np.uint8)], "channels come last"),
        ([np.zeros((0, 0, 3), np.uint8)], "is not an image; give"), ([b""], "cannot be read as an image"),
        (["none.png"], "none.png"), ([Image.new("I", (5, 5))], "more than 8 bits"),
        ([Image.new("F", (5, 5))], "more than 8 bits"), (["a\0b"], "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_an_image_is_a_sentence(classifier, given, message):
    with pytest.raises(DeployError, match=message):
        classifier(given)


@pytest.mark.parametrize("fault", [b"oops", np.zeros((4, 4, 3)), np.zeros((4,), np.uint8), 7, Image.new("I", (5, 5))])
def test_an_image_of_a_list_is_called_by_its_place(classifier, fault):
    with pytest.raises(ImageError, match=r"^images\[40\]: "):
        classifier([*images(40), fault])


def test_the_bytes_of_a_file_may_be_in_any_buffer(classifier, folder):
    content = next((folder / "images").iterdir()).read_bytes()
    for given in (bytearray(content), memoryview(content)):
        assert classifier(given) == classifier([given]) == classifier(content)


def test_a_classifier_can_be_pickled(classifier):
    again = pickle.loads(pickle.dumps(classifier))
    assert again(images(1)) == classifier(images(1))


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


def test_a_network_that_takes_no_images_is_at_fault_and_not_the_images(folder, tmp_path):
    channels = 2
    graph = network(channels=channels)
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract(channels=channels).properties())
    with pytest.raises(ModelError, match=f"m.onnx: takes images with {channels} channels, not image files"):
        list(Classifier(tmp_path / "m.onnx").attempts([folder / "images/one.png"]))


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
