"""Effects on whole pictures: brightness, bars, cuts, black screens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.detectors.paint import paste

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["alternating", "barred", "black", "brightness", "dimmed", "luma", "stretches"]

Sides = tuple[int, int, int, int]  # top, bottom, left, right, pixels

_BT601 = np.array([0.299, 0.587, 0.114], np.float32)


def luma(picture: Picture) -> np.ndarray:
    """Luma of RGB, 0 to 255, float32, shape (H, W)."""
    return picture.astype(np.float32) @ _BT601


def brightness(scene: Scene, seconds: float) -> float:
    """Mean luma of a scene over eight moments."""
    return float(np.mean([luma(scene(time_s)).mean() for time_s in np.linspace(0.02, 0.98, 8) * seconds]))


def dimmed(scene: Scene, seconds: float, mean: float) -> Scene:
    """A scene with another mean luma."""
    factor = np.float32(mean / max(brightness(scene, seconds), 1.0))
    return lambda time_s: (scene(time_s) * factor + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def barred(inner: Callable[[tuple[int, int]], Scene], size: tuple[int, int], sides: Sides, level: int = 0) -> Scene:
    """A scene between bars.

    Args:
        inner: makes the scene for what is left.
        size: height, width of the whole.
        sides: of the bars.
        level: their brightness.
    """
    top, bottom, left, right = sides
    scene = inner((size[0] - top - bottom, size[1] - left - right))

    def draw(time_s: float) -> Picture:
        picture = np.full((*size, 3), level, np.uint8)
        picture[top : size[0] - bottom, left : size[1] - right] = scene(time_s)
        return picture

    return draw


def black(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Nothing but black: a level of 0 to 5, grain, and in some a recorder's dot or counter that blinks."""
    base = np.full((*size, 3), int(random.integers(0, 6)), np.uint8)
    grain, seed = int(random.integers(0, 4)), int(random.integers(1 << 30))
    dot = max(2, size[0] // 40) if random.random() < 0.4 else 0
    place = [int(random.integers(0, side - 10)) for side in size]

    def draw(time_s: float) -> Picture:
        picture = base.copy()
        if grain:
            picture += np.random.default_rng([seed, int(time_s * 8)]).integers(0, grain, (*size, 1), dtype=np.uint8)
        if dot and int(time_s) % 3:
            paste(picture, np.full((dot, dot, 3), (230, 20, 20), np.uint8), np.ones((dot, dot), bool), *place[::-1])
        return picture

    return draw


def stretches(
    random: np.random.Generator, share: float, count: int, *, begins: bool | None = None
) -> list[tuple[float, bool]]:
    """Cut a session into stretches that are something for a share of its time, and stretches that are not.

    Args:
        random: of their lengths.
        share: of the time, 0 to 1.
        count: of either kind.
        begins: whether the session begins with one that is; None: either.

    Returns:
        ``(end, is)`` pairs, ends as shares of the session, ascending to 1.
    """
    on = random.dirichlet(np.full(count, 4.0)) * share
    off = random.dirichlet(np.full(count, 4.0)) * (1 - share)
    first = bool(random.integers(2)) if begins is None else begins
    lengths = np.stack([on, off] if first else [off, on], 1).reshape(-1)
    ends = np.cumsum(lengths)
    ends[-1] = 1.0
    return [(float(end), (number % 2 == 0) is first) for number, end in enumerate(ends)]


def alternating(parts: Sequence[tuple[float, bool]], seconds: float, yes: Scene, no: Scene) -> Scene:
    """Two scenes in turns, along :func:`stretches`."""
    ends = np.array([end for end, _ in parts]) * seconds

    def draw(time_s: float) -> Picture:
        at = min(int(np.searchsorted(ends, time_s, side="right")), len(parts) - 1)
        return yes(time_s) if parts[at][1] else no(time_s)

    return draw
