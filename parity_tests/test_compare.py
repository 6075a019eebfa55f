"""`python -m parity compare`: every number of a page is in its JSON or in a run, and mistakes are one line."""

import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from browser import shown
from compared import NUMBER, Text, changed, found, train_both, values
from diptych.errors import DataError, DiptychError, UsageError
from parity.__main__ import main
from parity.compare import command
from parity.compare.answers import answers, images_of
from parity.compare.plots import COLOURS
from parity.compare.selection import read_sides
from trainspec.runs import Run

FILES = (
    "recipe.toml",
    "run.json",
    "metrics.jsonl",
    "graph.json",
    "weights.safetensors",
    "model.onnx",
    "proof/certificate.json",
)  # of a run
LINKED = ("Do the runs stay together?", "Parity", "One block, and what builds it")
LARGEST = 3 << 20  # bytes of a page


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    return train_both(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    assert main(["compare", "--runs", *map(str, runs.values()), "--pages", str(folder)]) == 0
    (page,) = folder.glob("*/index.html")
    return page


def test_every_number_is_in_the_json_or_in_a_run(runs, page):
    table = json.loads(page.with_name("index.json").read_text())
    known = values(table)
    for run in runs.values():
        known |= values(json.loads((run / "run.json").read_text())) | values(
            json.loads((run / "graph.json").read_text())
        )
        known |= values((run / "metrics.jsonl").read_text())
    text = Text(page.read_text())
    body = " ".join(text.parts)
    body = body.split("One block, and what builds it")[0]  # the spec below is held to graph.json by the diagram's tests
    numbers = NUMBER.findall(body)
    assert len(numbers) > 100
    missing = [number for number in numbers if not found(number, np.array(sorted(known)))]
    assert not missing


def test_every_link_leads_to_a_file_of_a_run(runs, page):
    links = Text(page.read_text()).links
    targets = {(page.parent / link.replace("%2B", "+")).resolve() for link in links}
    assert all(target.is_file() for target in targets)
    assert {run / name for run in runs.values() for name in FILES} <= targets


def test_every_number_is_within_a_link(page):
    linked = {heading: text for heading, text in Text(page.read_text()).unlinked.items() if heading in LINKED}
    assert len(linked) == len(LINKED)
    assert not NUMBER.findall(" ".join(linked.values()))


def test_a_page_stands_alone(page):
    text = page.read_text()
    assert page.stat().st_size < LARGEST
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:|#)(https?:|//)', text)
    assert "prefers-color-scheme: dark" in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)
    assert all("background: var(--key)" in text and colour in text for colour in COLOURS[:2])


def test_all(runs, page, tmp_path):
    begin = time.monotonic()
    root = next(iter(runs.values())).parent
    for copy in range(10):
        for run in runs.values():
            shutil.copytree(run, tmp_path / "many" / str(copy) / run.name)
    pages = page.parent.parent
    assert main(["compare", "--all", str(root), "--pages", str(pages)]) == 0
    table = json.loads((pages / "index.json").read_text())
    (row,) = table["rows"]
    assert (pages / row["page"]).resolve() == page
    assert set(row["cells"]) == {"PyTorch", "Keras"}
    assert row["equal_plans"] == row["plans"] == 1
    text = Text((pages / "index.html").read_text())
    known = np.array(sorted(values(table)))
    assert not [number for number in NUMBER.findall(" ".join(text.parts)) if not found(number, known)]
    assert main(["compare", "--all", str(tmp_path / "many"), "--pages", str(tmp_path / "pages")]) == 0
    assert time.monotonic() - begin < 30


def test_mistakes_are_one_line(runs, tmp_path):
    torch, keras = map(str, runs.values())
    unfinished = changed(runs["torch"], tmp_path / "unfinished", status="interrupted")
    elsewhere = changed(runs["torch"], tmp_path / "elsewhere", data_fingerprint="0" * 64)
    for arguments, words in (
        ([torch], "2 to 8"),
        ([torch, torch], "given twice"),
        ([torch, str(tmp_path / "none")], "no such folder"),
        ([torch, str(unfinished)], "--unfinished"),
        ([torch, str(elsewhere)], "different images"),
    ):
        with pytest.raises(DataError, match=words) as raised:
            main(["compare", "--runs", *arguments, "--pages", str(tmp_path / "pages")])
        assert "\n" not in str(raised.value)
    for arguments, words in (
        ([], "give one of ARCH"),
        (["lenet5", "--all", str(tmp_path)], "lenet5 does not go with --all; give one of"),
        (["--runs", torch, keras, "--out", "x"], "--out does not go with --runs; give one of"),
        (["--runs", torch, keras, "--float64"], "--float64 goes with ARCH"),
        (["--runs", torch, keras, "--no-float64"], "--float64 goes with ARCH"),
        (["lenet5", "--resume", torch], "--resume goes on with one run"),
        (["--all", str(tmp_path), "--data", "digits"], "--data goes with"),
        (["lenet5", "--unfinished"], "--unfinished goes with"),
    ):
        with pytest.raises(UsageError, match=words):
            main(["compare", *arguments])
    with pytest.raises(DiptychError, match="no_such_data"):
        main(["compare", "--runs", torch, keras, "--data", "no_such_data", "--pages", str(tmp_path / "pages")])
    assert not (tmp_path / "pages").exists()
    assert main(["compare", "--runs", keras, str(unfinished), "--unfinished", "--pages", str(tmp_path / "pages")]) == 0


def test_images_in_another_form_are_named(runs, tmp_path):
    other = changed(runs["torch"], tmp_path / "other", data_fingerprint="0" * 64)
    recipe = (other / "recipe.toml").read_text()
    (other / "recipe.toml").write_text(recipe.replace('resize = "crop"', 'resize = "margin"'))
    with pytest.raises(DataError, match=r"different images \(data.resize crop and margin\)"):
        read_sides([runs["keras"], other])


def test_a_run_of_another_seed_is_normalised_without_a_note(runs, tmp_path, capsys):
    other = changed(runs["torch"], tmp_path / "other", mean=[0.25] * 3)
    sides = read_sides([runs["keras"], other])
    assert len(answers(sides, images_of(sides[0])).predictions) == 2
    assert "note" not in capsys.readouterr().out


def test_short_runs_of_different_lengths_prove_nothing(runs, tmp_path):
    for name, run in runs.items():
        shutil.copytree(run, tmp_path / "float64" / name)
    assert command._short(tmp_path, "float64").agreement.losses
    file = tmp_path / "float64" / "keras" / "metrics.jsonl"
    steps = Run.open(runs["torch"]).steps
    file.write_text(json.dumps(json.loads(file.read_text()) | {"step": 2}))
    with pytest.raises(DataError, match=f"^not compared: {steps} and 2 steps$"):
        command._short(tmp_path, "float64")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(page, width, dark):
    with shown(page.parent) as browser:
        browser.look_at(page, width, dark=dark)


def test_on_paper(page):
    with shown(page.parent) as browser:
        assert browser.printed(page) > 1
