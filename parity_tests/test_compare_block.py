"""The block that a page of `compare` shows, and the handlers that build it."""

import pytest

from netspec import architecture
from parity.compare.block import excerpt, handlers, kinds_of
from parity.titles import TITLES


@pytest.mark.parametrize(("name", "kinds"), [("lenet5", 3), ("efficientnet_b0", 5), ("seresnet101", 6)])
def test_every_op_of_the_block_has_its_handlers(name, kinds):
    part = excerpt(architecture(name))
    shown = {one.kind: one.sources for one in handlers(kinds_of(part))}
    assert set(shown) == {node.op.kind for node in part}
    assert len(shown) == kinds
    for node in part:
        sources = shown[node.op.kind]
        assert {TITLES["torch"], TITLES["keras"]} <= set(sources)
        assert all(f"@builds(ops.{type(node.op).__name__}" in source for source in sources.values())
