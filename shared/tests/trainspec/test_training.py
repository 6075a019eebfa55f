"""The framework-free part of a training, with a trainer that computes nothing."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_framework import Deployed, FakeTrainer, framework

from diptych.errors import DataError, RecipeError
from netspec import Graph, architecture, functional as f, initial_weights, trace
from trainspec.agreement import compare_runs
from trainspec.data import Form, find_data
from trainspec.evaluation import evaluate
from trainspec.pace import budget_of
from trainspec.precision import BY_CLOCK, cpu_has_bfloat16, resolve_deterministic, resolve_precision
from trainspec.recipes import Recipe, override
from trainspec.schedules import learning_rate
from trainspec.task import Asked, Task
from trainspec.trainer import TrainingError
from trainspec.training import train


def task(graph=None, **values) -> Task:
    recipe = override(Recipe(batch=200, epochs=3, evaluate_every=2), values)
    graph = graph or architecture("lenet5")
    data = find_data("digits", notice=print).load(Form(graph.input_shape[1]), recipe.seed)
    return Task("lenet5", graph, initial_weights(graph), data, "digits", recipe)


def run(work: Task, out: Path, **options) -> tuple[Path, FakeTrainer, dict]:
    made = []

    def make(*parts):
        made.append(FakeTrainer(*parts, **options))
        return made[0]

    folder = train(work, framework(make), Asked(out=out)).folder
    return folder, made[0], json.loads((folder / "run.json").read_text())


def test_a_whole_training(tmp_path):
    work = task()
    folder, trainer, facts = run(work, tmp_path)
    assert work.steps_per_epoch == len(work.data.train) // 200
    steps = 3 * work.steps_per_epoch
    assert trainer.sizes == [200] * steps
    schedule = work.recipe.schedule
    assert trainer.rates == [learning_rate(schedule, step, steps, work.steps_per_epoch) for step in range(steps)]
    assert facts["status"] == "finished"
    assert (facts["epochs"], facts["steps"], facts["test_images"]) == (3, steps, 360)
    assert facts["plan_digests"] == [work.plan(epoch).digest for epoch in range(3)]
    assert facts["peak_device_memory"] == 3 << 30
    assert 2**24 < facts["peak_memory"] < 2**44
    assert facts["first_losses"] == [1.0] * min(20, steps)
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["val_top1"] is not None for epoch in epochs] == [False, True, True]
    assert [epoch["train_top1"] for epoch in epochs] == [50.0] * 3
    metadata = json.loads((folder / "model.onnx").read_text())
    assert json.loads(metadata["classes"]) == list("0123456789")
    assert {file.name for file in folder.iterdir()} >= {
        "weights.safetensors",
        "graph.json",
        "recipe.toml",
        "curves.png",
        "proof",
        "predictions-fake.npy",
    }


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 3), (1.5, 9)])
def test_a_part_of_an_epoch_counts_as_a_part(tmp_path, epochs, steps):
    _, _, facts = run(task(epochs=epochs), tmp_path)
    assert (facts["steps"], facts["epochs"]) == (steps, epochs)


def test_a_run_tells_the_options_of_its_network(tmp_path):
    folder, _, facts = run(task(architecture("resnet20", activation="mish"), epochs=1), tmp_path)
    assert facts["architecture"] == "resnet20(activation=mish)"
    assert folder.name.startswith("lenet5-fake-")


@pytest.mark.parametrize(("tta", "passes"), [("none", 1), ("mirror", 3), ("mirror_shift", 7)])
def test_both_figures_of_the_test_are_logged(tmp_path, tta, passes):
    work = task(epochs=1, **{"evaluation.tta": tta})
    _, _, facts = run(work, tmp_path)
    plain = evaluate(Deployed().logits, work.data.test, work.constants)
    augmented = evaluate(Deployed().logits, work.data.test, work.constants, tta)
    assert (facts["test_top1"], facts["test_loss"]) == (round(plain.top1, 3), plain.loss)
    assert facts.get("test_loss_tta") == (None if tta == "none" else augmented.loss)
    assert facts.get("test_top1_tta") == (None if tta == "none" else round(augmented.top1, 3))
    assert str(augmented).endswith("" if tta == "none" else f", {tta} views")
    assert budget_of(replace(work, budget=9.0), 0.0).test_images == passes * len(work.data.test)


def test_two_runs_that_agree(tmp_path):
    folders = [run(task(), tmp_path)[0] for _ in range(2)]
    report = "\n".join(compare_runs(*folders))
    assert "equal plan digests in 3 of 3 epochs" in report
    assert "agree on 100.000 % of 360 test images" in report
    assert "recipes" not in report
    with pytest.raises(DataError, match="given twice"):
        list(compare_runs(folders[0], folders[0]))
    with pytest.raises(DataError, match="cannot be read"):
        list(compare_runs("a\0", folders[0]))


def test_runs_of_two_recipes_say_so(tmp_path):
    one, other = (run(task(epochs=epochs, seed=epochs), tmp_path)[0] for epochs in (1, 2))
    assert next(compare_runs(one, other)) == "recipes      differ in epochs 1.0 and 2.0; seed 1 and 2"


def headed(size: int, aux_head: bool) -> Graph:
    def network(x):
        x = f.flatten(x)
        logits, head = f.linear(x, 10, name="fc"), f.linear(x, 10, name="aux") if aux_head else None
        return {logits: 1.0, head: 0.3} if head else logits

    return trace("headed", (3, size, size), network)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (headed(8, True), r"'aux\.weight' is absent in .* and \(10, 192\) in"),
        (headed(9, False), r"'fc\.weight' is \(10, 192\) in .* and \(10, 243\) in"),
    ],
)
def test_runs_whose_weights_differ_in_shape(tmp_path, other, message):
    folders = [run(task(graph, epochs=1), tmp_path)[0] for graph in (headed(8, False), other)]
    with pytest.raises(DataError, match=message):
        list(compare_runs(*folders))


def interrupted_at(last: int):
    def loss(step):
        if step == last:
            raise KeyboardInterrupt
        return 1.0

    return loss


def test_a_run_interrupted_before_its_first_step_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(task(), tmp_path, loss=interrupted_at(1))
    assert list(tmp_path.iterdir()) == []


def test_agreement_of_a_run_interrupted_in_its_first_epoch(tmp_path):
    whole, _, _ = run(task(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(task(), tmp_path / "part", loss=interrupted_at(3))
    (part,) = (tmp_path / "part").iterdir()
    report = list(compare_runs(whole, part))
    assert report == [
        "batches      equal plan digests in 1 of 1 epochs",
        "losses       differ by 0 in the first 2 steps",
        "weights      are equal",
    ]


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    with pytest.raises(TrainingError, match="NaN or infinite"):
        run(task(), tmp_path, loss=lambda step: float("nan") if step > 7 else 1.0)
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert not (folder / "model.onnx").exists()


def test_ctrl_c_keeps_what_there_is(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(task(), tmp_path, loss=interrupted_at(9))
    (folder,) = tmp_path.iterdir()
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "interrupted"
    assert "test_top1" not in facts
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [6, 8]
    assert {file.name for file in folder.iterdir()} >= {"weights.safetensors", "model.onnx", "curves.png"}


def test_a_budget_sets_the_length(tmp_path, monkeypatch):
    now = [0.0]  # a clock that the machine's load does not touch
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(step):
        now[0] += 0.01
        return 1.0

    work = Task(**{**vars(task(epochs=10_000)), "budget": 2.0})
    _, trainer, facts = run(work, tmp_path, loss=slow)
    assert facts["status"] == "finished"
    assert 1.5 < facts["budget_used_seconds"] < 2.2
    assert (facts["deterministic"], facts["determinism"]) == (False, BY_CLOCK)
    assert trainer.rates[-1] < work.recipe.schedule.peak / 100  # the schedule ran to its end


def test_nothing_to_evaluate(tmp_path):
    work = task()
    with pytest.raises(DataError, match="a split without images"):
        evaluate(Deployed().logits, work.data.test.take(np.arange(0)), work.constants)


def test_runs_repeat_to_the_bit_on_a_cpu_or_if_asked_for():
    assert resolve_deterministic(None, on_gpu=False)
    assert not resolve_deterministic(None, on_gpu=True)
    for asked in (True, False):
        assert {resolve_deterministic(asked, on_gpu=on_gpu) for on_gpu in (True, False)} == {asked}


def test_precisions(tmp_path):
    assert resolve_precision("auto", on_gpu=True) == "bf16"
    assert resolve_precision("fp64", on_gpu=False) == "fp64"
    for asked in ("tf32", "fp16"):
        assert resolve_precision(asked, on_gpu=True) == asked
        with pytest.raises(RecipeError, match="GPU"):
            resolve_precision(asked, on_gpu=False)
    file = tmp_path / "cpuinfo"
    assert not cpu_has_bfloat16(file)
    file.write_text("model name : x\nflags\t\t: fpu avx512f\n")
    assert not cpu_has_bfloat16(file)
    file.write_text("model name : x\nflags\t\t: fpu avx512_bf16 avx512f\n")
    assert cpu_has_bfloat16(file)


def test_an_evaluation_that_is_not_finite_ends_the_run(tmp_path):
    """Its files stay readable: neither the metrics nor run.json has a NaN."""

    class Diverging(FakeTrainer):
        def logits(self, images, averaged=False):
            return super().logits(images) * np.float32(np.nan)

    with pytest.raises(TrainingError, match=r"images that were held out is NaN or infinite; try a lower rate"):
        train(task(), framework(Diverging), Asked(out=tmp_path))
    (folder,) = tmp_path.iterdir()
    for text in (*(folder / "metrics.jsonl").read_text().splitlines(), (folder / "run.json").read_text()):
        json.loads(text, parse_constant=pytest.fail)
