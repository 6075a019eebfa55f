"""Layers that draw at random in training, or are given the draws as further inputs. All are channels-last."""

from typing import Any

import keras
from keras import ops

from keras_impl.kernels import Tensor
from keras_impl.layers import Layer, registered
from netspec.ops import Shape


@registered
class Noise(Layer):
    """Multiply by a draw of zeros and ones, `(N, *drawn)`, and divide by `keep`, the probability of a one.

    The draw is the second input. Without a second input, training makes a draw and evaluation keeps everything.
    """

    def __init__(self, shape: Shape, keep: float, drawn: Shape, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.keep = keep
        self.drawn = (*drawn[1:], drawn[0])
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        if isinstance(inputs, list | tuple):
            x, draw = inputs
            return x * (draw / self.keep)
        if not training:
            return inputs
        uniform = keras.random.uniform((ops.shape(inputs)[0], *self.drawn), seed=self.seed_generator)
        return inputs * ops.cast(ops.cast(uniform < self.keep, "float32") / self.keep, inputs.dtype)


@registered
class ShakeDrop(Layer):
    """Multiply by `gate + alpha - gate * alpha`, and the gradient by `gate + beta - gate * beta`.

    The draws are further inputs, `(N, 1, ...)` each. Without them, training makes draws and evaluation multiplies by
    `survival`, the probability that a gate is 1.
    """

    def __init__(self, shape: Shape, survival: float, **layer: Any) -> None:
        super().__init__(shape, **layer)
        self.survival = survival
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        x, *draws = inputs if isinstance(inputs, list | tuple) else (inputs,)
        if not draws:
            if not training:
                return x * self.survival
            drawn = (3, ops.shape(x)[0], *(1 for _ in self.shape))
            gate, alpha, beta = ops.unstack(keras.random.uniform(drawn, seed=self.seed_generator), 3)
            draws = [gate < self.survival, 2 * alpha - 1, beta]
        gate, alpha, beta = (ops.cast(draw, x.dtype) for draw in draws)
        ahead, back = gate + alpha - gate * alpha, gate + beta - gate * beta
        return x * back + ops.stop_gradient(x * (ahead - back))


@registered
class PatchUp(Layer):
    """Mix patches with those of others. Draws: `(1, H, W, C)`, `(N, 1, 1, 1)`, `(1, 1, 1, 1)`, or none: identity.

    Keras must not cast the positions to a half.
    """

    def __init__(self, shape: Shape, **layer: Any) -> None:
        super().__init__(shape, autocast=False, **layer)

    def call(self, inputs: Any) -> Tensor:
        if not isinstance(inputs, list | tuple):
            return inputs
        x, mask, partner, weight = inputs
        share = (1 - ops.cast(mask, x.dtype)) * (1 - ops.cast(weight, x.dtype))
        other = ops.take(x, ops.cast(ops.reshape(partner, (-1,)), "int32"), axis=0)
        return (1 - share) * x + share * other
