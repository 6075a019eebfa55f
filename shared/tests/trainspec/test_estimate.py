from dataclasses import replace

import pytest
from asked import task_of

from diptych.errors import ShapeError
from netspec import architecture, functional as f, trace
from trainspec import estimate
from trainspec.estimate import cpu_seconds, in_words
from trainspec.recipes import Recipe


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "about 2 minutes"), (1200, "about 20 minutes"), (10_000, "about 3 hours"), (1e6, "about 12 days")],
)
def test_in_words(seconds, words):
    assert in_words(seconds) == words


def test_the_network_it_was_measured_on_takes_what_was_measured(monkeypatch):
    monkeypatch.setattr(estimate, "cores", lambda: 2)
    seconds = cpu_seconds(architecture("resnet20"), replace(Recipe(), epochs=10), 4300)
    assert seconds == pytest.approx(100, rel=0.05)


def test_a_training_says_what_it_trains_on(capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    task_of("lenet5")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("*** no GPU: training on the UCI optical digits (embedded); --data cifar10 trains on ")
    assert lines[0].endswith(" here ***")
    assert lines[-1] == (
        "images     train 1,293 images of 10 classes, validation 144 of 10, test 360 of 10; left out: nothing"
    )


def test_a_graph_that_is_not_in_the_zoo_trains_without_data_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    graph = trace("mine", (3, 16, 16), lambda x: f.linear(f.flatten(x), 10, name="fc"))
    (tmp_path / "mine.json").write_text(graph.to_json())
    (tmp_path / "recipe.toml").write_text("epochs = 1\n")
    task_of(str(tmp_path / "mine.json"), "--recipe", str(tmp_path / "recipe.toml"))
    assert "*** no GPU: training on the UCI optical digits (embedded)" in capsys.readouterr().out


def test_a_graph_without_logits_is_refused(tmp_path):
    graph = trace("map", (3, 16, 16), lambda x: f.conv(x, 10, 3, name="conv"))
    (tmp_path / "map.json").write_text(graph.to_json())
    with pytest.raises(ShapeError, match=r"its output is a map \(10, 16, 16\), not a vector of logits"):
        task_of(str(tmp_path / "map.json"), "--data", "digits")
