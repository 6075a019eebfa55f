"""Recipe files: all that are shipped; and those of people and attackers, from which nothing else is read."""

import os
import re
from pathlib import Path

import pytest

from diptych.errors import RecipeError
from netspec import architecture, find, list_architectures
from netspec.reduce import least_image
from trainspec.optim import settings
from trainspec.recipes import find_recipe, read_recipe, to_toml
from trainspec.recipes.find import (
    COLLECTIONS,
    has_recipe,
    names_for,
    owner_of,
    recipe_file,
    recipe_name,
    shipped_recipes,
)
from trainspec.recipes.header import Facts, header, said
from trainspec.results.headers import UNKNOWN

SOURCES = r"[Oo]rigin \d|\d{4}\.\d{4,5}|LeCun 1998|github|KellerJordan"  # an origin, a paper, or code
MEASURED = (  # what `nox -s results -- RUNS --headers` writes of a row
    r"\S+ on .+?: \d+\.\d\d % \(\d+\.\d\d to \d+\.\d\d, (\d+ runs|1 run, [\d,]+ images)\)"
    r"(, \d+\.\d\d % with \w+ views)?; [^;]+; [^;]+; \d{4}-\d\d-\d\d; nox -s train_(torch|keras) -- .+?\.( |$)"
)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_can_be_written_and_read(name, tmp_path):
    recipe = read_recipe(shipped_recipes()[name])
    (tmp_path / "mine.toml").write_text(to_toml(recipe))
    assert read_recipe(tmp_path / "mine.toml") == recipe


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_says_where_it_comes_from_and_what_was_measured(name):
    file = shipped_recipes()[name]
    text = file.read_text()
    accuracy = said(header(text))
    parents = [Facts.of(file.with_name(parent)) for parent in re.findall(r'^extends = "(.*)"', text, re.M)]
    assert any(facts and re.search(SOURCES, facts.source) for facts in (Facts.of(file), *parents))
    assert accuracy == f"{UNKNOWN}." or re.fullmatch(f"({MEASURED})+", accuracy)
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", shipped_recipes())
def test_the_command_of_a_shipped_recipe_finds_it_for_its_network(name):
    """The network exists, is the recipe's, and is built with the recipe's options for the recipe's data."""
    file = shipped_recipes()[name]
    facts = Facts.of(file)
    assert facts
    network, family = facts.network, find(facts.network).family
    assert owner_of(name) in (network, family)
    assert name in names_for(network, family)
    assert facts.recipe == (name if "+" in name else name.partition("/")[0])
    assert recipe_file(network, family, facts.data, facts.recipe) == file
    recipe = find_recipe(network, family, facts.data, facts.recipe)
    assert ("FILE" in header(file.read_text())) == (" --weights FILE\n" in file.read_text())
    assert "--weights" in header(file.read_text()) or not any(table.anew for table in recipe.parameters)
    dropout = recipe.regularisation.dropout
    options = {**({} if dropout is None else {"dropout": dropout}), **recipe.network}
    size = recipe.data.image_size or max(find(network).input_shape[1:])
    graph = architecture(network, num_classes=10, image_size=size, distinct_blocks=True, **options)
    assert size >= least_image(network, **recipe.network)
    assert settings(graph, recipe)  # raises where a table matches no parameter


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out.toml").write_text("epochs = 9")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "base.toml").write_text("epochs = 3")
    (tmp_path / "mine" / "linked.toml").symlink_to(tmp_path / "out.toml")
    (tmp_path / "mine" / "inner.toml").symlink_to("base.toml")
    (tmp_path / "mine" / "sub").mkdir()
    return tmp_path / "mine"


@pytest.mark.parametrize(
    "name", ["../out.toml", "sub/../base.toml", "./base.toml", "linked.toml", "sub", "", ".", "..", "a\\u0000b", "/"]
)
def test_extends_stays_beside_the_recipe(folder, name):
    (folder / "child.toml").write_text(f'extends = "{name}"')
    with pytest.raises(RecipeError, match="child.toml: extends .*beside"):
        read_recipe(folder / "child.toml")


def test_extends_takes_no_whole_path(folder):
    (folder / "child.toml").write_text(f'extends = "{folder / "base.toml"}"')
    with pytest.raises(RecipeError, match="does not exist beside"):
        read_recipe(folder / "child.toml")


def test_extends_takes_links_within_its_folder(folder, tmp_path):
    (folder / "child.toml").write_text('extends = "inner.toml"')
    assert read_recipe(folder / "child.toml").epochs == 3
    (tmp_path / "link.toml").symlink_to(folder / "child.toml")
    (tmp_path / "inner.toml").symlink_to(folder / "base.toml")  # as volumes of containers have them
    assert read_recipe(tmp_path / "link.toml").epochs == 3


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


ODD = {
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "gigabytes": huge,
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "UTF-16": lambda path: path.write_bytes("epochs = 3".encode("utf-16")),
    "arrays without end": lambda path: path.write_text("a = " + "[\n" * 20_000),
    "tables without end": lambda path: path.write_text("a" + ".a" * 50_000 + " = 1"),
    "a deep table": lambda path: path.write_text("a" + ".a" * 2000 + " = 1"),
    "a deep free table": lambda path: path.write_text("[network]\na" + ".a" * 1900 + " = 1"),
    "a deep table beside a date": lambda path: path.write_text("[network]\na = [02:03:04, {a" + ".a" * 1900 + " = 1}]"),
    "thousands of digits": lambda path: path.write_text("seed = " + "9" * 4050),
    "a huge number": lambda path: path.write_text("seed = 1" + "0" * 400),
    "a huge rate": lambda path: path.write_text("[schedule]\npeak = 1" + "0" * 400),
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_what_is_not_a_recipe_is_one_line(tmp_path, make):
    path = tmp_path / "mine.toml"
    make(path)
    for read in (lambda: read_recipe(path), lambda: read_recipe(recipe_file("vgg19", "vgg", "digits", str(path)))):
        with pytest.raises(RecipeError) as error:
            read()
        assert "mine.toml" in str(error.value)
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_recipes_are_named_and_known_before_the_data_are(collection):
    for name in list_architectures():
        family = find(name).family
        try:
            file = recipe_file(name, family, "digits", collection)
        except RecipeError:
            continue
        assert has_recipe(name, family, collection)
        assert recipe_name(file).startswith(f"{collection}/")
    assert recipe_name(recipe_file("vgg19", "vgg", "digits")) == "modern/vgg.digits"
    assert recipe_name(Path("/some/modern/mine.toml")) == "/some/modern/mine.toml"
