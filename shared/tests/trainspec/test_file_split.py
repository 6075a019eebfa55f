"""Images that stay in their files: the pixels, what goes wrong, memory, and which sets are read so."""

import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from asked import prepared, task_of
from fake_framework import framework
from PIL import Image
from samples import class_files, split_files, write_folder, write_zip
from silent_loading import assert_one_line, silent

from deploy.shell import Stopped
from diptych import stopping
from diptych.errors import DataError
from diptych.pool import ProcessEndedError
from trainspec.augment import RandomResizedCrop
from trainspec.data import DataSet, class_folder, open_data
from trainspec.data.decoding import Cut, workers
from trainspec.evaluation import evaluate, judge
from trainspec.plan import HostImages, draw_epoch, normalise
from trainspec.training import train

SIZES = [(50, 40), (12, 31), (64, 64), (9, 9), (33, 20)]


def photographs(classes: str = "ab", count: int = 10) -> dict[str, bytes]:
    """JPEGs of several shapes."""
    files = {}
    for name in classes:
        for number in range(count):
            width, height = SIZES[number % len(SIZES)]
            pixels = np.random.default_rng([number, ord(name)]).integers(0, 256, (height, width, 3), np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=95)
            files[f"{name}/{number:03}.jpg"] = file.getvalue()
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("photographs") / "set", photographs())


def both(path: Path, size: int = 8, **form: object) -> tuple[DataSet, DataSet]:
    memory, files = (open_data(str(path), size, notice=silent, storage=s, **form) for s in ("memory", "files"))
    assert (memory.storage, files.storage) == ("memory", "files")
    return memory, files


@pytest.mark.parametrize("form", [{}, {"resize": "squash"}, {"channels": 1}], ids=str)
def test_files_and_memory_have_the_same_pixels(folder, form):
    memory, files = both(folder, **form)
    for split in ("train", "validation", "test"):
        one, other = getattr(memory, split), getattr(files, split)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.array(), other.array())
        chosen = np.array([1, 0, 1])[: len(one)]
        np.testing.assert_array_equal(one.read(chosen), other.read(chosen))
        assert (one.shape, len(one), one.classes) == (other.shape, len(other), other.classes)
    assert memory.fingerprint == files.fingerprint
    assert (memory.mean, memory.std) == (files.mean, files.std)  # of so few images, all are measured
    again = open_data(str(folder), 8, notice=silent, storage="files", **form)
    assert (again.mean, again.std, again.fingerprint) == (files.mean, files.std, files.fingerprint)  # from the cache


@pytest.mark.parametrize("files", [split_files(), class_files("abc")], ids=["split", "classes"])
def test_layouts(tmp_path, files):
    memory, files = both(write_folder(tmp_path / "set", files))
    assert memory.summary() == files.summary()
    assert memory.notes == files.notes


def box_by_hand(draws: dict[str, np.ndarray], height: int, width: int) -> tuple[int, int, int, int]:
    """torchvision's rule, written down again for one image: left, top, right, bottom."""
    for area, log_ratio in zip(draws["area"].astype(float), draws["log_ratio"].astype(float), strict=True):
        ratio = np.exp(log_ratio)
        w, h = (round(float(np.sqrt(area * height * width * r))) for r in (ratio, 1 / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = (
                int(np.floor(float(p) * (s + 1))) for p, s in zip(draws["place"], (height - h, width - w), strict=True)
            )
            return left, top, left + w, top + h
    raise AssertionError("no size fits")


def test_random_resized_crops_are_cut_out_of_the_whole_images(folder):
    _, files = both(folder)
    crop = RandomResizedCrop()
    (plan,) = draw_epoch(0, 0, len(files.train), [crop]).batches(len(files.train))
    made = HostImages(files.train, [crop], (0.5,) * 3, (0.5,) * 3).batch(plan)
    compared = 0
    for row, index in enumerate(plan.indices):
        image = Image.open(files.train.located.files()[index].path).convert("RGB")
        draws = {name: array[row] for name, array in plan.draws[crop.kind].items()}
        try:
            box = box_by_hand(draws, image.height, image.width)
        except AssertionError:
            continue
        expected = np.asarray(image.crop(box).resize((8, 8), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(made[row], normalise(expected[None], (0.5,) * 3, (0.5,) * 3)[0])
        compared += 1
    assert compared > len(plan) // 2


def test_parts_of_a_batch_do_not_matter(folder, monkeypatch):
    _, files = both(folder)
    crop = RandomResizedCrop()
    (plan,) = draw_epoch(3, 1, len(files.train), [crop]).batches(len(files.train))
    whole = files.train.read(plan.indices, Cut(crop, plan.draws[crop.kind]))
    monkeypatch.setattr("trainspec.data.decoding.PARTS", 100)  # a part for each image
    np.testing.assert_array_equal(files.train.read(plan.indices, Cut(crop, plan.draws[crop.kind])), whole)
    for batch in draw_epoch(3, 1, len(files.train), [crop]).batches(5):
        rows = [int(np.flatnonzero(plan.indices == index)[0]) for index in batch.indices]
        np.testing.assert_array_equal(files.train.read(batch.indices, Cut(crop, batch.draws[crop.kind])), whole[rows])


def test_a_signal_is_answered_between_two_parts(folder, monkeypatch):
    _, files = both(folder)
    monkeypatch.setattr(stopping, "_asked", signal.SIGTERM)
    with pytest.raises(Stopped):
        files.train.read(np.arange(len(files.train)))


def test_a_signal_is_left_to_the_training(folder, monkeypatch):
    """The thread that makes batches would answer some steps late, or never if the training ends meanwhile."""
    _, files = both(folder)
    monkeypatch.setattr(stopping, "_asked", signal.SIGTERM)
    with ThreadPoolExecutor(1) as thread:
        assert len(thread.submit(files.train.read, np.arange(len(files.train))).result()) == len(files.train)
    with pytest.raises(Stopped):
        stopping.check()


def test_a_run_from_files_and_its_evaluation(folder, tmp_path):
    arguments = ("--data", str(folder), "--set", "data.storage=files", "--set", "augmentation.random_resized_crop=true")
    task, asked = prepared("lenet5", *arguments, "--epochs", "2", "--out", str(tmp_path))
    assert task.recipe.data.storage == "files"
    run = train(task, framework(), asked)
    assert run.facts["data_wait_seconds"] >= 0
    assert 0 <= run.facts["data_wait_percent"] <= 100
    assert any("images in files" in note for note in run.facts["notes"])
    judged = judge(run.folder)
    memory = open_data(str(folder), 32, notice=silent)
    np.testing.assert_array_equal(judged.split.array(), memory.test.array())
    assert run.facts["data_fingerprint"] == memory.fingerprint


def test_a_run_from_files_is_judged_on_what_cannot_stay_in_files(folder, tmp_path, monkeypatch, capsys):
    """Where the training's images were does not matter to an evaluation, and gives no note on other images."""
    monkeypatch.setattr(class_folder, "MEASURED", 4)
    task, asked = prepared(
        *("lenet5", "--data", str(folder), "--set", "data.storage=files", "--epochs", "1", "--out", str(tmp_path))
    )
    run = train(task, framework(), asked).folder
    archive = write_zip(tmp_path / "photographs.zip", photographs())
    capsys.readouterr()
    np.testing.assert_array_equal(judge(run).split.array(), judge(run, str(archive)).split.array())
    assert "other values" not in capsys.readouterr().out
    with pytest.raises(DataError) as error:
        judge(run, "digits")
    assert_one_line(error, "classes")


def test_in_memory_where_it_is_small_and_in_files_where_it_is_large(folder, tmp_path, monkeypatch):
    assert task_of("lenet5", "--data", str(folder)).recipe.data.storage == "memory"
    monkeypatch.setattr("diptych.machine.free_bytes", lambda: 20 * 32 * 32 * 3 * 4 - 1)
    notices: list[str] = []
    data = open_data(str(folder), 32, notice=notices.append, storage="auto")
    assert data.storage == "files"
    (notice,) = notices
    assert "20 decoded images would take" in notice
    assert 'data.storage = "files"' in notice
    assert "\n" not in notice


def test_what_cannot_stay_in_files(tmp_path):
    for choice, words in ((str(write_zip(tmp_path / "a.zip", class_files())), "unpack it"), ("digits", "not a folder")):
        with pytest.raises(DataError) as error:
            open_data(choice, 8, notice=silent, storage="files")
        assert_one_line(error, words)


def test_files_that_change_or_vanish_during_a_run(tmp_path):
    path = write_folder(tmp_path / "set", photographs())
    data = open_data(str(path), 8, notice=silent, storage="files")
    victim = Path(data.train.located.files()[2].path)
    content = victim.read_bytes()
    victim.write_bytes(content + b"more")
    with pytest.raises(DataError) as error:
        data.train.array()
    assert_one_line(error, victim.name, "has changed since the command began")
    victim.write_bytes(b"")
    with pytest.raises(DataError) as error:
        data.train.array()
    assert_one_line(error, victim.name, "an empty file")
    victim.unlink()
    with pytest.raises(DataError) as error:
        data.train.array()
    assert_one_line(error, victim.name, "no such file")


def test_a_killed_worker_is_one_line(folder, monkeypatch):
    data = open_data(str(folder), 8, notice=silent, storage="files")
    data.train.array()  # the workers are there
    for worker in workers()._workers:
        if worker._process:
            os.kill(worker._process.pid, 9)
    with pytest.raises(ProcessEndedError, match="killed"):
        data.train.array()
    assert len(data.train.array()) == len(data.train)  # new workers have started


def test_evaluation_reads_from_files(folder):
    memory, files = both(folder)
    constants = (memory.mean, memory.std)

    def forward(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :2]

    one, other = (evaluate(forward, data.test, constants) for data in (memory, files))
    assert one.loss == other.loss
    np.testing.assert_array_equal(one.predictions, other.predictions)
