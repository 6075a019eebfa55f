"""A small task on images of noise, for trainings that only have to show formulas."""

import numpy as np

from netspec import Graph
from trainspec.data import DataSet
from trainspec.data.dataset import ArraySplit
from trainspec.recipes import Recipe, override
from trainspec.task import Task, first_weights

# The rate changes in every epoch. Crop and flip are on, and the targets are smoothed.
RECIPE = override(
    Recipe(batch=4, epochs=2, precision="fp64"),
    {
        "schedule.kind": "step",
        "schedule.peak": 0.05,
        "schedule.milestones": [1.0],  # an epoch
        "augmentation.crop.pad": 2,
        "augmentation.flip": True,
        "regularisation.label_smoothing": 0.1,
    },
)


def noise_task(graph: Graph, recipe: Recipe = RECIPE, epoch_steps: int = 2) -> Task:
    """Images of noise at the graph's size, labelled at random; every split is the same."""
    generator = np.random.default_rng(7)
    channels, height, width = graph.input_shape
    classes = graph.shapes[graph.outputs[0]][0]
    count = epoch_steps * recipe.batch
    images = generator.integers(0, 256, (count, height, width, channels), np.uint8)
    split = ArraySplit(images, generator.integers(0, classes, count))
    names = tuple(map(str, range(classes)))
    data = DataSet("noise", "noise", names, split, split, split, (0.5,) * channels, (0.3,) * channels)
    return Task(graph.name, graph, first_weights(graph, recipe, data), data, "noise", recipe)
