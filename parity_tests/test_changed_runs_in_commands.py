"""Run folders that something has happened to, given to every command that reads runs: one line or the right answer."""

import faulthandler
import shutil
import sys
from pathlib import Path

import damage
import numpy as np
import pytest
from PIL import Image

import deploy.__main__
import keras_impl.__main__
import onnx_impl.__main__
import torch_impl.__main__
import trainspec.__main__
from diptych.errors import DiptychError

COUNT = 200
SECONDS = 300  # in which a command ends, on a busy machine


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    argv = ["train", "lenet5", "--data", "digits", "--epochs", "1", "--precision", "fp32", "--out"]
    torch_impl.__main__.main([*argv, str(out)])
    (folder,) = out.iterdir()
    shutil.copy(folder / "predictions-torch.npy", folder / "predictions.npy")
    return folder


def commands(folder: Path, whole: Path, out: Path):
    """Of every command that reads a run: its name, its function and its arguments; exports are told by `--out`."""
    image = out / "image.png"
    Image.new("RGB", (32, 32), "grey").save(image)
    against = ["--against", str(folder / "predictions.npy"), "--predictions", str(out / "predictions.npy")]
    yield "evaluate_torch", torch_impl.__main__.main, ["evaluate", str(folder), *against]
    yield "evaluate_keras", keras_impl.__main__.main, ["evaluate", str(folder), *against]
    yield "evaluate_onnx", onnx_impl.__main__.main, ["evaluate", str(folder / "model.onnx"), *against]
    yield "agreement", trainspec.__main__.main, ["agreement", str(folder), str(whole)]
    yield "predict", deploy.__main__.main, ["predict", str(folder / "model.onnx"), str(image)]
    for main in (torch_impl.__main__.main, keras_impl.__main__.main, onnx_impl.__main__.main):
        yield f"export by {main.__module__}", main, ["export", str(folder), "--out", str(out / "model.onnx")]


@pytest.mark.long
def test_every_command_takes_every_changed_folder(whole, tmp_path, capsys):
    refused = answered = 0
    for number, (name, change) in enumerate(damage.some(COUNT)):
        folder = shutil.copytree(whole, tmp_path / str(number))
        out = tmp_path / "out"
        change(folder)
        for command, main, argv in commands(folder, whole, out_of(out)):
            faulthandler.dump_traceback_later(SECONDS, exit=True, file=sys.__stderr__)
            try:
                main(argv)
            except DiptychError as error:
                refused += bool(str(error).strip())
            except Exception as error:
                pytest.fail(f"{command}: {name}: {type(error).__name__}: {error}")
            else:
                answered += 1
                said = capsys.readouterr().out
                if command.startswith("evaluate") and "note" not in said:
                    found = np.load(out / "predictions.npy")
                    assert np.array_equal(found, np.load(whole / "predictions-torch.npy")), f"{command}: {name}"
            finally:
                faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(folder)
        shutil.rmtree(out)
    with capsys.disabled():
        print(f"{COUNT} changed folders: {refused} answers of one line, {answered} right answers")
    assert refused > COUNT
    assert answered > COUNT


def out_of(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
