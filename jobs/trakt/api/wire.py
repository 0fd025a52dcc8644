"""One HTTP exchange, bounded in time and size: complete, or marked as incomplete; it raises nothing."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import httpx

    from jobs.trakt.settings.api import ApiSettings

__all__ = ["MAX_BODY", "USED", "Exchange", "Pool", "Site"]

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of a body after decompression: 400 times the largest recorded page of 250 comments."""
# Bytes of an unused answer; the rest is not read.
_MAX_REFUSAL: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
USED: Final = frozenset({200, 404})
"""Statuses of answers whose bodies are read completely."""


@dataclass(slots=True)
class Exchange:
    """A request and what came back.

    Attributes:
        requested_at: when the request was sent.
        arrived_at: when the answer's headers arrived, or the exchange ended without any.
        status: status of the answer; 0 without one.
        headers: by name in lower case.
        body: body after decompression; for statuses other than 200 and 404, only its beginning.
        failure: code of :data:`jobs.trakt.errors.PAGE_CODES` if the answer is incomplete; otherwise empty.
        reason: the library's message about the failure.
        framed: whether the answer itself states where its body ends.
        ended: whether it is certain that the request can no longer reach the API.
    """

    requested_at: datetime
    arrived_at: datetime
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str = ""
    reason: str = ""
    framed: bool = False
    ended: bool = True


class _TooLarge(Exception):
    """The body exceeds :data:`MAX_BODY`."""


class _Incomplete(Exception):
    """The body is truncated, or does not match its Content-Encoding."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site that is asked.

    Attributes:
        name: its name in messages.
        base_url: what each path is appended to.
        headers: of each request, besides those that every site gets.
        is_local: whether it is on this machine, so that no proxy is used.
    """

    name: str
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    is_local: bool = False


def _trakt(settings: ApiSettings) -> Site:
    headers = {
        "Content-Type": "application/json",
        # Without it, the edge answers with comments that are up to 8 hours old.
        "Cache-Control": "no-cache",
        "trakt-api-version": "2",
        "trakt-api-key": settings.key().get_secret_value(),
    }
    return Site("the Trakt API", settings.base_url, headers, settings.is_local)


class Pool:
    """The connections to one site: by default, to the API.

    Args:
        settings: key, base URL, timeouts.
        site: another site, such as TMDb, which gets no key.
        transport: for tests.

    Raises:
        ConfigurationError: no key is set, the host of the base URL is invalid, or the proxy or CA file of the
            environment cannot be used.
    """

    def __init__(
        self, settings: ApiSettings, *, site: Site | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        import httpx

        site = site or _trakt(settings)
        self._total_s = settings.total_timeout_s
        self._base = site.base_url
        try:
            # Its own rules for hosts are stricter than those of urllib, which checked the setting: xn--, [v1.x].
            _ = httpx.URL(self._base).host
        except (ValueError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                f"the base URL of {site.name} is {clean_text(self._base, 200)}, which has an invalid host:"
                f" {clean_text(str(error), 200)}; expected https://host",
                code="base_url",
            ) from None
        try:
            self._http = httpx.AsyncClient(
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "User-Agent": settings.user_agent,
                    **site.headers,
                },
                # A cookie from an answer would be sent with later requests and identify them.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(
                    settings.read_timeout_s, connect=settings.connect_timeout_s, pool=settings.total_timeout_s
                ),
                limits=httpx.Limits(max_connections=settings.connections),
                follow_redirects=False,
                # Use the environment's proxy and CA file, but no proxy for this machine's own addresses.
                trust_env=not site.is_local,
                event_hooks={"response": [_forget_location]},
                transport=transport,
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                f"the environment's proxy or CA file cannot be used for {site.name}:"
                f" {clean_text(str(error), 300)}; expected HTTPS_PROXY=http://host:port and a readable SSL_CERT_FILE",
                code="proxy",
            ) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, target: str, *, now: Callable[[], datetime]) -> Exchange:
        """Send a GET and return the exchange.

        Args:
            target: path and query.
            now: returns the time in UTC.
        """
        import httpx

        began = now()
        exchange = Exchange(requested_at=began, arrived_at=began)
        try:
            async with asyncio.timeout(self._total_s):
                await self._exchange(target, exchange, now)
        except (TimeoutError, httpx.TimeoutException) as error:
            # Without an answer, the request may still be on its way.
            is_sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            exchange.failure, exchange.ended = "TIMEOUT", bool(exchange.status) or not is_sent
            exchange.reason = type(error).__name__
        except _TooLarge:
            exchange.failure = "TOO_LARGE"
        except (_Incomplete, zlib.error) as error:
            exchange.failure, exchange.reason = "BODY_INCOMPLETE", str(error)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError) as error:
            # ValueError: a library refuses bytes of the server, or of a proxy, that it takes for a host or a header.
            exchange.failure = "BODY_INCOMPLETE" if exchange.status else "UNREACHABLE"
            exchange.reason = str(error) or type(error).__name__
        if not exchange.status:
            exchange.arrived_at = now()
        return exchange

    async def _exchange(self, target: str, exchange: Exchange, now: Callable[[], datetime]) -> None:
        async with self._http.stream("GET", f"{self._base}{target}") as response:
            exchange.arrived_at = now()
            exchange.headers = {name.lower(): value for name, value in response.headers.items()}
            exchange.status = response.status_code
            exchange.framed = not exchange.headers.keys().isdisjoint({"content-length", "transfer-encoding"})
            is_used = exchange.status in USED
            body = _Body(exchange.headers.get("content-encoding", ""), MAX_BODY if is_used else _MAX_REFUSAL)
            try:
                async for chunk in response.aiter_raw():
                    body.feed(chunk)
                body.end()
            except _TooLarge:
                if is_used:
                    raise
            finally:
                exchange.body = bytes(body.content)


async def _forget_location(response: httpx.Response) -> None:
    """Remove the target of a redirect before the library parses it: an invalid one would raise, not be an answer."""
    response.headers.pop("location", None)


class _Body:
    """A body that is decompressed as it arrives, up to its limit: a decompression bomb uses no memory."""

    def __init__(self, encoding: str, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit
        self._unpack: zlib._Decompress | None = None
        if encoding.strip().lower() in ("gzip", "x-gzip"):
            self._unpack = zlib.decompressobj(_GZIP)
        elif encoding.strip().lower() not in ("", "identity"):
            raise _Incomplete(f"Content-Encoding {clean_text(encoding, 40)} was not asked for")

    def feed(self, chunk: bytes) -> None:
        # One byte more than the limit shows that there is more.
        room = self._limit + 1 - len(self.content)
        self.content += chunk[:room] if self._unpack is None else self._unpack.decompress(chunk, room)
        if len(self.content) > self._limit:
            del self.content[self._limit :]
            raise _TooLarge

    def end(self) -> None:
        if self._unpack is not None and not self._unpack.eof:
            raise _Incomplete("the compressed body is truncated")
