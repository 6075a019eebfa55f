"""Public functions refuse arguments of other types in one sentence, and take what the commands take."""

import inspect
import types
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch

import deploy
import keras_impl
import onnx_impl
import parity.compare.command
import parity.diff.findings
import torch_impl
import trainspec.agreement
from deploy.errors import UsageError
from diptych.errors import DiptychError
from netspec import architecture

NOT_CHECKED = {"read_image"}  # it takes images of every kind, and says itself which it refuses
PUBLIC = [
    getattr(package, name)
    for package in (deploy, onnx_impl)
    for name in package.__all__
    if name not in NOT_CHECKED and isinstance(getattr(package, name), types.FunctionType)
]
NEEDED = ("build", "export_onnx", "save_weights", "load_weights", "set_weights", "get_weights")
PUBLIC += [getattr(package, name) for package in (torch_impl, keras_impl) for name in NEEDED]
PUBLIC += [parity.diff.findings.diff, parity.compare.command.compare_runs, trainspec.agreement.compare_runs]
FITTING = {"graph": architecture("lenet5"), "weights": {}, "runs": [Path("a"), "b"]}  # for others a name does
MODELS = {"onnx_impl": onnx.ModelProto(), "torch_impl": torch.nn.Identity(), "keras_impl": keras.Model()}


def cases() -> list[Any]:
    return [
        pytest.param(function, name, id=f"{function.__module__}.{function.__name__}-{name}")
        for function in [*PUBLIC, deploy.Classifier]
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and parameter.annotation is not Any
    ]


@pytest.mark.parametrize(("function", "name"), cases())
def test_an_argument_of_another_type_is_refused(function, name):
    needed = [one for one in inspect.signature(function).parameters.values() if one.default is inspect.Parameter.empty]
    fitting = {one.name: FITTING.get(one.name, "x") for one in needed if one.kind is not inspect.Parameter.VAR_KEYWORD}
    if "model" in fitting and function.__name__ in NEEDED and function.__name__ != "build":
        fitting["model"] = MODELS[function.__module__.partition(".")[0]]
    with pytest.raises(UsageError, match=rf"^{name} = <object .*: give .") as raised:
        function(**fitting | {name: object()})
    assert len(str(raised.value)) < 200


def test_there_are_functions():
    assert {"verify", "benchmark", "evaluate", "package", "quantize"} <= {function.__name__ for function in PUBLIC}


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (onnx_impl.quantize, {"to": "int4"}, "to = 'int4': give 'int8' or 'float16'"),
        (onnx_impl.quantize, {"limit": "1"}, "limit = '1': give a number"),
        (onnx_impl.quantize, {"force": 1}, "force = 1: give True or False"),
        (onnx_impl.build, {"opset": "18"}, "opset = '18': give a whole number"),
        (onnx_impl.build, {"opset": None}, "opset = None: give a whole number"),
        (onnx_impl.build, {"seed": True}, "seed = True: give a whole number"),
        (onnx_impl.package, {"runtime": "x"}, "--runtime is for the page"),
        (deploy.benchmark, {"batches": (1.5,)}, r"batches = \(1.5,\): give a list, each item a whole number"),
        (deploy.benchmark, {"threads": 1}, "threads = 1: give a list, each item a whole number or None"),
        (deploy.benchmark, {"threads": ()}, "threads: give at least one"),
        (deploy.benchmark, {"providers": ()}, "providers: give at least one"),
        (deploy.benchmark, {"providers": "cpu"}, "providers = 'cpu': give a list, each item a text or None"),
    ],
)
def test_what_is_said(function, arguments, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        function("x", **arguments)


@pytest.mark.parametrize("package", [torch_impl, keras_impl])
@pytest.mark.parametrize("call", [lambda of: of.evaluate("a\0"), lambda of: of.train(resume="a\0")])
def test_a_run_that_no_folder_can_be_called_is_one_line(package, call):
    with pytest.raises(DiptychError, match=r"^a\0/run.json cannot be read: .+$"):
        call(package)


def test_a_package_that_no_folder_can_be_called_is_one_line():
    with pytest.raises(DiptychError, match="^a\0.* no file can have this name"):
        deploy.verify("a\0")


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70])
def test_a_seed_has_63_bits(seed):
    with pytest.raises(UsageError, match=f"^seed {seed}: give a whole number from 0 to"):
        onnx_impl.build("lenet5", seed=seed)


def test_numbers_of_numpy_are_numbers():
    model = onnx_impl.build("lenet5", seed=np.int64(0), opset=np.int32(18))
    assert model.opset_import[0].version == 18
