"""Menus of every kind, and games that stand as still as menus do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.detectors.backdrops import blurred, clouds, frozen, loading, painting, spinner
from tests.detectors.frames import alternating, black, brightness, dimmed, stretches
from tests.detectors.huds import Hud, Pointer, overlaid
from tests.detectors.kinds import kind
from tests.detectors.kinds_dark import game
from tests.detectors.menus import Menu
from tests.detectors.still_worlds import arena, board, strategy

if TYPE_CHECKING:
    from tests.detectors.kinds import Draft
    from tests.detectors.worlds import Scene


# What moves over a running game, pages that no two samples see, white text on black, and a still camera.
_MENU = ("is_video_mostly_menu",)


def _referenced(draft: Draft, menu: Scene) -> Scene:
    """A user's screenshots: two moments of this menu, which no sample hits."""
    for share in (0.13, 0.61):
        draft.references.append(menu(draft.seconds * share + 1.7))
    return menu


def _menu(draft: Draft, behind: Scene, **settings: Any) -> Scene:
    return _referenced(draft, Menu(draft.random, draft.size, behind, **settings))


def _still(draft: Draft, **settings: Any) -> Scene:
    picture = painting(draft.random, draft.size)
    return _menu(draft, lambda _time_s: picture, **settings)


@kind("menu", "menu", menu=True)
def _static(draft: Draft) -> Scene:
    return _still(draft, pages=int(draft.random.integers(1, 4)), dwell=(40, 200))


@kind("menu-browsed", "menu", menu=True)
def _browsed(draft: Draft) -> Scene:
    return _still(draft, pages=int(draft.random.integers(3, 9)), dwell=(4, 35))


@kind("menu-settings", "menu", menu=True)
def _settings(draft: Draft) -> Scene:
    return _still(draft, layout="settings", pages=int(draft.random.integers(1, 5)), dwell=(20, 120))


@kind("menu-over-clouds", "menu", menu=True)
def _over_clouds(draft: Draft) -> Scene:
    return _menu(draft, clouds(draft.random, draft.size), dwell=(20, 120))


@kind("menu-over-blur", "menu", menu=True)
def _over_blur(draft: Draft) -> Scene:
    behind = blurred(game(draft, hud=0), draft.size[0] / draft.between(20, 45))
    return _menu(draft, behind, veil=draft.between(0, 0.6), dwell=(20, 120))


@kind("menu-over-game", "menu", untold=_MENU, menu=True)
def _over_game(draft: Draft) -> Scene:
    """A running game behind a list of entries, as it is: most of the texture moves."""
    return _menu(draft, game(draft, hud=0), veil=draft.between(0, 0.5), panel=draft.between(0.5, 1), dwell=(20, 120))


@kind("pause", "menu", menu=True)
def _pause(draft: Draft) -> Scene:
    still = frozen(game(draft), draft.seconds * 0.3)
    return _menu(draft, still, veil=draft.between(0.2, 0.7), pages=int(draft.random.integers(1, 4)), dwell=(20, 120))


@kind("inventory", "menu", menu=True)
def _inventory(draft: Draft) -> Scene:
    """Over the game, which stands in some and runs on in others; the panel covers most of it."""
    behind = game(draft)
    if draft.chance(0.6):
        behind = frozen(behind, draft.seconds * 0.4)
    return _menu(
        draft, behind, layout="grid", veil=draft.between(0.3, 0.7), panel=draft.between(0.85, 1), dwell=(15, 90)
    )


@kind("loading", "menu", untold=_MENU, menu=True)
def _loading(draft: Draft) -> Scene:
    return _referenced(draft, loading(draft.random, draft.size))


@kind("loading-black", "menu", untold=_MENU, menu=True, dark=None, bars=None)
def _loading_black(draft: Draft) -> Scene:
    dark, wheel = black(draft.random, draft.size), spinner(draft.random, draft.size)
    return _menu(draft, lambda time_s: wheel(dark(time_s), time_s), plain=True, layout="list", dwell=(20, 90))


@kind("text-on-black", "menu", untold=_MENU, menu=True, dark=None, bars=None)
def _text_on_black(draft: Draft) -> Scene:
    return _menu(draft, black(draft.random, draft.size), plain=True, dwell=(15, 90))


@kind("menu-on-black", "menu", menu=True, bars=None)
def _on_black(draft: Draft) -> Scene:
    """Panels and icons on black: more is lit than by text alone."""
    layout = "grid" if draft.chance(0.5) else "settings"
    return _menu(draft, black(draft.random, draft.size), layout=layout, panel=draft.between(0.6, 1), dwell=(20, 120))


@kind("menu-mostly", "menu", menu=True)
def _mostly(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.68, 0.92), int(draft.random.integers(1, 3)))
    return alternating(parts, draft.seconds, _still(draft, pages=2, dwell=(30, 120)), game(draft))


@kind("menu-between", "game")
def _between(draft: Draft) -> Scene:
    parts = stretches(draft.random, draft.between(0.05, 0.32), int(draft.random.integers(1, 4)))
    return alternating(parts, draft.seconds, _still(draft, pages=2, dwell=(30, 120)), game(draft))


@kind("game", "game")
def _game(draft: Draft) -> Scene:
    return game(draft)


@kind("game-heavy-hud", "game")
def _heavy(draft: Draft) -> Scene:
    return overlaid(game(draft, hud=0), Hud(draft.random, draft.size, heavy=True))


@kind("game-dim-hud", "game", dark=None)
def _dim(draft: Draft) -> Scene:
    world = dimmed(game(draft, hud=0), draft.seconds, draft.between(14, 35))
    return overlaid(world, Hud(draft.random, draft.size, heavy=True, bright=True))


@kind("strategy", "game", untold=_MENU)
def _strategy(draft: Draft) -> Scene:
    world = strategy(draft.random, draft.size)
    return overlaid(world, Hud(draft.random, draft.size, heavy=True), Pointer(draft.random, draft.size))


@kind("arena", "game", untold=_MENU)
def _arena(draft: Draft) -> Scene:
    return overlaid(arena(draft.random, draft.size), Hud(draft.random, draft.size))


@kind("board", "game", untold=_MENU)
def _board(draft: Draft) -> Scene:
    world = board(draft.random, draft.size)
    return overlaid(world, Pointer(draft.random, draft.size)) if brightness(world, 10) else world
