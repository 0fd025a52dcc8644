"""A moving scene: frame ``n`` differs from every other frame in each 16 x 16 block, and has patches of flat chroma."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["draw"]

_SIDE = 512  # of the texture, which repeats beyond
_STEP = 3  # pixels per frame, coprime to the texture's side: a picture repeats only after 512 frames


@functools.cache
def _texture() -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(14)
    coarse = random.integers(40, 200, (_SIDE // 16, _SIDE // 16)).repeat(16, 0).repeat(16, 1)
    fine = random.integers(-24, 25, (_SIDE // 4, _SIDE // 4)).repeat(4, 0).repeat(4, 1)
    texture: npt.NDArray[np.uint8] = (coarse + fine).astype(np.uint8)
    return texture


def draw(number: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Draw a frame as yuv420p, in the layout of :meth:`av.VideoFrame.from_ndarray`: (height * 3 / 2, width)."""
    width, height = size
    rows = (np.arange(height) + number) % _SIDE
    columns = (np.arange(width) + number * _STEP) % _SIDE
    luma = _texture()[rows][:, columns]
    chroma = np.empty((2, height // 2, width // 2), np.uint8)
    # Two by two patches that change every seven frames, wide enough for the middle of each to stay flat when encoded.
    for patch in range(4):
        part = (slice(patch // 2 * (height // 4), None), slice(patch % 2 * (width // 4), None))
        chroma[0][part] = 96 + (patch * 37 + number // 7 * 11) % 64
        chroma[1][part] = 96 + (patch * 23 + number // 7 * 29) % 64
    return np.concatenate([luma.ravel(), chroma.ravel()]).reshape(height * 3 // 2, width)
