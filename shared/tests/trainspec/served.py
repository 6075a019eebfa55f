"""A server on this machine that can be slow, cut, and lie."""

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from trainspec.data.download import Source

CONTENT = np.random.default_rng(0).bytes(300_000)
BLOCK = 10_000


class Server(http.server.ThreadingHTTPServer):
    """Serves one of `files`, or else `content`, with ranges.

    `cuts` are the byte counts after which the next answers break off. `pause`: seconds between two blocks.
    `announced`: the Content-Length, where it is a lie. `starts_at`: what a part says that it begins with, where it is a
    lie. `endless`: bytes are sent until nobody takes them.
    """

    content = CONTENT
    cuts: tuple[int, ...] = ()
    ranges = True
    pause = 0.0
    announced: str | None = None
    starts_at: int | None = None
    endless = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.files: dict[str, bytes] = {}

    def source(self, name: str = "file.tar.gz", *, sized: bool = False) -> Source:
        url, content = f"http://127.0.0.1:{self.server_port}/{name}", self.files.get(name, self.content)
        return Source(url, hashlib.sha256(content).hexdigest(), len(content) if sized else None)

    def handle_error(self, *_: object) -> None:
        """A client that was killed, or has had enough."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        start = int(wanted.split("=")[1].rstrip("-")) if wanted and server.ranges else 0
        content = server.files.get(self.path.lstrip("/"), server.content)
        if start >= len(content):
            self.send_error(416 if start else 404)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if not server.endless:
            self.send_header("Content-Length", server.announced or str(len(body)))
        if start and server.starts_at is not None:
            self.send_header("Content-Range", f"bytes {server.starts_at}-{len(content) - 1}/*")
        self.end_headers()
        if server.cuts:
            cut, *rest = server.cuts
            server.cuts = tuple(rest)
            body = body[:cut]
        while body:
            for begin in range(0, len(body), BLOCK):
                self.wfile.write(body[begin : begin + BLOCK])
                time.sleep(server.pause)
            body = body if server.endless else b""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
