"""`/sprites`: pictures of sessions. Object keys come from the table, never from a URL."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.model import Role
from jobs.console.tables.gamedata import sessions
from jobs.console.web.state import console
from shared.errors import BucketMissing, DataError, ObjectMissing, TelecineError
from shared.storage import open_store

if TYPE_CHECKING:
    from jobs.console.web.state import Console

__all__ = ["MAX_BYTES", "Sprite", "picture", "router"]

router = APIRouter(route_class=GuardedRoute)

_LOG: Final = logging.getLogger("telecine.console")
# `publish` writes at most 20 kB.
MAX_BYTES: Final = 64 * 1024
_PLACEHOLDER: Final = "no-picture.svg"
_YEAR_S: Final = 31_536_000
_VERSION_CHARS: Final = 16
# Far above what `publish` writes: 12 tiles of 160x90 in rows of four.
_MOST_PIXELS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Sprite:
    """The picture of a session.

    Attributes:
        url: its URL, which changes with the picture.
        width: pixels of the whole picture.
        height: pixels of the whole picture.
        columns: tiles in a row.
        tiles: number of tiles.
    """

    url: str
    width: int
    height: int
    columns: int
    tiles: int

    @property
    def tile_width(self) -> int:
        """Width of a tile in pixels."""
        return self.width // self.columns

    @property
    def tile_height(self) -> int:
        """Height of a tile in pixels."""
        return self.height // -(-self.tiles // self.columns)

    def place(self, tile: int) -> tuple[int, int]:
        """Return the left and top edge of a tile in pixels; tiles count from 0."""
        row, column = divmod(tile, self.columns)
        return column * self.tile_width, row * self.tile_height


def picture(row: Any) -> Sprite | None:
    """Return the sprite of a session's row; None if it has none or its geometry is invalid."""
    numbers = (row.sprite_tile_width, row.sprite_tile_height, row.sprite_columns, row.sprite_tiles)
    if row.sprite_key is None or not all(number is not None and 0 < number <= _MOST_PIXELS for number in numbers):
        return None
    tile_width, tile_height, columns, tiles = numbers
    columns = min(columns, tiles)
    width, height = columns * tile_width, -(-tiles // columns) * tile_height
    if max(width, height) > _MOST_PIXELS:
        return None
    url = f"/sprites?{urlencode({'key': row.s3_key, 'v': _version(row.sprite_key)})}"
    return Sprite(url, width, height, columns, tiles)


def _version(sprite_key: str) -> str:
    # The key contains a digest of the sampled content.
    return hashlib.sha256(sprite_key.encode("utf-8", "replace")).hexdigest()[:_VERSION_CHARS]


@router.get("/sprites")
@allow(Role.VIEWER)
def sprite(request: Request, key: str = "", v: str = "") -> Response:
    """Return the sprite of a session, or a placeholder if the store has none."""
    state = console(request)
    sprite_key = None
    if key and "\0" not in key:
        with state.database.read() as database:
            sprite_key = sessions.sprite_key(database, key)
    if sprite_key is None:
        return _placeholder(state, 404)
    try:
        body = open_store(state.settings.manifest_bucket, state.settings).read(sprite_key, length=MAX_BYTES + 1)
    except (ObjectMissing, BucketMissing, DataError) as error:
        _LOG.info("a sprite is missing: %s", error, extra={"code": error.code})
        return _placeholder(state, 404)
    except TelecineError as error:
        _LOG.warning("a sprite cannot be read: %s", error, extra={"code": error.code})
        return _placeholder(state, 503)
    kind = _kind(body)
    if kind is None or len(body) > MAX_BYTES:
        _LOG.warning("the object '%s' is not a picture of at most %d bytes", sprite_key, MAX_BYTES)
        return _placeholder(state, 404)
    kept = f"private, max-age={_YEAR_S}, immutable" if v == _version(sprite_key) else "private, no-cache"
    return Response(body, media_type=kind, headers={"Cache-Control": kept, **_ALONE})


# A picture loads nothing, even if opened directly.
_ALONE: Final = {"Content-Security-Policy": "default-src 'none'; sandbox"}


def _kind(body: bytes) -> str | None:
    """Return the media type by the first bytes, not by the store's metadata."""
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return None


def _placeholder(state: Console, status: int) -> Response:
    response = state.assets.response("", _PLACEHOLDER)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(_ALONE)
    return response
