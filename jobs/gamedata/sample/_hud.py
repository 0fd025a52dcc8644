"""Draw figures and the head-up display of a game."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jobs.gamedata.sample._draw import WHITE, Canvas, Colour, Picture, paste

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Hud", "colour_of", "figure"]


def figure(random: np.random.Generator, scale: int, colour: Colour) -> Picture:
    """Return a figure of 10 x 12 cells: head, body, legs, and arms with or without sleeves."""
    canvas = Canvas((10 * scale, 12 * scale))
    skin = (224, 178, 140)
    canvas.disc(5 * scale, 2 * scale, 2 * scale, skin)
    canvas.box(3 * scale, 4 * scale, 4 * scale, 5 * scale, colour)
    canvas.box(1 * scale, 4 * scale, 2 * scale, 4 * scale, skin if random.integers(2) else colour)
    canvas.box(7 * scale, 4 * scale, 2 * scale, 4 * scale, skin if random.integers(2) else colour)
    canvas.box(3 * scale, 9 * scale, 2 * scale, 3 * scale, (40, 40, 60))
    canvas.box(5 * scale, 9 * scale, 2 * scale, 3 * scale, (56, 48, 44))
    canvas.box(3 * scale, 0, 4 * scale, scale, (90, 50, 30))
    return canvas.picture()


def colour_of(random: np.random.Generator) -> Colour:
    """Return a random colour."""
    red, green, blue = (int(value) for value in random.integers(60, 230, 3))
    return red, green, blue


class Hud:
    """A head-up display: bars, a running score and a row of items."""

    def __init__(self, random: np.random.Generator, size: tuple[int, int]) -> None:
        self._size = size
        self._unit = max(1, min(size) // 180)
        self._colours = [(200, 48, 44), (52, 104, 210)]
        self._items = [colour_of(random) for _ in range(6)]
        self._drawn: dict[tuple[int, int, int], list[tuple[Picture, int, int]]] = {}

    def draw(self, picture: Picture, time_s: float) -> None:
        """Draw the display at a time onto a picture."""
        health = 55 + int(40 * math.sin(time_s * 0.7))
        state = (health // 4 * 4, int(time_s * 2) * 25, int(time_s / 4) % len(self._items))
        if state not in self._drawn:
            self._drawn = {state: self._parts(*state)}
        for sprite, x, y in self._drawn[state]:
            paste(picture, sprite, x, y)

    def _parts(self, health: int, score: int, chosen: int) -> list[tuple[Picture, int, int]]:
        unit = self._unit
        width, height = self._size
        bars = Canvas((64 * unit, 20 * unit))
        for row, (share, colour) in enumerate(zip((health, 100 - health // 2), self._colours, strict=True)):
            bars.box(0, row * 10 * unit, 64 * unit, 8 * unit, (26, 24, 28), border=(220, 214, 200))
            bars.box(2, row * 10 * unit + 2, (64 * unit - 4) * share // 100, 8 * unit - 4, colour)
        points = Canvas((32 * unit, 8 * unit))
        points.text(0, unit, f"{score:06d}", WHITE, unit)
        slots = Canvas((len(self._items) * 16 * unit, 16 * unit))
        for number, colour in enumerate(self._items):
            border = (250, 214, 90) if number == chosen else (150, 146, 140)
            slots.box(number * 16 * unit, 0, 16 * unit - 2, 16 * unit, (40, 38, 44), border=border)
            slots.disc(number * 16 * unit + 7 * unit, 8 * unit, 4 * unit, colour)
        middle = (width - slots.size[0]) // 2
        edge = 6 * unit
        return [
            (bars.picture(), edge, edge),
            (points.picture(), width - points.size[0] - edge, edge),
            (slots.picture(), middle, height - slots.size[1] - edge),
        ]
