"""A small, framework-free language that describes image classifiers."""

from typing import TYPE_CHECKING

from deploy import __version__ as __version__
from deploy.lazy import lazy

if TYPE_CHECKING:
    from netspec.graph import (
        BlockCall as BlockCall,
        Graph as Graph,
        Node as Node,
    )
    from netspec.init import (
        draw_noise as draw_noise,
        initial_weights as initial_weights,
    )
    from netspec.passes import (
        explicit_noise as explicit_noise,
        frozen_norms as frozen_norms,
        inference as inference,
        without_heads as without_heads,
        without_noise as without_noise,
    )
    from netspec.registry import (
        architecture as architecture,
        family as family,
        find as find,
        list_architectures as list_architectures,
        resolve as resolve,
    )
    from netspec.serialize import (
        from_json as from_json,
    )
    from netspec.tracer import (
        Tensor as Tensor,
        block as block,
        trace as trace,
    )
    from netspec.weights import (
        load_weights as load_weights,
        save_weights as save_weights,
    )

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
    "frozen_norms",
    "inference",
    "initial_weights",
    "list_architectures",
    "load_weights",
    "resolve",
    "save_weights",
    "trace",
    "without_heads",
    "without_noise",
]

__getattr__, __dir__ = lazy(
    __name__,
    graph=(
        "BlockCall",
        "Graph",
        "Node",
    ),
    init=(
        "draw_noise",
        "initial_weights",
    ),
    passes=(
        "explicit_noise",
        "frozen_norms",
        "inference",
        "without_heads",
        "without_noise",
    ),
    registry=(
        "architecture",
        "family",
        "find",
        "list_architectures",
        "resolve",
    ),
    serialize=("from_json",),
    tracer=(
        "Tensor",
        "block",
        "trace",
    ),
    weights=(
        "load_weights",
        "save_weights",
    ),
)
