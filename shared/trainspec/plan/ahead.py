"""Make batches in the background while the network works on an earlier one."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")
END = object()


def ahead(items: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """The same items in the same order, made by a thread that is at most `depth` items ahead.

    An exception in `items` is raised here, after the items that came before it. Closing the generator, or leaving the
    loop over it, ends the thread.
    """
    ready: queue.Queue[object] = queue.Queue(depth)
    closed = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.1)  # the timeout lets the thread notice that the consumer left
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if closed.is_set():
                    break
        except BaseException as error:  # raised again in the consumer's thread
            failure.append(error)
        finally:
            put(END)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        closed.set()
        thread.join()
