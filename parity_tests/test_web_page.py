"""The page of a package in a headless Chromium: it answers as `predict` does, for images of every kind."""

import json
import os
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from browser import Page, runtime_folder, shown
from deploy import Classifier
from deploy.contract import PROBE_WEIGHTS
from deploy.encoded import format_of
from deploy.images import read_image
from deploy.package.page import LIMITS
from image_files import file, image, jpeg_files, png_files, webp_files
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from tiny_classifier import contract, network

pytestmark = pytest.mark.xdist_group("web")  # one browser

FILES = {
    **{f"{name}.png": content for name, content in png_files().items()},
    **{f"{name}.jpg": content for name, content in jpeg_files().items()},
    **{f"{name}.webp": content for name, content in webp_files().items()},
}
WITH_CMYK = FILES | {"CMYK.jpg": file(image(50, 60, "CMYK"), "JPEG")}
NAMES = (*(f"class {number}" for number in range(6)), '<b>&"', *(f"class {number}" for number in range(7, 12)))
ROUNDING = 1  # of 255: CMYK to RGB, and what is put on white
NO_IMAGES = {
    "empty": (b"", "an empty file"),
    "notes.txt": (b"not at all", "not an image"),
    "animation.gif": (file(image(9, 9), "GIF"), "GIF is not read"),
    "deep.png": (file(Image.fromarray(np.zeros((4, 4), np.uint16)), "PNG"), "more than 8 bits"),
    "half.jpg": (file(image(80, 90), "JPEG")[:2000], "cut off"),
    "half.png": (file(image(80, 90), "PNG")[:2000], "cut off"),
    "damaged.jpg": (b"\xff\xd8\xff\xdb" + bytes(100), "cut off"),
}
CONTRAST = """
const rgb = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255)
    .map((value) => (value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92));
const light = (color) => rgb(color).reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
const ink = light(getComputedStyle(document.querySelector(arguments[0])).color);
const behind = light(getComputedStyle(document.querySelector(arguments[1])).backgroundColor);
return (Math.max(ink, behind) + 0.05) / (Math.min(ink, behind) + 0.05);
"""
DROP = """
const transfer = new DataTransfer();
transfer.items.add(new File([Uint8Array.from(arguments[0])], "dropped.png"));
document.body.dataset.state = "asked";
document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
"""


def packaged(folder: Path, channels: int) -> Path:
    graph = network(channels, classes=len(NAMES))
    runtime = folder / "runtime"
    runtime.mkdir()
    export_onnx(graph, probe(graph), folder / "model.onnx", metadata=contract(channels, names=NAMES).properties())
    return package(folder / "model.onnx", web=True, runtime=runtime_folder(runtime))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return packaged(tmp_path_factory.mktemp("colour"), 3)


@pytest.fixture(scope="module")
def grey(tmp_path_factory) -> Path:
    return packaged(tmp_path_factory.mktemp("grey"), 1)


@pytest.fixture(scope="module")
def page(written):
    with shown(written) as opened:
        assert opened.open() == "ready"
        yield opened


def test_the_page_says_what_is_wrong_with_the_model(written, tmp_path):
    place = copytree(written, tmp_path / "package")
    facts = json.loads((place / "manifest.json").read_text())
    facts |= {"weights": PROBE_WEIGHTS, "compression": {"to": "int8", "verdict": "not to be used: it is slower"}}
    (place / "manifest.json").write_text(json.dumps(facts))
    with shown(place) as opened:
        assert opened.open() == "ready"
        assert opened.text("warning") == (
            f"Its weights are {PROBE_WEIGHTS}. It is compressed (int8), not to be used: it is slower."
        )


def differs(page: Page, classifier: Classifier, path: Path, content: bytes) -> float:
    """The largest difference of the five probabilities from `predict`, whose classes are the same."""
    path.write_bytes(content)
    answer = page.ask(path)
    (expected,) = classifier(content)
    assert [name for name, _ in answer] == [each.name for each in expected]
    return max(abs(found - each.probability) for (_, found), each in zip(answer, expected, strict=True))


@pytest.mark.parametrize("name", WITH_CMYK)
def test_it_answers_as_predict(page, written, tmp_path, name):
    content = WITH_CMYK[name]
    assert differs(page, Classifier(written / "model.onnx"), tmp_path / name, content) <= LIMITS[format_of(content)]
    height, width, _ = read_image(content).shape
    assert page.text("status").startswith(f"{width} x {height} pixels, answered in ")


@pytest.mark.parametrize("name", WITH_CMYK)
def test_its_pixels_are_those_of_the_reader(page, name):
    content = WITH_CMYK[name]
    expected, found = read_image(content), page.pixels(content)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= ROUNDING
    luma = np.asarray(Image.fromarray(found).convert("L"))[..., None]
    assert np.array_equal(page.pixels(content, 1), luma)


def test_a_model_of_grey_images(grey, tmp_path):
    classifier = Classifier(grey / "model.onnx")
    with shown(grey) as page:
        assert page.open() == "ready"
        for name in ("grey.png", "photo.png", "photo.jpg", "turned.png"):
            limit = LIMITS[format_of(FILES[name])]
            assert differs(page, classifier, tmp_path / name, FILES[name]) <= limit


def test_a_name_with_markup_is_shown_as_it_is(page, tmp_path):
    (tmp_path / "photo.png").write_bytes(FILES["photo.png"])
    assert '<b>&"' in [name for name, _ in page.ask(tmp_path / "photo.png")]
    assert page.driver.find_elements("css selector", "#answers b, #classes b") == []


def test_a_package_that_was_written_anew_is_not_taken_from_the_cache(written, tmp_path):
    """Without being told, a browser keeps a file that did not change for long."""
    place = copytree(written, tmp_path / "package")
    labels = place / "labels.txt"
    os.utime(labels, (0, 0))
    with shown(place) as opened:
        assert opened.open() == "ready"
        labels.write_text(labels.read_text().replace("class 0", "another"))
        assert opened.open() == "ready"
        assert "another, class 1" in opened.text("classes")


def test_labels_that_are_not_those_of_the_model_are_an_error(written, tmp_path):
    place = copytree(written, tmp_path / "package")
    (place / "labels.txt").write_text("one\ntwo\n")
    (tmp_path / "photo.png").write_bytes(FILES["photo.png"])
    with shown(place) as opened:
        assert opened.open() == "ready"
        assert opened.ask(tmp_path / "photo.png") == []
        assert "it has 12 logits, but ../labels.txt has 2 names; package it again" in opened.text("error")


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_is_an_error_in_one_line(page, tmp_path, name):
    content, reason = NO_IMAGES[name]
    (tmp_path / name).write_bytes(content)
    assert page.ask(tmp_path / name) == []
    error = page.text("error")
    assert error.startswith(f"{name}: cannot be used as an image (")
    assert reason in error
    (tmp_path / "next.png").write_bytes(FILES["photo.png"])
    assert len(page.ask(tmp_path / "next.png")) == 5
    assert page.text("error") == ""


def test_a_dropped_image(page, tmp_path):
    (tmp_path / "one.png").write_bytes(FILES["tiny.png"])
    expected = page.ask(tmp_path / "one.png")
    page.driver.execute_script(DROP, list(FILES["tiny.png"]))
    assert page.settled() == "answered"
    found = page.driver.execute_script("return [...document.querySelectorAll('#answers .class')].map(e => e.innerText)")
    assert found == [name for name, _ in expected]


def test_all_comes_from_the_folder(page, written):
    """No other host is asked, and the browser, which is told to refuse that, has nothing to complain of."""
    assert page.open() == "ready"
    loaded = {name for name in page.fetched() if ":" in name}
    assert all(name.startswith(page.address) for name in loaded)
    assert f"{page.address}uint8/1/model.onnx" in loaded
    assert page.driver.get_log("browser") == []
    policy = page.driver.execute_script("return document.querySelector('meta[http-equiv]').content")
    assert policy.startswith("default-src 'none';")


def test_it_says_what_the_package_says(page):
    assert page.text("about").startswith("It names one of 12 classes")
    assert page.text("warning") == ""
    assert "onnxruntime-web" in page.text("runtime")
    assert ", ".join(NAMES) in page.text("classes")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1200])
def test_it_can_be_read(page, tmp_path, scheme, width):
    """No part is wider than the screen, and all text has the contrast that WCAG asks for."""
    command = page.driver.execute_cdp_cmd
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    command("Emulation.setEmulatedMedia", media)
    command(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    (tmp_path / "wide.png").write_bytes(FILES["large.png"])
    page.ask(tmp_path / "wide.png")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") == width
    pairs = [("h1", "body"), ("#about", "body"), ("#hint", "#drop"), ("#hint b", "#drop"), ("#error", "body")]
    for ink, behind in [*pairs, ("#answers .percent", "body"), ("footer", "body")]:
        assert page.driver.execute_script(CONTRAST, ink, behind) >= 4.5, ink


@pytest.mark.parametrize("missing", ["uint8/1/model.onnx", "labels.txt", "web/ort-wasm-simd-threaded.wasm"])
def test_a_file_that_is_missing_is_an_error_in_one_line(written, missing, tmp_path):
    copy = copytree(written, tmp_path / "copy")
    (copy / missing).unlink()
    with shown(copy) as page:
        assert page.open() == "broken"
        assert page.text("error").startswith("The model cannot be loaded: ")
