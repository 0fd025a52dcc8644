"""Games whose camera moves: four genres, each with textures, speeds and creatures that a seed chooses.

A world is called with a time in seconds and gives a picture: uint8 RGB, shape (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tests.detectors.paint import Walk, blob, colour, gradient, noise, paste, texture

if TYPE_CHECKING:
    import numpy.typing as npt

    from tests.detectors.paint import Picture

__all__ = ["MOVING", "Scene", "Space", "Top", "first_person", "scroller"]

Scene = Callable[[float], "npt.NDArray[np.uint8]"]


class _Creatures:
    """Sprites that wander over the picture on ways of their own."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int], count: int, share: float) -> None:
        self._size = size
        self._all = []
        for _ in range(count):
            high = max(4, int(size[0] * share * random.uniform(0.6, 1.4)))
            sprite = blob(random, (high, max(4, int(high * random.uniform(0.5, 1.6)))))
            way = [Walk(random, side * random.uniform(0.05, 0.3), turns=0.45) for side in size]
            self._all.append((sprite, way, random.uniform(0, 1, 2) * size))

    def draw(self, picture: Picture, time_s: float) -> None:
        for (sprite, mask), (down, along), (y, x) in self._all:
            high, wide = sprite.shape[:2]
            paste(
                picture,
                sprite,
                mask,
                int((x + along(time_s)) % (self._size[1] + wide)) - wide,
                int((y + down(time_s)) % (self._size[0] + high)) - high,
            )


class _Scroller:
    """A side-scroller: a sky, two ranges of hills and ground that pass at their own speeds."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int], *, snow: bool = False) -> None:
        height, width = self._size = size
        self._sky = gradient(random, size, 190 if snow else 60, 250)
        self._layers = []
        for depth in range(3):
            line = noise(random, (2, width * 3), max(8, width // (3 + 3 * depth)), 3)[0]
            top = height * (0.35 + 0.18 * depth) + (line - 0.5) * height * 0.5
            paint = texture(random, (height, width * 3), 6 + 6 * int(random.integers(1, 4)), contrast=0.3 + 0.3 * depth)
            if snow:
                paint = (255 - (255 - paint) // 4).astype(np.uint8)
            if depth == 2:  # ledges and crates on the ground
                for _ in range(int(random.integers(10, 40))):
                    x, y = int(random.integers(0, width * 3)), int(random.uniform(0.3, 0.85) * height)
                    paint[y : y + height // 20, x : x + width // 8] = colour(random)
                    top[x : x + width // 8] = np.minimum(top[x : x + width // 8], y)
            self._layers.append((paint, np.arange(height)[:, None] >= top[None]))
        self._way = Walk(random, width * random.uniform(0.08, 0.5))
        self._creatures = _Creatures(random, size, int(random.integers(1, 7)), 0.12)
        self._hero = blob(random, (height // 6, height // 8))

    def __call__(self, time_s: float) -> Picture:
        picture = self._sky.copy()
        at = self._way(time_s)
        for depth, (paint, mask) in enumerate(self._layers):
            columns = (np.arange(self._size[1]) + int(at * (0.2, 0.5, 1.0)[depth])) % paint.shape[1]
            np.copyto(picture, paint[:, columns], where=mask[:, columns, None])
        self._creatures.draw(picture, time_s)
        paste(picture, *self._hero, self._size[1] * 2 // 5, int(self._size[0] * 0.6 - abs(np.sin(time_s * 3)) * 12))
        return picture


def scroller(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return _Scroller(random, size)


def snow(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return _Scroller(random, size, snow=True)


class _FirstPerson:
    """Ground and ceiling in perspective, walls at the horizon, and what the player holds in the hand."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        height, width = self._size = size
        self._horizon = int(height * random.uniform(0.4, 0.55))
        self._ground = texture(random, (512, 512), int(random.integers(16, 64)), contrast=1.2)
        indoors = random.random() < 0.5
        self._above = texture(random, (512, 512), 40) if indoors else None
        self._sky = gradient(random, (self._horizon, width))
        self._wall = texture(random, (height // 2, width * 6), int(random.integers(6, 30)), contrast=1.2)
        for _ in range(40):
            x, w = int(random.integers(0, width * 6)), int(random.integers(4, width // 4))
            self._wall[int(random.integers(0, height // 4)) :, x : x + w] = colour(random)
        self._wall_top = self._horizon - int(height * random.uniform(0.1, 0.3))
        self._turn = Walk(random, random.uniform(0.15, 0.9), turns=0.5, rest=0.3)
        self._pace = Walk(random, random.uniform(60, 260), turns=0.05)
        self._creatures = _Creatures(random, size, int(random.integers(0, 5)), 0.2)
        self._hand = blob(random, (int(height * 0.35), int(width * random.uniform(0.15, 0.3))))
        self._columns = (np.arange(width) - width / 2) / width

    def _plane(self, tiles: Picture, rows: npt.NDArray[np.int64], heading: float, at: float) -> Picture:
        ahead = self._size[0] * 30.0 / (rows[:, None] + 3.0)
        beside = ahead * self._columns[None] * 1.6
        x = ahead * np.cos(heading) - beside * np.sin(heading) + at * np.cos(heading)
        y = ahead * np.sin(heading) + beside * np.cos(heading) + at * np.sin(heading)
        return tiles[x.astype(np.int64) % len(tiles), y.astype(np.int64) % len(tiles)]

    def __call__(self, time_s: float) -> Picture:
        height, width = self._size
        heading, at = self._turn(time_s), self._pace(time_s)
        picture = np.empty((height, width, 3), np.uint8)
        below = np.arange(height - self._horizon)
        picture[self._horizon :] = self._plane(self._ground, below, heading, at)
        if self._above is None:
            picture[: self._horizon] = self._sky
        else:
            picture[: self._horizon] = self._plane(self._above, np.arange(self._horizon)[::-1], heading, at)
        columns = (np.arange(width) + int(heading * width * 0.8)) % self._wall.shape[1]
        band = picture[self._wall_top : self._horizon + 4]
        band[:] = self._wall[: len(band), columns]
        self._creatures.draw(picture, time_s)
        sway = int(6 * np.sin(at / 20))
        paste(picture, *self._hand, int(width * 0.6) + sway, int(height * 0.68) + abs(sway))
        return picture


def first_person(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return _FirstPerson(random, size)


class Top:
    """A map from above, with a camera that follows a hero, or one that a commander moves now and then.

    Args:
        random: of the map.
        size: height, width.
        jumps: seconds between the moves of a commander's camera; None follows the hero.
    """

    def __init__(
        self, random: np.random.Generator, size: tuple[int, int], jumps: tuple[float, float] | None = None
    ) -> None:
        self._size = size
        side = 1024
        self._map = texture(random, (side, side), int(random.integers(24, 90)))
        for _ in range(int(random.integers(60, 400))):
            sprite, mask = blob(random, (int(random.integers(6, 30)), int(random.integers(6, 30))))
            paste(self._map, sprite, mask, *(int(value) for value in random.integers(0, side, 2)))
        self._ways = [Walk(random, value * random.uniform(0.1, 0.4), turns=0.4) for value in size]
        self._jumps = None
        if jumps is not None:
            self._jumps = np.cumsum(random.uniform(*jumps, 400)), random.integers(0, side, (401, 2))
        self._creatures = _Creatures(random, size, int(random.integers(2, 12)), 0.06)

    def __call__(self, time_s: float) -> Picture:
        if self._jumps is None:
            y, x = (int(way(time_s)) for way in self._ways)
        else:
            y, x = self._jumps[1][int(np.searchsorted(self._jumps[0], time_s))]
        rows = (np.arange(self._size[0]) + y) % len(self._map)
        columns = (np.arange(self._size[1]) + x) % len(self._map)
        picture = self._map[rows[:, None], columns[None]]
        self._creatures.draw(picture, time_s)
        return picture


def top(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return Top(random, size)


class Space:
    """Black, stars that pass, a planet and ships: most of the picture is black, and it is all there is to see."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        height, width = self._size = size
        self._stars = np.zeros((height, width * 2, 3), np.uint8)
        count = int(random.integers(100, 500))
        places = random.integers(0, height, count), random.integers(0, width * 2, count)
        self._stars[places] = random.integers(90, 255, (count, 1))
        radius = int(height * random.uniform(0.28, 0.45))
        y, x = np.mgrid[-radius:radius, -radius:radius] / radius
        inside = x**2 + y**2 < 1
        light = np.clip(np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)) * 0.7 + x * 0.4, 0.05, 1)
        surface = texture(random, (2 * radius, 2 * radius), max(8, radius // 2))
        self._planet = ((surface * light[..., None]).astype(np.uint8), inside)
        self._place = Walk(random, width * 0.04), Walk(random, height * 0.03, turns=0.5)
        self._way = Walk(random, width * 0.2)
        self._ships = _Creatures(random, size, int(random.integers(4, 12)), 0.12)

    def __call__(self, time_s: float) -> Picture:
        height, width = self._size
        columns = (np.arange(width) + int(self._way(time_s))) % self._stars.shape[1]
        picture = self._stars[:, columns]
        x, y = (int(way(time_s)) for way in self._place)
        radius = len(self._planet[1]) // 2
        paste(picture, *self._planet, (width // 3 + x) % (width + radius) - radius, height // 3 - radius // 2 + y % 40)
        self._ships.draw(picture, time_s)
        return picture


MOVING = (scroller, first_person, top)
