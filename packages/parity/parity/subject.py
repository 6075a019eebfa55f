"""What is compared: a graph with weights, images and noise, and what each implementation is built from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from netspec import Graph, draw_noise, explicit_noise
from netspec.probes import probe_images
from parity.frameworks import FRAMEWORKS
from parity.runners import KerasRunner, OnnxRunner, Runner, Sides, TorchRunner
from parity.spool import Spool

IMAGES = 8


@dataclass(frozen=True)
class Build:
    """What an implementation is built from. `after`, if given, changes its logits `(N, classes)`."""

    graph: Graph
    weights: Mapping[str, np.ndarray] = field(repr=False)
    after: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class Subject:
    """A graph under comparison, with the weights, images and noise that all implementations get.

    An implementation in `others` is built from something else: a second weight file, or a graph with a fault.
    """

    graph: Graph
    weights: Mapping[str, np.ndarray]
    feeds: Mapping[str, np.ndarray] = field(repr=False)
    others: Mapping[str, Build] = field(default_factory=dict, repr=False)

    @property
    def images(self) -> dict[str, np.ndarray]:
        return {"image": self.feeds["image"]}

    def build(self, name: str) -> Build:
        return self.others.get(name) or Build(self.graph, self.weights)

    def framework(self, name: str, dtype: str, *, noise: bool = False) -> Runner:
        """A framework with the network in it. With `noise`, its graph has explicit noise, and the same weights."""
        build = self.build(name)
        runner = TorchRunner if name == "torch" else KerasRunner
        return runner(explicit_noise(build.graph) if noise else build.graph, build.weights, dtype)

    def frameworks(self, dtype: str, *, noise: bool = False) -> Sides:
        """Both frameworks."""
        return {name: self.framework(name, dtype, noise=noise) for name in FRAMEWORKS}

    def onnx(self) -> OnnxRunner:
        """The ONNX builder's network."""
        build = self.build("onnx")
        return OnnxRunner(build.graph, build.weights)

    def logits(self, name: str, runner: Runner | OnnxRunner) -> np.ndarray:
        """What the implementation returns for the images."""
        logits, after = runner.forward(self.images), self.build(name).after
        return after(logits) if after else logits


def subject(
    graph: Graph,
    weights: Mapping[str, np.ndarray] | None = None,
    keras_weights: Mapping[str, np.ndarray] | None = None,
) -> Subject:
    """A subject with `IMAGES` images and the draws of `explicit_noise`. By default it has measured probe weights."""
    from onnx_impl.measure import probe

    weights = Spool(probe(graph).items()) if weights is None else weights
    feeds = {"image": probe_images(graph, IMAGES, seed=1), **draw_noise(explicit_noise(graph), IMAGES, seed=1)}
    others = {} if keras_weights is None else {"keras": Build(graph, keras_weights)}
    return Subject(graph, weights, feeds, others)
