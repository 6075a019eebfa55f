"""How to train: recipes as TOML files, and the command-line options that change single values of them."""

from trainspec.augment import Augmentation
from trainspec.recipes.find import COLLECTIONS, find_recipe, override, read_recipe, to_toml, with_data, with_image_size
from trainspec.recipes.options import TrainOptions, add_train_options, read_train_options
from trainspec.recipes.recipe import Data, Optimizer, Recipe, Regularisation

__all__ = [
    "COLLECTIONS",
    "Augmentation",
    "Data",
    "Optimizer",
    "Recipe",
    "Regularisation",
    "TrainOptions",
    "add_train_options",
    "find_recipe",
    "override",
    "read_recipe",
    "read_train_options",
    "to_toml",
    "with_data",
    "with_image_size",
]
