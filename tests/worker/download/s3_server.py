"""A server of public objects over HTTP, as much of S3 as reading takes, on which requests can be made to go wrong."""

import hashlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
STALL_S = 30


class Trouble(Enum):
    """What can go wrong with one request."""

    SLOW_DOWN = auto()
    UNAVAILABLE = auto()
    TRUNCATED = auto()
    RESET = auto()
    STALL = auto()


ERRORS = {Trouble.SLOW_DOWN: "SlowDown", Trouble.UNAVAILABLE: "ServiceUnavailable"}


class S3Server(ThreadingHTTPServer):
    """`objects` by bucket and key, as in `bucket/a folder/key`; `asked` has the method and the key of each request.

    `trouble` is asked at each request, by key. Every answer takes `latency_s`.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.trouble: Callable[[str], Trouble | None] = lambda key: None
        self.latency_s = 0.0
        self.stopping = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fetched(self, since: int = 0) -> list[str]:
        """The keys of all GET requests, after so many requests."""
        return [key for method, key in self.asked[since:] if method == "GET"]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits for nothing
    server: S3Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        key = unquote(urlsplit(self.path).path).lstrip("/")
        self.server.asked.append((self.command, key))
        trouble, content = self.server.trouble(key), self.server.objects.get(key)
        self.server.stopping.wait(STALL_S if trouble is Trouble.STALL else self.server.latency_s)
        if trouble is Trouble.RESET:
            self._reset()
        elif trouble in ERRORS:
            self._send(503, ERROR.format(code=ERRORS[trouble]).encode())
        elif content is None:
            self._send(404, ERROR.format(code="NoSuchKey").encode())
        elif trouble is Trouble.TRUNCATED:
            self._send(200, content, sent=len(content) // 2)
            self.close_connection = True
        else:
            self._send(200, content)

    def _send(self, status: int, content: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')  # noqa: S324 (as S3 has it)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])

    def _reset(self) -> None:
        """Break the connection off without a word."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[S3Server]:
    """A server that answers until the end."""
    server = S3Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
