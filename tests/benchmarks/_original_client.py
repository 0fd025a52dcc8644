"""The client of the scaffold that this pipeline replaces, rewritten from its description, as a baseline.

It asks for pages from 1 until one is empty, without ``limit``; retries only 429, up to 5 tries, after Retry-After or
the backoff times the attempt; has no handling of 5xx, timeouts or HTML; validates each item and drops the rest of a
page after a bad one; holds a whole title in memory. A title that fails is one failed partition: its error is printed,
nothing of it is stored, and the others continue. Two things are in its favour: it reads shows too, and its schema of
ratings, which no real answer passes, is left out.
"""

from __future__ import annotations

import json
import math
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from jsonschema import Draft7Validator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OriginalClient"]

_TEXT: Final = {"type": "string"}
_COMMENT: Final = {
    "type": "object",
    "required": ["id", "comment", "created_at", "updated_at", "spoiler", "review", "user"],
    "properties": {
        "id": {"type": "integer"},
        "comment": _TEXT,
        "created_at": _TEXT,
        "updated_at": _TEXT,
        "spoiler": {"type": "boolean"},
        "review": {"type": "boolean"},
        "likes": {"type": ["integer", "null"]},
        "replies": {"type": ["integer", "null"]},
        "language": {"type": ["string", "null"]},
        "user": {
            "type": "object",
            "required": ["username", "ids"],
            "properties": {
                "username": _TEXT,
                "ids": {"type": "object", "required": ["slug"], "properties": {"slug": _TEXT}},
            },
        },
    },
}
_TOO_MANY: Final = 429


class OriginalClient:
    """The client.

    Args:
        url: base URL.
        sleep: waits for some seconds.
        max_retries: tries of a request.
        backoff_s: seconds before the second try, times its number.
    """

    def __init__(
        self, url: str, sleep: Callable[[float], None], *, max_retries: int = 5, backoff_s: float = 1.0
    ) -> None:
        self._sleep = sleep
        self._max_retries = max_retries
        self._backoff_s = backoff_s
        self._valid = Draft7Validator(_COMMENT)
        self._http = httpx.Client(
            base_url=url,
            headers={
                "Content-Type": "application/json",
                "trakt-api-version": "2",
                "trakt-api-key": "original",
                "User-Agent": "App/1.0.0",
            },
            timeout=httpx.Timeout(10.0, read=30.0),
        )

    def comments(self, path: str) -> list[dict[str, Any]]:
        """Return the comments of a title.

        Raises:
            httpx.HTTPError: an answer was an error other than 429, or none came.
            ValueError: an answer was not JSON.
            RuntimeError: every try was answered with 429.
        """
        found: list[dict[str, Any]] = []
        page = 1
        while items := self._get(f"{path}/comments", page=page, extended="full").json():
            for item in items:
                if not self._valid.is_valid(item):
                    sys.stderr.write(f"{path} page {page}: invalid item\n")
                    break
                found.append(item)
            page += 1
        return found

    def document(self, path: str) -> dict[str, Any]:
        """Return a title or its ratings; raises as :meth:`comments`."""
        found: dict[str, Any] = self._get(path, extended="full").json()
        return found

    def _get(self, path: str, **query: str | int) -> httpx.Response:
        for attempt in range(1, self._max_retries + 1):
            answer = self._http.get(path, params=query)
            if answer.status_code != _TOO_MANY:
                return answer.raise_for_status()
            stated = answer.headers.get("Retry-After", "")
            self._sleep(float(stated) if stated.isdecimal() else self._backoff_s * attempt)
        raise RuntimeError(f"{path}: {self._max_retries} tries were answered with 429")


def _main(url: str, out: str, names: str) -> None:
    def advance(seconds: float) -> None:
        # The site's clock moves instead, as for the other clients.
        request = urllib.request.Request(f"{url}/_replayer/advance?seconds={math.ceil(seconds)}", method="POST")
        urllib.request.urlopen(request).close()

    client = OriginalClient(url, advance)
    failed: list[str] = []
    with Path(out).open("w") as lines:
        for name in json.loads(names):
            path = "/" + name.replace(":id:", "s/")
            try:
                client.document(path)
                items = client.comments(path)
                client.document(f"{path}/ratings")
            except (httpx.HTTPError, ValueError, RuntimeError) as error:
                sys.stderr.write(f"{name}: {error!r}\n")
                failed.append(name)
                continue
            lines.writelines(json.dumps(item) + "\n" for item in items)
    with Path(out).open() as lines:
        print(json.dumps({"ids": [json.loads(line)["id"] for line in lines], "failed": failed}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
