"""What a network is: a small, framework-free language for image classifiers."""

from netspec.graph import BlockCall, Graph, Node
from netspec.init import draw_noise, initial_weights
from netspec.lazy import version as _version
from netspec.passes import explicit_noise, inference, without_heads, without_noise
from netspec.registry import architecture, family, find, list_architectures, resolve
from netspec.serialize import from_json, to_json
from netspec.tracer import Tensor, block, trace
from netspec.weights import load_weights, save_weights

__all__ = [
    "BlockCall",
    "Graph",
    "Node",
    "Tensor",
    "architecture",
    "block",
    "draw_noise",
    "explicit_noise",
    "family",
    "find",
    "from_json",
    "inference",
    "initial_weights",
    "list_architectures",
    "load_weights",
    "resolve",
    "save_weights",
    "to_json",
    "trace",
    "without_heads",
    "without_noise",
]

__version__ = _version(__name__)
