"""The zoo's command: filters, the table of layers, and what it refuses."""

import json

import pytest
from rich.console import Console

from diptych.errors import DiptychError
from netspec import __main__ as zoo, architecture, list_architectures, table
from netspec.layers import counts_of
from netspec.registry import find, origin_rows, resolve


def listed(capsys, *argv: str) -> list[str]:
    zoo.main([*argv, "--json"])
    return [row["name"] for row in json.loads(capsys.readouterr().out)]


def test_filters_are_combined(capsys):
    assert listed(capsys, "vgg1?", "resnet20") == ["resnet20", "vgg11", "vgg13", "vgg16", "vgg19"]
    assert listed(capsys, "--family", "vgg", "--size", "32") == ["vgg19_cifar"]
    assert listed(capsys, "dense*", "--origin", "origin 1", "--size", "32x32") == [
        "densenet100_k12_bc",
        "densenet100_k24_bc",
        "densenet160_k24_bc",
    ]


@pytest.mark.parametrize("row", sorted({row for text in origin_rows().values() for row in text.split("; ")}))
def test_every_origin_is_found_by_its_text(capsys, row):
    found = listed(capsys, "--origin", row)
    assert found
    assert all(row in find(name).origin for name in found)


def test_origin_rows_are_of_architectures(capsys):
    assert origin_rows().keys() <= set(list_architectures())
    assert len(origin_rows()) == 54
    assert set(listed(capsys, "--origin", "")) == set(origin_rows())


def test_the_origin_is_a_column_where_it_is_asked_for(capsys):
    zoo.main(["lenet5"])
    assert "Lecun" not in capsys.readouterr().out
    zoo.main(["--origin", "lecun"])
    shown = capsys.readouterr().out
    assert "origin 1: Lecun-Network" in shown
    assert "1 network." in shown


def test_sums_tell_parameters_from_running_statistics(capsys):
    zoo.main(["--show", "resnet20"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "layer op output trainable total MACs" in shown
    assert "269,722 trainable, 1,376 running statistics, 271,098 in all, 40,551,040 MACs." in shown
    assert "total: trainable and running statistics." in shown


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--family", "vgh", "--size", "32"], "no family matches 'vgh'; did you mean vgg"),
        (["vgg*", "--size", "33"], r"no network matches 'vgg\*' --size 33$"),
        (["--origin", "origin 9"], "no network matches --origin origin 9$"),
        (["--size", "big"], "--size"),
        (["resnet20", "nosuch*"], r"no network matches 'nosuch\*'; "),
        (["--out", "a.svg"], "--out is the file of --diagram"),
        (["--diagram", "nin", "--json"], "--diagram draws SVG"),
        (["vgg*", "--show", "nin"], "--show and --diagram take one ARCH"),
        (["--show", "nin", "--size", "32"], "--show and --diagram take one ARCH"),
        (["--diagram", "nin", "--family", "nin"], "--show and --diagram take one ARCH"),
        (["--diagram", "nin", "--origin", ""], "--show and --diagram take one ARCH"),
        (["--show", "nin", "--diagram", "nin"], "not allowed with"),
        (["nin", "--option", "dropout=0"], "--option are for --show and --diagram"),
        (["--image-size", "64"], "--option are for --show and --diagram"),
    ],
)
def test_refused(argv, message):
    with pytest.raises(DiptychError, match=message):
        zoo.main(argv)


def layers(capsys, network: str) -> dict[str, list[str]]:
    """Cells of a line by its first one, in order."""
    zoo.main(["--show", network])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[0]: line[1:] for line in lines if line}


def test_blocks_and_stages_are_summed_up(capsys):
    shown = layers(capsys, "resnet50")
    graph = architecture("resnet50")
    for name in ("stem", "stage1", "stage2.block0", "stage4.block2"):
        nodes = [node for node in graph if node.name == name or node.name.startswith(f"{name}.")]
        assert shown[name][-3:] == [f"{n:,}" for n in counts_of(graph, nodes)] or name == "stem"
    assert shown["stage2.block0"][:2] == ["bottleneck", "512x28x28"]
    assert shown["stage1.block0.conv2"] == ["conv", "3x3,", "64", "64x56x56", "36,864", "36,864", "115,605,504"]
    assert shown["stage1.block0.conv2.bn"] == ["BN", "64x56x56", "128", "256"]
    assert sum(int(cells[-2].replace(",", "")) for name, cells in shown.items() if "stage" in cells) < graph.num_total


def test_options_are_shown_with_their_defaults(capsys):
    assert layers(capsys, "densenet121")["options:"] == ["activation=relu,", "dropout=0.0"]
    assert layers(capsys, "lenet5")["options:"] == ["activation=relu"]


def test_a_chosen_form_is_shown(capsys):
    zoo.main(["--show", "googlenet", "--option", "aux_heads=True", "--num-classes", "5", "--image-size", "128"])
    shown = capsys.readouterr().out
    assert "googlenet(aux_heads=True), images 3x128x128" in shown
    assert "aux2.fc2" in shown


@pytest.mark.parametrize(("argv", "columns"), [([], "input trainable total MACs"), (["--origin", "vgg"], "origin")])
def test_a_narrow_terminal_folds_no_name(capsys, monkeypatch, argv, columns):
    monkeypatch.setattr(table, "console", lambda: Console(width=80))
    zoo.main(argv)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert columns in " ".join(lines[1].split())
    first = {line.split()[0] for line in lines if line.strip()}
    assert first >= ({"vgg16", "vgg19", "vgg19_cifar"} if argv else set(list_architectures()))


def test_small_networks_have_no_sums(capsys):
    ruled, *first = list(layers(capsys, "lenet5"))[2:5]
    assert set(ruled) == {"─"}
    assert first == ["conv1", "conv1.relu"]


LONG = ".".join(["a_stage_with_a_name_that_no_terminal_has_room_for"] * 4)


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("network", ["efficientnet_b0", "lenet5", LONG])
def test_no_name_and_no_number_is_broken(capsys, monkeypatch, tmp_path, network, width):
    if network == LONG:
        monkeypatch.chdir(tmp_path)
        graph, network = architecture("lenet5").to_json().replace("conv1", LONG), "long.json"
        (tmp_path / network).write_text(graph)
    monkeypatch.setattr(table, "console", lambda: Console(width=width))
    zoo.main(["--show", network])
    lines = capsys.readouterr().out.splitlines()
    graph = resolve(network)
    words = {word.strip(";") for line in lines for word in line.split()}
    assert {node.name for node in graph} <= words
    counts = [count for node in graph for count in counts_of(graph, [node])]
    assert {f"{count:,}" for count in counts if count} <= words
    assert {"trainable", "total", "MACs"} <= words
    for line in lines[1:-3]:  # neither the title nor the sums
        assert len(line) <= width or len(line.split()) <= 2, line


def test_a_pipe_has_room_for_everything(capsys):
    zoo.main(["--origin", ""])
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.split()[:1] and line.split()[0] in list_architectures()]
    assert len(rows) == len(origin_rows())
    assert all(find(line.split()[0]).origin in line for line in rows)


def test_a_file_has_layers_and_stages_but_no_blocks(capsys, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(architecture("resnet20").to_json())
    shown = layers(capsys, str(path))
    assert shown["stage2"][0] == "stage"
    assert "stage2.block0" not in shown
    assert "stage2.block0.conv1" in shown


PICTURES = [(["lenet5"], "lenet5.svg"), (["mine.json"], "mine.svg"), (["nin", "--out", "a/b.svg"], "a/b.svg")]


@pytest.mark.parametrize(("argv", "file"), PICTURES)
def test_a_picture_says_where_it_went(capsys, tmp_path, monkeypatch, argv, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(architecture("lenet5").to_json())
    zoo.main(["--diagram", *argv])
    assert capsys.readouterr().out == f"{file}\n"
    assert (tmp_path / file).read_text().startswith("<svg")
