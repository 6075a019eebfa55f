"""`train_all` with a framework that computes nothing: what is kept, what is skipped, what is told."""

import json
from concurrent.futures import Future
from dataclasses import replace

import pytest
from changed import changed_source
from fake_framework import framework as fake_framework

import dying
from diptych.errors import UnknownNameError, UsageError
from diptych.pool import Pool
from dying import Falling
from netspec import architecture, list_architectures
from parity.train_all.cases import (
    BATCH,
    CASES,
    MODERN,
    MOST_MACS,
    ORIGINAL,
    STEPS,
    modern_case,
    original_case,
    small_recipe,
)
from parity.train_all.job import Job
from parity.train_all.rows import Row, is_faint, ledger, newest, to_markdown
from parity.train_all.run import train_all
from trainspec.data import find_data
from trainspec.data.digits import NAME as DIGITS
from trainspec.recipes import Recipe, read_recipe
from trainspec.recipes.find import shipped_recipes
from trainspec.schedules import learning_rate

NAMES = ["lenet5", "lenet5_wide"]


class InThisProcess:
    """A pool without processes."""

    def __init__(self, framework):
        self.framework = framework

    def each(self, jobs):
        for job in jobs:
            done = Future()
            done.set_result(job.train(self.framework))
            yield job, done


def read_rows(file):
    """The newest rows of the folder that the file is in."""
    return newest(ledger(file.parent))


@pytest.fixture
def trained():
    """The names of the networks that were trained, in order."""
    return []


@pytest.fixture
def run(tmp_path, trained):
    """`train_all` of these cases; keywords have losses that do not fall."""

    def run_in(*names, framework="torch", recipe=MODERN, **losses):
        def make(graph, *parts):
            trained.append(graph.name)
            return Falling(graph, *parts, loss=losses.get(graph.name))

        fake = fake_framework(make)
        return train_all(framework, InThisProcess(fake), names, tmp_path, recipe)

    return run_in


def test_rows_and_table(tmp_path, run, trained):
    for name in ("torch", "keras"):
        assert run("lenet*", framework=name) == 0
    assert trained == NAMES * 2
    row = read_rows(tmp_path / "train_all.jsonl")["lenet5", "keras"]
    assert (row.passed, row.batch, len(row.losses), row.image_size) == (True, BATCH, STEPS, 16)
    assert (round(row.first, 6), round(row.last, 6)) == (2.8, 1.3)
    table = (tmp_path / "train_all.md").read_text()
    assert "| network | image | torch loss | torch seconds | keras loss | keras seconds |" in table
    assert "| lenet5 | 16 | 2.8000 → 1.3000 |" in table
    assert f"- **keras**: 2 of {len(list_architectures())} passed" in table
    assert "numpy" in table


def test_what_passed_is_not_trained_again(tmp_path, run, trained):
    assert run(*NAMES, lenet5_wide=lambda step: 1 + step) == 1
    assert "**failed**" in (tmp_path / "train_all.md").read_text()
    assert run(*NAMES) == 0
    assert trained == [*NAMES, "lenet5_wide"]
    assert "failed" not in (tmp_path / "train_all.md").read_text()


def test_another_version_or_recipe_is_trained_again(tmp_path, run, trained, monkeypatch):
    run("lenet5")
    monkeypatch.setattr("parity.train_all.run.describe_versions", lambda packages: {"python": "4"})
    run("lenet5")
    monkeypatch.setattr("parity.train_all.cases.find_recipe", lambda *names: Recipe())
    run("lenet5")
    run("lenet5")
    assert len(trained) == 3


def broken(step):
    raise RuntimeError("no room\nleft")


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda step: 1 + step, "the loss did not fall: 3.0000 to 18.0000"),
        (lambda step: float("nan"), "the loss became NaN or infinite in step 1"),
        (broken, "RuntimeError: no room left"),
    ],
)
def test_a_failure_has_its_reason_and_the_next_network_its_turn(tmp_path, run, trained, capsys, loss, reason):
    assert run(*NAMES, lenet5=loss) == 1
    assert trained == NAMES
    assert f"FAILED: {reason}" in capsys.readouterr().out
    assert f"- **lenet5** in torch: {reason}" in (tmp_path / "train_all.md").read_text()


def test_ctrl_c_says_how_to_go_on(tmp_path, run, trained, capsys):
    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(*NAMES, lenet5_wide=interrupt)
    assert "stopped at 2 of 2; the same command goes on from there" in capsys.readouterr().out
    assert f"1 of {len(list_architectures())} passed" in (tmp_path / "train_all.md").read_text()
    run(*NAMES)
    assert trained == [*NAMES, "lenet5_wide"]


def test_a_torn_line_costs_its_own_row_only(tmp_path, run):
    file = tmp_path / "train_all.jsonl"
    run(*NAMES)
    whole = file.read_text()
    file.write_text(whole[:-40])
    rows = read_rows(file)
    assert set(rows) == {("lenet5", "torch")}
    ledger(tmp_path).add("another", rows["lenet5", "torch"])
    assert set(read_rows(file)) == set(rows)
    assert json.loads(file.read_text().splitlines()[-1])["network"] == "lenet5"


def test_a_line_that_is_no_text_costs_nothing_else(tmp_path, run):
    file = tmp_path / "train_all.jsonl"
    run(*NAMES)
    whole = file.read_bytes()
    file.write_bytes(b"\xff\xfe\n" + whole)
    assert {name for name, _ in read_rows(file)} == set(NAMES)


@pytest.mark.parametrize("junk", ["null", "3", '"x"', "[[]]", "{}", "NaN", "1" + "0" * 400])
def test_a_row_of_other_kinds_costs_nothing_else(tmp_path, run, junk):
    file = tmp_path / "train_all.jsonl"
    run(*NAMES)
    whole = file.read_text()
    row = json.loads(whole.splitlines()[0])
    lines = [f"{json.dumps(row | {key: 0})[:-1]}, {json.dumps(key)}: {junk}}}" for key in row]
    file.write_text("\n".join([*lines, whole]))
    assert set(read_rows(file)) >= {(name, "torch") for name in NAMES}
    to_markdown(read_rows(file), list_architectures(), "", "", CASES[MODERN].columns)


def test_unknown_names_are_refused(tmp_path, run):
    with pytest.raises(UnknownNameError, match="no network matches 'lenet6'; did you mean lenet5"):
        run("lenet6")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", list_architectures())
def test_every_network_has_few_steps(name):
    recipe = small_recipe(name)
    assert (recipe.batch, recipe.epochs, recipe.precision) == (BATCH, STEPS, "fp32")
    architecture(name, num_classes=10, image_size=recipe.data.image_size, distinct_blocks=True)


ORIGINALS = [name.partition("/")[2] for name in shipped_recipes() if name.startswith("original/")]


def test_the_original_recipes_are_cases_by_their_names(tmp_path, run, trained):
    assert CASES[ORIGINAL].names() == ORIGINALS
    for name in ("torch", "keras"):
        assert run("lenet5", "lenet5+*", framework=name, recipe=ORIGINAL) == 0
    assert len(trained) == 8
    table = (tmp_path / "train_all_original.md").read_text()
    titles = "recipe | network | image | data | batch | rate | torch loss | torch seconds | keras loss | keras seconds"
    assert f"| {titles} |" in table
    told = "lenet5 | 32 | UCI optical digits (embedded) | 32 | 0.01 → 0.0025 | 2.8000 → 1.3000"
    assert f"| lenet5+dp+da | {told}" in table
    assert f"- **keras**: 4 of {len(ORIGINALS)} passed" in table
    assert "- the same weights and plans in all frameworks: 4 of 4" in table
    assert not (tmp_path / "train_all.md").exists()
    digests = {name: row.digest for (name, _), row in newest(ledger(tmp_path, "train_all_original")).items()}
    assert digests["lenet5"] == digests["lenet5+dp"] != digests["lenet5+dp+da"]


def test_rows_of_other_data_are_neither_compared_nor_shown(tmp_path, run):
    run("lenet5", recipe=ORIGINAL)
    kept = ledger(tmp_path, "train_all_original")
    (row,) = newest(kept).values()
    kept.add("another", replace(row, framework="keras", data="pets", digest="0" * 16))
    assert run("lenet5", recipe=ORIGINAL) == 0
    assert "keras" not in (tmp_path / "train_all_original.md").read_text()
    assert len(newest(kept)) == 2


def test_other_plans_in_the_other_framework_are_a_failure(tmp_path, run, capsys):
    run("lenet5")
    row = read_rows(tmp_path / "train_all.jsonl")["lenet5", "torch"]
    ledger(tmp_path).add("another", replace(row, framework="keras", digest="0" * 16))
    assert run("lenet5") == 1
    assert "other weights or plans in the other framework: lenet5" in capsys.readouterr().out
    assert "- **lenet5**: other weights or plans in one framework" in (tmp_path / "train_all.md").read_text()


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_case_keeps_what_its_recipe_says(name):
    recipe = read_recipe(shipped_recipes()[f"original/{name}"])
    case = original_case(name, find_data(DIGITS, notice=print))
    assert case.data.train.classes == set(range(10))
    assert case.graph.macs <= MOST_MACS or case.reduced
    assert case.recipe.schedule.peak == recipe.schedule.peak * 32 / recipe.batch
    assert case.recipe.steps(len(case.data.train) // case.recipe.batch) == STEPS
    for same in ("augmentation", "regularisation", "network", "parameters", "init", "optimizer"):
        assert getattr(case.recipe, same) == getattr(recipe, same)
    first, last = (learning_rate(case.recipe.schedule, step, STEPS, 5) for step in (0, STEPS - 1))
    assert first > last or recipe.schedule.kind == "constant"


def test_a_job_knows_what_it_depends_on():
    job = Job(modern_case("vgg19"), "torch", {"torch": "2"})
    assert job.case.recipe.schedule.peak == 0.005 * BATCH / 32
    assert job.fingerprint == Job(modern_case("vgg19"), "torch", {"torch": "2"}).fingerprint
    assert job.fingerprint not in {
        Job(modern_case("vgg16"), "torch", {"torch": "2"}).fingerprint,
        Job(modern_case("vgg19"), "torch", {"torch": "3"}).fingerprint,
    }


CODE = {
    "netspec/passes.py": ("def explicit_noise(", "def explicit_noise(_extra=0, *, "),
    "trainspec/optim.py": ("self.decay * decay_factor", "self.decay + decay_factor"),
    "parity/train_all/job.py": ("losses[-JUDGED:]", "losses[-4:]"),
    "torch_impl/optim.py": ("fused=True", "fused=False"),
    "torch_impl/ops.py": ("bias=op.bias)", "bias=False)"),
}


@pytest.mark.parametrize("changed", CODE)
def test_a_changed_source_is_trained_again(tmp_path, run, trained, changed):
    run("lenet5")
    with changed_source(tmp_path, changed, *CODE[changed]):
        run("lenet5")
        run("lenet5")
    assert len(trained) == 2


WORDS = {
    "trainspec/recipes/modern/alexnet.toml": ("epochs", "# a comment\nepochs"),
    "trainspec/recipes/options.py": ("fit the schedule", "fit the whole schedule"),
    "trainspec/training.py": ("Train, evaluate and export;", "Trains and exports;"),
    "keras_impl/optim.py": ("recipe.momentum *", "2 * recipe.momentum *"),
}


@pytest.mark.parametrize("changed", WORDS)
def test_what_no_figure_depends_on_keeps_the_row(tmp_path, changed):
    """A row has its own recipe in its fingerprint, and another network's recipe does not count."""
    before = Job(modern_case("lenet5"), "torch", {}).fingerprint
    with changed_source(tmp_path, changed, *WORDS[changed]):
        assert Job(modern_case("lenet5"), "torch", {}).fingerprint == before


def test_steps_that_were_not_made_are_a_failure():
    row = Job(modern_case("lenet5"), "torch", {}).row([3.0, 2.0, 1.0], "", seconds=1)
    assert (row.passed, row.reason) == (False, "3 of 20 steps were made")


def test_a_process_that_dies_is_the_networks_failure_only(tmp_path, capsys):
    with Pool(dying.train) as pool:
        assert train_all("torch", pool, ["lenet5", "lenet5_wide", "resnet20"], tmp_path) == 1
    rows: dict[str, Row] = {name: row for (name, _), row in newest(ledger(tmp_path)).items()}
    assert [rows[name].passed for name in ("lenet5", "lenet5_wide", "resnet20")] == [True, False, True]
    assert rows["lenet5_wide"].reason == "the process ended (killed, perhaps because memory ran out)"


def test_data_are_refused_where_they_have_no_effect(tmp_path):
    with pytest.raises(UsageError, match="--recipe original"):
        train_all("torch", InThisProcess(None), ["lenet5"], tmp_path, data="cifar10")
    assert list(tmp_path.iterdir()) == []


def test_a_fall_within_its_noise_is_named():
    falling = [2.30, 2.31, 2.30, 2.31, 2.30, *[2.3] * 10, 2.20, 2.21, 2.20, 2.21, 2.20]
    assert not is_faint(falling)
    assert is_faint([2.30, 2.45, 2.30, 2.31, 2.30, *[2.3] * 10, 2.29, 2.21, 2.30, 2.31, 2.30])
