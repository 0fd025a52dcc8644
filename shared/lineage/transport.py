"""Send one event: append it to a file, or POST it to a URL."""

from __future__ import annotations

import fcntl
import http.client
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from shared.errors import TransientError
from shared.post import post
from shared.text import as_json, one_line

if TYPE_CHECKING:
    from shared.lineage.settings import LineageSettings

__all__ = ["send"]

# A step sends two events, so a server that hangs delays it by at most 10 s.
_TIMEOUT_S: Final = 5.0
_ENDPOINT: Final = "/api/v1/lineage"
_REDIRECTED: Final = 300


def send(event: dict[str, Any], place: str, settings: LineageSettings) -> None:
    """Send an event.

    Args:
        event: the document.
        place: a path, ``file:///path`` or an http(s) URL.
        settings: the key, for a URL.

    Raises:
        TransientError: the file cannot be written, or the server did not accept the event; the message names no path
            and only the host of a URL.
    """
    line = as_json(event).encode()
    if place.startswith(("http://", "https://")):
        _post(line, place, settings)
        return
    path = unquote(urlsplit(place).path) if place.startswith("file://") else place
    try:
        _append(line + b"\n", path)
    except (OSError, ValueError) as error:
        # ValueError: file:///%00 is a path with NUL.
        said = error.strerror or error if isinstance(error, OSError) else error
        raise TransientError(
            f"the lineage file cannot be written: {said}; expected a writable path in --lineage",
            code="lineage_unavailable",
        ) from error


def _append(line: bytes, path: str) -> None:
    """Append a whole line: events of concurrent steps never interleave."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            # A full disk may have taken half a line.
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


def _post(body: bytes, url: str, settings: LineageSettings) -> None:
    parts = urlsplit(url)
    if parts.path in ("", "/"):
        url = parts._replace(path=_ENDPOINT).geturl()
    headers = {"Content-Type": "application/json", "User-Agent": "telecine"}
    if settings.lineage_api_key is not None:
        headers["Authorization"] = f"Bearer {settings.lineage_api_key.get_secret_value()}"
    try:
        status = post(url, body, headers, timeout_s=_TIMEOUT_S)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"does not answer: {one_line(getattr(error, 'reason', error))}"
    else:
        if status < _REDIRECTED:
            return
        reason = f"answered {status}"
    raise TransientError(f"the lineage server at {parts.hostname} {reason}", code="lineage_unavailable")
