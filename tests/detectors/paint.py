"""Brushes: textures that wrap around, sprites, words. Nothing here is shared with ``telecine gamedata sample``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]  # (H, W, 3)

__all__ = ["Walk", "blob", "colour", "font", "gradient", "noise", "page", "paste", "texture", "words"]

_SYLLABLES = (
    *("ar", "bel", "cor", "dra", "el", "fen", "gor", "hal", "is", "jor", "kel", "lun", "mor", "nar", "ost", "pra"),
    *("qua", "ren", "sil", "tor", "um", "val", "wyn", "xan", "yr", "zed"),
)


def noise(random: np.random.Generator, shape: tuple[int, int], cell: int, octaves: int = 3) -> npt.NDArray[np.float32]:
    """Value noise, 0 to 1, that wraps around in both directions."""
    height, width = shape
    total, weight, sum_of = np.zeros(shape, np.float32), 1.0, 0.0
    for _ in range(octaves):
        grid = random.random((max(2, height // cell), max(2, width // cell)), np.float32)
        padded = np.pad(grid, 2, mode="wrap")
        rows, columns = (height * padded.shape[0] // grid.shape[0], width * padded.shape[1] // grid.shape[1])
        big = np.asarray(Image.fromarray(padded, "F").resize((columns, rows), Image.Resampling.BICUBIC))
        top, left = (rows - height) // 2, (columns - width) // 2
        total += weight * big[top : top + height, left : left + width]
        sum_of += weight
        weight, cell = weight * 0.55, max(1, cell // 2)
    return np.clip(total / sum_of, 0, 1)


def colour(random: np.random.Generator, low: int = 40, high: int = 230) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(low, high, 3))
    return red, green, blue


def texture(random: np.random.Generator, shape: tuple[int, int], cell: int, *, contrast: float = 1.0) -> Picture:
    """Noise in two colours, as of ground or rock."""
    values = (noise(random, shape, cell, 4)[..., None] - 0.5) * 2.2 * contrast + 0.5
    first, second = np.array(colour(random, 20, 140), np.float32), np.array(colour(random, 90, 240), np.float32)
    return np.clip(first + (second - first) * values, 0, 255).astype(np.uint8)


def gradient(random: np.random.Generator, shape: tuple[int, int], low: int = 60, high: int = 240) -> Picture:
    """A sky: one colour at the top, another at the bottom."""
    top, bottom = np.array(colour(random, low, high)), np.array(colour(random, low, high))
    rows = np.linspace(0, 1, shape[0])[:, None, None]
    return np.broadcast_to((top + (bottom - top) * rows).astype(np.uint8), (*shape, 3)).copy()


def blob(random: np.random.Generator, size: tuple[int, int]) -> tuple[Picture, npt.NDArray[np.bool_]]:
    """A creature or a vehicle: a few discs and boxes, with its mask."""
    height, width = size
    image, mask = Image.new("RGB", (width, height)), Image.new("1", (width, height))
    on_image, on_mask = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    for number in range(int(random.integers(3, 8))):
        w, h = (int(side * random.uniform(0.25, 0.8)) + 1 for side in size[::-1])
        x, y = int(random.integers(0, max(width - w, 0) + 1)), int(random.integers(0, max(height - h, 0) + 1))
        if number == 0:
            x, y, w, h = width // 4, height // 4, width // 2, height // 2
        fill = colour(random, 20, 250)
        for canvas, ink in ((on_image, fill), (on_mask, 1)):
            draw = canvas.ellipse if number % 2 else canvas.rectangle
            draw((x, y, x + w, y + h), fill=ink)
    return np.asarray(image), np.asarray(mask)


def paste(
    picture: Picture, sprite: Picture, mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32], x: int, y: int
) -> None:
    """Lay a sprite over a picture; what hangs over the edge is cut. A mask of floats is an opacity."""
    height, width = sprite.shape[:2]
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + height, picture.shape[0]), min(x + width, picture.shape[1])
    if top >= bottom or left >= right:
        return
    inside = (slice(top - y, bottom - y), slice(left - x, right - x))
    below, over, opacity = picture[top:bottom, left:right], sprite[inside], mask[inside]
    if opacity.dtype == np.bool_:
        below[opacity] = over[opacity]
    else:
        below[:] = below + (over.astype(np.float32) - below) * opacity[..., None]


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


def words(random: np.random.Generator, count: int) -> str:
    def word() -> str:
        return "".join(random.choice(_SYLLABLES) for _ in range(int(random.integers(1, 4))))

    return " ".join(word() for _ in range(count)).capitalize()


def page(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A transparent sheet of (height, width) to draw menus and HUDs on."""
    image = Image.new("RGBA", size[::-1], (0, 0, 0, 0))
    return image, ImageDraw.Draw(image)


class Walk:
    """A player's way along an axis: goes, runs, turns round, and stands still now and then.

    Args:
        random: of the way.
        speed: usual speed, units a second.
        rest: share of the time spent standing.
        turns: share of stretches that go back.
    """

    def __init__(
        self, random: np.random.Generator, speed: float, *, rest: float = 0.12, turns: float = 0.2, seconds: int = 1000
    ) -> None:
        stretches = np.repeat(random.random(seconds), random.integers(1, 7, seconds))[:seconds]
        pace = speed * random.uniform(0.4, 1.4, seconds)
        pace = np.where(stretches < rest, 0.0, np.where(stretches > 1 - turns, -pace, pace))
        self._way = np.concatenate([[0.0], np.cumsum(pace)])

    def __call__(self, time_s: float) -> float:
        return float(np.interp(time_s, np.arange(len(self._way)), self._way))
