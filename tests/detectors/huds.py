"""Overlays on a game: a light or heavy HUD, a mouse pointer, subtitles."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from tests.detectors.paint import Walk, blob, colour, font, page, paste, texture, words

if TYPE_CHECKING:
    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["Hud", "Pointer", "label", "overlaid", "subtitles"]


@functools.lru_cache(maxsize=4096)
def label(text: str, size: int, ink: tuple[int, int, int]) -> tuple[Picture, np.ndarray]:
    """A line of text in one colour, and its opacity."""
    _, _, right, below = font(size).getbbox(text)
    image = Image.new("L", (max(1, int(right)), max(1, int(below))))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font(size))
    opacity = np.asarray(image, np.float32) / 255
    return np.broadcast_to(np.array(ink, np.uint8), (*opacity.shape, 3)), opacity


class Hud:
    """Bars, counters, slots, a minimap, a chat window, a crosshair: which of them, where and how large, is drawn.

    Args:
        random: of it.
        size: height, width.
        heavy: a panel at the bottom, one at a side, and most of the parts: 15 to 40 % of the picture.
        bright: nothing of it is dark, as where it is drawn over a dark scene.
    """

    def __init__(
        self, random: np.random.Generator, size: tuple[int, int], *, heavy: bool = False, bright: bool = False
    ) -> None:
        self._random = np.random.default_rng(random.integers(1 << 60))
        height, width = self._size = size
        self._text = max(8, height // int(random.integers(14, 24)))
        self._inks = [colour(random, 170 if bright else 90, 255) for _ in range(4)]
        image, draw = page(size)
        self._bars: list[tuple[int, int, int, int, int]] = []
        self._numbers: list[tuple[int, int, float]] = []
        self._dots: tuple[int, int, int] | None = None
        share = 0.9 if heavy else 0.5
        low = height - height // 30
        if heavy:
            low = height - int(height * random.uniform(0.12, 0.26))
            self._panel(image, (0, low, width, height), bright)
            if random.random() < 0.5:
                self._panel(image, (width - int(width * random.uniform(0.1, 0.2)), 0, width, low), bright)
        if random.random() < share:
            self._add_bars(random, draw, int(random.integers(1, 4)), low)
        if random.random() < share:
            self._add_slots(random, image, low)
        if random.random() < share:
            side = int(height * random.uniform(0.16, 0.28))
            left = int(random.choice([4, width - side - 4]))
            down = int(random.choice([4, height - side - 4]))
            sheet = Image.fromarray(texture(random, (side, side), 6))
            image.paste(sheet, (left, down))
            draw.rectangle((left, down, left + side, down + side), outline=(*self._inks[1], 255))
            self._dots = (left, down, side)
        for _ in range(int(random.integers(1, 4 if heavy else 3))):
            place = int(random.integers(2, width * 4 // 5)), int(random.choice([3, low - self._text]))
            self._numbers.append((*place, random.uniform(0.3, 9)))
        if heavy and random.random() < 0.6:
            for line in range(int(random.integers(2, 6))):
                text = words(random, int(random.integers(2, 6)))
                draw.text(
                    (6, height * 2 // 5 + line * self._text), text, (*self._inks[line % 4], 255), font(self._text)
                )
        if random.random() < 0.4:
            draw.line((width // 2 - 5, height // 2, width // 2 + 5, height // 2), (*self._inks[0], 255))
            draw.line((width // 2, height // 2 - 5, width // 2, height // 2 + 5), (*self._inks[0], 255))
        self._still = np.asarray(image.convert("RGB")), np.asarray(image.getchannel("A"), np.float32) / 255
        self._levels = [Walk(random, 0.06, turns=0.5) for _ in self._bars]

    def _panel(self, image: Image.Image, box: tuple[int, int, int, int], bright: bool) -> None:
        shape = (box[3] - box[1], box[2] - box[0])
        paint = texture(self._random, shape, 20, contrast=0.5) // 2 + (110 if bright else 20)
        image.paste(Image.fromarray(paint.astype(np.uint8)), box[:2])

    def _add_bars(self, random: np.random.Generator, draw: ImageDraw.ImageDraw, count: int, low: int) -> None:
        wide, high = int(self._size[1] * random.uniform(0.12, 0.35)), max(4, self._size[0] // 30)
        left = int(random.choice([5, self._size[1] - wide - 5]))
        down = int(random.choice([5, low - count * (high + 3) - 2]))
        for row in range(count):
            y = down + row * (high + 3)
            draw.rectangle((left, y, left + wide, y + high), (30, 30, 34, 255), (*self._inks[0], 255))
            self._bars.append((left + 1, y + 1, wide - 1, high - 1, row % 4))

    def _add_slots(self, random: np.random.Generator, image: Image.Image, low: int) -> None:
        side, count = self._size[0] // int(random.integers(9, 16)), int(random.integers(3, 10))
        left = (self._size[1] - count * (side + 2)) // 2
        for slot in range(count):
            sprite, mask = blob(random, (side, side))
            back = Image.new("RGB", (side, side), colour(random, 60, 160))
            back.paste(Image.fromarray(sprite), mask=Image.fromarray(mask))
            image.paste(back, (left + slot * (side + 2), min(low + 2, self._size[0] - side - 2)))

    def draw(self, picture: Picture, time_s: float) -> None:
        """Draw it over a picture, in place."""
        paste(picture, *self._still, 0, 0)
        for (left, down, wide, high, ink), level in zip(self._bars, self._levels, strict=True):
            full = int(wide * (0.5 + 0.45 * np.sin(level(time_s) * 6 + ink)))
            picture[down : down + high, left : left + full] = self._inks[ink]
        for number, (left, down, pace) in enumerate(self._numbers):
            text = f"{int(9000 + time_s * pace * (1 - 2 * (number % 2))) % 10000:04d}"
            paste(picture, *label(text, self._text, self._inks[number % 4]), left, down)
        if self._dots is not None:
            left, down, side = self._dots
            for dot in range(4):
                x = int((np.sin(time_s * 0.2 + dot * 2) + 1) / 2 * (side - 4))
                y = int((np.cos(time_s * 0.13 + dot) + 1) / 2 * (side - 4))
                picture[down + y : down + y + 3, left + x : left + x + 3] = self._inks[dot]


class Pointer:
    """A mouse pointer that wanders from one place to the next."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        self._size = size
        self._ways = [Walk(random, side * 0.3, turns=0.45, rest=0.4) for side in size]
        side = max(7, size[0] // 22)
        rows, columns = np.mgrid[0:side, 0:side]
        self._mask = columns <= rows * 0.7
        self._arrow = np.broadcast_to(np.array(colour(random, 200, 256), np.uint8), (side, side, 3)).copy()
        self._arrow[self._mask & ((columns == 0) | (columns >= rows * 0.7 - 1))] = 10

    def draw(self, picture: Picture, time_s: float) -> None:
        """Draw it over a picture, in place."""
        y, x = (int(way(time_s)) % side for way, side in zip(self._ways, self._size, strict=True))
        paste(picture, self._arrow, self._mask, x, y)


def overlaid(scene: Scene, *over: Hud | Pointer) -> Scene:
    """A scene under HUDs or a pointer."""

    def draw(time_s: float) -> Picture:
        picture = np.array(scene(time_s))
        for each in over:
            each.draw(picture, time_s)
        return picture

    return draw


def subtitles(random: np.random.Generator, scene: Scene, height: int, share: float) -> Scene:
    """Lines of speech at the bottom, for a share of the time, 2 to 6 s each."""
    size = max(9, height // 22)
    lines = [words(random, int(random.integers(3, 7))) for _ in range(8)]
    lengths = random.uniform(2, 6, 600)
    ends, speaks = np.cumsum(lengths), random.random(600) < share

    def draw(time_s: float) -> Picture:
        picture = np.array(scene(time_s))
        at = int(np.searchsorted(ends, time_s)) % 600
        if speaks[at]:
            text, opacity = label(lines[at % 8], size, (235, 235, 225))
            paste(picture, text, opacity, (picture.shape[1] - text.shape[1]) // 2, picture.shape[0] - int(size * 1.4))
        return picture

    return draw
