"""Dark sessions, those that are only dim, black beginnings, and sessions with nothing in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.detectors.frames import alternating, barred, black, dimmed, stretches
from tests.detectors.huds import Hud, Pointer, overlaid, subtitles
from tests.detectors.kinds import kind
from tests.detectors.still_worlds import Lamp, arena
from tests.detectors.worlds import MOVING, Space, snow

if TYPE_CHECKING:
    from tests.detectors.kinds import Draft
    from tests.detectors.worlds import Scene

__all__ = ["game"]


def game(draft: Draft, size: tuple[int, int] | None = None, *, hud: float = 0.8) -> Scene:
    """A game whose camera moves, in most cases with a light HUD."""
    size = size or draft.size
    world = MOVING[int(draft.random.integers(len(MOVING)))](draft.random, size)
    return overlaid(world, Hud(draft.random, size)) if draft.chance(hud) else world


def _night(draft: Draft, low: float = 4, high: float = 11) -> Scene:
    return dimmed(game(draft, hud=0), draft.seconds, draft.between(low, high))


@kind("dark", "dark", dark=True)
def _dark(draft: Draft) -> Scene:
    return _night(draft)


@kind("dark-lit-hud", "dark", dark=True)
def _dark_lit_hud(draft: Draft) -> Scene:
    return overlaid(_night(draft), Hud(draft.random, draft.size, bright=True))


@kind("dark-heavy-hud", "dark", dark=True)
def _dark_heavy_hud(draft: Draft) -> Scene:
    return overlaid(_night(draft, 4, 9), Hud(draft.random, draft.size, bright=True, heavy=True))


@kind("dark-mostly", "dark", dark=True)
def _dark_mostly(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.65, 0.92), int(draft.random.integers(1, 4)))
    return alternating(parts, draft.seconds, _night(draft), game(draft))


@kind("dark-subtitles", "dark", dark=True)
def _dark_subtitles(draft: Draft) -> Scene:
    return subtitles(draft.random, _night(draft), draft.size[0], draft.between(0.2, 0.7))


@kind("dim", "dark")
def _dim(draft: Draft) -> Scene:
    return dimmed(game(draft, hud=0), draft.seconds, draft.between(20, 45))


@kind("dim-hud", "dark")
def _dim_hud(draft: Draft) -> Scene:
    return overlaid(_dim(draft), Hud(draft.random, draft.size, heavy=draft.chance(0.4)))


@kind("dim-in-bars", "dark", bars=True)
def _dim_in_bars(draft: Draft) -> Scene:
    high = draft.size[0] * int(draft.random.integers(5, 14)) // 100
    sides = (high, high, 0, 0)
    return barred(
        lambda size: dimmed(game(draft, size, hud=0), draft.seconds, draft.between(22, 45)), draft.size, sides
    )


@kind("space", "dark", bars=None)
def _space(draft: Draft) -> Scene:
    world = dimmed(Space(draft.random, draft.size), draft.seconds, draft.between(20, 40))
    return overlaid(world, Hud(draft.random, draft.size)) if draft.chance(0.6) else world


@kind("lamp", "dark")
def _lamp(draft: Draft) -> Scene:
    world = game(draft, hud=0)
    lit = Lamp(draft.random, world, draft.size, moves=draft.chance(0.6), wide=draft.between(0.3, 0.5))
    return dimmed(lit, draft.seconds, draft.between(20, 35))


@kind("lamp-arena", "dark", untold=("is_video_mostly_menu",))
def _lamp_arena(draft: Draft) -> Scene:
    lit = Lamp(draft.random, arena(draft.random, draft.size), draft.size, moves=False, wide=draft.between(0.3, 0.5))
    return dimmed(lit, draft.seconds, draft.between(20, 35))


@kind("tunnels", "dark")
def _tunnels(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.1, 0.36), int(draft.random.integers(1, 4)))
    return alternating(parts, draft.seconds, _night(draft), game(draft))


@kind("bright", "game")
def _bright(draft: Draft) -> Scene:
    return overlaid(snow(draft.random, draft.size), Hud(draft.random, draft.size))


def _starts(draft: Draft, before: Scene, after: Scene) -> Scene:
    # The default sampling takes half of its frames within the first 45 s.
    first = min(draft.between(4, 75), draft.seconds * 0.38) / draft.seconds
    return alternating([(first, True), (1.0, False)], draft.seconds, before, after)


@kind("black-start", "start")
def _black_start(draft: Draft) -> Scene:
    return _starts(draft, black(draft.random, draft.size), game(draft))


@kind("dark-start", "start")
def _dark_start(draft: Draft) -> Scene:
    return _starts(draft, _night(draft), game(draft))


@kind("black-start-bars", "start", bars=True)
def _black_start_bars(draft: Draft) -> Scene:
    wide = draft.size[1] * int(draft.random.integers(5, 14)) // 100
    inner = barred(lambda size: game(draft, size), draft.size, (0, 0, wide, wide))
    return _starts(draft, black(draft.random, draft.size), inner)


@kind("black", "empty", dark=True, empty=True)
def _black(draft: Draft) -> Scene:
    scene = black(draft.random, draft.size)
    return overlaid(scene, Pointer(draft.random, draft.size)) if draft.chance(0.3) else scene


@kind("brief", "empty", brief=True, dark=None, bars=None, menu=None, empty=True)
def _brief(draft: Draft) -> Scene:
    return game(draft)


@kind("untouched", "empty", empty=True)
def _untouched(draft: Draft) -> Scene:
    draft.devices = ()
    return game(draft)


@kind("untouched-drift", "empty", empty=True)
def _untouched_drift(draft: Draft) -> Scene:
    draft.devices = ("drift",)
    return game(draft)


@kind("glimpses", "empty", dark=True)
def _glimpses(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.7, 0.9), int(draft.random.integers(1, 3)))
    return alternating(parts, draft.seconds, black(draft.random, draft.size), game(draft))


@kind("pitch-dark", "empty", dark=True)
def _pitch_dark(draft: Draft) -> Scene:
    return _night(draft, 4, 7)
