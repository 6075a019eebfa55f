"""`python -m parity compare --all`: which runs are side by side in a row, and its page."""

import json
import shutil
from pathlib import Path

import pytest

from browser import shown
from parity.compare import latency
from parity.compare.command import compare_runs
from parity.compare.overview import CHOICE, Overview, Row, overview, write_overview
from short_run import short_run

NAMES = "return [...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return short_run(tmp_path_factory.mktemp("run"))


def copied(run: Path, folder: Path, framework: str, seed: int, hour: int) -> Path:
    """A copy of `run` that says it is of another framework and seed, and when it was started."""
    shutil.copytree(run, folder)
    file, recipe = folder / "run.json", folder / "recipe.toml"
    changed = {"framework": framework, "started": f"2026-11-28T{hour:02}:00:00+0000"}
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    recipe.write_text(recipe.read_text().replace("seed = 0\n", f"seed = {seed}\n"))
    return folder


def test_a_row_has_runs_of_one_seed(trained, tmp_path):
    for name, framework, seed, hour in (("t0", "torch", 0, 1), ("k0", "keras", 0, 2), ("t1", "torch", 1, 3)):
        copied(trained, tmp_path / name, framework, seed, hour)
    found = overview(tmp_path, tmp_path)
    assert [cell.run for cell in found.rows[0].cells.values()] == ["t0", "k0"]
    assert found.left_out == (f"{tmp_path}/t1: {tmp_path}/t0 has a seed that all frameworks have",)
    copied(trained, tmp_path / "k1", "keras", 1, 4)
    found = overview(tmp_path, tmp_path)
    assert f"it has {CHOICE}." in write_overview(found, tmp_path).read_text()
    assert [cell.run for cell in found.rows[0].cells.values()] == ["t1", "k1"]
    assert f"{tmp_path}/t0: {tmp_path}/t1 is a newer run of the same recipe" in found.left_out


def test_runs_of_different_seeds_are_a_row_where_there_are_no_others(trained, tmp_path):
    for name, framework, seed, hour in (("t0", "torch", 0, 1), ("t1", "torch", 1, 3), ("k2", "keras", 2, 2)):
        copied(trained, tmp_path / name, framework, seed, hour)
    (row,) = overview(tmp_path, tmp_path).rows
    assert [cell.run for cell in row.cells.values()] == ["t1", "k2"]


def test_recipes_of_ones_own_are_told_by_their_values(trained, tmp_path):
    """Their names are equal, and a newer run of another recipe is not a newer run of this one."""
    for name, framework, peak, hour in (("t", "torch", 0.02, 1), ("other", "torch", 0.5, 2), ("k", "keras", 0.02, 3)):
        folder = copied(trained, tmp_path / name, framework, 0, hour)
        recipe, file = folder / "recipe.toml", folder / "run.json"
        recipe.write_text(recipe.read_text().replace("peak = 0.02", f"peak = {peak}"))
        file.write_text(json.dumps(json.loads(file.read_text()) | {"recipe": "my.toml"}))
    found = overview(tmp_path, tmp_path)
    assert sorted([cell.run for cell in row.cells.values()] for row in found.rows) == [["other"], ["t", "k"]]
    assert found.left_out == ()


@pytest.mark.parametrize("order", [("t0", "k0"), ("k0", "t0")])
def test_the_page_is_found_by_its_runs(trained, tmp_path, monkeypatch, order):
    monkeypatch.setattr(latency, "SECONDS", 0.01)
    for name, framework in (("t0", "torch"), ("k0", "keras")):
        copied(trained, tmp_path / "runs" / name, framework, 0, 1)
    pages = tmp_path / "pages"
    page = compare_runs([tmp_path / "runs" / name for name in order], pages)
    for name, content in (("damaged", "{"), ("other", '{"runs": [3]}'), ("list", "[]")):
        (pages / name).mkdir()
        (pages / name / "index.json").write_text(content)
    (row,) = overview(tmp_path / "runs", pages).rows
    assert pages / row.page == page
    page.unlink()
    assert overview(tmp_path / "runs", pages).rows[0].page == ""


def test_a_copy_is_not_called_newer(trained, tmp_path):
    for name, hour in (("a", 1), ("b", 1), ("c", 2)):
        copied(trained, tmp_path / name, "torch", 0, hour)
    shutil.copytree(tmp_path / "c", tmp_path / "d")
    left_out = overview(tmp_path, tmp_path).left_out
    assert f"{tmp_path}/c: it is a copy of {tmp_path}/d" in left_out
    assert f"{tmp_path}/a: a newer run has the same seed and recipe: {tmp_path}/d" in left_out


def test_the_table_sorts_by_a_click(tmp_path):
    rows = tuple(
        Row(name, "digits", "a recipe", "fp32", 1.0, size, size) for name, size in (("b", 30), ("a", 200), ("c", 4))
    )
    write_overview(Overview(("PyTorch", "Keras"), rows, ()), tmp_path)
    with shown(tmp_path) as browser:
        browser.driver.get((tmp_path / "index.html").as_uri())
        for place, orders in ((0, ("abc", "cba")), (3, ("cba", "abc"))):
            for order in orders:
                browser.driver.execute_script("document.querySelectorAll('thead th')[arguments[0]].click()", place)
                names = browser.driver.execute_script(NAMES)
                assert "".join(names) == order
        assert browser.driver.get_log("browser") == []
