"""Recipes: TOML files that say how to train, and the command-line options that change single values."""

from trainspec.augment import Augmentation
from trainspec.optimizers import SGD, Optimizer, ParameterTable
from trainspec.recipes.find import COLLECTIONS, find_recipe, override, read_recipe, to_toml, with_data
from trainspec.recipes.options import TRAIN_OPTIONS, TrainOptions
from trainspec.recipes.recipe import Data, Recipe, Regularisation

__all__ = [
    "COLLECTIONS",
    "SGD",
    "TRAIN_OPTIONS",
    "Augmentation",
    "Data",
    "Optimizer",
    "ParameterTable",
    "Recipe",
    "Regularisation",
    "TrainOptions",
    "find_recipe",
    "override",
    "read_recipe",
    "to_toml",
    "with_data",
]
