"""Recipe files as people and attackers write them: one line, nothing read that is not a recipe beside it."""

import os
from pathlib import Path

import pytest

from diptych.errors import RecipeError
from netspec import find, list_architectures
from trainspec.recipes import read_recipe
from trainspec.recipes.find import COLLECTIONS, has_recipe, recipe_file, recipe_name


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
    with pytest.raises(RecipeError, match="child.toml: extends .*beside it"):
        read_recipe(folder / "child.toml")


def test_extends_takes_no_whole_path(folder):
    (folder / "child.toml").write_text(f'extends = "{folder / "base.toml"}"')
    with pytest.raises(RecipeError, match="no file beside it"):
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
