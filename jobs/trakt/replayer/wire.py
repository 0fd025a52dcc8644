"""HTTP/1.1 on one connection: keep-alive, pipelining, limits on what is read, answers cut off or never sent."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from jobs.trakt.replayer.answer import Answer, reason
from jobs.trakt.replayer.clock import http_date
from jobs.trakt.replayer.site import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.replayer.site import Site

__all__ = ["MAX_BODY", "MAX_HEAD", "Connection"]

MAX_HEAD: Final = 16 * 1024
"""Bytes of a request line and its headers."""
MAX_BODY: Final = 64 * 1024
_MAX_TARGET: Final = 4 * 1024
_HIGH_WATER: Final = 1024 * 1024
# Chunks of a stream that are written before other connections get their turn.
_CHUNKS: Final = 4

_LOG: Final = logging.getLogger(__name__)
_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE: Final = re.compile(r"([A-Z]{1,16}) ([!-~]+) HTTP/1\.([01])", re.ASCII)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_NO_BODY: Final = (204, 304)


class _Malformed(Exception):
    """A request that cannot be read; the connection ends with its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One client.

    Args:
        site: what answers.
        connections: the server's set, in which this one is while it is open.
    """

    def __init__(self, site: Site, connections: set[Connection]) -> None:
        self._site = site
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._stream: Iterator[bytes] | None = None
        self._paused = False
        self._ended = False
        self._skip = 0
        self._loop = asyncio.get_running_loop()
        self.active = self._loop.time()
        self.hangs = False

    # Callbacks of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the client's reason does not matter
        """Forget the client."""
        self._ended = True
        self._stream = None
        self._connections.discard(self)

    def pause_writing(self) -> None:
        """Stop answering a client that does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue with the stream, or with requests that have arrived meanwhile."""
        self._paused = False
        self._proceed()

    def data_received(self, data: bytes) -> None:
        """Answer all requests that are complete."""
        self.active = self._loop.time()
        self._buffer += data
        self._proceed()

    # Requests

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _proceed(self) -> None:
        assert self._transport is not None
        try:
            while not self._ended and not self._paused:
                if self._stream is not None:
                    if not self._pump():
                        return
                    continue
                request = self._next()
                if request is None:
                    break
                self._answer(request)
        except _Malformed as error:
            self._send(Answer(error.status, b"", "text/plain", close=True), "GET")
        except Exception:  # noqa: BLE001 - a bug must neither hang nor end the server
            _LOG.exception("A request failed")
            self._send(Answer(500, b"", "text/plain", close=True), "GET")
        if self._ended or self._paused or self._stream is not None:
            # Until then, TCP holds back further requests once the buffer is full.
            self._hold(len(self._buffer) > MAX_HEAD + MAX_BODY)
        else:
            self._hold(False)

    def _hold(self, hold: bool) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if hold:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _next(self) -> Request | None:
        """Return the next request, without its body; None if it is not complete."""
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            del self._buffer[:skipped]
            self._skip -= skipped
            if self._skip:
                return None
        while self._buffer[:2] == b"\r\n" or self._buffer[:1] == b"\n":
            del self._buffer[: 2 if self._buffer[:1] == b"\r" else 1]
        end = _END.search(self._buffer, 0, MAX_HEAD)
        if end is None:
            if len(self._buffer) >= MAX_HEAD:
                raise _Malformed(431)
            return None
        head = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        request = _parsed(head)
        self._skip = _length(request.headers)
        return request

    def _answer(self, request: Request) -> None:
        answer = self._site.handle(request)
        wants = request.headers.get("connection", "").lower()
        if wants == "close" or (request.headers["(version)"] == "0" and wants != "keep-alive"):
            answer.close = True
        self._send(answer, request.method)

    # Answers

    def _send(self, answer: Answer, method: str) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            self._ended = True
            return
        if answer.manner == "hang":
            # The server's sweep ends it, if the client does not.
            self._ended = self.hangs = True
            return
        if answer.manner == "drop":
            self._ended = True
            self._transport.abort()
            return
        head = _head(answer, self._site.clock.now)
        if answer.stream is not None and method != "HEAD":
            self._transport.write(head)
            self._stream = answer.stream
            self._closing = answer.close
            return
        body = b"" if method == "HEAD" or answer.status in _NO_BODY else answer.body
        if answer.manner in ("cut", "cut-open"):
            body = body[: len(body) // 2]
        self._transport.write(head + body)
        if answer.close:
            self._ended = True
            self._transport.close()

    _closing = False

    def _pump(self) -> bool:
        """Write some chunks of the stream; return False if the next ones must wait."""
        assert self._transport is not None
        assert self._stream is not None
        for _ in range(_CHUNKS):
            chunk = next(self._stream, None)
            if chunk is None:
                self._transport.write(b"0\r\n\r\n")
                self._stream = None
                if self._closing:
                    self._ended = True
                    self._transport.close()
                return True
            self.active = self._loop.time()
            self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if self._paused:
                return False
        self._loop.call_soon(self._later)
        return False

    def _later(self) -> None:
        if not self._ended and not self._paused and self._stream is not None:
            self._proceed()


def _parsed(head: bytes) -> Request:
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    line = _LINE.fullmatch(lines[0])
    if line is None:
        raise _Malformed(400)
    method, target, version = line.groups()
    if len(target) > _MAX_TARGET:
        raise _Malformed(414)
    if not target.startswith(("/", "http://", "https://")):
        raise _Malformed(400)
    # No header has this name: its parentheses are not characters of a name.
    headers = {"(version)": version}
    for each in lines[1:]:
        name, colon, value = each.partition(":")
        if not colon or not _NAME.fullmatch(name) or "\0" in value or "\r" in value:
            raise _Malformed(400)
        name = name.lower()
        if name in ("content-length", "transfer-encoding") and name in headers:
            raise _Malformed(400)
        headers[name] = value.strip(" \t")
    return Request(method, target, headers)


def _length(headers: dict[str, str] | object) -> int:
    assert isinstance(headers, dict)
    if "transfer-encoding" in headers:
        raise _Malformed(411)
    text = headers.get("content-length", "0")
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII):
        raise _Malformed(400)
    if int(text) > MAX_BODY:
        raise _Malformed(413)
    return int(text)


def _head(answer: Answer, now: int) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {reason(answer.status)}",
        f"Date: {http_date(now)}",
        f"Content-Type: {answer.kind}",
    ]
    if answer.stream is not None:
        lines.append("Transfer-Encoding: chunked")
    elif answer.manner != "cut-open" and answer.status not in _NO_BODY:
        lines.append(f"Content-Length: {len(answer.body)}")
    if answer.close:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
