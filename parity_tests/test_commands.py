"""Bad input gets one clear line and status 2, and leaves nothing behind: real processes."""

import importlib
import json
import os
import re
import subprocess
import sys

import pytest

from deploy.errors import DiptychError
from netspec import architecture, initial_weights, save_weights
from onnx_impl.measure import probe

EXPORTERS = ("onnx_impl", "torch_impl", "keras_impl")


def call(folder, module, *argv):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, "-m", module, *argv], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of LeNet-5, good and damaged, and JSON that is no graph of ours."""
    folder = tmp_path_factory.mktemp("given")
    lenet = architecture("lenet5")
    save_weights(lenet, initial_weights(lenet), folder / "lenet5.safetensors")
    data = bytearray((folder / "lenet5.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "flipped.safetensors").write_bytes(data)
    (folder / "truncated.safetensors").write_bytes(data[: len(data) // 2])
    graph = json.loads(lenet.to_json())
    first, second = graph["nodes"][:2]
    for name, change in {
        "schema": {"schema": 2},
        "cyclic": {"nodes": [{**first, "inputs": [second["name"]]}, *graph["nodes"][1:]]},
        "endless": {"input_shape": [3, float("inf"), 32]},
        "dangling": {"nodes": [{**first, "inputs": ["nowhere"]}, *graph["nodes"][1:]]},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps({**graph, **change}))
    (folder / "text.json").write_text("no graph at all")
    (folder / "deep.json").write_text("[" * 10**5)
    (folder / "binary.json").write_bytes(b"\x93NUMPY")
    (folder / "folder.json").mkdir()
    return folder


EARLY = {  # refused before any framework is imported: arguments -> what the line says
    "unknown network": (["resnet21"], "no architecture 'resnet21'; did you mean .*resnet20"),
    "too small": (["nin", "--image-size", "0"], "at least one class, channel and pixel"),
    "too small for its pools": (["lenet5", "--image-size", "15"], "15x15.*the smallest image size is 16x16"),
    "unknown option": (["vgg11", "--option", "dropuot=0.1"], "no option 'dropuot'; did you mean dropout"),
    "no pair": (["vgg11", "--option", "dropout"], "KEY=VALUE, not 'dropout'"),
    "a name for an option": (["lenet5", "--option", "name=x"], "lenet5 has no option 'name'"),
    "a form for an option": (["lenet5", "--option", "num_classes=7"], "num_classes: .*give --num-classes"),
    "impossible value": (["vgg11", "--option", "dropout=2"], "dropout rate 2.0 "),
    "value of another kind": (["vgg11", "--option", "dropout=high"], "dropout"),
    "no finite value": (
        ["mobilenet_v2", "--option", "width=nan"],
        "option width must be a finite number .default 1.0., not nan",
    ),
    "no width": (["mobilenet_v2", "--option", "width=0"], "0 channels are too few; choose a width above 0"),
    "unknown flag": (["lenet5", "--fast"], "--fast"),
    "no number": (["lenet5", "--num-classes", "ten"], "ten"),
    "no size": (["lenet5", "--image-size", "axb"], "axb"),
    "another schema": (["schema.json"], "schema.json has schema 2.*reads schema 1"),
    "a cycle": (["cyclic.json"], "cyclic.json.*cycle: conv1 <- conv1.relu <- conv1"),
    "a dangling node": (["dangling.json"], "dangling.json.*'conv1' reads 'nowhere'"),
    "no JSON": (["text.json"], "text.json is not JSON"),
    "no text": (["binary.json"], "binary.json is not JSON: .*decode"),
    "too deep": (["deep.json"], "deep.json is not JSON: maximum recursion depth"),
    "no number of pixels": (["endless.json"], "endless.json: the input_shape .* is not three whole numbers"),
    "a folder": (["folder.json"], "folder.json cannot be read: Is a directory"),
    "no file": (["nowhere.json"], "no file nowhere.json"),
}
LATE = {
    "weights of another network": (["nin", "--weights", "lenet5.safetensors"], "weights of lenet5, not of nin"),
    "flipped byte": (["lenet5", "--weights", "flipped.safetensors"], "flipped.safetensors is damaged"),
    "truncated": (["lenet5", "--weights", "truncated.safetensors"], "cannot read weights from truncated.safetensors"),
    "no weights": (["lenet5", "--weights", "nowhere.safetensors"], "nowhere.safetensors"),
    "an opset too old": (["lenet5", "--opset", "7"], "opset 7 is too old"),
    "no opset": (["lenet5", "--opset", "0"], "opset 0 is too old"),
    "an opset too new": (["lenet5", "--opset", "99"], "opset 99 is too new"),
    "an opset that onnxruntime does not run": (["lenet5", "--opset", "27"], "opset 27 is too new: ask for 26 or older"),
}
CASES = [
    *[("onnx_impl", ["export", *argv], message) for argv, message in (EARLY | LATE).values()],
    *[(module, ["export", *EARLY["unknown network"][0]], EARLY["unknown network"][1]) for module in EXPORTERS[1:]],
    *[
        (module, ["export", *LATE[case][0]], LATE[case][1])
        for case in ("flipped byte", "an opset too old", "no opset", "an opset too new")
        for module in EXPORTERS[1:]
    ],
    (
        "torch_impl",
        ["export", "lenet5", "--opset", "14"],
        "PyTorch's exporter cannot write this network in opset 14.*ask for 18",
    ),
    ("onnx_impl", ["explode"], "explode"),
    ("onnx_impl", [], "COMMAND"),
    ("netspec", ["resnet21"], "no network matches 'resnet21'; did you mean .*resnet20"),
    ("netspec", ["--family", "vgh"], "no family matches 'vgh'; did you mean vgg"),
    ("netspec", ["vgg*", "--size", "33"], r"no network matches 'vgg\*' --size 33"),
    ("netspec", ["--show", "cyclic.json"], "cyclic.json.*cycle"),
    ("netspec", ["--diagram", "cyclic.json"], "cyclic.json.*cycle"),
    ("netspec", ["--diagram", "nin", "--out", "text.json/nin.svg"], "text.json/nin.svg cannot be written"),
    ("netspec", ["--show", "lenet6"], "did you mean lenet5"),
    ("parity", ["resnet21"], "no network or op matches 'resnet21'"),
    ("parity", ["lenet*", "--weights", "lenet5.safetensors"], "for one network"),
    ("parity", ["diff", "lenet5", "lenet5:name=x"], "lenet5 has no option 'name'"),
    ("parity", ["lockstep", "lenet5", "--data", "digits", "--steps", "2", "--every", "5"], "give at most 2"),
    ("parity", ["time", "lenet6"], "did you mean lenet5"),
    ("parity", ["time", "lenet5", "--batch", "0"], "each is 1 to 4096"),
    ("parity", ["time", "lenet5", "--threads", "0"], "give 1 to 1024"),
    ("parity", ["nin", "--weights", "lenet5.safetensors"], "weights of lenet5, not of nin"),
    ("parity", ["lenet5", "--weights", "lenet5.safetensors", "nowhere"], "^error: .*nowhere"),
    ("parity", ["check", ".", "lenet5"], "^error: . is a folder: a run is compared alone"),
    ("trainspec", ["agreement", "a"], "required: OTHER"),
    ("torch_impl", ["train", "lenet5", "--set", "a=1", "batch=16"], "see python -m torch_impl train --help"),
]


@pytest.mark.parametrize(("module", "argv", "message"), CASES, ids=[" ".join([m, *a]) for m, a, _ in CASES])
def test_one_line_and_nothing_left(folder, module, argv, message):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = call(folder, module, *argv)
    lines = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert module != "parity" or done.stdout == "", "a table was begun"
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert re.search(message, lines[0]), lines[0]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


LONG = [  # an argument that is a name or a path
    *(("torch_impl", ["train", "{}"]), ("keras_impl", ["train", "{}"])),
    *(("torch_impl", ["train", "lenet5", option, "{}"]) for option in ("--weights", "--resume", "--data", "--recipe")),
    *((module, ["export", "{}"]) for module in EXPORTERS),
    *(("onnx_impl", [command, "{}"]) for command in ("package", "quantize", "evaluate")),
    *(("deploy", [command, "{}", "{}"]) for command in ("predict", "evaluate")),
    *(("deploy", [command, "{}"]) for command in ("benchmark", "verify")),
    *(("netspec", ["--show", "{}"]), ("parity", ["{}"]), ("parity", ["diff", "lenet5", "{}"])),
    *(("parity", ["compare", "{}", "{}"]), ("parity", ["time", "{}"]), ("parity", ["lockstep", "{}"])),
    *(("trainspec", ["results", "{}"]), ("trainspec", ["split", "{}"])),
]


@pytest.mark.parametrize("name", ["é" * 150, "x" * 300, "a/" * 2500, "\udcff"], ids=range(4))
@pytest.mark.parametrize(("module", "argv"), LONG, ids=lambda part: str(part))
def test_a_name_that_no_file_can_have(module, argv, name, tmp_path, monkeypatch):
    """The file system refuses to look for it, with other errors than for a file that is missing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((DiptychError, SystemExit)) as error:
        importlib.import_module(f"{module}.__main__").main([text.format(name) for text in argv])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fold", [False, True])
def test_an_export_says_where_it_went(folder, tmp_path, fold):
    out = tmp_path / "deep" / "lenet5.onnx"
    argv = ["lenet5", "--weights", "lenet5.safetensors", "--out", str(out), *(["--fold"] if fold else [])]
    done = call(folder, "onnx_impl", "export", *argv)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    assert {path.name for path in out.parent.iterdir()} == {"lenet5.onnx", "lenet5.certificate.json"}


def test_a_graph_from_a_file_is_exported(folder, tmp_path):
    (tmp_path / "mine.json").write_text(architecture("lenet5", num_classes=4).to_json())
    done = call(tmp_path, "onnx_impl", "export", "mine.json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exports" / "lenet5-onnx.onnx").is_file()


def test_parity_says_what_it_compared(capsys):
    from parity.__main__ import main

    assert main(["lenet5", "op.scale"]) == 0
    shown = capsys.readouterr().out
    assert "14 comparisons of 2 networks, 0 failed" in shown
    assert "worst float32" in shown


def test_a_name_of_the_zoo_is_no_run(tmp_path, monkeypatch, capsys):
    from parity.__main__ import main

    (tmp_path / "op.scale").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["op.scale"]) == 0
    assert "of 1 networks, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "size"), [("resnet20", 5), ("lenet5", 32)])
def test_parity_takes_weights_of_a_heavy_network(tmp_path, monkeypatch, capsys, name, size):
    """They do not fit its reduced copy; LeNet's dense layers do not fit a smaller image either."""
    from parity import comparisons
    from parity.__main__ import main

    monkeypatch.setattr(comparisons, "HEAVY_MACS", 0)
    graph = architecture(name)
    (comparison,) = comparisons.named_comparisons([name], given=True)
    assert (comparison.in_float64 is comparison.network) == (size == graph.input_shape[1])
    assert comparison.in_float64.input_shape == (3, size, size)
    save_weights(graph, probe(graph), tmp_path / "given.safetensors")
    assert main([name, "--weights", str(tmp_path / "given.safetensors")]) == 0
    assert "7 comparisons of 1 networks, 0 failed" in capsys.readouterr().out


def test_parity_fails_where_two_files_part(folder, tmp_path):
    """Another file for Keras: a non-zero status, and the node's name."""
    graph = architecture("lenet5")
    weights = initial_weights(graph)
    weights["conv2.weight"] = weights["conv2.weight"][::-1].copy()
    save_weights(graph, weights, tmp_path / "swapped.safetensors")
    given = str(folder / "lenet5.safetensors"), str(tmp_path / "swapped.safetensors")
    done = call(folder, "parity", "lenet5", "--weights", *given)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "'conv2'" in done.stdout


def test_the_help_of_parity_names_its_commands(capsys):
    from parity.__main__ import COMMANDS, main

    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"python -m parity {name}" not in shown] == []
