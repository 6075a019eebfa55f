"""Errors that a user can cause, as one family of exceptions, which begins in `deploy.errors`."""

from collections.abc import Callable

from deploy.errors import (
    DataError as DataError,
    DiptychError as DiptychError,
    StorageError as StorageError,
    UsageError as UsageError,
)


class UnknownNameError(DiptychError):
    """There is no architecture, option, recipe or key of that name."""


class ShapeError(DiptychError):
    """An op cannot take a tensor of this shape, or a network cannot take an image of this size."""


class GraphError(DiptychError):
    """A graph is invalid: cyclic, dangling, ambiguous, or of another schema."""


class WeightsError(DiptychError):
    """A weight file is damaged or belongs to another network."""


class RecipeError(DiptychError):
    """A recipe or an option has a key or a value without a meaning here."""


class ExportError(DiptychError):
    """An exported file is invalid or does not compute what its framework computes."""


class ParityError(DiptychError):
    """A comparison proves nothing: no tensors in common, or outputs that do not depend on the input."""


def failure(action: Callable[[], None]) -> str:
    """Why an action failed, in one line; empty if it did not. Catches any `Exception`, so that work can go on."""
    try:
        action()
    except DiptychError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return ""
