"""What a Python session with Keras meets: no log of TensorFlow, models that load, one line for what cannot work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keras_impl import quiet

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795645457.510673    9273 port.cc:153] oneDNN custom operations are on.\n"
    b"2026-11-25 22:00:00.123456: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261] Unable\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n"
)
OTHERS = b"F0000 00:00:1795645457.510673    9273 cpu_feature_guard.cc:1] no AVX\nmine: I0000 is a word of mine\n"


def session(code: str, home: Path, *, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own; `shell` is appended to its command line."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "KERAS_"))}
    command = f'"{sys.executable}" -c "$CODE" {shell}'
    variables |= {"HOME": str(home), "CODE": code, **environment}
    return subprocess.run(command, shell=True, env=variables, capture_output=True, text=True, check=False)


def test_only_the_start_up_log_is_kept_back(capfd):
    with quiet.without_start_up_log():
        os.write(2, NOISE + OTHERS)
        print("from Python", file=sys.stderr)
    assert sorted(capfd.readouterr().err.encode().splitlines()) == sorted([*OTHERS.splitlines(), b"from Python"])


def test_after_an_error_everything_is_shown(capfd):
    def fail() -> None:
        with quiet.without_start_up_log():
            os.write(2, NOISE + OTHERS)
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err.encode() == NOISE + OTHERS


@pytest.mark.parametrize("stderr", [None, "closed"])
def test_a_stderr_that_is_no_file_is_no_matter(stderr, monkeypatch, capfd, tmp_path):
    if stderr == "closed":
        with open(tmp_path / "closed", "w") as stream:
            pass
        monkeypatch.setattr(sys, "stderr", stream)
    else:
        monkeypatch.setattr(sys, "stderr", None)
    with quiet.without_start_up_log():
        os.write(2, NOISE)
    assert capfd.readouterr().err == ""


def test_without_room_for_a_file_the_log_is_shown(monkeypatch, capfd):
    def full() -> None:
        raise OSError

    monkeypatch.setattr(quiet.tempfile, "TemporaryFile", full)
    with quiet.without_start_up_log():
        os.write(2, OTHERS)
    assert capfd.readouterr().err.encode() == OTHERS


def test_a_closed_stderr_stays_closed(tmp_path):
    code = "import os\nfrom keras_impl.quiet import without_start_up_log as quiet\nwith quiet(): print('inside')"
    done = session(code, tmp_path, shell="2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "inside\n", "")


LOAD = """
import numpy as np
model = keras.saving.load_model("model.keras")
print(model.spec.name, np.asarray(model(np.zeros((1, *model.input.shape[1:])))).shape)
"""


def test_a_plain_session_prints_nothing_and_a_fresh_one_loads(tmp_path, monkeypatch):
    """One session builds and saves; others that have imported the package, before or after Keras, load."""
    monkeypatch.chdir(tmp_path)
    done = session("import keras_impl; keras_impl.build('lenet5').save('model.keras')", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = session("import keras_impl, keras" + LOAD, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "lenet5 (1, 10)\n", "")
    done = session("import keras, keras_impl" + LOAD, tmp_path)
    assert (done.returncode, done.stdout) == (0, "lenet5 (1, 10)\n")


BUILD = "import keras_impl; keras_impl.build('lenet5')"
CHECK = "from keras_impl.quiet import check_backend; check_backend()"


def keras_json(home: Path, content: Any) -> None:
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize("backend", ["torch", "numpy", "nonsense"])
def test_an_unknown_backend_is_refused_before_keras_is_imported(backend, tmp_path):
    expected = f"'{backend}', but Diptych needs tensorflow or jax: set KERAS_BACKEND=tensorflow"
    for code in (BUILD, CHECK):
        done = session(code, tmp_path, KERAS_BACKEND=backend)
        assert done.stderr.splitlines()[-1] == f"deploy.errors.DiptychError: KERAS_BACKEND is {expected}"
    command = "from keras_impl.__main__ import main; main(['train', 'lenet5'])"
    assert expected in session(command, tmp_path, KERAS_BACKEND=backend).stderr
    assert not (tmp_path / ".keras").exists()  # which Keras makes when it is imported
    keras_json(tmp_path, {"backend": backend})
    done = session(BUILD, tmp_path)
    assert f"'backend' in {tmp_path}/.keras/keras.json is {expected}" in done.stderr.splitlines()[-1]
    assert session(CHECK, tmp_path, KERAS_BACKEND="tensorflow").returncode == 0


def test_a_backend_that_is_not_installed_is_refused(tmp_path):
    code = "from keras_impl import quiet; quiet.find_spec = lambda name: None; quiet.check_backend()"
    done = session(code, tmp_path, KERAS_BACKEND="jax")
    assert "KERAS_BACKEND is 'jax', which is not installed: install it or set" in done.stderr.splitlines()[-1]


def test_keras_on_another_backend_is_left_alone(tmp_path):
    """A session that uses Keras on PyTorch may import the package, and learns in one line that it cannot build."""
    code = "import keras_impl, keras; print(keras.config.backend()); keras_impl.build('lenet5')"
    done = session(code, tmp_path, KERAS_BACKEND="torch")
    assert done.stdout == "torch\n"
    assert "the backend of Keras, which is imported already, is 'torch'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("content", ["[]", "3", '"text"'])
def test_a_configuration_that_is_no_object_is_refused(content, tmp_path):
    keras_json(tmp_path, content)
    assert "keras.json is not a JSON object: correct it or delete it" in session(CHECK, tmp_path).stderr


@pytest.mark.parametrize("content", ["{", "", "{}", '{"backend": "tensorflow"}'])
def test_a_damaged_configuration_means_the_defaults(content, tmp_path):
    keras_json(tmp_path, content)
    assert session(CHECK, tmp_path).returncode == 0


def test_what_keras_refuses_is_one_line_with_its_file(tmp_path):
    keras_json(tmp_path, {"floatx": "float31"})
    line = session(BUILD, tmp_path).stderr.splitlines()[-1]
    assert line.startswith("deploy.errors.DiptychError: Keras cannot be imported: Invalid `floatx` configuration.")
    assert line.endswith(f"its configuration is {tmp_path}/.keras/keras.json")


@pytest.mark.parametrize("home", ["missing", "file"])
def test_a_home_that_cannot_be_written_is_no_matter(home, tmp_path):
    (tmp_path / "file").write_text("")
    assert session(CHECK, tmp_path / home).returncode == 0
    assert session(CHECK, tmp_path, KERAS_HOME=str(tmp_path / home)).returncode == 0


@pytest.mark.parametrize(("argv", "status"), [(["--help"], 0), (["train", "lenet5"], 2), (["evaluate", "runs"], 2)])
def test_help_is_shown_under_any_backend_and_commands_refuse_it(argv, status, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "keras_impl", *argv],
        env=os.environ | {"KERAS_BACKEND": "torch"}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert ("KERAS_BACKEND is 'torch'" in done.stderr) == (status == 2)
