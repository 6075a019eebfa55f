"""`deploy evaluate`: figures by hand, class folders and archives, and what does not fit."""

import csv
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import deploy.__main__
from deploy import Classifier, DeployError
from deploy.class_folders import find_classes
from deploy.evaluation import _write, evaluate, lines
from deploy.scores import Tally
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from tiny_classifier import NAMES, contract, network, write_run

KINDS = ("folder", "wrapped", "test", "zip", "tar", "tar.gz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, and 90 images of three of its classes; the true classes are not what the model says."""
    place = write_run(tmp_path_factory.mktemp("given"))
    for number in range(90):
        image = place / "set" / NAMES[number % 3] / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)).save(image)
    (place / "set" / NAMES[0] / "notes.txt").write_text("no image")
    (place / "set" / ".hidden").mkdir()
    return place


@pytest.fixture(scope="module")
def classifier(folder):
    return Classifier(folder / "run", isolate=False)


def packed(folder, place, kind):
    files = [path for path in sorted((folder / "set").rglob("*")) if path.is_file()]
    if kind == "folder":
        return folder / "set"
    if kind in ("wrapped", "test"):
        (place / kind).mkdir()
        (place / kind / ("test" if kind == "test" else "inner")).symlink_to(folder / "set")
        return place / kind
    path = place / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(folder / "set"))
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            for file in files:
                archive.add(file, f"./test/{file.relative_to(folder / 'set')}")
    return path


def test_figures_by_hand():
    tally = Tally(["a", "b", "c", "d", "e", "f"])
    tally.add(np.array([[9, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4]], np.float32), np.array([0, 5]))
    tally.add(np.array([[0, 9, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], np.float32), np.array([0, 4]))
    scores = tally.scores
    assert (scores.images, scores.right, scores.in_top5) == (4, 1, 3)
    assert (scores.top1, scores.top5) == (25, 75)
    assert [round(end, 2) for end in scores.interval(1)] == [4.56, 69.94]
    assert scores.confusion[[0, 0, 5, 4], [0, 1, 0, 0]].tolist() == [1, 1, 1, 1]
    first, *_, last = scores.per_class
    assert (first.images, first.recall, round(first.precision, 9)) == (2, 50, round(100 / 3, 9))
    assert (last.images, last.recall, last.precision) == (1, 0, None)
    rows = list(csv.reader(scores.confusion_csv().splitlines()))
    assert rows[0] == ["true \\ answer", *"abcdef"]
    assert rows[1] == ["a", "1", "1", "0", "0", "0", "0"]


def test_a_hundred_thousand_classes_take_no_matrix(tmp_path):
    names = [str(number) for number in range(100_000)]
    tally = Tally(names)
    logits = np.zeros((3, len(names)), np.float32)
    logits[[0, 1, 2], [7, 99_999, 99_999]] = 1
    tally.add(logits, np.array([7, 8, 8]))
    scores = tally.scores
    assert (scores.right, scores.confused(5)) == (1, [(8, 99_999, 2)])
    assert scores.fields()["confusion"] is None
    assert [line for line in lines(scores) if "99999" in line and line.startswith("8 ")]
    (tmp_path / "confusion.csv").write_text("of an earlier evaluation")
    _write(tmp_path, facts := {"notes": []} | scores.fields(), scores)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]
    assert "100,000 classes" in facts["notes"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_of_a_set_has_the_same_scores(folder, classifier, tmp_path, kind):
    place = packed(folder, tmp_path, kind)
    confusion = np.zeros((5, 5), np.int64)
    for path in sorted((folder / "set").rglob("*.png")):
        answer = classifier([path], top=1)[0][0].name
        confusion[NAMES.index(path.parent.name), NAMES.index(answer)] += 1
    scores = evaluate(classifier, place)
    assert np.array_equal(scores.confusion, confusion)
    assert scores.images == 90
    assert scores.in_top5 == 90


def refuse(classifier, place, match):
    with pytest.raises(DeployError, match=match) as raised:
        evaluate(classifier, place)
    assert len(str(raised.value).splitlines()) == 1


def test_what_does_not_fit_is_one_line(folder, classifier, tmp_path):
    content = (folder / "images/one.png").read_bytes()

    def put(*names, content=content):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / names[0].split("/")[0]

    refuse(
        classifier, put("unknown/klass 1/a.png", "unknown/x/a.png"), "no class 'klass 1' .2 of 2 .*did you mean class 1"
    )
    refuse(classifier, put("loose/a.png"), "a.png is not in a class folder")
    refuse(classifier, put("split/train/class 1/a.png"), "has train but no test")
    refuse(classifier, put("broken/class 1/a.png", content=content[:200]), "broken/class 1/a.png: cannot be read as an")
    for name in ("val", "validation"):
        put(f"twice/{name}/class 1/a.png")
    refuse(classifier, tmp_path / "twice", "val/ and validation/ are both there")
    put("gap/class 1/a.png")
    refuse(classifier, put("gap/class 1/b.png", content=b""), "gap/class 1/b.png cannot be read as an image")
    refuse(classifier, put("empty/class 1/a.txt", content=b"text"), "no images found")
    refuse(classifier, tmp_path / "none", "no such folder")
    refuse(classifier, put("broken.zip"), "damaged")


def test_the_command_writes_table_csv_and_picture(folder, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["evaluate", str(folder / "run"), str(folder / "set")]
    deploy.__main__.main([*argv, "--out", str(out), "--threads", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(": CPUExecutionProvider, 1 thread")
    assert lines[1:3] == ["note: left out, hidden: 1", "note: left out, not images: 1"]
    assert lines[3].startswith("top-1 ")
    assert "of 90 images (95 % interval" in lines[3]
    facts = json.loads((out / "scores.json").read_text())
    assert facts["images"] == np.sum(facts["confusion"]) == 90
    assert [row[1:] for row in csv.reader((out / "confusion.csv").read_text().splitlines())][1:] == [
        list(map(str, row)) for row in facts["confusion"]
    ]
    with Image.open(out / "confusion.png") as picture:
        assert picture.width > 300
    deploy.__main__.main([*argv, "--json", "--tta", "mirror"])
    answer = json.loads(capsys.readouterr().out)
    assert (answer["tta"], answer["images"]) == ("mirror", 90)


def test_without_matplotlib_there_is_a_note(folder, tmp_path, monkeypatch, capsys):
    """And no picture of an earlier evaluation."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    out = tmp_path / "out"
    out.mkdir()
    (out / "confusion.png").write_bytes(b"earlier")
    deploy.__main__.main(["evaluate", str(folder / "run"), str(folder / "set"), "--out", str(out)])
    note = "confusion.png is not drawn: matplotlib is not installed"
    assert f"note: {note}" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["confusion.csv", "scores.json"]
    assert json.loads((out / "scores.json").read_text())["notes"][-1].startswith(note)


def test_everything_that_is_left_out_is_said(folder, tmp_path, capsys):
    shutil.copytree(folder / "set", tmp_path / "set")
    shutil.copytree(tmp_path / "set" / NAMES[0], tmp_path / "set" / f".{NAMES[0]}")
    (tmp_path / "set" / NAMES[0] / "up").symlink_to(tmp_path / "set")
    deploy.__main__.main(["evaluate", str(folder / "run"), str(tmp_path / "set"), "--json"])
    assert json.loads(capsys.readouterr().out)["notes"] == [
        "left out, a link to a folder around it: 1",
        "left out, hidden: 2",
        "left out, not images: 1",
    ]


def test_a_set_in_classes(folder):
    found = find_classes(folder / "set")
    assert set(found.classes.values()) == set(NAMES[:3])
    assert [name for name, _ in found.contents()] == list(found.classes)


def test_the_command_imports_none_of_ours():
    program = (
        "import sys, deploy.__main__, deploy.evaluation, deploy.archives, deploy.class_folders; "
        "print([m for m in sys.modules if m.split('.')[0] in ('diptych', 'netspec', 'trainspec', 'onnx_impl', 'onnx', "
        "'torch_impl', 'keras_impl', 'torch', 'keras', 'tensorflow', 'matplotlib')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["folder", "zip", "test"])
def test_images_that_it_was_trained_on_are_noted(folder, tmp_path, capsys, kind):
    graph, place = network(), packed(folder, tmp_path, kind)
    named = replace(contract(), data="set")
    export_onnx(graph, probe(graph), tmp_path / "model.onnx", metadata=named.properties())
    deploy.__main__.main(["evaluate", str(tmp_path / "model.onnx"), str(place)])
    noted = "note: the model was trained on images of set; evaluate_onnx takes those" in capsys.readouterr().out
    assert noted == (kind != "test")  # a split of its own
