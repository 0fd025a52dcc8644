"""Ask the console for an answer, with requests that no HTTP client would send.

Importing this module shares compiled templates among applications: a process of the product has one application,
tests have hundreds, and each would compile its templates again.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

from jinja2 import BytecodeCache

from jobs.console.settings import ConsoleSettings
from jobs.console.web import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2.bccache import Bucket
    from starlette.types import ASGIApp

__all__ = ["BROWSER", "NO_DATABASE", "Answer", "ask", "post", "settings"]


class _Compiled(BytecodeCache):
    """Compiled templates by name and digest of their source."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        kept, checksum = self._kept.get(bucket.key, (None, ""))
        if checksum == bucket.checksum:
            bucket.code = kept

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.code, bucket.checksum


render.Environment = partial(render.Environment, bytecode_cache=_Compiled())  # type: ignore[attr-defined,misc]

# Nothing listens there.
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin"}


def settings(**values: Any) -> ConsoleSettings:
    """Return settings of a console; without a database unless one is given."""
    return ConsoleSettings(**{"database_url": NO_DATABASE, **values})


@dataclass(frozen=True)
class Answer:
    """An answer; ``complete`` is False if it was cut off."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    complete: bool

    @property
    def text(self) -> str:
        body = self.body if self.header("content-encoding") != "gzip" else gzip.decompress(self.body)
        return body.decode()

    def json(self) -> Any:
        return json.loads(self.text)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} is there {len(found)} times"
        return found[0] if found else None

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])


def ask(
    app: ASGIApp,
    target: str = "/",
    *,
    method: str = "GET",
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    peer: str = "127.0.0.1",
    host: str | None = "localhost:8080",
    endless: bool = False,
) -> Answer:
    """Send one request and return its answer.

    Args:
        app: the application.
        target: path and query, as they are in a URL.
        method: any word.
        headers: further headers, also repeated ones.
        body: the body, or its parts.
        peer: address of the client.
        host: the header Host; None for none.
        endless: send the parts, and then nothing: neither an end nor more.
    """
    path, _, query = target.partition("?")
    given = list(headers.items() if isinstance(headers, dict) else headers)
    if host is not None:
        given.append(("host", host))
    parts = body if isinstance(body, list) else [body]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given],
        "client": (peer, 50_000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    return asyncio.run(_ask(app, scope, parts, endless))


async def _ask(app: ASGIApp, scope: dict[str, Any], parts: list[bytes], endless: bool) -> Answer:
    messages = [
        {"type": "http.request", "body": part, "more_body": endless or number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]
    started: dict[str, Any] = {}
    sent: list[bytes] = []
    complete = False

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal complete
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            sent.append(message.get("body", b""))
            complete = not message.get("more_body", False)

    await app(scope, receive, send)
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in started["headers"]]
    return Answer(started["status"], headers, b"".join(sent), complete)


def post(app: ASGIApp, path: str, fields: dict[str, str], **values: Any) -> Answer:
    """Send a form as a browser would from a page of the console."""
    headers = {"content-type": "application/x-www-form-urlencoded", **BROWSER, **values.pop("headers", {})}
    return ask(app, path, method="POST", headers=headers, body=urlencode(fields).encode(), **values)
