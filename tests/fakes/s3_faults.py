"""A tiny HTTP server that answers as a script says: errors, silence, cut bodies.

with FaultyS3() as server:
    server.script = [error(503, "SlowDown"), Reply(body=b"...")]  # then server.default for ever
    server.requests     # what came in
    server.connections  # how many TCP connections were opened
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FaultyS3", "Reply", "Seen", "error"]


@dataclass
class Reply:
    """One answer.

    Attributes:
        cut: send only this many body bytes of those announced, then close the connection.
        hang: never answer.
        drop: close the connection without an answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang: bool = False
    drop: bool = False


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def error(status: int, code: str, message: str = "said so", **headers: str) -> Reply:
    """An S3 error document."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Reply(status, body, {"Content-Type": "application/xml", **headers})


class FaultyS3:
    def __init__(self) -> None:
        self.script: list[Reply | Callable[[Seen], Reply]] = []
        self.default: Reply | Callable[[Seen], Reply] = Reply()
        self.requests: list[Seen] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = _server(self)
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, content: bytes, etag: str = "e1") -> None:
        """Serve one object from now on, with ranges, under every key."""

        def reply(seen: Seen) -> Reply:
            headers = {"ETag": f'"{etag}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            asked = seen.headers.get("range")
            if not asked:
                return Reply(200, content, headers)
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1 if last else None]
            if not part:
                return error(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            return Reply(206, part, headers)

        self.default = reply

    def _answer(self, seen: Seen) -> Reply:
        with self._lock:
            self.requests.append(seen)
            chosen = self.script.pop(0) if self.script else self.default
        return chosen(seen) if callable(chosen) else chosen


def _server(owner: FaultyS3) -> ThreadingHTTPServer:  # noqa: C901 - two small classes that close over the owner
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            with owner._lock:
                owner.connections += 1

        def _handle(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, self.rfile.read(size))
            reply = owner._answer(seen)
            if reply.hang:
                owner._ended.wait(30)
            if reply.hang or reply.drop:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - http.server's names

        def handle_expect_100(self) -> bool:
            answer = super().handle_expect_100()
            self.wfile.flush()  # the client waits for it before it sends the body
            return answer

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:  # a client that leaves early is what the tests do
            pass

    return Server(("127.0.0.1", 0), Handler)
