"""Games whose camera stands: an arena, a board, a strategy map. What stands still looks like a menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.detectors.paint import Walk, blob, colour, gradient, noise, paste, texture
from tests.detectors.worlds import Top

if TYPE_CHECKING:
    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["Lamp", "arena", "board", "strategy"]


class _Arena:
    """A fixed stage with fighters and effects; some cameras sway with them, some stages change."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        height, width = self._size = size
        self._sway = int(random.choice([0, 0, width // 12]))
        self._stages = [self._stage(random, height, width + 2 * self._sway) for _ in range(3)]
        self._round = float(random.choice([1e9, random.uniform(40, 120)]))
        self._fighters = [
            (blob(random, (int(height * random.uniform(0.2, 0.45)), int(height * random.uniform(0.15, 0.3)))), way)
            for way in (Walk(random, width * random.uniform(0.1, 0.4), turns=0.45, rest=0.1) for _ in range(6))
        ][: int(random.integers(2, 7))]
        self._sparks = random.integers(0, 1 << 30)

    @staticmethod
    def _stage(random: np.random.Generator, height: int, width: int) -> Picture:
        picture = gradient(random, (height, width))
        ground = int(height * random.uniform(0.55, 0.8))
        picture[ground:] = texture(random, (height - ground, width), int(random.integers(6, 30)))
        for _ in range(int(random.integers(8, 30))):
            sprite, mask = blob(random, (int(random.integers(10, height // 3)), int(random.integers(8, width // 6))))
            paste(picture, sprite, mask, int(random.integers(-20, width)), ground - int(random.integers(0, ground)))
        return picture

    def __call__(self, time_s: float) -> Picture:
        height, width = self._size
        shift = self._sway + int(self._sway * np.sin(time_s * 0.9))
        picture = self._stages[int(time_s / self._round) % 3][:, shift : shift + width].copy()
        for number, ((sprite, mask), way) in enumerate(self._fighters):
            x = int(way(time_s) + number * width / 5) % (width - sprite.shape[1])
            paste(
                picture, sprite, mask, x, int(height * 0.85) - len(sprite) - int(18 * abs(np.sin(time_s * 2 + number)))
            )
        random = np.random.default_rng([int(self._sparks), int(time_s * 4)])
        for _ in range(int(random.integers(0, 6))):
            y, x = (int(random.integers(0, side - 10)) for side in self._size)
            picture[y : y + 10, x : x + 10] = colour(random, 180, 255)
        return picture


def arena(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return _Arena(random, size)


class _Board:
    """A puzzle: a few cells change every second or so."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        height, width = self._size = size
        self._back = texture(random, size, 40, contrast=0.4)
        self._rows, self._columns = int(random.integers(6, 16)), int(random.integers(6, 20))
        self._cell = min(height * 9 // 10 // self._rows, width * 9 // 10 // self._columns)
        self._tiles = [blob(random, (self._cell, self._cell)) for _ in range(6)]
        self._fields = [colour(random) for _ in range(2)]
        self._seed, self._pace = int(random.integers(1 << 30)), random.uniform(0.4, 4)

    def __call__(self, time_s: float) -> Picture:
        picture = self._back.copy()
        kinds = np.random.default_rng(self._seed).integers(0, 8, (self._rows, self._columns))
        for step in range(int(time_s / self._pace)):  # each move changes a row or a few cells
            random = np.random.default_rng([self._seed, step])
            kinds[int(random.integers(self._rows)), int(random.integers(self._columns)) :] = random.integers(0, 8)
        left = (self._size[1] - self._columns * self._cell) // 2
        for row in range(self._rows):
            for column in range(self._columns):
                y, x = row * self._cell + self._size[0] // 20, left + column * self._cell
                picture[y : y + self._cell - 1, x : x + self._cell - 1] = self._fields[(row + column) % 2]
                if kinds[row, column] < len(self._tiles):
                    paste(picture, *self._tiles[kinds[row, column]], x, y)
        return picture


def board(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    return _Board(random, size)


def strategy(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A commander's map: the camera moves every 4 to 30 s, units move all the time."""
    return Top(random, size, jumps=(4, 30))


class Lamp:
    """A world that is lit in one place only, around a player or under a ceiling lamp.

    Args:
        random: of the place.
        world: what is lit.
        size: height, width.
        moves: the light goes with the player; otherwise it stands.
        wide: radius of the light, as a share of the height.
    """

    def __init__(
        self, random: np.random.Generator, world: Scene, size: tuple[int, int], *, moves: bool, wide: float
    ) -> None:
        self._world, self._size = world, size
        self._radius = wide * size[0]
        self._ways = [Walk(random, side * 0.12, turns=0.48) for side in size] if moves else None
        self._flicker = noise(random, (2, 1000), 8)[0]

    def __call__(self, time_s: float) -> Picture:
        height, width = self._size
        y, x = height / 2, width / 2
        if self._ways is not None:
            y += (self._ways[0](time_s) + height) % (height / 2) - height / 4
            x += (self._ways[1](time_s) + width) % (width * 2 / 3) - width / 3
        rows, columns = np.arange(height)[:, None] - y, np.arange(width)[None] - x
        distance = (rows**2 + columns**2) / self._radius**2
        light = np.exp(-distance) * (0.8 + 0.4 * self._flicker[int(time_s * 3) % 1000])
        return (self._world(time_s) * light[..., None]).clip(0, 255).astype(np.uint8)
