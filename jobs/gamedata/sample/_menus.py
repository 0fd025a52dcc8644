"""Draw menus: a main menu, settings, a pause menu and an inventory, with palettes and layouts chosen by a seed.

A menu is static except for its highlight, which moves about every two seconds, as if the player hesitated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from jobs.gamedata.sample._draw import Canvas, Colour, Picture, lut, noise, paste, to_yuv

__all__ = ["Menu"]


class _Palette(NamedTuple):
    """The colours of a menu."""

    back: Colour
    panel: Colour
    edge: Colour
    text: Colour
    chosen: Colour


_PALETTES: Final = (
    _Palette((22, 26, 40), (38, 46, 72), (104, 122, 168), (206, 214, 232), (238, 184, 64)),
    _Palette((44, 22, 20), (78, 40, 34), (172, 116, 84), (240, 222, 196), (250, 120, 60)),
    _Palette((18, 36, 30), (30, 62, 52), (92, 156, 128), (214, 236, 222), (120, 232, 150)),
    _Palette((196, 188, 170), (226, 220, 204), (120, 104, 84), (64, 54, 44), (176, 52, 44)),
    _Palette((28, 28, 32), (50, 50, 56), (120, 120, 128), (228, 228, 230), (74, 150, 240)),
)
_TITLES: Final = ("IRON HARBOUR", "LAST LANTERN", "ORBITAL NINE", "RED MERIDIAN", "HOLLOW CROWN", "SALT AND STEEL")
_ENTRIES: Final = ("CONTINUE", "NEW GAME", "LOAD GAME", "MULTIPLAYER", "OPTIONS", "CREDITS", "QUIT")
_NEWS: Final = (
    "PATCH 1.4 IS HERE",
    "TWO NEW MAPS",
    "SERVERS REST ON MONDAY",
    "A SEASON ENDS SOON",
    "FIXED: SAVED GAMES",
)
_SETTINGS: Final = ("RESOLUTION", "FULLSCREEN", "V-SYNC", "SHADOWS", "TEXTURES", "MASTER VOLUME", "MUSIC", "SUBTITLES")
_VALUES: Final = ("1920 / 1080", "ON", "OFF", "HIGH", "ULTRA", "80%", "45%", "ON")
_PAUSE: Final = ("RESUME", "SAVE", "LOAD", "OPTIONS", "QUIT TO TITLE")
_ITEMS: Final = ("IRON SWORD", "OAK SHIELD", "LANTERN", "ROPE", "BREAD", "OLD KEY", "MAP", "RED POTION")


def _backdrop(random: np.random.Generator, size: tuple[int, int], palette: _Palette) -> Picture:
    """Return a background: soft clouds in the palette's colours, darker towards the bottom."""
    width, height = size
    clouds = noise(random, (-(-width // 64) * 64, -(-height // 64) * 64), 64, 4)[:height, :width]
    fall = np.arange(height)[:, None] * 40 // height
    rgb = np.array(palette.back) + ((clouds - 128) * 2 // 5 - fall + 20)[..., None]
    return to_yuv(np.clip(rgb, 0, 255).astype(np.uint8))


def _button(
    canvas: Canvas, position: tuple[int, int, int], words: str, palette: _Palette, unit: int, *, chosen: bool
) -> None:
    x, y, width = position
    canvas.box(x, y, width, 13 * unit, palette.chosen if chosen else palette.panel, border=palette.edge)
    canvas.text(x + 6 * unit, y + 4 * unit, words, palette.back if chosen else palette.text, unit)


def _main(canvas: Canvas, random: np.random.Generator, palette: _Palette, unit: int, chosen: int) -> None:
    width, height = canvas.size
    title = _TITLES[int(random.integers(len(_TITLES)))]
    is_left = bool(random.integers(2))
    letters = 4 * 4 * unit * len(title)
    x = 14 * unit if is_left else (width - letters) // 2
    canvas.text(x + unit, 17 * unit, title, (0, 0, 0), 4 * unit)
    canvas.text(x, 16 * unit, title, palette.chosen, 4 * unit)
    canvas.box(x, 40 * unit, letters, unit, palette.edge)
    wide = 84 * unit
    x = 14 * unit if is_left else (width - wide) // 2
    for number, words in enumerate(_ENTRIES):
        _button(canvas, (x, (50 + 16 * number) * unit, wide), words, palette, unit, chosen=number == chosen)
    if is_left:
        canvas.box(width - 122 * unit, 54 * unit, 108 * unit, 84 * unit, palette.panel, border=palette.edge)
        canvas.text(width - 114 * unit, 60 * unit, "NEWS", palette.chosen, unit)
        for row in range(8):
            words = _NEWS[int(random.integers(len(_NEWS)))]
            canvas.text(width - 114 * unit, (70 + 8 * row) * unit, words, palette.text, unit)
    canvas.text(4 * unit, height - 9 * unit, "VERSION 1.4.2", palette.edge, unit)


def _settings(canvas: Canvas, random: np.random.Generator, palette: _Palette, unit: int, chosen: int) -> None:
    width, height = canvas.size
    canvas.text(14 * unit, 10 * unit, "SETTINGS", palette.text, 3 * unit)
    for number, words in enumerate(("VIDEO", "AUDIO", "CONTROLS", "GAME")):
        colour = palette.chosen if number == 0 else palette.panel
        canvas.box((14 + 60 * number) * unit, 30 * unit, 56 * unit, 12 * unit, colour, border=palette.edge)
        canvas.text((20 + 60 * number) * unit, 34 * unit, words, palette.text, unit)
    canvas.box(14 * unit, 46 * unit, width - 28 * unit, height - 68 * unit, palette.panel, border=palette.edge)
    for number, (name, value) in enumerate(zip(_SETTINGS, _VALUES, strict=True)):
        y = (52 + 13 * number) * unit
        if number == chosen:
            canvas.box(18 * unit, y - 3 * unit, width - 36 * unit, 11 * unit, palette.back)
        canvas.text(24 * unit, y, name, palette.chosen if number == chosen else palette.text, unit)
        bar = width - 130 * unit
        canvas.box(bar, y + unit, 60 * unit, 3 * unit, palette.edge)
        canvas.box(bar + int(random.integers(50)) * unit, y - unit, 4 * unit, 7 * unit, palette.text)
        canvas.text(width - 64 * unit, y, value, palette.text, unit)
    canvas.text(14 * unit, height - 14 * unit, "ENTER: APPLY   ESC: BACK", palette.text, unit)


def _pause(canvas: Canvas, random: np.random.Generator, palette: _Palette, unit: int, chosen: int) -> None:
    width, height = canvas.size
    wide, high = 120 * unit, 112 * unit
    x = (width - wide) // 2 if random.integers(2) else 20 * unit
    y = (height - high) // 2
    canvas.box(x, y, wide, high, palette.back, border=palette.edge)
    canvas.text(x + 14 * unit, y + 8 * unit, "PAUSED", palette.text, 3 * unit)
    for number, words in enumerate(_PAUSE):
        position = (x + 14 * unit, y + (28 + 16 * number) * unit, wide - 28 * unit)
        _button(canvas, position, words, palette, unit, chosen=number == chosen)


def _inventory(canvas: Canvas, random: np.random.Generator, palette: _Palette, unit: int, chosen: int) -> None:
    width, height = canvas.size
    canvas.box(10 * unit, 10 * unit, width - 20 * unit, height - 20 * unit, palette.back, border=palette.edge)
    canvas.text(18 * unit, 16 * unit, "INVENTORY", palette.text, 2 * unit)
    canvas.text(width - 76 * unit, 18 * unit, "GOLD 1240", palette.chosen, unit)
    for number in range(24):
        x, y = (18 + 24 * (number % 6)) * unit, (34 + 24 * (number // 6)) * unit
        canvas.box(
            x, y, 21 * unit, 21 * unit, palette.panel, border=palette.chosen if number == chosen else palette.edge
        )
        kind, red, green, blue = (int(value) for value in random.integers(70, 240, 4))
        if kind % 4 == 1:
            canvas.disc(x + 10 * unit, y + 10 * unit, 6 * unit, (red, green, blue))
        elif kind % 4:
            canvas.box(x + 8 * unit, y + 4 * unit, (kind % 4) * 2 * unit, 13 * unit, (red, green, blue))
            canvas.box(x + 5 * unit, y + 13 * unit, 11 * unit, 2 * unit, (blue, green, red))
    x = 170 * unit
    canvas.box(x, 34 * unit, width - x - 18 * unit, 93 * unit, palette.panel, border=palette.edge)
    canvas.text(x + 8 * unit, 42 * unit, _ITEMS[chosen % len(_ITEMS)], palette.chosen, 2 * unit)
    for row, words in enumerate(
        ("DAMAGE   24 - 31", "WEIGHT   3.5", "VALUE    180", "", "A BLADE FOR LONG ROADS", "AND SHORT TALKS.")
    ):
        canvas.text(x + 8 * unit, (60 + 9 * row) * unit, words, palette.text, unit)
    canvas.text(18 * unit, height - 22 * unit, "E: EQUIP   D: DROP   ESC: CLOSE", palette.text, unit)


_Painter = Callable[[Canvas, np.random.Generator, _Palette, int, int], None]
# name -> (painter, number of selectable entries, True if drawn over the game)
_MENUS: Final[dict[str, tuple[_Painter, int, bool]]] = {
    "main": (_main, len(_ENTRIES), False),
    "settings": (_settings, len(_SETTINGS), False),
    "pause": (_pause, len(_PAUSE), True),
    "inventory": (_inventory, 12, True),
}


class Menu:
    """A menu.

    Args:
        random: source of its palette, layout and words.
        size: (width, height) of the picture, both even; at least 426 x 240.
        kind: ``main``, ``settings``, ``pause`` or ``inventory``.
        behind: last picture of the game behind a pause menu or an inventory; it is dimmed.
    """

    def __init__(
        self, random: np.random.Generator, size: tuple[int, int], kind: str, behind: Picture | None = None
    ) -> None:
        self._paint, self._states, over = _MENUS[kind]
        self._size = size
        self._seed = int(random.integers(1 << 32))
        self._palette = _PALETTES[int(random.integers(len(_PALETTES)))]
        self._steps = random.integers(0, self._states, 64)
        self._back = lut(behind, 45) if over and behind is not None else _backdrop(random, size, self._palette)
        self._drawn: dict[int, Picture] = {}

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        chosen = int(self._steps[int(time_s / 2.2) % len(self._steps)])
        if chosen not in self._drawn:
            canvas = Canvas(self._size)
            unit = max(1, min(self._size[0] // 320, self._size[1] // 180))
            self._paint(canvas, np.random.default_rng(self._seed), self._palette, unit, chosen)
            picture = self._back.copy()
            paste(picture, canvas.picture(), 0, 0)
            self._drawn[chosen] = picture
        return self._drawn[chosen].copy()
