"""Every command keeps the shell's habits: real processes, help on streams that fail, names that nobody can read."""

import os
import re
import subprocess
import sys

import pytest

COMMANDS = {  # module -> its commands
    "netspec": [""],
    "trainspec": ["", "agreement"],
    "doctor": [""],
    "torch_impl": ["", "train", "evaluate", "export"],
    "keras_impl": ["train", "evaluate", "export"],
    "onnx_impl": ["", "evaluate", "export", "package", "quantize"],
    "parity": ["", "time"],
    "parity.train_all": [""],
    "deploy": ["", "predict", "evaluate", "benchmark", "verify"],
}
MODULES = [(module, command) for module, commands in COMMANDS.items() for command in commands]
STREAMS = {  # of the shell -> exit status, and what is said
    "| true": (0, ""),
    ">&-": (2, "error: standard output is closed.*"),
    "> /dev/full": (2, "error: standard output cannot be written: No space left on device"),
}
NAME = "caf\udce9\x1b[31m\u202e.onnx"  # not UTF-8, a terminal escape, and a mark that turns what follows
SHOWN = r"caf\xe9\x1b[31m\u202e.onnx"
PATHS = {  # arguments that name files which are not there
    "netspec": ["--show", f"{NAME}.json"],
    "trainspec": ["agreement", NAME, NAME],
    "doctor": ["--environments", NAME],
    "torch_impl": ["evaluate", NAME],
    "keras_impl": ["evaluate", NAME],
    "onnx_impl": ["evaluate", NAME],
    "parity": ["lenet5", "--weights", NAME],
    "parity.train_all": ["torch", NAME],
    "deploy": ["predict", NAME, NAME],
}


def call(command, **environment):
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=False,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
    )
    return done.returncode, done.stdout.decode("ascii", "replace"), done.stderr.decode("ascii", "replace")


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize(("module", "command"), MODULES)
def test_help_where_nobody_can_read_it(module, command, streams):
    status, said = STREAMS[streams]
    found, _, errors = call(f"{sys.executable} -m {module} {command} --help {streams}")
    assert found == status, errors
    assert re.fullmatch(said, errors.strip()), errors


@pytest.mark.parametrize("module", PATHS)
def test_names_that_no_terminal_should_obey(module, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", module, *map(os.fsencode, PATHS[module])],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    errors = done.stderr.decode("ascii")
    assert done.returncode == 2, errors
    assert len(errors.splitlines()) == 1, errors
    assert SHOWN in errors
    assert "\x1b" not in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("module", "command"), MODULES)
def test_help_says_what_can_be_typed_and_what_each_argument_is(module, command):
    """No argument is without a text, and no text begins with a preposition."""
    _, shown, errors = call(f"{sys.executable} -m {module} {command} --help", COLUMNS="200")
    assert not errors
    assert shown.startswith(f"usage: python -m {module}{f' {command}' if command else ''} ")
    lines = shown.splitlines()
    entries = [place for place, line in enumerate(lines) if re.match(r"  [-A-Z]\S* ?", line) and not line.endswith(".")]
    assert entries
    for place in entries:
        _, _, text = lines[place].strip().partition("  ")
        text = text.strip() or lines[place + 1].strip()  # after a long name it is on the next line
        assert text, lines[place]
        assert not re.match(r"(of|in|by|as|at|with|from|for|on|to) ", text), lines[place]
