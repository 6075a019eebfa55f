"""`model_card.md` shows what the metadata of a file say, and their markup is text."""

import json
from dataclasses import replace

import pytest

from deploy.package.card import plain
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from tiny_classifier import contract, network


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("class 0", "class 0"), ("resnet20", "resnet20"), ("97.2 % of 3-fold", "97.2 % of 3-fold"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"), ("a & b", "a &amp; b"), ("*a*", r"\*a\*"),
        ("one\n\n# two\u2028three", r"one \# two three"), ("[a](b)", r"\[a\](b)"), ("a|b", r"a\|b"),
        ("- a", r"\- a"), ("1. a", r"1\. a"), ("`a`", r"\`a\`"), ("a\\", "a\\\\"),
    ],
)  # fmt: skip
def test_texts_from_metadata_are_no_markup_in_the_card(text, shown):
    assert plain(text) == shown


def test_the_card_shows_every_text_of_the_file_as_it_is(tmp_path):
    bad, compression = "<b>\n# *x*", json.dumps({"to": "<i>", "top1": 70, "test_images": 9, "_k_": "_v_"})
    graph, names = network(), ("<a>", "*b*", "c", "d", "e")
    metadata = replace(contract(names=names), data=bad, compression=compression).properties() | {"architecture": bad}
    export_onnx(graph, probe(graph), tmp_path / "model.onnx", metadata=metadata)
    text = (package(tmp_path / "model.onnx") / "model_card.md").read_text()
    assert text.startswith("# &lt;b&gt; \\# \\*x\\*\n")
    for shown in (r"&lt;a&gt;, \*b\*, c", r"The data set &lt;b&gt; \# \*x\*.", "in &lt;i&gt;.", r"- k: \_v\_"):
        assert shown in text
    assert not set("<>") & set(text)
