"""The manifest names the container image by its digest, as ECS tells it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cellpainting.image_digest import METADATA_URI, image_digest


class TaskMetadata(BaseHTTPRequestHandler):
    """Answers as the container metadata endpoint, version 4, does; only the field that is read."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"DockerId": "x", "ImageID": "sha256:0123456789abcdef", "Image": "registry/cpb:1"}')

    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), TaskMetadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v4/x"
    server.shutdown()
    thread.join()
    server.server_close()


def test_digest_is_read_from_the_task_metadata_endpoint(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METADATA_URI, endpoint)
    assert image_digest() == "sha256:0123456789abcdef"


def test_digest_is_empty_outside_of_ecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(METADATA_URI, raising=False)
    assert image_digest() == ""
