"""`deploy predict`: answers for runs, folders and images, one line for a mistake, and nothing left behind."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from deploy import Classifier
from deploy.answers import predict_files
from deploy.errors import ModelError
from deploy.model import LoadedModel
from deploy.progress import counted, line
from onnx_impl import build
from onnx_impl.measure import probe
from tiny_classifier import contract, network, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


def predict(folder, *argv, stdin=b"", shell=(), **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    argv = [*shell, sys.executable, "-m", "deploy", "predict", *map(str, argv)]
    done = subprocess.run(argv, cwd=folder, input=stdin, capture_output=True, check=False, env=kept | environment)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def test_after_a_prediction_an_empty_home_is_still_empty(folder, tmp_path):
    """A file without a hash, so that the child is looked at too."""
    graph, home = network(), tmp_path / "home"
    home.mkdir()
    model = build(graph, weights=probe(graph), metadata=contract().properties())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    caches = dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), "")
    done = predict(folder, tmp_path / "m.onnx", "images", HOME=str(home), **caches)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def test_the_command_takes_runs_folders_and_webp(folder):
    done = predict(folder, "run", "images", "images/one.png", "--top", "2", "--threads", "1", "--provider", "cpu")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "run: CPUExecutionProvider, 1 thread"
    assert lines[1] == "note: left out, not images: 1"
    named = ["images/deep/er/two.webp", "images/one.png", "images/one.png"]
    assert [line for line in lines[2:] if not line.startswith("  ")] == named
    assert len(lines) == 2 + 3 * 3
    answer = json.loads(predict(folder, "run", "images", "--json").stdout)
    assert answer["provider"] == "CPUExecutionProvider"
    assert [image["image"] for image in answer["images"]] == named[:2]
    assert all(sum(each["probability"] for each in image["predictions"]) > 0.999 for image in answer["images"])


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "images/one.png", "images/none.png"], ["run", "images/notes.txt"], ["run", "run"], ["images", "images"],
        ["run", "images", "--top", "0"], ["run", "images", "--threads", "0"], ["run", "images", "--provider", "cuda"],
        ["run", "x" * 300], ["run/model.onnx/x", "images"], ["run"], ["run", "images", "--top", "many"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_is_one_line_before_any_answer(folder, argv):
    done = predict(folder, *argv)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")


def test_an_image_on_standard_input(folder):
    content = (folder / "images/one.png").read_bytes()
    piped, named = (predict(folder, "run", *given, "--json", stdin=content) for given in (["-"], ["images/one.png"]))
    piped, named = (json.loads(done.stdout)["images"][0] for done in (piped, named))
    assert piped["image"] == "-"
    assert piped["predictions"] == named["predictions"]
    done = predict(folder, "run", "-", "-", stdin=content)
    assert (done.returncode, done.stdout) == (2, "")
    assert "twice" in done.stderr


def test_a_standard_input_that_is_closed(folder):
    done = predict(folder, "run", "-", shell=["sh", "-c", 'exec "$@" <&-', "sh"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: -: standard input is closed; pass an image with < FILE or through a pipe\n"


def test_folders_are_read_as_data_sets_are(folder, tmp_path):
    """Linked folders are entered. Hidden ones and those of systems are not."""
    images = tmp_path / "images"
    for place in ("here", ".ipynb_checkpoints", "__MACOSX"):
        (images / place).mkdir(parents=True)
        shutil.copy(folder / "images/one.png", images / place / "a.png")
    (images / "linked").symlink_to(folder / "images")
    (images / "linked here").symlink_to(images)
    done = predict(folder, "run", images)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [
        "note: left out, a link to a folder around it: 1",
        "note: left out, hidden: 1",
        "note: left out, made by the operating system: 1",
        "note: left out, not images: 1",
    ]
    named = [line.removeprefix(f"{images}/") for line in lines if line.startswith(str(images))]
    assert named == ["here/a.png", "linked/deep/er/two.webp", "linked/one.png"]


UNUSABLE = {
    "empty.png": lambda file: file.write_bytes(b""),
    "gone.jpg": lambda file: file.symlink_to("nothing"),
    "moving.gif": lambda file: file.write_bytes(b"GIF89a"),
    "page.jpg": lambda file: file.write_bytes(b"<html>not found</html>"),
    "pipe.png": os.mkfifo,
    "circle.png": lambda file: file.symlink_to(file.name),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_image_in_a_folder_is_an_error(folder, tmp_path, name):
    shutil.copy(folder / "images/one.png", tmp_path / "good.png")
    UNUSABLE[name](tmp_path / name)
    done = predict(folder, "run", tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}/{name}: " in done.stderr
    assert "(1 of 2 images cannot be read)" in done.stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_an_image_that_breaks_off_does_not_stop_the_others(folder, tmp_path, as_json):
    content = (folder / "images/one.png").read_bytes()
    for name, cut in (("a", None), ("b", len(content) // 2), ("c", None)):
        (tmp_path / f"{name}.png").write_bytes(content[:cut])
    done = predict(folder, "run", tmp_path, *["--json"] * as_json)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/b.png: cannot be read as an image")
    assert line.endswith("(1 of 3 images cannot be read)")
    if as_json:
        images = json.loads(done.stdout)["images"]
        assert [sorted(image) for image in images] == [
            ["image", "predictions"],
            ["error", "image"],
            ["image", "predictions"],
        ]
        assert images[0]["predictions"] == images[2]["predictions"]
    else:
        [reason] = [line for line in done.stdout.splitlines() if line.startswith("  cannot be read as an image (")]
        assert reason.strip() in line


def test_json_is_whole_where_the_model_fails(folder, monkeypatch, capsys):
    def failing(*arguments):
        raise ModelError("m: its output is NaN")

    monkeypatch.setattr(LoadedModel, "logits", failing)
    with pytest.raises(ModelError, match=r"its output is NaN; the images begin with .*one\.png"):
        predict_files(folder / "run", [folder / "images/one.png"], as_json=True)
    said = capsys.readouterr().out
    assert said.endswith("}\n")
    found = json.loads(said)
    assert found["images"] == []
    assert "its output is NaN" in found["error"]


def test_a_stream_takes_a_batch_at_a_time(folder):
    """So ten thousand images need no more memory than a hundred."""
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield folder / "images/one.png"

    classifier = Classifier(folder / "run")
    answers = classifier.stream(endless(), top=1)
    first = [next(answers) for _ in range(150)]
    assert all(answer == first[0] for answer in first)
    assert len(taken) == 3 * classifier.model.batch


def test_progress_by_hand():
    assert line(120, 400, 2.0, "images") == "120 of 400 images, 60 a second, 5 s left"
    assert line(1000, 100_000, 10.0, "images") == "1,000 of 100,000 images, 100 a second, 16 min left"
    assert list(counted(iter("abc"), "letters", 3)) == ["a", "b", "c"]


@pytest.mark.parametrize(("streams", "shown"), [(False, True), (True, False)])
def test_a_terminal_that_shows_the_answers_too_gets_no_line_among_them(streams, shown, monkeypatch, capsys):
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("deploy.progress.PATIENCE", 0.0)
    assert list(counted(iter("abc"), "letters", 3, streams=streams)) == ["a", "b", "c"]
    assert ("1 of 3 letters" in capsys.readouterr().err) == shown
