"""Menu backdrops: paintings, loading screens, and games that are frozen, blurred or replaced by clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.detectors.paint import blob, colour, font, gradient, noise, paste, texture, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["blurred", "clouds", "frozen", "loading", "painting", "spinner"]


def painting(random: np.random.Generator, size: tuple[int, int]) -> Picture:
    """A menu's background: flat, a gradient, clouds, or a detailed picture."""
    kind = int(random.integers(4))
    if kind == 0:
        return np.broadcast_to(np.array(colour(random, 16, 220), np.uint8), (*size, 3)).copy()
    if kind == 1:
        return gradient(random, size, 16, 220)
    picture = texture(random, size, size[0] // (2 if kind == 2 else 8), contrast=0.5 if kind == 2 else 1.0)
    if kind == 3:
        for _ in range(int(random.integers(5, 25))):
            sprite, mask = blob(
                random, (int(random.integers(20, size[0] // 2)), int(random.integers(20, size[0] // 2)))
            )
            paste(picture, sprite, mask, int(random.integers(-20, size[1])), int(random.integers(-20, size[0])))
    return picture


def loading(random: np.random.Generator, size: tuple[int, int], seconds: tuple[float, float] = (10, 60)) -> Scene:
    """Loading screens one after the other: a painting, a bar that fills, a tip that changes, a wheel that turns."""
    count = 8
    art = [
        texture(random, size, size[0] // 6) if random.random() < 0.7 else painting(random, size) for _ in range(count)
    ]
    for picture in art:
        for _ in range(int(random.integers(2, 9))):
            sprite, mask = blob(random, (size[0] // 2, size[0] // 3))
            paste(picture, sprite, mask, int(random.integers(0, size[1])), int(random.integers(0, size[0] // 2)))
    ends = np.cumsum(random.uniform(*seconds, 200))
    tips = [words(random, int(random.integers(4, 8))) for _ in range(12)]
    wheel, ink = spinner(random, size), colour(random, 180, 255)
    tip_s, low = random.uniform(3, 12), size[0] - size[0] // 10

    def draw(time_s: float) -> Picture:
        which = int(np.searchsorted(ends, time_s))
        picture = art[which % count].copy()
        image = Image.fromarray(picture[low - size[0] // 12 :])
        ImageDraw.Draw(image).text((10, 0), tips[int(time_s / tip_s) % 12], ink, font(size[0] // 16))
        picture[low - size[0] // 12 :] = np.asarray(image)
        begin = ends[which - 1] if which else 0.0
        full = (time_s - begin) / (ends[which] - begin)
        picture[low + 6 : low + 10, 10 : 10 + int((size[1] - 20) * full)] = ink
        return wheel(picture, time_s)

    return draw


def spinner(random: np.random.Generator, size: tuple[int, int]) -> Callable[[Picture, float], Picture]:
    """A wheel of dots that turns, in a corner or in the middle."""
    place = size[0] * random.choice([0.5, 0.88]), size[1] * random.choice([0.5, 0.92])
    radius, ink = size[0] * random.uniform(0.03, 0.06), colour(random, 170, 255)

    def draw(picture: Picture, time_s: float) -> Picture:
        for dot in range(6):
            angle = time_s * 4 + dot * 0.7
            y, x = int(place[0] + radius * np.sin(angle)), int(place[1] + radius * np.cos(angle))
            picture[y - 1 : y + 2, x - 1 : x + 2] = ink
        return picture

    return draw


def blurred(scene: Scene, radius: float) -> Scene:
    """A scene out of focus, as many games show themselves behind their menus."""
    return lambda time_s: np.asarray(Image.fromarray(scene(time_s)).filter(ImageFilter.GaussianBlur(radius)))


def frozen(scene: Scene, at_s: float) -> Scene:
    """A scene that stands still since a time."""
    picture = scene(at_s)
    return lambda _time_s: picture


def clouds(random: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A drifting backdrop without detail."""
    wide = noise(random, (size[0], size[1] * 3), size[0] // 3, 2)[..., None]
    first, second = (np.array(colour(random, 20, 200), np.float32) for _ in range(2))
    paint = (first + (second - first) * wide).astype(np.uint8)
    speed = random.uniform(2, 20)
    return lambda time_s: paint[:, (np.arange(size[1]) + int(time_s * speed)) % paint.shape[1]]
