"""Compiles a step and takes its gradients, on either backend of Keras."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_impl.kernels import Tensor, on_tensorflow

Forward = Callable[[], tuple[Tensor, Any]]  # returns a loss, and anything else


def compiled(function: Callable[..., Any], variables: Sequence[keras.Variable]) -> Callable[..., Any]:
    """`function` of tensors, compiled into one program. It may read and assign `variables`."""
    if on_tensorflow():
        import tensorflow as tf

        return tf.function(function, jit_compile=False)  # XLA is slower on a CPU
    import jax  # type: ignore[import-not-found, unused-ignore]

    @jax.jit
    def pure(values: Sequence[Tensor], *arguments: Any) -> tuple[Any, Sequence[Tensor]]:
        scope = keras.StatelessScope(state_mapping=zip(variables, values, strict=True))
        with scope:
            result = function(*arguments)
        return result, _values_in(scope, variables)

    def call(*arguments: Any) -> Any:
        result, values = pure([variable.value for variable in variables], *arguments)
        _assign(variables, values)
        return result

    return call


def with_gradients(
    forward: Forward, trainable: Sequence[keras.Variable], others: Sequence[keras.Variable]
) -> tuple[Any, Sequence[Tensor]]:
    """What `forward` returns beside its loss, and the loss's gradients by `trainable`. It may assign `others`."""
    if on_tensorflow():
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss, result = forward()
        return result, tape.gradient(loss, [variable.value for variable in trainable])
    import jax  # type: ignore[import-not-found, unused-ignore]

    def pure(values: Sequence[Tensor], rest: Sequence[Tensor]) -> tuple[Tensor, Any]:
        state = zip((*trainable, *others), (*values, *rest), strict=True)
        scope = keras.StatelessScope(state_mapping=state)
        with scope:
            loss, result = forward()
        return loss, (result, _values_in(scope, others))

    values, rest = ([variable.value for variable in group] for group in (trainable, others))
    (_, (result, assigned)), gradients = jax.value_and_grad(pure, has_aux=True)(values, rest)
    _assign(others, assigned)
    return result, gradients


def _values_in(scope: keras.StatelessScope, variables: Sequence[keras.Variable]) -> list[Tensor]:
    return [scope.get_current_value(variable) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
