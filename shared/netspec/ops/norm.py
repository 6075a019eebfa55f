"""Normalisation ops."""

from dataclasses import dataclass

from diptych.errors import GraphError, ShapeError
from netspec.ops.base import Op, Param, Shape, need_map, need_positive


def _need_epsilon(kind: str, epsilon: float) -> None:
    if not epsilon > 0:
        raise GraphError(f"{kind} needs an epsilon above 0, not {epsilon}")


@dataclass(frozen=True)
class BatchNorm(Op):
    """`y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`, per channel, on a map or a vector (1502.03167).

    In training, mean and (biased) variance are the batch's. The running values move by `running += fraction * (batch -
    running)`; for the variance, `batch` is its *unbiased* estimate, as in PyTorch.
    """

    epsilon: float = 1e-5
    fraction: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_epsilon(self.kind, self.epsilon)
        if not 0 < self.fraction <= 1:
            raise GraphError(f"batch_norm needs a fraction of the new batch in 0 < fraction <= 1, not {self.fraction}")

    def params(self, *inputs: Shape) -> tuple[Param, ...]:
        channels = (inputs[0][0],)
        return (
            Param("weight", channels, "gamma"),
            Param("bias", channels, "beta"),
            Param("running_mean", channels, "mean"),
            Param("running_var", channels, "variance"),
        )


@dataclass(frozen=True)
class FrozenBatchNorm(BatchNorm):
    """A batch norm that uses and keeps its running statistics, in training as at inference.

    The pass `frozen_norms` makes it. `fraction` has no effect; it is the batch norm's own.
    """

    @property
    def at_inference(self) -> Op:
        return BatchNorm(self.epsilon, self.fraction)


@dataclass(frozen=True)
class InstanceNorm(Op):
    """As `BatchNorm`, but with each image's own mean and biased variance over its map, in training and inference."""

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        _need_epsilon(self.kind, self.epsilon)

    def shape(self, *inputs: Shape) -> Shape:
        _, height, width = need_map(self, inputs[0])
        if height * width < 2:  # the output would not depend on the image, and PyTorch refuses it
            raise ShapeError("instance_norm needs a map of at least two cells, not 1x1")
        return inputs[0]

    def params(self, *inputs: Shape) -> tuple[Param, ...]:
        channels = (inputs[0][0],)
        return Param("weight", channels, "gamma"), Param("bias", channels, "beta")


@dataclass(frozen=True)
class LocalResponseNorm(Op):
    """`y[c] = x[c] / (k + alpha / size * sum of x[d]**2)**beta` over the `size` channels around `c` (AlexNet).

    Alpha is divided by `size`, as in Caffe and PyTorch; TensorFlow does not divide it. `size` must be odd: an even
    window has no middle, and the frameworks place it differently.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def shape(self, *inputs: Shape) -> Shape:
        need_map(self, inputs[0])
        need_positive(self, "size")
        if self.size % 2 == 0:
            raise ShapeError(f"local_response_norm needs an odd size, not {self.size}")
        return inputs[0]
