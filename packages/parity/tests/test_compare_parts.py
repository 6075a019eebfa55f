"""The parts of a comparison that need no run: its tests of significance, its excerpts, its names."""

import re
from pathlib import Path

import pytest

from netspec import architecture
from netspec.compare import limits
from netspec.diagram import draw
from parity import pages
from parity.compare import command
from parity.compare.block import excerpt, handlers, kinds_of
from parity.compare.selection import name_of
from parity.compare.significance import difference, fewest, mcnemar
from trainspec.recipes import Recipe
from trainspec.resumption import RESUMABLE_OPTIONS


def test_mcnemar_is_scipys_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    for lost, won in ((0, 0), (0, 5), (0, 6), (3, 9), (40, 17), (400, 460)):
        reference = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
        assert abs(mcnemar(lost, won) - reference) <= limits().float64
    assert mcnemar(0, fewest()) < 0.05 <= mcnemar(0, fewest() - 1)


def test_the_words_of_a_test_fit_its_images():
    assert difference(0, 0, 0, 10_000).words == "both give the same answer on all 10,000 images."
    assert "5 of 360 images" in (few := difference(0, fewest() - 1, 9, 360)).words
    assert f"at most {few.high:.2f} points" in few.words
    assert "at most 0.07 points" in difference(3, 0, 4, 10_000).words
    assert "chance explains" in difference(2, 20, 25, 360).words
    assert "cannot be told apart" in difference(9, 7, 25, 360).words


@pytest.mark.parametrize(
    ("name", "kinds"), [("lenet5", 3), ("densenet40_k12", 4), ("efficientnet_b0", 5), ("seresnet101", 6)]
)
def test_an_excerpt_has_the_handlers_of_all_its_ops(name, kinds):
    part = excerpt(architecture(name))
    assert "<svg" in draw(part, [])
    shown = handlers(kinds_of(part))
    assert {one.kind for one in shown} == {node.op.kind for node in part}
    assert len(shown) == kinds
    for one in shown:
        assert list(one.sources) == ["PyTorch", "Keras", "onnxruntime"]
        assert all(source.startswith("@builds(ops.") for source in one.sources.values())


@pytest.mark.parametrize("template", sorted(Path(pages.__file__).parent.glob("*.html")), ids=lambda path: path.name)
def test_no_name_makes_a_page_wider_than_a_phone(template):
    """A table scrolls by itself, and a long word of a sentence is broken."""
    text = template.read_text()
    assert text.count('<table class="plain') == text.count('<div class="scroll"><table class="plain')
    style = template.with_name("style.css").read_text()
    assert "overflow-wrap: break-word" in re.search(r"^main \{(.*)\}$", style, re.MULTILINE)[1]


def test_the_name_of_a_page_is_a_folder():
    assert name_of([Path("runs/a"), Path("runs/b")]) == "a+b"
    assert len(name_of([Path(f"runs/{'x' * 90}{place}") for place in range(4)])) < 100


def test_the_length_of_a_short_training_is_its_own():
    """Whatever the options say that decide how long a training is."""
    given = ["lenet5", "--epochs", "9", "--budget=2s", "--seed", "1", "--budg", "9m", "--resume", "a", "--freeze", "x*"]
    assert command._of_any_length(given) == ["lenet5", "--seed", "1", "--freeze", "x*"]
    assert {name for option in RESUMABLE_OPTIONS for name in option.names} > {*command.LENGTH}


@pytest.mark.parametrize("steps", [1, 7, 20, 21, 391, 5004, 20_019])
@pytest.mark.parametrize("epochs", [0.01, 0.3, 1, 30])
def test_a_short_training_has_at_most_20_steps(steps, epochs):
    """Of runs with so many `steps` in an epoch, which record their epochs to four digits."""
    done = Recipe(epochs=epochs).steps(steps)
    short = float(command._short_epochs({"epochs": round(done / steps, 4), "steps": done}))
    assert 0 < short <= 1
    assert min(steps, 19) <= Recipe(epochs=short).steps(steps) <= min(steps, 20)
