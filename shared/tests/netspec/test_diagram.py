"""Pictures of networks: every one well-formed, with nothing in the way of anything, and repeats folded."""

from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from netspec import architecture, block, functional as f, list_architectures, resolve
from netspec.diagram import Marks, as_svg, draw
from netspec.diagram.arrange import arrange
from netspec.diagram.outline import Box, outline, outside_of
from netspec.diagram.place import HEIGHT, PAD, place, width_of

SVG = "{http://www.w3.org/2000/svg}"


def blocks(graph):
    """Function, repeats and panel of the closed blocks from top to bottom."""
    return [(box.text, box.repeats, box.panel) for box in outline(graph)[0] if box.panel is not None]


def with_inputs(boxes):
    return [*(Box(source, "input", source, "") for source in outside_of(boxes)), *boxes]


def drawings(graph):
    boxes, panels = outline(graph)
    return [with_inputs(boxes), *(with_inputs(panel.boxes) for panel in panels)]


@pytest.mark.parametrize("name", list_architectures())
def test_every_network_is_drawn(name):
    graph = architecture(name)
    root = ElementTree.fromstring(as_svg(graph))
    assert root.tag == f"{SVG}svg"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    boxes, panels = outline(graph)
    assert texts[0] == name
    for box in [*boxes, *(box for panel in panels for box in panel.boxes)]:
        assert any(text.startswith(box.text) or box.text in text for text in texts)
    for boxes in drawings(graph):
        keep_apart(boxes)


def keep_apart(boxes):
    """Labels fit into their boxes, boxes do not overlap, and no line runs through a box that it does not join."""
    found = place(boxes, lambda box: width_of(box.text))
    for at in found.rectangles:
        assert width_of(at.box.text) + 2 * PAD <= at.width + 1e-6
        assert at.x >= 0
        assert at.x + at.width <= found.width + 1e-6
    for one, other in combinations(found.rectangles, 2):
        assert one.y != other.y or one.x + one.width < other.x or other.x + other.width < one.x
    for points in found.lines:
        (_, top), (x, bottom) = points[0], points[-1]
        for at in found.rectangles:
            through = at.x < x < at.x + at.width and top < at.y and at.y + HEIGHT < bottom
            assert not through, f"a line runs through {at.box.name}"


def test_repeats_are_folded():
    assert blocks(architecture("resnet50")) == [
        ("bottleneck", 1, 0),
        ("bottleneck", 2, 1),
        ("bottleneck", 1, 2),
        ("bottleneck", 3, 1),
        ("bottleneck", 1, 2),
        ("bottleneck", 5, 1),
        ("bottleneck", 1, 2),
        ("bottleneck", 2, 1),
    ]
    texts = [element.text for element in ElementTree.fromstring(as_svg(architecture("resnet50"))).iter(f"{SVG}text")]
    assert [text[-2:] for text in texts if text.startswith("B ")] == ["×2", "×3", "×5", "×2", "ck"]  # noqa: RUF001


def test_a_survival_probability_makes_no_difference():
    assert blocks(architecture("resnet50", stochastic_depth=0.8)) == blocks(architecture("resnet50"))


def test_blocks_that_differ_in_channels_share_a_drawing_that_shows_all():
    _, panels = outline(architecture("resnet50"))
    assert [box.text for box in panels[2].boxes] == [
        "conv 1×1, 128 | 256 | 512 · BN · ReLU",  # noqa: RUF001
        "conv 3×3, 128 | 256 | 512, /2 · BN · ReLU",  # noqa: RUF001
        "conv 1×1, 512 | 1024 | 2048 · BN",  # noqa: RUF001
        "conv 1×1, 512 | 1024 | 2048, /2 · BN",  # noqa: RUF001
        "add · ReLU",
    ]
    assert panels[2].uses == ["stage2.block0", "stage3.block0", "stage4.block0"]


def test_long_runs_that_widen_are_folded():
    (stage1, *_), _ = blocks(architecture("pyramidnet110_a270")), None
    assert stage1 == ("pyramid block", 18, 0)


def test_blocks_within_blocks_are_opened_last():
    _, panels = outline(architecture("seresnet50"))
    assert [panel.function for panel in panels] == ["bottleneck", "bottleneck", "bottleneck", "squeeze excite"]
    assert [box.panel for box in panels[0].boxes if box.panel is not None] == [3]


def test_a_pool_behind_a_block_stands_outside_of_it(draw):
    @block
    def unit(x):
        return f.relu(f.conv(x, 4, 3, name="conv"))

    graph = draw(lambda x: unit(f.max_pool(unit(x, name="one"), 2), name="two"))
    boxes, (panel,) = outline(graph)
    assert [box.text for box in boxes] == ["unit", "max pool 2×2, /2", "unit"]  # noqa: RUF001
    assert panel.uses == ["one", "two"]


@pytest.mark.parametrize(("name", "branches"), [("googlenet", 4), ("resnet20", 2), ("inception_v3", 4)])
def test_branches_stand_side_by_side(name, branches):
    _, panels = outline(architecture(name))
    plan = arrange(with_inputs(panels[0].boxes))
    last = panels[0].boxes[-1]
    places = [edge.place for edge in plan.edges if edge.target == last.name]
    assert len(set(places)) == branches
    assert plan.clutter < 10  # no line crosses another


@pytest.mark.parametrize("name", ["resnest14d", "inception_v4"])
def test_a_picture_is_always_the_same(name):
    assert as_svg(architecture(name)) == as_svg(architecture(name))


def test_a_file_without_blocks_is_drawn(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(architecture("resnet18").to_json())
    graph = resolve(str(path))
    assert blocks(graph) == []
    keep_apart(with_inputs(outline(graph)[0]))
    assert ElementTree.fromstring(as_svg(graph)) is not None


def test_marks_are_classes_of_boxes_and_part_what_is_not_alike():
    graph = architecture("resnet50")
    assert draw(graph, []).count('class="box"') == as_svg(graph).count('class="box"')
    marks = Marks({"stage3.block2.conv1": "changed"}, {"stage3.block2.conv1": 3, "stage3.block3.conv1": 2})
    boxes, panels = outline(graph, marks)
    repeats = [(box.name, box.repeats, box.mark, box.level) for box in boxes if box.name.startswith("stage3")]
    assert repeats == [
        ("stage3.block0", 1, "", 0),
        ("stage3.block1", 1, "", 0),
        ("stage3.block2", 1, "part", 3),
        ("stage3.block3", 1, "", 2),
        ("stage3.block4", 2, "", 0),
    ]
    assert [panel.uses for panel in panels if panel.boxes[0].kinds[0] == "changed"] == [["stage3.block2"]]
    picture = draw(graph, ["a line"], marks)
    assert 'class="box mark-part level-3"' in picture
    assert "a line" in picture


def test_an_edge_to_a_node_that_comes_later_is_left_out():
    graph = architecture("lenet5")
    first, *others = graph.nodes

    class Circle:
        name, blocks, shapes, inputs = graph.name, (), graph.shapes, graph.inputs
        nodes = (replace(first, inputs=(*first.inputs, others[-1].name)), *others)

        def __iter__(self):
            return iter(self.nodes)

    assert [box.inputs for box in outline(Circle())[0]] == [box.inputs for box in outline(graph)[0]]
