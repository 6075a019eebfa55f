"""Results out of run folders: groups, intervals, tables, headers, and what is left out."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from deploy.intervals import of_accuracy, wilson
from diptych.errors import DataError
from test_training import interrupted_at, run, task
from trainspec.__main__ import main
from trainspec.recipes import read_recipe
from trainspec.recipes.find import shipped_recipes
from trainspec.recipes.header import header, said
from trainspec.results import collect, count_measured, headers, write_headers
from trainspec.results.earlier import read_rows
from trainspec.results.intervals import over_runs, student
from trainspec.results.measured import read_runs
from trainspec.results.pairs import undecided
from trainspec.results.rows import in_order
from trainspec.results.tables import to_csv, to_markdown
from trainspec.runs import Run

OWN = Path(__file__).parents[3] / "results"  # of this project


def test_wilsons_interval_is_newcombes():
    """Newcombe (1998), table I, method 3."""
    for right, images, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert wilson(right, images) == pytest.approx((low, high), abs=5e-5)
    assert wilson(29, 29)[1] == 1


def test_students_t_is_that_of_the_tables():
    for freedom, t in ((1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (100, 1.9840)):
        assert student(freedom) == pytest.approx(t, abs=5e-5)
    assert student(5, 0.99) == pytest.approx(4.0321, abs=5e-5)
    assert over_runs([20.0, 24.8]) == (0.0, pytest.approx(52.89, abs=0.01))
    assert over_runs([99.0, 100.0]) == (pytest.approx(93.15, abs=0.01), 100.0)
    assert over_runs([93.0, 94.0]) == pytest.approx((93.5 - 12.7062 / 2, 93.5 + 12.7062 / 2), abs=1e-4)


def rewrite(folder: Path, **facts) -> Path:
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of one recipe, one of them twice; another recipe; unfinished runs."""
    out = tmp_path_factory.mktemp("runs")
    facts = {
        "recipe": "modern/lenet",
        "data": "cifar10-jpeg",
        "data_label": "CIFAR-10 (JPEG)",
        "command": f"python -m torch_impl train lenet5 --data {out}/c.tar.gz --out {out} --seed 1",
    }
    for seed, top1 in ((0, 62.0), (1, 64.0), (2, 63.0)):
        folder, _, _ = run(task(epochs=1, seed=seed), out)
        rewrite(folder, **facts, test_top1=top1, test_top1_tta=top1 + 1, started=f"2026-11-28T0{seed}:00:00+0000")
    older = shutil.copytree(folder, out / "older")
    rewrite(older, test_top1=1.0, started="2026-11-27T00:00:00+0000")
    folder, _, _ = run(task(epochs=2), out)
    rewrite(folder, recipe="/home/someone/mine|x.toml")
    with pytest.raises(KeyboardInterrupt):
        run(task(), out, loss=interrupted_at(9))
    rewrite(shutil.copytree(folder, out / "killed"), status="running")
    rewrite(shutil.copytree(folder, out / "old"), device=None, peak_memory="much")
    return out


def test_runs_with_other_seeds_are_one_row(runs):
    report = collect([runs])
    assert len(report.rows) == 2
    one, other = report.rows
    assert (one.recipe, one.seeds, one.interval) == ("modern/lenet", (0, 1, 2), "runs")
    assert (one.top1, one.error, one.top1_tta) == pytest.approx((63, 37, 64))
    assert (one.low, one.high) == pytest.approx((63 - 4.30265 / 3**0.5, 63 + 4.30265 / 3**0.5), abs=1e-4)
    assert one.published == ("76.23 (origin 1: Lecun-Network)",)
    assert "batch=200" in one.changes
    assert (one.epochs, other.epochs) == (1, 2)
    assert not any(change.startswith(("epochs", "seed")) for change in one.changes)
    assert one.commands[0] == "nox -s train_torch -- lenet5 --data c.tar.gz --seed 1"
    assert (other.recipe, other.interval, other.published) == ("mine|x.toml", "images", ())
    assert (other.low_images, other.high_images) == (other.low, other.high)
    assert other.low < other.top1 < other.high
    assert (one.parameters, one.macs) == (62006, 651720)
    assert one.peak_device_memory == 3 << 30


def test_runs_from_other_weights_are_another_row(runs, tmp_path):
    (one, *_) = (folder for folder in sorted(runs.iterdir()) if collect_quietly(folder))
    shutil.copytree(one, tmp_path / "fresh")
    rewrite(shutil.copytree(one, tmp_path / "tuned"), weights={"file": "/a/resnet/weights.safetensors", "sha256": "1"})
    fresh, tuned = sorted(collect([tmp_path]).rows, key=lambda row: "weights=resnet" in row.changes)
    assert "weights=resnet" in tuned.changes
    assert not any(change.startswith("weights") for change in fresh.changes)


def collect_quietly(folder):
    """Whether a run counts."""
    try:
        return collect([folder]).rows
    except DataError:
        return ()


def test_a_run_that_is_given_twice_counts_once(runs, tmp_path):
    (tmp_path / "link").symlink_to(runs)
    once, twice = collect([runs]), collect([runs, *sorted(runs.iterdir()), tmp_path / "link"])
    assert (twice.rows, twice.left_out) == (once.rows, once.left_out)


def test_runs_that_do_not_count_say_why(runs):
    left_out = sorted(collect([runs]).left_out)
    assert len(left_out) == 4
    for words in ("was interrupted", "was killed", "device is null in run.json", "a newer run has the same seed"):
        assert sum(words in line for line in left_out) == 1, words
    with pytest.raises(DataError, match="no finished run can be used"):
        collect([runs / "killed"])
    with pytest.raises(DataError, match="neither a run nor a folder of runs"):
        collect([runs / "nothing"])


def test_the_command_writes_every_form(runs, tmp_path, capsys):
    assert main(["results", str(runs), "--out", str(tmp_path)]) is None
    said = capsys.readouterr().out
    assert said.count("left out ") == 4
    assert f"of {len(shipped_recipes())} recipes say what was measured" in said
    text = (tmp_path / "results.md").read_text()
    read = json.loads((tmp_path / "results.json").read_text())
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(table) == 4
    assert {line.replace("\\|", "").count("|") for line in table} == {21}
    low, high = of_accuracy(63.0, read["rows"][0]["test_images"])
    intervals = f"60.52 to 65.48 | {low:.2f} to {high:.2f}"
    assert f"63.00 | 37.00 | {intervals} | 64.00 (none) | 76.23 (origin 1: Lecun-Network) | A |" in text
    for private in (str(runs), "/home/someone"):
        assert private not in "".join(table)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert (float(rows[0]["low_images"]), float(rows[0]["high_images"])) == (low, high)
    assert [float(row["top1"]) for row in rows] == [row["top1"] for row in read["rows"]]
    assert rows[0]["seeds"] == "0; 1; 2"
    with Image.open(tmp_path / "results.png") as image:
        assert image.size[0] > 1000
    assert "<svg " in (tmp_path / "results.svg").read_text()


def test_an_earlier_table_keeps_its_rows(runs, tmp_path, capsys):
    whole = collect([runs])
    whole.write(tmp_path)
    file = tmp_path / "results.json"
    assert collect([file]).rows == whole.rows
    assert collect([file, runs]).rows == whole.rows
    assert main(["results", str(runs), "--out", str(tmp_path)]) is None
    assert "of the earlier" not in capsys.readouterr().out
    read = json.loads(file.read_text())
    read["rows"][0] |= {"network": "another", "group": "another"}
    file.write_text(json.dumps(read))
    assert [row.network for row in collect([runs, file]).rows] == ["another", "lenet5", "lenet5"]
    assert main(["results", str(runs), "--out", str(tmp_path)]) is None
    assert (
        f"left out   1 row of the earlier {file}, which is replaced; to keep them, give a copy"
        in capsys.readouterr().out
    )
    for damage in ({"rows": [{}]}, [], {"rows": [read["rows"][0] | {"top1": "62"}]}, {"rows": 3}):
        file.write_text(json.dumps(damage))
        with pytest.raises(DataError, match="not a table of `nox -s results`"):
            collect([runs, file])


def test_the_projects_own_tables_are_current():
    rows = in_order(read_rows(OWN / "results.json"))
    assert (OWN / "results.md").read_text() == to_markdown(rows, [])
    assert (OWN / "results.csv").read_text() == to_csv(rows)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_header_claims_what_the_tables_have(name):
    rows = [row for row in read_rows(OWN / "results.json") if row.recipe == name]
    text = shipped_recipes()[name].read_text()
    assert said(header(text)).startswith(headers.UNKNOWN) != bool(rows)
    assert not rows or headers.with_measured(text, [headers.sentence(row) for row in rows]) == text


def test_other_machines_and_versions_are_other_rows(runs, tmp_path):
    facts = json.loads((min(runs.glob("lenet5-*")) / "run.json").read_text())
    for number, changed in enumerate(
        ({}, {"machine": facts["machine"] | {"cores": 64}}, {"versions": facts["versions"] | {"numpy": "1.0"}})
    ):
        rewrite(shutil.copytree(min(runs.glob("lenet5-*")), tmp_path / f"{number}"), **changed)
    changes = {  # the first two are shown in no column
        "data_fingerprint": ("another", ()),
        "train_images": (7, ()),
        "budget_seconds": (60.0, ("budget=60s",)),
        "schedule_ended": (False, ("schedule=cut",)),
        "resumed": ([{"step": 2, "changed": {"machine": [{}, {}]}}], ("machine=changed",)),
    }
    for name, (value, _) in changes.items():
        rewrite(shutil.copytree(tmp_path / "0", tmp_path / name), **{name: value})
    rows = collect([tmp_path]).rows
    assert len(rows) == 3 + len(changes)
    assert {text for row in rows for text in row.changes} >= {text for _, shown in changes.values() for text in shown}


def test_a_run_without_newer_facts_keeps_its_group(runs):
    """Tables keep rows by their group: a fact that older runs do not have may only add to it."""
    one = next(measured for _, measured in read_runs([runs]) if not isinstance(measured, str))
    before = one.key[:-2]
    assert one.key[-2:] == tuple((name, one.facts.pop(name)) for name in ("train_images", "validation_images"))
    assert one.key == before
    one.facts["resumed"] = [{"step": 0, "changed": {"machine": [{}, {}]}}]  # nothing was trained before
    assert one.key == before


def test_the_speed_of_several_runs_is_of_all_their_images(runs, tmp_path):
    for folder, speed, seconds in zip(sorted(runs.glob("lenet5-*")), (100.0, 50.0), (10.0, 40.0), strict=False):
        rewrite(shutil.copytree(folder, tmp_path / folder.name), images_per_second=speed, train_seconds=seconds)
    (row,) = collect([tmp_path]).rows
    assert (row.images_per_second, row.train_seconds, len(row.seeds)) == (60.0, 25.0, 2)


def test_a_newer_run_with_other_training_images_is_named_so(runs, tmp_path):
    older, newer = (shutil.copytree(min(runs.glob("lenet5-*")), tmp_path / name) for name in "ab")
    rewrite(newer, train_fingerprint="another", started="2099-01-01T00:00:00+0000")
    found = collect([tmp_path])
    assert len(found.rows) == 1
    assert f"{older}: a newer run has the same seed and recipe, but other training images: {newer}" in found.left_out


def test_a_pair_is_of_one_machine_with_as_many_threads(runs):
    row = replace(collect([runs]).rows[0], device="CPU, 2 threads")
    other = replace(row, framework="keras", device=f"{row.device} (tensorflow)")
    assert len(list(undecided([row, other]))) == 1
    for change in ({"threads": 64}, {"device": "a GPU"}, {"machine": {"cpu": "another"}}):
        assert not list(undecided([row, replace(other, **change)]))


def test_a_damaged_run_leaves_the_others(runs, tmp_path):
    shutil.copytree(min(runs.glob("lenet5-*")), tmp_path / "good")
    rewrite(shutil.copytree(tmp_path / "good", tmp_path / "bad"), weights={"file": "a", "sha256": ["a"]})
    report = collect([tmp_path])
    assert len(report.rows) == 1
    assert "weights is" in report.left_out[0]


def test_headers_are_written_from_runs(runs, tmp_path):
    shipped = shipped_recipes()["modern/lenet"]
    file = Path(shutil.copy(shipped, tmp_path / "lenet.toml"))
    other = Path(shutil.copy(shipped_recipes()["modern/nin"], tmp_path / "nin.toml"))
    rows, files = collect([runs]).rows, {"modern/lenet": file, "modern/nin": other}
    assert write_headers(rows, files) == [file]
    assert write_headers(rows, files) == []
    assert read_recipe(file) == read_recipe(shipped)
    text = file.read_text()
    assert all(len(line) <= 120 for line in text.splitlines())
    accuracy = said(header(text))
    for fact in (
        "63.00 % (60.52 to 65.48, 3 runs)",
        "CIFAR-10 (JPEG)",
        "2026-11-28",
        "lenet5 --data c.tar.gz",
        "batch=200",
        "cores",
    ):
        assert fact in accuracy
    assert "# Command: " in headers.header(text)
    assert count_measured([file, other]) == (1, 2)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_header_ends_with_its_accuracy(name):
    """So that writing what was measured replaces that and nothing else."""
    text = shipped_recipes()[name].read_text()
    accuracy = said(header(text))
    assert accuracy
    assert "Command:" not in accuracy
    rewritten = headers.with_measured(text, [accuracy])
    assert said(header(rewritten)) == accuracy
    assert rewritten.partition("\n\n")[2] == text.partition("\n\n")[2]


def test_a_run_is_not_changed_by_reading_it(runs):
    folder = min(runs.iterdir())
    before = (folder / "run.json").read_bytes()
    collect([runs])
    assert (folder / "run.json").read_bytes() == before
    assert Run.open(folder).facts == json.loads(before)
