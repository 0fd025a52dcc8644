"""The gate around all requests: checks host, path and body, and adds security headers, logs and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from jobs.console.errors import Refused
from jobs.console.web.problems import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

    from jobs.console.web.state import Console

__all__ = ["CONTENT_SECURITY_POLICY", "Body", "Gate"]

_LOG: Final = logging.getLogger("telecine.console")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Pages depend on the user; only static files override this.
    "Cache-Control": "no-store",
}
# Probes and Prometheus request a pod by IP address.
_ANY_HOST: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# A host with an optional port; nothing that a URL parser would read as a user, path or query.
_HOST: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LOOPBACK: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
# Forms are a few hundred bytes; routes that accept more declare it.
MOST_BODY_BYTES: Final = 64 * 1024
# A cursor of the longest key is 10,000.
_MOST_URL_BYTES: Final = 16 * 1024
_MOST_HEADER_BYTES: Final = 32 * 1024
_DRAIN_BYTES: Final = 1024 * 1024
_DRAIN_S: Final = 0.5
# A body that pauses for longer is rejected, which frees its connection.
BODY_PAUSE_S: Final = 20.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _drain(receive: Receive, *, ended: bool = False) -> None:
    """Drain part of a rejected body.

    Closing a connection with unread bytes resets it, and the client may not see the response. The amount is limited.
    """
    left = _DRAIN_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while not ended and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                ended = not message.get("more_body", False)


class _Answer:
    """A ``send`` that adds our headers and tracks the progress of the response.

    Attributes:
        status: the HTTP status; None before the response starts.
        ended: True after the last byte.
    """

    def __init__(self, send: Send, request_id: str, *, is_head: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._is_head = is_head
        self.status: int | None = None
        self.ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message["headers"])
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self._request_id
            message["headers"] = headers.raw
        else:
            self.ended = not message.get("more_body", False)
            if self._is_head:
                message = {**message, "body": b""}
        await self._send(message)


@dataclass(frozen=True, slots=True)
class Body:
    """The body that a path accepts.

    Attributes:
        most: its maximum size in bytes.
        too_large: returns the refusal of a request that declares a larger body.
    """

    most: int
    too_large: Callable[[], Refused]


class Gate:
    """ASGI middleware around the app.

    Args:
        app: the app.
        state: the application's parts.
        bodies: path -> the body that it accepts; default 64 KiB.
        body_pause_s: seconds to wait for the next part of a body.
    """

    def __init__(
        self,
        app: FastAPI,
        state: Console,
        bodies: Mapping[str, Body] | None = None,
        *,
        body_pause_s: float = BODY_PAUSE_S,
    ) -> None:
        self.app = app
        self.settings = settings = state.settings
        self.access = state.access
        self.metrics = state.metrics
        self.bodies = bodies or {}
        self._body_pause_s = body_pause_s
        self._public: frozenset[str] = frozenset()
        if settings.public_url is not None:
            parts = urlsplit(settings.public_url)
            # Browsers omit the default port; some proxies add it.
            also = () if parts.port else (parts.netloc + _DEFAULT_PORTS[parts.scheme],)
            self._public = frozenset((parts.netloc, *also))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, pass it to the app, and complete the response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # The server keeps its own scope; for HEAD, it omits the body.
        scope = dict(scope)
        is_head = scope["method"] == "HEAD"
        if is_head:
            scope["method"] = "GET"
        if scope.get("client") is not None:
            scope["client"] = (self.access.peer(Request(scope)), scope["client"][1])
        request_id = uuid4().hex[:12]
        complete = _Answer(send, request_id, is_head=is_head)
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.monotonic()

        # The gate's own responses need the app's templates.
        scope["app"] = self.app
        request = Request(scope)
        try:
            try:
                self._check(request)
            except Refused as error:
                if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    await _drain(receive)
                await answer(request, error)(scope, receive, complete)
                return
            await self.app(scope, self._bounded(request, receive), complete)
        except Exception as error:
            # Respond and log with this request's id; if the response had started, cut it off.
            if complete.status is None:
                raise
            if not complete.ended:
                _LOG.error(
                    "the response was cut off: %s",
                    error,
                    exc_info=error,
                    extra={"request": request_id, "code": getattr(error, "code", "internal")},
                )
        finally:
            self._note(scope, "HEAD" if is_head else scope["method"], complete.status or 500, time.monotonic() - began)

    def _check(self, request: Request) -> None:
        path = request.scope["path"]
        # PostgreSQL cannot store NUL; a target without a leading slash is for another server.
        sent = (request.scope.get("raw_path") or b"") + request.scope["query_string"]
        if not path.startswith("/") or "\0" in path or not sent.isascii():
            raise Refused(400, "the URL is not valid; expected a path of the console", code="bad_url")
        self._check_host(request)
        # The server's own limit does not apply to headers that arrive in one read.
        if len(sent) > _MOST_URL_BYTES:
            raise Refused(414, f"the URL is longer than {_MOST_URL_BYTES:,} bytes", code="url_too_long")
        if sum(len(name) + len(value) for name, value in request.scope["headers"]) > _MOST_HEADER_BYTES:
            raise Refused(431, f"the headers are longer than {_MOST_HEADER_BYTES:,} bytes", code="headers_too_large")
        lengths = request.headers.getlist("content-length")
        if len(lengths) > 1 or (lengths and not re.fullmatch(r"[0-9]+", lengths[0])):
            raise Refused(400, "Content-Length is not valid; expected one number of bytes", code="bad_length")
        most = self._most(request)
        # More digits than any valid size.
        if lengths and (len(lengths[0]) > 18 or int(lengths[0]) > most):  # noqa: PLR2004
            body = self.bodies.get(path)
            raise (
                body.too_large()
                if body is not None
                else Refused(
                    413,
                    f"Content-Length is {lengths[0][:20]}; expected at most {most:,} bytes",
                    code="body_too_large",
                )
            )

    def _most(self, request: Request) -> int:
        body = self.bodies.get(request.scope["path"])
        return MOST_BODY_BYTES if body is None else body.most

    def _check_host(self, request: Request) -> None:
        """Reject other hosts: another site could resolve its name to this address (DNS rebinding)."""
        hosts = request.headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if request.scope["path"] in _ANY_HOST and (not hosts or _HOST.fullmatch(host)):
            return
        if host in self._public:
            return
        if self.settings.mode == "local":
            if _LOOPBACK.fullmatch(host):
                return
        elif not self._public and _HOST.fullmatch(host):
            return
        expected = self.settings.public_url or "localhost"
        raise Refused(400, f"the request is for another host; expected {expected} (--public-url)", code="host_unknown")

    def _bounded(self, request: Request, receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
        """Return ``receive`` with a limit, because Content-Length may be wrong or missing."""
        most = self._most(request)
        taken = 0
        ended = False

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal taken, ended
            if ended:
                # After the body, only a disconnect is received; it has no time limit.
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._body_pause_s)
            except TimeoutError as error:
                raise Refused(
                    408, f"the body paused for {self._body_pause_s:g} s; send it again", code="body_too_slow"
                ) from error
            taken += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if taken > most:
                await _drain(receive, ended=ended)
                raise Refused(413, f"the body is longer than {most:,} bytes", code="body_too_large")
            return message

        return bounded

    def _note(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        # The route's template, because each path with a key would create its own series.
        route = getattr(scope.get("route"), "path", "unknown")
        method = method if method in _METHODS else "other"
        self.metrics.observe(method, route, status, seconds)
        state = scope.get("state", {})
        principal = state.get("principal")
        level = logging.DEBUG if route in _ANY_HOST or route.startswith("/static") else logging.INFO
        _LOG.log(
            level,
            "%s %s %d",
            method,
            route,
            status,
            extra={
                "request": state["request_id"],
                "ms": round(1000 * seconds, 1),
                **({"user": principal.name} if principal is not None else {}),
            },
        )
