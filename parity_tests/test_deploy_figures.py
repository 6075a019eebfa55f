"""Figures of `deploy` over many images: the memory that a folder takes, and how the uint8 variant answers to photos."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from measured import measured
from onnx import TensorProto, helper
from PIL import Image

from deploy import Classifier, read_image, runtime
from deploy.inspection import inspect
from image_files import file
from onnx_impl import export_onnx
from onnx_impl.inside import Prefix, resized, takes_images
from onnx_impl.measure import probe
from tiny_classifier import contract, network

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "flowers5-160px.tar.gz"  # beside the checkout
MANY, SIDE = 10_000, 128  # float32 inputs of all of them would take 2 GB
MEMORY = 500  # MB
COUNT, EQUAL = 1000, 999  # photos, and how many have the same answer
PREDICT = """# measured
import sys
from deploy.__main__ import main
main(["predict", sys.argv[1], sys.argv[2], "--top", "1", "--threads", "1"])
"""


def write_model(folder: Path, side: int) -> Path:
    graph = network(3, side, side)
    export_onnx(graph, probe(graph), folder / "m.onnx", metadata=contract(3, side, side).properties())
    return folder / "m.onnx"


@pytest.mark.long
def test_a_folder_of_any_size_needs_little_memory(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(MANY):
        pixels = np.full((32, 40, 3), (number % 256, number // 256, 128), np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png", compress_level=1)
    printed, grown = measured(PREDICT, write_model(tmp_path, SIDE), images, seconds=600)
    print(f"{grown} MiB")
    assert printed.count(".png\n") == MANY
    assert grown * 2**20 / 1e6 < MEMORY


def photos() -> Iterator[Image.Image]:
    """Photos cut to odd and oblong shapes, and made smaller or larger."""
    draw = np.random.default_rng(0)
    with tarfile.open(PHOTOS) as archive:
        members = [member for member in archive if member.name.endswith(".jpg")]
        for member in members[:: len(members) // COUNT][:COUNT]:
            photo = Image.open(archive.extractfile(member)).convert("RGB")
            width, height = (int(draw.integers(max(1, side // 4), side + 1)) for side in photo.size)
            left, top = int(draw.integers(photo.width - width + 1)), int(draw.integers(photo.height - height + 1))
            scale = np.exp(draw.uniform(-1, 1))
            size = tuple(max(1, round(side * scale)) for side in (width, height))
            yield photo.crop((left, top, left + width, top + height)).resize(size)


@pytest.mark.long
@pytest.mark.skipif(not PHOTOS.is_file(), reason=f"{PHOTOS} is not there")
def test_the_uint8_variant_answers_as_the_plain_file_to_photos(tmp_path):
    path = write_model(tmp_path, 64)
    plain = Classifier(path, threads=1)
    variant = runtime.start(takes_images(inspect(path.read_bytes(), "m")), provider="cpu", threads=1)
    added = Prefix()
    out = resized(added, "image", (64, 64))
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", "H", "W", 3))
    made = helper.make_tensor_value_info(out, TensorProto.FLOAT, ("N", 3, 64, 64))
    graph = helper.make_graph(added.nodes, "prefix", [given], [made], list(added.constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    prefix = runtime.start(model.SerializeToString(), provider="cpu", threads=1)
    onnx.checker.check_model(model)
    apart, equal, count = 0.0, 0, 0
    for photo in photos():
        content = file(photo, "PNG")
        whole, prepared = read_image(content)[None], plain.prepare(content)
        pixels = runtime.infer(prefix, whole, "prefix")[0].transpose(1, 2, 0)
        apart = max(apart, float(np.abs(pixels - prepared).max()))
        equal += int(runtime.infer(variant, whole, "m").argmax() == plain.logits(prepared[None]).argmax())
        count += 1
    print(f"{count} photos, pixels apart by {apart:g} of 255, {equal} with the same answer")
    assert count == COUNT
    assert apart <= 1
    assert equal >= EQUAL
