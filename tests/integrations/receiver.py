"""A real receiver of webhooks on loopback, whose answers a test chooses."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the receiver says: after a while, with headers, and with so many bytes of body."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    endless_body: bool = False


@dataclass(frozen=True)
class Posted:
    """What came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Hears what is posted to it; answers by ``answers`` in order, then always the last."""

    def __init__(self, *answers: Answer, trust: ssl.SSLContext | None = None) -> None:
        self.heard: list[Posted] = []
        self.server_names: list[str | None] = []
        self._answers = list(answers) or [Answer()]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._answer(self)

            def do_GET(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if trust is not None:
            trust.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length", "0"))
        body = handler.rfile.read(length)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.heard.append(Posted(handler.path, headers, body))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        time.sleep(answer.after_s)
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(10**12) if answer.endless_body else "0")
        handler.end_headers()
        while answer.endless_body:
            handler.wfile.write(b"x" * 65_536)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def receiver(*answers: Answer, trust: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A running one."""
    running = Receiver(*answers, trust=trust)
    try:
        yield running
    finally:
        running.close()
