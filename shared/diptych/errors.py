"""What people do wrong, as one family of exceptions.

Every `__main__` turns a `DiptychError` into one line on stderr and exit status 2 (`diptych.cli.run`);
anything else that escapes is a bug of ours and keeps its traceback. A message says what was wrong,
where, and what to do.
"""

from collections.abc import Callable


class DiptychError(Exception):
    """Something the user gave cannot be used as it is."""


class UsageError(DiptychError):
    """A command line that means nothing."""


class UnknownNameError(DiptychError):
    """No architecture, option, recipe or key of that name."""


class ShapeError(DiptychError):
    """A tensor has a shape that an op cannot take, or an image a size that a network cannot."""


class GraphError(DiptychError):
    """A graph is not one: cyclic, dangling, ambiguous, or of another schema."""


class WeightsError(DiptychError):
    """A weight file is damaged or belongs to another network."""


class DataError(DiptychError):
    """A data set, archive or image cannot be read or be had."""


class RecipeError(DiptychError):
    """A recipe or an option has a key or a value that means nothing here."""


class ExportError(DiptychError):
    """An exported file is invalid or does not compute what its framework computes."""


class StorageError(DiptychError):
    """A file or folder cannot be written: no room, no permission."""


class ParityError(DiptychError):
    """A comparison that proves nothing: no tensor in common, or outputs that do not depend on the input."""


def failure(action: Callable[[], None]) -> str:
    """Why an action failed, in a line, or nothing. Of any kind: what comes after it has its turn all the same."""
    try:
        action()
    except DiptychError as error:
        return " ".join(str(error).split())
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return ""
