"""A server in front of moto's whose S3 is too busy for some requests, and that does not tell what became of others."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "date", "server"}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class BusyServer:
    """Passes requests on to `behind`, but for a fraction `busy` of those of S3. It breaks off the answers to the next
    `lost_answers` SubmitJobs.
    """

    def __init__(self, behind: str, *, busy: float) -> None:
        self.behind = urlsplit(behind).netloc
        self.busy = busy
        self.lost_answers = 0
        self.refused = 0
        self._random = random.Random(8)  # noqa: S311 (to be refused the same in every test)
        self._lock = threading.Lock()

    def refuses(self, path: str) -> bool:
        """Whether it is too busy just now."""
        with self._lock:
            is_refused = path.startswith("/data") and self._random.random() < self.busy
            self.refused += is_refused
            return is_refused

    def loses_answer(self, path: str) -> bool:
        """Whether nobody is to hear of what was done."""
        with self._lock:
            if not path.endswith("/submitjob") or not self.lost_answers:
                return False
            self.lost_answers -= 1
            return True


def _handler(server: BusyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_ANY(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if server.refuses(self.path):
                self._answer(503, SLOW_DOWN, {"Content-Length": str(len(SLOW_DOWN))})
                return
            connection = HTTPConnection(server.behind)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            if server.loses_answer(self.path):
                self.close_connection = True
                return
            headers = {name: value for name, value in response.getheaders() if name.lower() not in NOT_PASSED_ON}
            length = response.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            self._answer(response.status, content, {**headers, "Content-Length": length})

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_ANY

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


@contextmanager
def busy_server(behind: str, *, busy: float) -> Iterator[tuple[BusyServer, str]]:
    """A busy server with its URL."""
    server = BusyServer(behind, busy=busy)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
