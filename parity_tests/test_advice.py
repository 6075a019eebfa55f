"""What messages advise works: the options that they name are there, and the commands that they show can be pasted."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import deploy.__main__
import onnx_impl.__main__
import torch_impl.__main__
from deploy.commands import Command
from deploy.options import SWITCH
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from tiny_classifier import contract, network

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
OF_OTHERS = {"--help", "--directory", "--sparse"}  # argparse's, http.server's and tar's
NPM = "npm.py"  # has the options of npm


def commands_of(main: Any, monkeypatch: pytest.MonkeyPatch) -> Sequence[Command]:
    """The commands that a program describes."""
    found: list[Sequence[Command]] = []
    for name in ("deploy.__main__", "onnx_impl.__main__", "onnx_impl.library"):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "run_command", lambda program, description, commands, *_: found.append(commands))
    main([])
    return found[0]


def names(command: Command) -> set[str]:
    switches = {name for one in command.options if one.settings.get("action") is SWITCH for name in one.names}
    return {name for one in command.options for name in one.names} | {f"--no-{name[2:]}" for name in switches}


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """The texts in the modules of a package, without docstrings, by module."""
    for path in sorted(folder.rglob("*.py")):
        if path.name == NPM:
            continue
        tree = ast.parse(path.read_text())
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
                yield path.name, node.value


PROGRAMS = (deploy.__main__.main, onnx_impl.__main__.main, torch_impl.__main__.main)


def test_every_option_that_a_message_names_is_there(monkeypatch):
    known = {name for main in PROGRAMS for command in commands_of(main, monkeypatch) for name in names(command)}
    for package in (deploy, onnx_impl):
        for module, text in texts(Path(package.__file__).parent):
            assert set(OPTION.findall(text)) <= known | OF_OTHERS, f"{module}: {text}"


@pytest.mark.parametrize("main", PROGRAMS, ids=["deploy", "onnx_impl", "framework"])
def test_every_command_that_takes_a_run_takes_unfinished_ones_too(main, monkeypatch):
    """Each of them refuses such a run, and advises the option."""
    for command in commands_of(main, monkeypatch):
        if {"model", "run"} & names(command) or command.name == "export":
            assert "--unfinished" in names(command), command.name


def test_commands_that_are_shown_can_be_pasted(tmp_path, capsys):
    graph, place = network(), tmp_path / "a b"
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract().properties())
    onnx_impl.__main__.main(["package", str(tmp_path / "m.onnx"), "--out", str(place)])
    shown = capsys.readouterr().out.partition("check it with: ")[2]
    assert shlex.split(shown) == ["python", str(place / "verify.py")]
