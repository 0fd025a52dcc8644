"""Bars of every kind, and black at the edges that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.detectors.frames import alternating, barred, black, dimmed, stretches
from tests.detectors.huds import Hud, overlaid, subtitles
from tests.detectors.kinds import kind
from tests.detectors.kinds_dark import game
from tests.detectors.paint import paste
from tests.detectors.still_worlds import Lamp

if TYPE_CHECKING:
    from tests.detectors.frames import Sides
    from tests.detectors.kinds import Draft
    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene


def _cinema(draft: Draft) -> Sides:
    """Bars that a wider picture has in this one."""
    ratio = draft.size[1] / draft.size[0] * draft.between(1.05, 1.45)
    high = round(draft.size[0] * (1 - draft.size[1] / draft.size[0] / ratio) / 2)
    return (high, high, 0, 0)


def _pillars(draft: Draft) -> Sides:
    wide = round(draft.size[1] * draft.between(0.035, 0.2))
    return (0, 0, wide, wide)


def _level(draft: Draft) -> int:
    return int(draft.random.choice([0, 0, 0, 2, 5]))


def _inside(draft: Draft, sides: Sides) -> Scene:
    return barred(lambda size: game(draft, size), draft.size, sides, _level(draft))


@kind("letterbox", "bars", bars=True)
def _letterbox(draft: Draft) -> Scene:
    return _inside(draft, _cinema(draft))


@kind("pillarbox", "bars", bars=True)
def _pillarbox(draft: Draft) -> Scene:
    return _inside(draft, _pillars(draft))


@kind("windowbox", "bars", bars=True)
def _windowbox(draft: Draft) -> Scene:
    sides = [round(side * draft.between(0.04, 0.25)) for side in (draft.size[0],) * 2 + (draft.size[1],) * 2]
    return _inside(draft, (sides[0], sides[1], sides[2], sides[3]))


@kind("uneven-bars", "bars", bars=True)
def _uneven(draft: Draft) -> Scene:
    first, second = draft.between(0.03, 0.08), draft.between(0.06, 0.2)
    high, wide = draft.size
    if draft.chance(0.5):
        return _inside(draft, (round(high * first), round(high * second), 0, 0))
    return _inside(draft, (0, 0, round(wide * second), round(wide * first)))


@kind("bars-dim", "bars", bars=True, dark=None)
def _bars_dim(draft: Draft) -> Scene:
    def inner(size: tuple[int, int]) -> Scene:
        parts = stretches(draft.random, draft.between(0.15, 0.35), 2)
        night, day = (dimmed(game(draft, size), draft.seconds, draft.between(*mean)) for mean in ((4, 12), (25, 60)))
        return alternating(parts, draft.seconds, night, day)

    return barred(inner, draft.size, _cinema(draft) if draft.chance(0.5) else _pillars(draft), _level(draft))


@kind("bars-subtitles", "bars", bars=True)
def _bars_subtitles(draft: Draft) -> Scene:
    return subtitles(draft.random, _inside(draft, _cinema(draft)), draft.size[0], draft.between(0.1, 0.4))


@kind("bars-loading", "bars", bars=True)
def _bars_loading(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.1, 0.35), int(draft.random.integers(1, 4)))
    sides = _cinema(draft) if draft.chance(0.5) else _pillars(draft)
    return alternating(parts, draft.seconds, black(draft.random, draft.size), _inside(draft, sides))


@kind("one-bar", "bars")
def _one_bar(draft: Draft) -> Scene:
    sides = [0, 0, 0, 0]
    side = int(draft.random.integers(4))
    sides[side] = round(draft.size[side // 2] * draft.between(0.04, 0.25))
    return _inside(draft, (sides[0], sides[1], sides[2], sides[3]))


@kind("corner-bars", "bars")
def _corner(draft: Draft) -> Scene:
    high, wide = (round(side * draft.between(0.04, 0.25)) for side in draft.size)
    up, left = draft.chance(0.5), draft.chance(0.5)
    return _inside(draft, (high * up, high * (not up), wide * left, wide * (not left)))


@kind("hud-in-bars", "bars")
def _hud_in_bars(draft: Draft) -> Scene:
    """The game leaves black where it draws its HUD: it fills the picture."""
    sides = (high := round(draft.size[0] * draft.between(0.08, 0.16)), high, 0, 0)
    scene = barred(lambda size: game(draft, size, hud=0), draft.size, sides)
    strips = [Hud(draft.random, (high, draft.size[1]), bright=True, heavy=True) for _ in range(2)]

    def draw(time_s: float) -> Picture:
        picture = np.array(scene(time_s))
        for strip, place in zip(strips, (0, draft.size[0] - high), strict=True):
            part = np.zeros((high, draft.size[1], 3), np.uint8)
            strip.draw(part, time_s)
            paste(picture, part, np.ones(part.shape[:2], bool), 0, place)
        return picture

    return draw


@kind("cutscenes", "bars")
def _cutscenes(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.1, 0.38), int(draft.random.integers(1, 4)))
    return alternating(parts, draft.seconds, _inside(draft, _cinema(draft)), game(draft))


@kind("dark-edges", "bars", dark=None)
def _dark_edges(draft: Draft) -> Scene:
    lit = Lamp(draft.random, game(draft, hud=0), draft.size, moves=draft.chance(0.7), wide=draft.between(0.25, 0.5))
    return dimmed(lit, draft.seconds, draft.between(10, 40))


@kind("black-sky", "bars")
def _black_sky(draft: Draft) -> Scene:
    """Night above and a dark floor below: rows of black that move with the camera."""
    scene, seed = game(draft, hud=0), int(draft.random.integers(1 << 30))
    size, reach = draft.size, draft.between(0.1, 0.3)

    def draw(time_s: float) -> Picture:
        random = np.random.default_rng([seed, int(time_s / 2)])
        rows = np.linspace(0, 1, size[0])[:, None, None]
        above, below = (reach * random.uniform(0.2, 1.5) for _ in range(2))
        light = np.clip((rows - above) / 0.15, 0, 1) * np.clip((1 - below - rows) / 0.15, 0, 1)
        return (scene(time_s) * light).astype(np.uint8)

    return overlaid(draw, Hud(draft.random, size)) if draft.chance(0.3) else draw
