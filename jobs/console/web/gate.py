"""What every request passes: a check of its host, a limit on bodies, security headers, a log line and metrics."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from jobs.console.errors import Refused
from jobs.console.web.problems import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

    from jobs.console.web.state import Console

__all__ = ["CONTENT_SECURITY_POLICY", "Gate"]

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
    # Pages show data of one user; only static files say otherwise.
    "Cache-Control": "no-store",
}
# Probes and Prometheus call a pod by its address.
_ANY_HOST: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Forms of this app are a few hundred bytes; routes that take more declare it.
MOST_BODY_BYTES: Final = 64 * 1024


class Gate:
    """An ASGI application around the app.

    Args:
        app: the app.
        state: the application's parts.
        bodies: path -> the most bytes that its body may have, if not 64 KiB.
    """

    def __init__(self, app: FastAPI, state: Console, bodies: dict[str, int] | None = None) -> None:
        self.app = app
        self.settings = settings = state.settings
        self.metrics = state.metrics
        self.bodies = bodies or {}
        self._public = urlsplit(settings.public_url).netloc.lower() if settings.public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it may pass, and complete its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex[:12]
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.monotonic()
        status: int | None = None

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
                message["headers"] = headers.raw
            await send(message)

        # An answer of the gate itself needs the app's templates.
        scope["app"] = self.app
        request = Request(scope)
        try:
            try:
                self._check(request)
            except Refused as error:
                await answer(request, error)(scope, receive, complete)
                return
            await self.app(scope, self._bounded(request, receive), complete)
        except Exception:
            # Answered and logged with this request's id; an answer that has begun can only be cut off.
            if status is None:
                raise
        finally:
            self._note(scope, status or 500, time.monotonic() - began, request_id)

    def _check(self, request: Request) -> None:
        if request.url.path not in _ANY_HOST:
            self._check_host(request)
        length = request.headers.get("content-length", "0")
        most = self._most(request)
        if not length.isdecimal() or int(length) > most:
            raise Refused(
                413,
                f"the body says that it is {length[:20]} bytes long; expected at most {most:,}",
                code="body_too_large",
            )

    def _most(self, request: Request) -> int:
        return self.bodies.get(request.url.path, MOST_BODY_BYTES)

    def _check_host(self, request: Request) -> None:
        """Refuse other hosts: a page of another site could make its name resolve to this address (DNS rebinding)."""
        hosts = request.headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if self._public is not None and host == self._public:
            return
        if self.settings.mode == "local":
            try:
                if urlsplit(f"//{host}").hostname in _LOOPBACK:
                    return
            except ValueError:
                pass
        elif self._public is None and host:
            return
        expected = self.settings.public_url or "localhost"
        raise Refused(400, f"the request is for another host; expected {expected} (--public-url)", code="host_unknown")

    def _bounded(self, request: Request, receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
        """Return ``receive`` with a limit: a body may be longer than its header says, or have none."""
        most = self._most(request)
        taken = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise Refused(413, f"the body is longer than {most:,} bytes", code="body_too_large")
            return message

        return bounded

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # The route's template: a path may contain a key, and would make a series of its own.
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.observe(scope["method"], route, status, seconds)
        principal = scope.get("state", {}).get("principal")
        level = logging.DEBUG if route in _ANY_HOST or route.startswith("/static") else logging.INFO
        _LOG.log(
            level,
            "%s %s %d",
            scope["method"],
            route,
            status,
            extra={
                "request": request_id,
                "ms": round(1000 * seconds, 1),
                **({"user": principal.name} if principal is not None else {}),
            },
        )
