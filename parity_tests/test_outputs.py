"""What commands write: refused before any work where it cannot be written, outside the data, and whole."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

import deploy.__main__
import keras_impl
import parity.__main__
import torch_impl
from deploy.errors import DeployError, StorageError
from deploy.files import check_outside
from deploy.options import Parser, name_or_path, path
from deploy.outputs import output_file, output_folder
from deploy.runs import owner_of
from short_run import short_run
from test_shells import COMMANDS
from tiny_classifier import write_run

WRITTEN = ("--out", "--json", "--plot", "--predictions", "--copy", "--results", "--pages")


class SeenError(Exception):
    """The parser of a program, before it reads anything."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser


def see(parser, *rest):
    raise SeenError(parser)


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command line of the project, by its name."""
    lines = {module: [module, []] for module in COMMANDS}
    lines |= {f"parity {name}": ["parity", [name]] for name in parity.__main__.COMMANDS}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("parse_args", "parse_known_args"):
            patch.setattr(Parser, name, see)
        for program, (module, argv) in lines.items():
            main = import_module(f"{module}.__main__").main
            with pytest.raises(SeenError) as seen:
                main(argv)
            parser = seen.value.parser
            commands = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
            chosen = {name: one for action in commands for name, one in action.choices.items()}
            yield from ((f"{program} {name}", one) for name, one in chosen.items()) if chosen else [(program, parser)]


WRITING = {
    f"{name} {action.option_strings[0]}": (parser, action)
    for name, parser in parsers()
    for action in parser._actions
    if set(WRITTEN) & set(action.option_strings) and action.nargs != 0
}
OPTIONS = [pytest.param(action, id=name) for name, (_, action) in WRITING.items()]


def test_there_are_options_that_write():
    assert len(OPTIONS) > 20


@pytest.mark.parametrize("action", OPTIONS)
def test_an_output_that_cannot_be_written_is_refused_at_once(action, tmp_path):
    assert action.type in (output_file, output_folder)
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir(mode=0o500)
    closed = tmp_path / "closed" / ("x" if action.type is output_file else "")
    refused = [tmp_path / "file" / "x", tmp_path / "file" / "x" / "y"]
    refused += [tmp_path] if action.type is output_file else [tmp_path / "file"]
    refused += [closed] if os.geteuid() else []
    for place in refused:
        with pytest.raises(StorageError, match="cannot be written: ") as error:
            action.type(str(place))
        assert "\n" not in str(error.value)
    assert action.type(str(tmp_path / "new" / "one")) == tmp_path / "new" / "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "file"]


@pytest.mark.parametrize("action", OPTIONS)
@pytest.mark.parametrize("name", ["run.json", "model.onnx", "proof/certificate.json", "checkpoints/step-3.json"])
def test_a_record_of_a_run_is_not_replaced(action, tmp_path, name):
    run = tmp_path
    (run / "run.json").write_text("{}")
    with pytest.raises(StorageError, match="choose another name"):
        action.type(str(run / name))
    assert action.type(str(run / "mine.bin")) == run / "mine.bin"


@pytest.mark.parametrize("action", OPTIONS)
def test_nothing_is_added_to_a_package(action, tmp_path):
    for name in ("manifest.json", "verify.py"):
        (tmp_path / name).write_text("")
    for name in ("new", "onnx/new", *["."] * (action.type is output_folder)):
        with pytest.raises(StorageError, match="belongs to the package"):
            action.type(str(tmp_path / name))


@pytest.mark.parametrize("name", [name for name, (_, action) in WRITING.items() if action.type is output_file])
def test_a_file_that_is_read_is_not_replaced(name, tmp_path):
    parser, action = WRITING[name]
    file = tmp_path / "file"
    file.write_text("")
    for other in parser._actions:
        if other.type in (path, name_or_path):
            given = [str(file)] if other.nargs in ("+", "*") else str(file)
            with pytest.raises(StorageError, match="is read, and would be replaced"):
                parser._check_outputs(argparse.Namespace(**{action.dest: file, other.dest: given}))


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
@pytest.mark.parametrize("package", [torch_impl, keras_impl])
def test_a_path_that_no_file_can_have(package, name, tmp_path):
    """It may come from a program; a shell cannot pass it on."""
    model = package.build("lenet5")
    with pytest.raises(StorageError, match="cannot be written: no file can have this name"):
        package.save_weights(model, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_two_outputs_are_two_files(tmp_path):
    command = ["benchmark", str(tmp_path / "m.onnx"), "--json", str(tmp_path / "out"), "--plot"]
    (tmp_path / "link").symlink_to("out")
    for other in (tmp_path / "out", tmp_path / "link"):
        with pytest.raises(StorageError, match="is given for two files"):
            deploy.__main__.main([*command, str(other)])


def test_all_that_a_run_records_is_known(tmp_path):
    run = short_run(tmp_path)
    others = {"predictions-torch.npy", "proof/torch.onnx"}
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()} - others
    assert not [name for name in files if not owner_of(run / name)]
    assert not [name for name in others if owner_of(run / name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


@pytest.mark.parametrize("out", [".", "new", "class 1"])
def test_scores_are_not_written_into_the_images(folder, monkeypatch, out):
    monkeypatch.chdir(folder / "images")
    before = sorted(folder.rglob("*"))
    with pytest.raises(DeployError, match="is in the folder of the data"):
        deploy.__main__.main(["evaluate", str(folder / "run"), ".", "--out", out])
    assert sorted(folder.rglob("*")) == before


def test_beside_the_data_is_outside(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "archive.zip").write_bytes(b"")
    (tmp_path / "link").symlink_to("data")
    for out, data in ((".", "data"), ("data2", "data"), ("archive", "archive.zip"), ("data", "nowhere")):
        check_outside(tmp_path / out, tmp_path / data)
    for out in ("link", "link/x", "data/../data/x"):
        with pytest.raises(StorageError):
            check_outside(tmp_path / out, tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("timings.json", ["benchmark", "run", "--batch", "1", "--seconds", "0.1", "--json", "timings.json"]),
        ("timings.png", ["benchmark", "run", "--batch", "1", "--seconds", "0.1", "--plot", "timings.png"]),
    ],
)
def test_a_file_that_was_there_is_there_until_the_new_one_is_whole(folder, tmp_path, name, argv):
    """As on a full disk: the shell limits the size of files."""
    old = b"what was there"
    (tmp_path / name).write_bytes(old)
    (tmp_path / "run").symlink_to(folder / "run")
    limited = ["bash", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "bash", sys.executable, "-m", "deploy"]
    done = subprocess.run([*limited, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written: File too large" in done.stderr
    assert (tmp_path / name).read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "run"])
