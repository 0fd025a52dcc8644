"""Scenes that wrap other scenes: dimmed, with black bars, cut together, rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jobs.gamedata.sample._draw import Picture, flat, lut, paste

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cuts", "Dimmed", "Rotated", "Scene", "WithBlackBars"]


class Scene(Protocol):
    """A function from a time to a picture, independent of earlier calls."""

    def __call__(self, time_s: float) -> Picture:
        """Return the picture at a time in seconds; the caller may draw on it."""


class Dimmed:
    """A darker version of a scene.

    Args:
        scene: the scene.
        percent: percentage of its luma and chroma to keep.
    """

    def __init__(self, scene: Scene, percent: int) -> None:
        self._scene, self._percent = scene, percent

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        return lut(self._scene(time_s), self._percent)


class WithBlackBars:
    """A scene between black bars, as if scaled for another screen."""

    def __init__(self, scene: Scene, size: tuple[int, int], inner: tuple[int, int]) -> None:
        self._scene, self._black = scene, flat(size)
        self._x, self._y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        picture = self._black.copy()
        paste(picture, self._scene(time_s), self._x, self._y)
        return picture


class Cuts:
    """Consecutive scenes, as ``(start in seconds, scene)``; the first starts at 0."""

    def __init__(self, parts: Sequence[tuple[float, Scene]]) -> None:
        self._parts = tuple(parts)

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        return next(scene for begin, scene in reversed(self._parts) if time_s >= begin)(time_s)


class Rotated:
    """A scene turned by quarter turns.

    Args:
        scene: the scene.
        quarters: quarter turns, counterclockwise.
    """

    def __init__(self, scene: Scene, quarters: int) -> None:
        self._scene, self._quarters = scene, quarters

    def __call__(self, time_s: float) -> Picture:
        """Draw the picture at a time."""
        return self._scene(time_s).rotated(self._quarters)
