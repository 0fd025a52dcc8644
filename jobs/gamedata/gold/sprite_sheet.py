"""Choose the frames of a sprite and draw them as tiles of one WebP picture of at most 20 kB."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from shared.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["MAX_BYTES", "TILES", "Geometry", "choose", "encode", "geometry"]

TILES: Final = 12
MAX_BYTES: Final = 20_000
_COLUMNS: Final = 4
# Maximum width and height of a tile.
_BOX: Final = (160, 90)
# Twelve tiles of game scenes take 13 to 42 kB at quality 50 and 6 to 19 kB at 10; noise takes up to 12 kB at 0.
_QUALITIES: Final = (70, 50, 30, 20, 10, 5, 0)
# Each step reduces the size by about a third, so a far larger picture skips a step.
_SKIP: Final = 1.8


class Geometry(NamedTuple):
    """Size of a tile in pixels, tiles in a row, and number of tiles."""

    tile_width: int
    tile_height: int
    columns: int
    tiles: int


def choose(times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Choose up to 12 frames, evenly spread over time although sampling is denser at the start.

    Args:
        times_s: times of the D frames of S sessions in seconds, ascending, shape (S, D).

    Returns:
        Ascending positions of the chosen frames, shape (S, min(D, 12)).

    Example:
        >>> choose(np.array([[0.0, 1.0, 2.0]]))
        array([[0, 1, 2]])
    """
    sessions, count = times_s.shape
    if count <= TILES:
        return np.broadcast_to(np.arange(count), (sessions, count))
    chosen = np.zeros((sessions, TILES), np.int64)
    first, last = times_s[:, 0], times_s[:, -1]
    for tile in range(TILES):
        target = first + (last - first) * tile / (TILES - 1)
        nearest = np.abs(times_s - target[:, None]).argmin(axis=1)
        # After the previous choice, with enough frames left for the next ones.
        earliest = chosen[:, tile - 1] + 1 if tile else 0
        chosen[:, tile] = np.minimum(np.maximum(nearest, earliest), count - TILES + tile)
    return chosen


def geometry(height: int, width: int, tiles: int) -> Geometry:
    """Return the geometry of a sprite of frames with this height and width."""
    scale = min(_BOX[0] / width, _BOX[1] / height)
    return Geometry(max(1, round(width * scale)), max(1, round(height * scale)), min(_COLUMNS, tiles), tiles)


def encode(frames: Iterable[npt.NDArray[np.uint8]], place: Geometry) -> bytes:
    """Draw frames as tiles, from left to right and from top to bottom, and encode them.

    Args:
        frames: uint8 RGB, each of shape (3, H, W).
        place: the geometry.

    Returns:
        A WebP file of at most :data:`MAX_BYTES`.

    Raises:
        ItemError: ``sprite_failed``: the picture is too large at every quality.
    """
    from PIL import Image

    sheet = Image.new("RGB", (place.columns * place.tile_width, -(-place.tiles // place.columns) * place.tile_height))
    size = (place.tile_width, place.tile_height)
    for number, frame in enumerate(frames):
        planes = [Image.fromarray(plane).resize(size, Image.Resampling.BOX) for plane in frame]
        row, column = divmod(number, place.columns)
        sheet.paste(Image.merge("RGB", planes), (column * place.tile_width, row * place.tile_height))
    skip = False
    for quality in _QUALITIES:
        if skip and quality:
            skip = False
            continue
        stream = io.BytesIO()
        sheet.save(stream, "WEBP", quality=quality, method=4)
        if stream.tell() <= MAX_BYTES:
            return stream.getvalue()
        skip = stream.tell() > _SKIP * MAX_BYTES
    raise ItemError(f"the sprite is larger than {MAX_BYTES} bytes at every quality", code="sprite_failed")
