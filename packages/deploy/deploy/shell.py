"""What a command owes its shell: one line and an exit status for an error, and output that no terminal chokes on.

Standard library only: every command of the project ends through `run`, those of the other packages too.
"""

import io
import os
import signal
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TextIO

from deploy.errors import DeployError

MISTAKE = 2  # exit status
SIGNALLED = 128  # what shells add to a signal's number to have a status: 130 after Ctrl-C, 143 after SIGTERM

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "OOM when allocating", "RESOURCE_EXHAUSTED")

_UNSEEN = frozenset("\u061c\u200e\u200f")  # marks that change the direction of what follows them
_DIRECTIONS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control, lone surrogate, line separator, paragraph separator


class OutputError(DeployError):
    """Standard output takes no more: its reader is gone, its disk is full, or it is closed."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end, like Ctrl-C: keep what there is and leave. `number` says which signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def printable(text: object) -> str:
    """`text` in one line without anything that a terminal obeys.

    Control characters (terminal escapes, line breaks), marks that turn the direction of writing, and lone surrogates
    (bytes of a file name that are not UTF-8) are shown as backslash escapes.
    """
    text = str(text)
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python carries a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if (
        character in _UNSEEN
        or unicodedata.category(character) in _CATEGORIES
        or unicodedata.bidirectional(character) in _DIRECTIONS
    ):
        return character.encode("unicode_escape").decode()
    return character


def say(text: object = "") -> None:
    """Print one line that may hold names out of files. Raises `OutputError`."""
    print(printable(text), flush=True)


def complain(text: object) -> None:
    """Print one line on stderr, if anyone can read it."""
    with suppress(OSError, ValueError):
        print(printable(" ".join(str(text).split())), file=sys.stderr, flush=True)


def run(
    main: Callable[[Sequence[str]], int | None], error_types: tuple[type[Exception], ...] = (DeployError,)
) -> NoReturn:
    """Run `main(argv)` and leave the process.

    The exit status is what `main` returned or 0; 2 for an error of `error_types`, for exhausted memory, and for an
    output that cannot be written, each told in one line on stderr; 130 after Ctrl-C and 143 after SIGTERM. A pipe that
    its reader has left (`| head -1`) ends the command quietly with 0. Any other exception keeps its traceback.
    """
    sys.exit(_status(main, (DeployError, *error_types)))


def _status(main: Callable[[Sequence[str]], int | None], error_types: tuple[type[Exception], ...]) -> int:
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        open_streams()
        status = main(sys.argv[1:]) or 0
        sys.stdout.flush()
    except SystemExit as left:  # argparse's, after --help
        status = _flushed(left.code if isinstance(left.code, int) else MISTAKE if left.code else 0)
    except OutputError as error:
        status = _unwritten(error)
    except error_types as error:
        status = _failed(str(error))
    except FileNotFoundError:
        if _has_folder():
            raise
        status = _failed("the working folder does not exist any more; go to another one")
    except RecursionError:
        status = _failed("something given is nested too deeply to be read")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = next(iter(str(error).strip().splitlines()), "")[:200]
        status = _failed(f"not enough memory{f' ({reason})' if reason else ''}; ask for less, as smaller batches")
    except KeyboardInterrupt as stop:
        complain(str(stop) or "interrupted")
        status = _flushed(SIGNALLED + getattr(stop, "number", signal.SIGINT))
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    return status


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory was exhausted, the machine's or a GPU's, by the words of NumPy, PyTorch, TensorFlow or XLA."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def _has_folder() -> bool:
    """Whether the working folder is there; whoever removed it may have made another of its name."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _failed(message: str) -> int:
    status = _flushed(MISTAKE)  # what was printed before the error is read before it
    complain(f"error: {message}")
    return status


def _flushed(status: int) -> int:
    """`status`, once what was printed is out; where it cannot be written, that is said too."""
    try:
        sys.stdout.flush()
    except OutputError as error:
        return max(status, _unwritten(error))
    return status


def _unwritten(error: OutputError) -> int:
    """Drop what is left to print, which Python would try once more at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error.__cause__, BrokenPipeError):
        return 0
    complain(f"error: {error}")
    return MISTAKE


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


class _Output(io.TextIOWrapper):
    """Standard output whose errors can be told from those of other files."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except (OSError, ValueError) as error:
            raise _output_error(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError) as error:
            raise _output_error(error) from error


def _output_error(error: OSError | ValueError) -> OutputError:
    reason = error.strerror if isinstance(error, OSError) else error
    return OutputError(f"standard output cannot be written: {reason}")


def open_streams() -> None:
    """Standard streams that can be relied on: open, and taking every name on every terminal.

    A descriptor that the shell has closed would be given to the next file that is opened, and prints would go into it.
    What an encoding does not have is printed as backslash escapes. Raises `OutputError` where standard output is
    closed: what a command has to say would be lost.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for number in closed:
        empty = os.open(os.devnull, os.O_RDWR)
        if empty != number:
            os.dup2(empty, number)
            os.close(empty)
    sys.stderr = sys.__stderr__ = _stream(sys.stderr, 2, io.TextIOWrapper)  # type: ignore[misc]  # final, says its stub
    sys.stdout = sys.__stdout__ = _stream(sys.stdout, 1, _Output)  # type: ignore[misc]
    if 1 in closed:
        raise OutputError("standard output is closed; let it go to a file, or to /dev/null")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stream(stream: TextIO | None, number: int, kind: type[io.TextIOWrapper]) -> Any:
    """`stream`, or where Python has found it closed at its start a new one, as `kind`."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream or kind(os.fdopen(number, "wb", closefd=False), "utf-8", "backslashreplace", line_buffering=True)
    encoding, lines, through = stream.encoding, stream.line_buffering, stream.write_through
    return kind(stream.detach(), encoding, "backslashreplace", line_buffering=lines, write_through=through)
