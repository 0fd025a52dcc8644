"""Menus: pages with titles, entries, panels, icons and sliders, over a painting, a frozen or a running game.

A hesitant hand moves the highlight; pages change after a while of their own.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw

from tests.detectors.huds import Pointer
from tests.detectors.paint import blob, colour, font, page, paste, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["Menu"]

Ink = tuple[int, int, int]


class Menu:
    """Pages of one game's menu.

    Args:
        random: of its layout, words and colours.
        size: height, width.
        behind: what the pages lie on, by time.
        layout: ``list`` (a title and entries), ``settings`` (rows with sliders), ``grid`` (an inventory), ``mixed``.
        pages: how many there are.
        dwell: seconds that a page stays, from and to.
        veil: how dark the game behind becomes, 0 to 1.
        panel: opacity of the panels, 0 to 1.
        plain: text alone: no panel, no icon.
    """

    def __init__(
        self,
        random: np.random.Generator,
        size: tuple[int, int],
        behind: Scene,
        *,
        layout: Literal["list", "settings", "grid", "mixed"] = "mixed",
        pages: int = 3,
        dwell: tuple[float, float] = (8, 90),
        veil: float = 0.0,
        panel: float = 0.9,
        plain: bool = False,
    ) -> None:
        self._size, self._behind, self._veil, self._panel, self._plain = size, behind, veil, panel, plain
        self._seeds = [int(random.integers(1 << 30)) for _ in range(pages)]
        kinds = ("list", "settings", "grid")
        self._kinds = [str(random.choice(kinds)) if layout == "mixed" else layout for _ in range(pages)]
        self._look = int(random.integers(1 << 30))
        self._ends = np.cumsum(random.uniform(*dwell, 400))
        self._turns = random.integers(0, pages, 401)
        self._turns[0] = 0
        self._steps = random.integers(0, 12, 400)
        self._step_s = random.uniform(1, 6)
        self._pointer = Pointer(random, size) if random.random() < 0.6 else None

    def __call__(self, time_s: float) -> Picture:
        which = int(self._turns[int(np.searchsorted(self._ends, time_s))])
        chosen = int(self._steps[int(time_s / self._step_s) % 400])
        ink, opacity = self._drawn(which, chosen)
        picture = np.array(self._behind(time_s))
        if self._veil:
            picture = (picture * np.float32(1 - self._veil)).astype(np.uint8)
        paste(picture, ink, opacity, 0, 0)
        if self._pointer is not None:
            self._pointer.draw(picture, time_s)
        return picture

    @functools.cache  # noqa: B019  menus live as long as their variant
    def _drawn(self, which: int, chosen: int) -> tuple[Picture, np.ndarray]:
        look, random = np.random.default_rng(self._look), np.random.default_rng(self._seeds[which])
        image, draw = page(self._size)
        inks = [colour(look, 190, 255) if self._plain else colour(look, 120, 255), colour(look, 60, 255)]
        back = colour(look, 10, 120)
        painters: dict[str, Callable[..., None]] = {"list": self._list, "settings": self._settings, "grid": self._grid}
        painters[self._kinds[which]](image, draw, random, inks=inks, back=back, chosen=chosen)
        return np.asarray(image.convert("RGB")), np.asarray(image.getchannel("A"), np.float32) / 255

    def _box(self, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], fill: Ink, edge: Ink | None) -> None:
        if not self._plain:
            draw.rectangle(box, (*fill, int(255 * self._panel)), (*edge, 255) if edge else None)

    def _list(
        self,
        image: Image.Image,
        draw: ImageDraw.ImageDraw,
        random: np.random.Generator,
        *,
        inks: list[Ink],
        back: Ink,
        chosen: int,
    ) -> None:
        height, width = self._size
        rows, big, small = int(random.integers(4, 9)), height // int(random.integers(6, 10)), height // 17
        left = int(width * random.choice([0.06, 0.33, 0.6]))
        wide = int(width * random.uniform(0.25, 0.36))
        draw.text((left, int(height * 0.06)), words(random, 2).upper(), (*inks[0], 255), font(big))
        step = min(int(height * 0.7 / rows), small * 2)
        for row in range(rows):
            y = int(height * 0.27) + row * step
            lit = row == chosen % rows
            self._box(draw, (left, y, left + wide, y + step - 4), inks[1] if lit else back, inks[0])
            text = words(random, int(random.integers(1, 3)))
            draw.text((left + 6, y + 1), text, (*(back if lit and not self._plain else inks[0]), 255), font(small))
        if random.random() < 0.5:  # news, a character, a map
            x = int(width * (0.06 if left > width // 2 else 0.68))
            box = (x, int(height * 0.25), x + int(width * 0.28), int(height * 0.9))
            self._box(draw, box, back, inks[1])
            for line in range(int(random.integers(2, 7))):
                text = words(random, int(random.integers(2, 4)))
                draw.text(
                    (x + 6, box[1] + 6 + line * small * 3 // 2), text, (*inks[1], 255), font(max(8, small * 3 // 4))
                )

    def _settings(
        self,
        image: Image.Image,
        draw: ImageDraw.ImageDraw,
        random: np.random.Generator,
        *,
        inks: list[Ink],
        back: Ink,
        chosen: int,
    ) -> None:
        height, width = self._size
        rows, small = int(random.integers(5, 11)), height // 20
        left, right = int(width * random.uniform(0.05, 0.25)), int(width * random.uniform(0.75, 0.95))
        self._box(draw, (left, height // 7, right, int(height * 0.92)), back, inks[1])
        draw.text((left + 8, height // 30), words(random, 1).upper(), (*inks[0], 255), font(height // 12))
        step = int(height * 0.75 / rows)
        for row in range(rows):
            y = height // 7 + 4 + row * step
            lit = row == chosen % rows
            if lit:
                self._box(draw, (left + 3, y, right - 3, y + step - 2), inks[1], None)
            draw.text(
                (left + 10, y), words(random, 2), (*(back if lit and not self._plain else inks[0]), 255), font(small)
            )
            x, wide = int(left + (right - left) * 0.6), int((right - left) * 0.3)
            if random.random() < 0.6 and not self._plain:
                draw.rectangle((x, y + step // 3, x + wide, y + step // 2), (*inks[1], 255))
                knob = x + int(wide * random.random())
                draw.rectangle((knob, y + 2, knob + 5, y + step - 5), (*inks[0], 255))
            else:
                draw.text((x, y), words(random, 1), (*inks[0], 255), font(small))

    def _grid(
        self,
        image: Image.Image,
        draw: ImageDraw.ImageDraw,
        random: np.random.Generator,
        *,
        inks: list[Ink],
        back: Ink,
        chosen: int,
    ) -> None:
        height, width = self._size
        rows, columns, side = (
            int(random.integers(3, 6)),
            int(random.integers(4, 9)),
            height // int(random.integers(7, 10)),
        )
        left, top = int(width * random.uniform(0.04, 0.12)), int(height * 0.18)
        self._box(draw, (left - 6, top - 6, int(width * 0.95), int(height * 0.95)), back, inks[1])
        draw.text((left, height // 40), words(random, 1), (*inks[0], 255), font(height // 12))
        for cell in range(rows * columns):
            x, y = left + cell % columns * (side + 3), top + cell // columns * (side + 3)
            if x + side > width * 0.6:
                continue
            lit = cell == chosen % (rows * columns)
            self._box(draw, (x, y, x + side, y + side), colour(random, 30, 110), inks[0] if lit else inks[1])
            if random.random() < 0.7:
                sprite, mask = blob(random, (side - 6, side - 6))
                image.paste(Image.fromarray(sprite), (x + 3, y + 3), Image.fromarray(mask))
        details = np.random.default_rng(self._seeds[0] + chosen)
        for line in range(6):
            text = words(details, int(details.integers(1, 4)))
            draw.text((int(width * 0.63), top + line * height // 10), text, (*inks[0], 255), font(height // 18))
