"""Receive a file: stream it into the store while hashing it, up to a limit on the bytes that arrive."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.console.errors import Refused
from jobs.console.intake.form import UploadForm
from jobs.console.intake.pipe import Pipe
from shared.storage import join_uri, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from jobs.console.settings import ConsoleSettings

__all__ = ["FOLDER", "FORM_BYTES", "Received", "discard", "receive", "slot", "too_large"]

FOLDER: Final = "console/"
"""Received files below the bucket; `telecine vacuum` deletes those that no row names."""

FORM_BYTES: Final = 64 * 1024
"""Size of a form without its file, at most."""

_PIECE: Final = 1 << 20
# Each takes up to 60 MB: 4 pieces here, and 4 parts of 8 MiB on their way to S3.
_MOST_AT_ONCE: Final = 4
_MOST_S: Final = 3_600.0
_BUSY_S: Final = 20
# A body that trickles in would hold one of few places for an hour.
_LEAST_BYTES_PER_S: Final = 1_024
_GRACE_S: Final = 60.0

_now: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Received:
    """A file in the store.

    Attributes:
        filename: its name on the user's machine.
        sha256: of its bytes, in hexadecimal.
        size_bytes: its size.
        uri: of the object.
    """

    filename: str
    sha256: str
    size_bytes: int
    uri: str


@contextmanager
def slot(user: str) -> Iterator[None]:
    """Hold one of the few places for uploads, so that memory stays bounded and one user cannot take them all.

    Args:
        user: who uploads.

    Raises:
        Refused: 503 ``uploads_busy``: all places, or half of them for this user, are taken.
    """
    if sum(_now.values()) >= _MOST_AT_ONCE or _now.get(user, 0) >= _MOST_AT_ONCE // 2:
        raise Refused(
            503,
            f"too many concurrent uploads; expected at most {_MOST_AT_ONCE // 2} per user and {_MOST_AT_ONCE} in"
            f" total; try again in {_BUSY_S} s",
            code="uploads_busy",
            headers={"Retry-After": str(_BUSY_S)},
        )
    _now[user] = _now.get(user, 0) + 1
    try:
        yield
    finally:
        _now[user] -= 1
        if not _now[user]:
            del _now[user]


class _Sink:
    """Hashes, counts and sends the bytes of a file in pieces of 1 MiB."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._store = open_store(settings.viewership_bucket, settings, create=True)
        # Never the client's name.
        self._key = f"{FOLDER}{secrets.token_hex(16)}"
        self._pipe: Pipe | None = None
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0

    async def add(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._size += len(piece)
            if self._size > self._settings.max_upload_bytes:
                raise too_large(self._settings)
            self._digest.update(piece)
            self._held += piece
        if len(self._held) >= _PIECE:
            await self._send()

    async def _send(self) -> None:
        self._pipe = self._pipe or Pipe(self._store, self._key)
        piece = bytes(self._held)
        self._held.clear()
        await self._pipe.send(piece)

    async def finish(self, filename: str) -> Received:
        if not self._size:
            raise Refused(400, "the file is empty; expected delimited text or a workbook", code="empty_file")
        if self._held or self._pipe is None:
            await self._send()
        assert self._pipe is not None
        await self._pipe.finish()
        return Received(filename, self._digest.hexdigest(), self._size, join_uri(self._store.uri, self._key))

    async def abort(self) -> None:
        if self._pipe is not None:
            await asyncio.shield(self._pipe.abort())


async def receive(settings: ConsoleSettings, content_type: str, body: AsyncIterator[bytes]) -> Received:
    """Store the file of a form. If anything fails, nothing readable is left in the store.

    Args:
        settings: the bucket and the largest file.
        content_type: header of the request.
        body: the body of the request, in pieces of any size.

    Raises:
        Refused: the form, the file's name or its size is not valid; it took longer than an hour, or arrives too slowly.
        TelecineError: the store failed.
    """
    form = UploadForm(content_type)
    sink = _Sink(settings)
    began, size = time.monotonic(), 0
    try:
        async with asyncio.timeout(_MOST_S):
            async for data in body:
                size += len(data)
                _check_pace(size, time.monotonic() - began)
                await sink.add(form.feed(data))
            return await sink.finish(form.finish())
    except TimeoutError:
        await sink.abort()
        raise Refused(
            408, f"the upload took longer than {_MOST_S / 60:g} minutes; split the file", code="body_too_slow"
        ) from None
    except BaseException:
        await sink.abort()
        raise


def _check_pace(size: int, seconds: float) -> None:
    if seconds > _GRACE_S and size < _LEAST_BYTES_PER_S * seconds:
        raise Refused(
            408,
            f"the upload is too slow: {size:,} bytes in {seconds:.0f} s; expected at least {_LEAST_BYTES_PER_S:,} in a"
            " second; use a faster connection",
            code="body_too_slow",
        )


def too_large(settings: ConsoleSettings) -> Refused:
    """Return the refusal of a file over the limit."""
    return Refused(
        413,
        f"the file has more than {settings.max_upload_mb:,} MB (--max-upload-mb); split it by date",
        code="file_too_large",
    )


def discard(settings: ConsoleSettings, uri: str) -> None:
    """Delete a received file that no row needs.

    Args:
        settings: how the store is reached.
        uri: of the object, in the bucket's folder of received files.

    Raises:
        TelecineError: the store failed; `telecine vacuum` deletes the object later.
    """
    root, _, key = uri.rpartition(f"/{FOLDER}")
    open_store(root, settings).delete(f"{FOLDER}{key}")
