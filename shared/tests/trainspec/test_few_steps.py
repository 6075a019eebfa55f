"""`train_all` with a framework that computes nothing: what is kept, what is skipped, what is told."""

import json

import pytest

from netspec import architecture, find, list_architectures
from netspec.errors import UnknownNameError
from trainspec.few_steps import BATCH, STEPS, Framework, Job, small_recipe, train_all
from trainspec.recipes import Recipe
from trainspec.runs.few_steps import append_row, read_rows

NAMES = ["lenet5", "lenet5_wide"]


class Fake:
    """A trainer whose loss falls, unless `losses` has another for the network."""

    def __init__(self, task, losses):
        self.task, self.loss = task, losses.get(task.architecture, lambda step: 3 - step / 10)
        self.step = 0

    def train_epoch(self, epoch):
        for rate, plan in zip(epoch.rates(), epoch.plans, strict=False):
            assert rate > 0
            images, _ = self.task.batch(plan)
            assert len(images) == BATCH
            epoch.record(self.loss(self.step), 0, len(plan))
            self.step += 1


@pytest.fixture
def trained():
    """The names of the networks that were trained, in order."""
    return []


@pytest.fixture
def framework(trained):
    def make(name="torch", **losses):
        def trainer(task):
            trained.append(task.architecture)
            return Fake(task, losses)

        return Framework(name, "none", ("numpy",), trainer, forget=lambda: None)

    return make


def test_rows_and_table(tmp_path, framework, trained):
    for name in ("torch", "keras"):
        assert train_all(framework(name), ["lenet*"], tmp_path) == 0
    assert trained == NAMES * 2
    row = read_rows(tmp_path / "train_all.jsonl")["lenet5", "keras"]
    assert (row.passed, row.batch, len(row.losses), row.image_size) == (True, BATCH, STEPS, 16)
    assert (row.first, row.last) == pytest.approx((2.8, 1.3))
    table = (tmp_path / "train_all.md").read_text()
    assert "| network | image | torch loss | torch seconds | keras loss | keras seconds |" in table
    assert "| lenet5 | 16 | 2.800 → 1.300 |" in table
    assert "- **keras**: 2 of 125 networks passed" in table
    assert "numpy" in table


def test_what_passed_is_not_trained_again(tmp_path, framework, trained):
    assert train_all(framework(lenet5_wide=lambda step: 1 + step), NAMES, tmp_path) == 1
    assert "**failed**" in (tmp_path / "train_all.md").read_text()
    assert train_all(framework(), NAMES, tmp_path) == 0
    assert trained == [*NAMES, "lenet5_wide"]
    assert "failed" not in (tmp_path / "train_all.md").read_text()


def test_another_version_or_recipe_is_trained_again(tmp_path, framework, trained, monkeypatch):
    train_all(framework(), ["lenet5"], tmp_path)
    monkeypatch.setattr("trainspec.few_steps.describe_versions", lambda packages: {"python": "4"})
    train_all(framework(), ["lenet5"], tmp_path)
    monkeypatch.setattr("trainspec.few_steps.find_recipe", lambda *names: Recipe())
    train_all(framework(), ["lenet5"], tmp_path)
    train_all(framework(), ["lenet5"], tmp_path)
    assert len(trained) == 3


def broken(step):
    raise RuntimeError("no room\nleft")


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda step: 1 + step, "the loss did not fall: 3.0000 to 18.0000"),
        (lambda step: float("nan"), "the loss is not finite any more at step 1"),
        (broken, "RuntimeError: no room left"),
    ],
)
def test_a_failure_has_its_reason_and_the_next_network_its_turn(tmp_path, framework, trained, capsys, loss, reason):
    assert train_all(framework(lenet5=loss), NAMES, tmp_path) == 1
    assert trained == NAMES
    assert f"FAILED: {reason}" in capsys.readouterr().out
    assert f"- **lenet5** in torch: {reason}" in (tmp_path / "train_all.md").read_text()


def test_ctrl_c_says_how_to_go_on(tmp_path, framework, trained, capsys):
    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_all(framework(lenet5_wide=interrupt), NAMES, tmp_path)
    assert "stopped at 2 of 2; the same command goes on from there" in capsys.readouterr().out
    assert "1 of 125 networks passed" in (tmp_path / "train_all.md").read_text()
    train_all(framework(), NAMES, tmp_path)
    assert trained == [*NAMES, "lenet5_wide"]


def test_a_torn_line_costs_its_own_row_only(tmp_path, framework):
    file = tmp_path / "train_all.jsonl"
    train_all(framework(), NAMES, tmp_path)
    whole = file.read_text()
    file.write_text(whole[:-40])
    rows = read_rows(file)
    assert set(rows) == {("lenet5", "torch")}
    append_row(file, rows["lenet5", "torch"])
    assert set(read_rows(file)) == set(rows)
    assert json.loads(file.read_text().splitlines()[-1])["network"] == "lenet5"


def test_unknown_names_are_refused(tmp_path, framework):
    with pytest.raises(UnknownNameError, match="no network matches 'lenet6'; did you mean lenet5"):
        train_all(framework(), ["lenet6"], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", list_architectures())
def test_every_network_has_few_steps(name):
    recipe = small_recipe(name)
    assert (recipe.batch, recipe.epochs, recipe.precision) == (BATCH, STEPS, "fp32")
    architecture(name, num_classes=10, image_size=recipe.data.image_size, distinct_blocks=True)


def test_the_rate_is_the_recipes_for_the_batch(framework):
    job = Job.of("vgg19")
    assert find(job.name).family == "vgg"
    assert job.recipe.schedule.peak == 0.005 * BATCH / 32
    assert job.key(framework()) == Job.of("vgg19").key(framework()) != Job.of("vgg16").key(framework())
