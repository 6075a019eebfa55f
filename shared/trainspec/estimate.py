"""Estimate how long a training takes on this machine's CPU, without measuring. Only the power of ten is reliable."""

from diptych.machine import cores
from netspec import Graph
from trainspec.recipes import Recipe

MACS_PER_SECOND = 430 * 41e6 / 2  # per core: ResNet-20 (41 million) trains 430 images/s in PyTorch on 2 cores
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def cpu_seconds(graph: Graph, recipe: Recipe, images: int) -> float:
    """Seconds for the epochs of `recipe` with `images` training images, estimated from the graph's MACs."""
    return recipe.epochs * images * graph.macs / (MACS_PER_SECOND * cores())


def in_words(seconds: float) -> str:
    """`about 20 minutes`, `about 3 hours`, `about 12 days`."""
    if seconds < 90 * MINUTE:
        return f"about {max(2, round(seconds / MINUTE))} minutes"
    if seconds < 2 * DAY:
        return f"about {round(seconds / HOUR)} hours"
    return f"about {round(seconds / DAY):,} days"
