"""A plain client for the replayer's tests: it retries nothing and hides nothing."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from jobs.trakt.replayer.site import Request, Site

if TYPE_CHECKING:
    from jobs.trakt.replayer.answer import Answer

KEY = "k" * 64


def ask(site: Site, target: str, *, method: str = "GET", key: str = KEY, fresh: bool = True, **headers: str) -> Answer:
    """Send a request to a site without a socket."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        sent["trakt-api-key"] = key
    if fresh:
        sent["cache-control"] = "no-cache"
    return site.handle(Request(method, target, sent))


def header(answer: Answer, name: str) -> str:
    return dict(answer.headers)[name]


def items(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


def sweep(site: Site, path: str, limit: int) -> list[dict[str, Any]]:
    """Read all pages of a list, as many as its headers say."""
    found: list[dict[str, Any]] = []
    page = count = 1
    while page <= count:
        answer = ask(site, f"{path}?limit={limit}&page={page}")
        count = int(header(answer, "X-Pagination-Page-Count"))
        found += items(answer)
        page += 1
    return found


@dataclass(frozen=True)
class Received:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection with keep-alive that opens again when the site ends it."""

    def __init__(self, port: int, timeout: float = 5.0) -> None:
        self._port, self._timeout = port, timeout
        self._http: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def get(self, target: str, *, method: str = "GET", key: str = KEY) -> Received:
        if self._http is None:
            self._http = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            self._http.request(method, target, headers={"trakt-api-key": key, "Cache-Control": "no-cache"})
            answer = self._http.getresponse()
            received = Received(answer.status, dict(answer.getheaders()), answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return received


def raw(port: int, data: bytes, timeout: float = 5.0) -> bytes:
    """Send bytes, and return all that comes back until the site ends the connection or says no more."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := sock.recv(65_536):
            found += chunk
        return found
