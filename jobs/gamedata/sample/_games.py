"""Synthetic games: a top-down map, a side-scroller and a race. A picture depends only on its time and the seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.sample._draw import WHITE, Canvas, Colour, Picture, crop, flat, noise, paste, periodic, to_yuv
from jobs.gamedata.sample._hud import Hud, colour_of, figure

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Map", "Platforms", "Race"]

_BEACH: Final = 116
_TREE_LINE: Final = 150
_WOODS: Final = 150
# Upper height of each terrain, 0 to 255, and its colour.
_LAND: Final[tuple[tuple[int, Colour], ...]] = (
    (96, (38, 84, 140)),
    (108, (66, 128, 176)),
    (_BEACH, (206, 190, 132)),
    (134, (104, 154, 66)),
    (_TREE_LINE, (72, 122, 50)),
    (168, (112, 104, 88)),
    (256, (232, 236, 240)),
)


class Map:
    """A top-down world that scrolls under the player, with other figures walking around.

    Args:
        random: source of the world.
        size: (width, height) of the picture, both even.
        snow: draw a bright winter world.
    """

    def __init__(self, random: np.random.Generator, size: tuple[int, int], *, snow: bool = False) -> None:
        self._size = size
        self._world = (1024, 768)
        land = noise(random, self._world, 128, 5)
        land = np.clip((land - 128) * 5 // 4 + 128, 0, 255)
        grain = random.integers(-14, 15, land.shape)
        slope = np.clip((land - np.roll(land, 3, (0, 1))) * 4, -40, 40)
        edges = np.array([edge for edge, _ in _LAND])
        rgb = np.array([colour for _, colour in _LAND])[np.searchsorted(edges, land, side="right")]
        rgb = rgb + slope[..., None] + grain[..., None]
        woods = noise(random, self._world, 32, 2) > _WOODS
        trees = woods & (land > _BEACH + 2) & (land < _TREE_LINE + 2)
        spots = random.integers(0, 5, (self._world[1] // 8, self._world[0] // 8)) == 0
        crowns = np.kron(spots, _crown(8)).astype(np.bool_) & trees
        rgb[crowns] = (rgb[crowns] * (1, 2, 1)) // (3, 4, 3)
        if snow:
            rgb = 216 + (rgb - 128) // 4
        world = to_yuv(np.clip(rgb, 0, 255).astype(np.uint8))
        self._tile = periodic(world, size)
        self._player = figure(random, 3, (196, 58, 52))
        self._others = [
            (
                figure(random, 3, colour_of(random)),
                int(random.integers(768)),
                int(random.integers(768)),
                random.random(),
            )
            for _ in range(24)
        ]
        self._phase = float(random.random()) * 6
        self._hud = Hud(random, size)

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        width, height = self._size
        left = int(time_s * 74 + 150 * math.sin(time_s * 0.31 + self._phase))
        top = int(time_s * 23 + 220 * math.sin(time_s * 0.17 + self._phase))
        picture = crop(self._tile, left % self._world[0], top % self._world[1], self._size).copy()
        for sprite, x, y, pace in self._others:
            across = int(x + 60 * math.sin(time_s * (0.4 + pace))) - left
            down = int(y + 45 * math.cos(time_s * (0.3 + pace))) - top
            paste(picture, sprite, across % self._world[0] - 40, down % self._world[1] - 40)
        step = 2 * (int(time_s * 6) % 2)
        paste(picture, self._player, width // 2 - 15, height // 2 - 18 + step)
        self._hud.draw(picture, time_s)
        return picture


def _crown(cell: int) -> npt.NDArray[np.int64]:
    rows, columns = np.ogrid[:cell, :cell]
    inside = (rows * 2 - cell + 1) ** 2 + (columns * 2 - cell + 1) ** 2 < cell * cell
    return np.asarray(inside, np.int64)


class Platforms:
    """A side-scroller: sky, two parallax ranges of hills, brick ground, a jumping figure."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        width, height = self._size = size
        self._length = 1024
        hue = random.integers(-30, 31, 3)
        rows = np.arange(height)[:, None, None]
        top, low = np.array([70, 120, 200]) + hue, np.array([214, 200, 190]) + hue
        sky = np.broadcast_to(top + (low - top) * rows // height, (height, width, 3))
        self._sky = to_yuv(np.clip(sky, 0, 255).astype(np.uint8))
        self._ranges = [
            (self._hills(random, height * 45 // 100, np.array([112, 128, 160]) + hue, 64), 0.25),
            (self._hills(random, height * 65 // 100, np.array([74, 118, 72]) + hue, 32), 0.5),
            (self._bricks(random), 1.0),
        ]
        self._player = figure(random, 3, (52, 92, 196))
        self._foes = [(figure(random, 3, colour_of(random)), int(random.integers(0, 2000))) for _ in range(5)]
        self._hud = Hud(random, size)

    def _hills(self, random: np.random.Generator, base: int, colour: npt.NDArray[np.int64], cell: int) -> Picture:
        height = self._size[1]
        ridge = base + (noise(random, (self._length, cell), cell * 2, 4, rows=cell)[0] - 128) * height // 420
        texture = noise(random, (self._length, -(-height // 32) * 32), 32, 4)[:height]
        depth = np.arange(height)[:, None] - ridge[None, :]
        rgb = colour + ((texture - 128) // 2)[..., None] + np.clip(24 - depth, -20, 24)[..., None]
        return periodic(to_yuv(np.clip(rgb, 0, 255).astype(np.uint8), depth >= 0), (self._size[0], 0))

    def _bricks(self, random: np.random.Generator) -> Picture:
        height = self._size[1]
        tile = 32
        columns = self._length // tile
        tops = height // tile - 2 - (random.integers(0, 4, columns) == 0) - (random.integers(0, 7, columns) == 0)
        grain = random.integers(-16, 17, (height, self._length))
        rows, along = np.indices((height, self._length))
        solid = rows >= np.repeat(tops, tile)[None, :] * tile
        joints = (rows % 16 < 2) | ((along + (rows // 16 % 2) * 16) % tile < 2)  # noqa: PLR2004
        grass = solid & (rows < np.repeat(tops, tile)[None, :] * tile + 6)
        rgb = np.array([168, 104, 70]) + grain[..., None] - 70 * joints[..., None]
        rgb[grass] = np.array([86, 168, 60]) + grain[grass][:, None]
        ledges = np.repeat(random.integers(0, 3, columns) == 0, tile)[None, :] & (rows // tile == height // tile - 6)
        rgb[ledges & (rows % tile > tile // 2)] = (196, 150, 70)
        mask = solid | (ledges & (rows % tile < tile // 2))
        return periodic(to_yuv(np.clip(rgb, 0, 255).astype(np.uint8), mask), (self._size[0], 0))

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        width, height = self._size
        picture = self._sky.copy()
        scrolled = int(time_s * 96)
        for layer, speed in self._ranges:
            paste(picture, crop(layer, int(scrolled * speed) % self._length, 0, self._size), 0, 0)
        for sprite, start in self._foes:
            paste(picture, sprite, (start + int(time_s * 40) - scrolled) % 2000 - 100, height - 100)
        hop = abs(math.sin(time_s * 2.1)) * height * 0.28
        paste(picture, self._player, width // 3, int(height - 108 - hop))
        self._hud.draw(picture, time_s)
        return picture


class Race:
    """A road through a landscape, seen from behind a car, on a floor in perspective as in 1990s games."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        width, height = self._size = size
        side = self._side = 512  # a power of two: positions wrap by a mask
        grass = noise(random, (side, side), 64, 5)
        rgb = np.array([70, 120, 54]) + ((grass - 128) * 3 // 4)[..., None] + random.integers(-12, 13, (side, side, 1))
        along, across = np.indices((side, side))
        road = abs(across - side // 2) < 70  # noqa: PLR2004
        rgb[road] = 92 + random.integers(-9, 10, (int(road.sum()), 1))
        rgb[(abs(across - side // 2) < 3) & (along % 64 < 36)] = WHITE  # noqa: PLR2004
        kerb = (abs(across - side // 2) >= 70) & (abs(across - side // 2) < 80)  # noqa: PLR2004
        rgb[kerb] = np.where((along[kerb] // 16 % 2)[:, None] == 0, (206, 44, 40), (232, 232, 226))
        self._floor = to_yuv(np.clip(rgb, 0, 255).astype(np.uint8))
        self._horizon = height * 2 // 5 & ~1
        self._planes = [self._rays(1), self._rays(2)]
        sky = noise(random, (1024, 256), 128, 4, rows=32)[: self._horizon]
        clouds = np.array([96, 150, 214]) + np.clip(sky - 120, 0, 90)[..., None] * (154, 100, 36) // 90
        ridge = self._horizon - 8 - noise(random, (1024, 32), 64, 4, rows=32)[0] // 6
        hills = np.arange(self._horizon)[:, None] >= ridge[None, :]
        clouds[hills] = np.array([64, 84, 96]) + (sky[hills][:, None] - 128) // 4
        self._sky = periodic(to_yuv(np.clip(clouds, 0, 255).astype(np.uint8)), (width, 0))
        self._car = self._painted_car(colour_of(random))
        self._hud = Hud(random, size)

    def _rays(self, step: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the texture rows and columns seen by the pixels below the horizon, at full or half resolution."""
        width, height = self._size
        rows = np.arange(step, height - self._horizon + 1, step)[:, None]
        columns = np.arange(0, width, step)[None, :] - width // 2
        ahead = 60 * height // (rows + 2)
        beside = columns * 76 // (rows + 2)
        # Farther out, repeat only the grass between kerb and texture edge, so that the road does not appear again.
        repeated = np.sign(beside) * (116 + (abs(beside) - 116) % 88)
        beside = np.where(abs(beside) > 204, repeated, beside)  # noqa: PLR2004
        return np.broadcast_to(-ahead // step, (rows.shape[0], columns.shape[1])), beside // step

    @staticmethod
    def _painted_car(colour: Colour) -> Picture:
        canvas = Canvas((96, 56))
        canvas.box(8, 40, 18, 16, (22, 22, 24))
        canvas.box(70, 40, 18, 16, (22, 22, 24))
        canvas.box(2, 22, 92, 26, colour)
        canvas.box(18, 4, 60, 20, (44, 56, 74), border=colour)
        canvas.box(6, 28, 16, 8, (250, 70, 50))
        canvas.box(74, 28, 16, 8, (250, 70, 50))
        canvas.text(38, 32, "T-17", WHITE, 1)
        return canvas.picture()

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        width, height = self._size
        picture = flat(self._size)
        bend = math.sin(time_s * 0.45)
        paste(picture, crop(self._sky, int(512 + 300 * bend) % 1024, 0, (width, self._horizon)), 0, 0)
        driven = -int(time_s * 220) & ~1
        drift = self._side // 2 + int(34 * math.sin(time_s * 0.8)) & ~1
        for plane, texture, (ahead, beside), half in (
            (picture.y, self._floor.y, self._planes[0], 0),
            (picture.u, self._floor.u, self._planes[1], 1),
            (picture.v, self._floor.v, self._planes[1], 1),
        ):
            mask = (self._side >> half) - 1
            plane[self._horizon >> half :] = texture[
                (ahead + (driven >> half)) & mask, (beside + (drift >> half)) & mask
            ]
        paste(picture, self._car, width // 2 - 48 + int(26 * bend), height - 110 + int(time_s * 11) % 2 * 2)
        self._hud.draw(picture, time_s)
        return picture
