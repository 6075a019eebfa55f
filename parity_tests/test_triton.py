"""`config.pbtxt` of packages, by protobuf's text format, with Triton's own schema where it can be had."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from tiny_classifier import write_tiny_package

ROOT = Path(__file__).parents[1]
TRITON = {  # the part of Triton's model_config.proto that a package uses: message -> field -> (number, type)
    "ModelInput": {"name": (1, "string"), "data_type": (2, "DataType"), "dims": (4, "*int64")},
    "ModelOutput": {
        "name": (1, "string"),
        "data_type": (2, "DataType"),
        "dims": (3, "*int64"),
        "label_filename": (4, "string"),
    },
    "ModelDynamicBatching": {},
    "ModelConfig": {
        "name": (1, "string"),
        "max_batch_size": (4, "int32"),
        "input": (5, "*ModelInput"),
        "output": (6, "*ModelOutput"),
        "dynamic_batching": (11, "ModelDynamicBatching"),
        "backend": (17, "string"),
    },
}
CONFIGS = (  # file, type and dims of the image, whether requests are batched
    ("config.pbtxt", "TYPE_FP32", [3, 12, 9], True),
    ("uint8/config.pbtxt", "TYPE_UINT8", [-1, -1, 3], False),
)
TYPES = {"TYPE_INVALID": 0, "TYPE_UINT8": 2, "TYPE_FP32": 11}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_tiny_package(tmp_path_factory.mktemp("written"))


def our_subset() -> type:
    """The message class of a configuration, by `TRITON`."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="subset.proto", package="inference", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    for name, number in TYPES.items():
        types.value.add(name=name, number=number)
    for message, fields in TRITON.items():
        entry = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            added = entry.field.add(name=field, number=number, label=label)
            if kind[0].isupper():
                added.type = kinds.TYPE_ENUM if kind == "DataType" else kinds.TYPE_MESSAGE
                added.type_name = f".inference.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


def check(folder: Path, message: type) -> None:
    """Every field of both configurations, as `message` reads them, against the model beside it."""
    for file, kind, dims, batched in CONFIGS:
        config = text_format.Parse((folder / file).read_text(), message())
        (given,), (logits,) = config.input, config.output
        assert (config.name, config.backend) == ("", "onnxruntime")
        assert config.max_batch_size > 0
        assert (given.name, given.data_type, list(given.dims)) == ("image", TYPES[kind], dims)
        assert (logits.name, logits.data_type, list(logits.dims)) == ("logits", TYPES["TYPE_FP32"], [5])
        assert logits.label_filename == "labels.txt"
        assert config.HasField("dynamic_batching") is batched
        for value in onnx.load(folder / file.replace("config.pbtxt", "1/model.onnx")).graph.input:
            batch, *rest = value.type.tensor_type.shape.dim
            assert batch.dim_param == "N"
            assert [dim.dim_value or -1 for dim in rest] == dims


def test_triton_reads_its_configuration(written):
    check(written, our_subset())


@pytest.mark.long
def test_triton_reads_its_configuration_by_its_published_schema(written, tmp_path):
    """The schema in NVIDIA's client, which needs an older protobuf than ours: only this one file of it is used."""
    argv = ["download", "-q", "--no-deps", "-c", str(ROOT / "constraints.txt"), "-d", str(tmp_path), "tritonclient"]
    subprocess.run([sys.executable, "-m", "pip", *argv], check=True)
    with zipfile.ZipFile(*tmp_path.glob("*.whl")) as wheel:
        file = wheel.extract("tritonclient/grpc/model_config_pb2.py", tmp_path)
    spec = importlib.util.spec_from_file_location("model_config_pb2", file)
    schema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    check(written, schema.ModelConfig)
    for ours in our_subset().DESCRIPTOR.file.message_types_by_name.values():
        fields = getattr(schema, ours.name).DESCRIPTOR.fields_by_name
        for field in ours.fields:
            assert (fields[field.name].number, fields[field.name].type) == (field.number, field.type)
    assert {name: schema.DataType.Value(name) for name in TYPES} == TYPES
