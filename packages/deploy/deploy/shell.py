"""Runs commands for a shell. An error becomes one line and an exit status, and output is safe for any terminal.

Every command of every package ends through `run`. Standard library only.
"""

import io
import os
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import Any, NoReturn, TextIO

from deploy.errors import DiptychError

MISTAKE = 2  # exit status
SIGNALLED = 128  # plus the signal's number is the exit status, as in shells: 130 after Ctrl-C, 143 after SIGTERM

OUT_OF_MEMORY = (
    *("can't allocate memory", "out of memory", "OOM when allocating", "RESOURCE_EXHAUSTED"),
    "Failed to allocate memory",  # onnxruntime's
)
NOT_DETERMINISTIC = ("deterministic gpu implementation", "deterministic implementation")  # TensorFlow's and PyTorch's

_UNSEEN = frozenset("\u061c\u200e\u200f")  # marks that change the direction of what follows them
_DIRECTIONS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control, lone surrogate, line separator, paragraph separator


class OutputError(DiptychError):
    """Standard output cannot be written: its reader is gone, its disk is full, or it is closed."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end, as Ctrl-C does: save the results and exit. `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def printable(text: object) -> str:
    """`text` in one line, without anything that controls a terminal.

    Control characters (terminal escapes, line breaks), marks that change the direction of writing, and lone surrogates
    (bytes of a file name that are not UTF-8) are shown as backslash escapes.
    """
    text = str(text)
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python represents a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if (
        character in _UNSEEN
        or unicodedata.category(character) in _CATEGORIES
        or unicodedata.bidirectional(character) in _DIRECTIONS
    ):
        return character.encode("unicode_escape").decode()
    return character


def say(text: object = "", end: str = "\n") -> None:
    """Print one line, or with another `end` a part of one, that may hold names from files. Raises `OutputError`."""
    print(printable(text), end=end, flush=True)


def complain(text: object) -> None:
    """Print one line on stderr, if anyone can read it."""
    with suppress(OSError, ValueError):
        print(printable(" ".join(str(text).split())), file=sys.stderr, flush=True)


@contextmanager
def to_stderr() -> Iterator[None]:
    """Print on standard error what the block prints, also what its libraries do: standard output is for the answer."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit the process.

    The exit status is what `main` returned, or 0. A `DiptychError`, exhausted memory, a path without
    permission, an operation without a deterministic form and output that cannot be written give 2 and one line on
    stderr. Ctrl-C gives 130, SIGTERM 143. If the reader of a pipe is gone (`| head -1`),
    the command ends quietly with 0. Any other exception keeps its traceback.
    """
    sys.exit(_status(main))


def _status(main: Callable[[Sequence[str]], int | None]) -> int:
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
    except DiptychError as error:
        status = _failed(str(error))
    except FileNotFoundError:
        if _has_folder():
            raise
        status = _failed("the working folder does not exist any more; change to another one")
    except PermissionError as error:  # of a path that was only looked at; where one is opened, the error says more
        if error.filename is None:
            raise
        status = _failed(f"{error.filename} cannot be read: {error.strerror}; choose a path that you may read")
    except RecursionError:
        status = _failed("the input is nested too deeply to be read")
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")[:200]
        if is_out_of_memory(error):
            shown = f" ({reason})" if reason else ""
            status = _failed(f"not enough memory{shown}; use less, for example smaller batches")
        elif any(words in str(error).lower() for words in NOT_DETERMINISTIC):
            status = _failed(f"an operation has no deterministic form here ({reason}); give --no-deterministic")
        else:
            raise
    except KeyboardInterrupt as stop:
        complain(str(stop) or "interrupted")
        status = _flushed(SIGNALLED + getattr(stop, "number", signal.SIGINT))
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    return status


def is_out_of_memory(error: Exception) -> bool:
    """Whether the machine's or a GPU's memory was exhausted, by the messages of NumPy, frameworks and onnxruntime."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def _has_folder() -> bool:
    """Whether the working folder still exists. A new folder of the same name does not count."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _failed(message: str) -> int:
    status = _flushed(MISTAKE)  # first, so that earlier output appears before the error
    complain(f"error: {message}")
    return status


def _flushed(status: int) -> int:
    """Flush standard output and return `status`. If the output cannot be written, report that too."""
    try:
        sys.stdout.flush()
    except OutputError as error:
        return max(status, _unwritten(error))
    return status


def _unwritten(error: OutputError) -> int:
    """Return the exit status and drop the remaining output, which Python would try to write at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error.__cause__, BrokenPipeError):
        return 0
    complain(f"error: {error}")
    return MISTAKE


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


class _Output(io.TextIOWrapper):
    """Standard output with its own error class, so that its errors differ from those of other files."""

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
    """Make the standard streams reliable: they are open and can print any name on any terminal.

    If the shell has closed a descriptor, the next opened file would get it, and prints would go into that file.
    Characters that the encoding lacks are printed as backslash escapes. Raises `OutputError` if standard output is
    closed, since the output would be lost.
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
        raise OutputError("standard output is closed; redirect it to a file or to /dev/null")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stream(stream: TextIO | None, number: int, kind: type[io.TextIOWrapper]) -> Any:
    """`stream` as `kind`, or a new stream if Python found it closed at start."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream or kind(os.fdopen(number, "wb", closefd=False), "utf-8", "backslashreplace", line_buffering=True)
    encoding, lines, through = stream.encoding, stream.line_buffering, stream.write_through
    return kind(stream.detach(), encoding, "backslashreplace", line_buffering=lines, write_through=through)
