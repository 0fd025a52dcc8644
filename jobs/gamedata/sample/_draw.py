"""Draw pictures in integer arithmetic, so that a seed produces the same pixels on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["WHITE", "Canvas", "Colour", "Picture", "crop", "flat", "lut", "noise", "paste", "periodic", "to_yuv"]

Colour = tuple[int, int, int]
WHITE: Final[Colour] = (240, 240, 235)

_LETTERS: Final = (
    "25755 65656 34443 65556 74647 74644 34553 55755 72227 11152 55655 44447 57755 65555 25552 65644 25563 65655 34216 "
    "72222 55557 55552 55775 55255 55222 71247"
)
_DIGITS: Final = "75557 26227 61247 61216 55711 74616 34757 71122 75757 75716"
# Glyphs of 3 x 5 pixels: one digit per row; bit 4 is the left pixel.
_GLYPHS: Final = {
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _LETTERS.split(), strict=True)),
    **dict(zip("0123456789", _DIGITS.split(), strict=True)),
    **dict(zip(" -:/.%+", ["00000", "00700", "02020", "11244", "00002", "51245", "02720"], strict=True)),
}


@dataclass(slots=True)
class Picture:
    """A 4:2:0 picture in limited range (BT.601).

    Attributes:
        y: uint8, shape (H, W), both even.
        u: uint8, shape (H / 2, W / 2).
        v: uint8, shape (H / 2, W / 2).
        alpha: which pixels a sprite covers, bool, shape (H, W); None means all.
    """

    y: npt.NDArray[np.uint8]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.bool_] | None = None

    def copy(self) -> Picture:
        """Return a copy to draw on."""
        return Picture(self.y.copy(), self.u.copy(), self.v.copy(), self.alpha)

    def rotated(self, quarters: int) -> Picture:
        """Return a copy rotated counterclockwise by quarter turns."""
        return Picture(np.rot90(self.y, quarters), np.rot90(self.u, quarters), np.rot90(self.v, quarters))

    def packed(self) -> npt.NDArray[np.uint8]:
        """Return the planes in PyAV's yuv420p layout, shape (H * 3 / 2, W)."""
        height, width = self.y.shape
        planes = np.concatenate([self.y.reshape(-1), self.u.reshape(-1), self.v.reshape(-1)])
        return planes.reshape(height * 3 // 2, width)


def to_yuv(rgb: npt.NDArray[np.uint8], alpha: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Convert RGB of shape (H, W, 3), H and W even, with the integer form of the BT.601 matrix."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    y = ((66 * red + 129 * green + 25 * blue + 128) >> 8) + 16
    small = [plane.reshape(plane.shape[0] // 2, 2, -1, 2).sum(axis=(1, 3)) >> 2 for plane in (red, green, blue)]
    u = ((-38 * small[0] - 74 * small[1] + 112 * small[2] + 128) >> 8) + 128
    v = ((112 * small[0] - 94 * small[1] - 18 * small[2] + 128) >> 8) + 128
    return Picture(y.astype(np.uint8), u.astype(np.uint8), v.astype(np.uint8), alpha)


def flat(size: tuple[int, int], colour: Colour = (0, 0, 0)) -> Picture:
    """Return a picture of one colour; ``size`` is (width, height)."""
    rgb = np.empty((2, 2, 3), np.uint8)
    rgb[:] = colour
    pixel = to_yuv(rgb)
    width, height = size
    half = (height // 2, width // 2)
    return Picture(
        np.full((height, width), pixel.y[0, 0], np.uint8),
        np.full(half, pixel.u[0, 0], np.uint8),
        np.full(half, pixel.v[0, 0], np.uint8),
    )


def crop(picture: Picture, x: int, y: int, size: tuple[int, int]) -> Picture:
    """Return a part of a picture as views; its position is rounded down to even numbers."""
    x, y = x & ~1, y & ~1
    width, height = size
    rows, columns = slice(y, y + height), slice(x, x + width)
    half = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    return Picture(picture.y[rows, columns], picture.u[half], picture.v[half], alpha)


def paste(target: Picture, sprite: Picture, x: int, y: int) -> None:
    """Draw a sprite onto a picture, clipped at the edges; its position is rounded down to even numbers."""
    x, y = x & ~1, y & ~1
    height, width = target.y.shape
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(sprite.y.shape[1], width - x), min(sprite.y.shape[0], height - y)
    if right <= left or bottom <= top:
        return
    part = crop(sprite, left, top, (right - left, bottom - top))
    hole = crop(target, x + left, y + top, (right - left, bottom - top))
    if part.alpha is None:
        hole.y[:], hole.u[:], hole.v[:] = part.y, part.u, part.v
    else:
        np.copyto(hole.y, part.y, where=part.alpha)
        np.copyto(hole.u, part.u, where=part.alpha[::2, ::2])
        np.copyto(hole.v, part.v, where=part.alpha[::2, ::2])


def lut(picture: Picture, percent: int) -> Picture:
    """Return a picture with luma and chroma scaled to a percentage."""
    steps = np.arange(256)
    luma = np.clip((steps - 16) * percent // 100 + 16, 16, 235).astype(np.uint8)
    chroma = ((steps - 128) * percent // 100 + 128).astype(np.uint8)
    return Picture(luma[picture.y], chroma[picture.u], chroma[picture.v], picture.alpha)


def noise(
    random: np.random.Generator, size: tuple[int, int], cell: int, octaves: int, *, rows: int | None = None
) -> npt.NDArray[np.int64]:
    """Return periodic value noise, shape (height, width), 0 to 255; each octave has half the cell size and strength.

    Args:
        random: source of the lattices.
        size: (width, height); multiples of ``cell`` and ``rows``.
        cell: pixels between lattice points in the first octave, a power of two.
        octaves: number of octaves.
        rows: vertical cell size, if it differs from ``cell``.
    """
    width, height = size
    total = np.zeros((height, width), np.int64)
    weight = sum(1 << (octaves - 1 - octave) for octave in range(octaves))
    for octave in range(octaves):
        across, down = max(2, cell >> octave), max(2, (rows or cell) >> octave)
        field = random.integers(0, 256, (height // down, width // across))
        total += _stretched(_stretched(field, down, 0), across, 1) << (octaves - 1 - octave)
    return total // weight


def _stretched(field: npt.NDArray[np.int64], step: int, axis: int) -> npt.NDArray[np.int64]:
    """Return values interpolated between lattice points along one axis, with a smoothstep in units of 1/256."""
    ramp = np.arange(step) * 256 // step
    ramp = (ramp * ramp * (768 - 2 * ramp)) >> 16
    shape = [1, 1]
    shape[axis] = field.shape[axis] * step
    ramp = np.tile(ramp, field.shape[axis]).reshape(shape)
    lower, upper = np.repeat(field, step, axis), np.repeat(np.roll(field, -1, axis), step, axis)
    return (lower * (256 - ramp) + upper * ramp) >> 8


def periodic(picture: Picture, size: tuple[int, int]) -> Picture:
    """Return a tile repeated right and down, so that every crop of ``size`` that starts in the tile is one slice."""
    width, height = size
    pad = ((0, height), (0, width))
    half = ((0, height // 2), (0, width // 2))
    alpha = None if picture.alpha is None else np.pad(picture.alpha, pad, mode="wrap")
    return Picture(
        np.pad(picture.y, pad, mode="wrap"),
        np.pad(picture.u, half, mode="wrap"),
        np.pad(picture.v, half, mode="wrap"),
        alpha,
    )


class Canvas:
    """An RGB canvas for panels and text; drawn pixels are opaque, the others transparent.

    Args:
        size: (width, height), both even.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self.size = size
        self.rgb = np.zeros((height, width, 3), np.uint8)
        self.alpha = np.zeros((height, width), np.bool_)

    def box(self, x: int, y: int, width: int, height: int, colour: Colour, *, border: Colour | None = None) -> None:
        """Fill a rectangle, with an optional border of two pixels."""
        self.rgb[max(y, 0) : y + height, max(x, 0) : x + width] = border or colour
        self.alpha[max(y, 0) : y + height, max(x, 0) : x + width] = True
        if border is not None:
            self.rgb[y + 2 : y + height - 2, x + 2 : x + width - 2] = colour

    def disc(self, x: int, y: int, radius: int, colour: Colour) -> None:
        """Fill a circle."""
        rows, columns = np.ogrid[: self.size[1], : self.size[0]]
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius * radius
        self.rgb[inside] = colour
        self.alpha |= inside

    def text(self, x: int, y: int, words: str, colour: Colour, scale: int = 2) -> None:
        """Write capital letters and digits, each ``4 * scale`` pixels wide."""
        for number, letter in enumerate(words):
            for row, bits in enumerate(_GLYPHS[letter]):
                for column in range(3):
                    if int(bits) & (4 >> column):
                        self.box(x + (4 * number + column) * scale, y + row * scale, scale, scale, colour)

    def picture(self) -> Picture:
        """Return the drawing as a sprite."""
        return to_yuv(self.rgb, self.alpha)
