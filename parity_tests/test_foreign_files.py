"""ONNX files of other programs, as `parity diff` reads them."""

import numpy as np
import pytest

from deploy.errors import ModelError
from netspec.probes import probe_images
from netspec.reduce import reduced
from onnx_impl import build
from onnx_impl.measure import probe
from onnx_impl.reading import read_onnx


def foreign(path, edit=lambda graph: None, batch=None):
    """A file of another program: a reduced network without our metadata, after `edit`."""
    graph = reduced("lenet5")
    model = build(graph, weights=probe(graph))
    del model.metadata_props[:]
    if batch is not None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch
    edit(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_file_with_a_fixed_batch(batch, tmp_path):
    found, free = read_onnx(foreign(tmp_path / "fixed.onnx", batch=batch)), read_onnx(foreign(tmp_path / "any.onnx"))
    images = probe_images(reduced("lenet5"), 5)
    assert found.batch == batch
    assert np.array_equal(found.logits(images), free.logits(images))


def unused(**fields):
    return lambda graph: graph.initializer.add(name="unused", data_type=1, **fields)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (unused(dims=[2], raw_data=bytes(7)), "'unused' does not have 2 values"),
        (unused(dims=[2**40]), "'unused' does not have"),
        (unused(dims=[-1]), "negative size"),
        (unused(dims=[1], data_location=1), "in another file"),
        (lambda graph: setattr(graph.input[0].type.tensor_type.shape.dim[3], "dim_value", 10**6), "each must be 1 to"),
        (lambda graph: graph.input.pop(), "not an image"),
    ],
)
def test_a_damaged_file_of_another_program_is_one_line(edit, message, tmp_path):
    with pytest.raises(ModelError, match=f"m.onnx: .*{message}"):
        read_onnx(foreign(tmp_path / "m.onnx", edit))
