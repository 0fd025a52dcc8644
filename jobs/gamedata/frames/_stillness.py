"""Measure a frame's static share: high in menus, low in gameplay, none if its middle is dark and empty.

As in :mod:`jobs.gamedata.frames.statistics`, all arithmetic uses integers, so numpy and torch return identical results.
docs/checks.md has the measurements behind the constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.model import STATISTICS_SHAPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

__all__ = ["static_share"]

# Blocks of 5 x 5 cells, 18 x 32 per frame: small enough that a line of text or a HUD element fills its own blocks.
_BLOCK: Final = 5
_BLOCKS: Final = STATISTICS_SHAPE[0] // _BLOCK * (STATISTICS_SHAPE[1] // _BLOCK)
# Blocks are compared by their high-pass: 9 * (cell minus the mean of its 3 x 3 neighbourhood). _UNIT is a block's sum
# for a mean |high-pass| of one luma level. Skies, vignettes and blurred backgrounds have almost no high-pass, so they
# do not count as static in gameplay or as moving behind a menu. Fades in brightness have no effect.
_UNIT: Final = 9 * _BLOCK * _BLOCK
# A block is textured if its mean |high-pass| reaches 1.5 luma in either frame; keyframe noise reaches 0.2 to 0.4.
_TEXTURE: Final = int(1.5 * _UNIT)
# A textured block is static if its high-pass changes by at most this percentage. Between unrelated textures it changes
# by about 140 %, between two encodings of the same texture by less than 20 %. A relative limit treats dim games and
# menus like bright ones.
_CHANGE: Final = 30
# Blocks with less texture count as moving if they change by at least this much, to detect dim gameplay inside a bright
# HUD. A blurred image that drifts behind a menu reaches 0.6.
_MOVED: Final = int(0.8 * _UNIT)
# Film grain changes every block, so the high-pass of the flattest tenth of the blocks is subtracted, limited to 1 for
# frames whose flattest tenth is not flat. The grain of two frames differs by 1.4 times that.
_FLAT: Final = _BLOCKS // 10
_GRAIN: Final = _UNIT
# A frame is compared with the nearest 16 frames before and after it that are at least this many seconds away; closer
# frames are similar in gameplay too. One neighbour would not be enough: a menu page that comes back after other pages
# matches its earlier frame.
_APART_S: Final = 1.0
_NEAR: Final = 16
# With fewer textured or moving blocks than this (3.5 %) there is no result: a HUD in front of a black scene has 4 to
# 10, three lines of text have 30.
_MIN_BLOCKS: Final = 20
# There is no result either if more than 50 % of the middle blocks (rows 4 to 13 of 18, columns 5 to 26 of 32) are dark
# and empty: only the HUD of a dark game is visible, and it is static.
_MIDDLE: Final = (slice(4, 14), slice(5, 27))
_MIDDLE_BLOCKS: Final = 10 * 22
_EMPTY_PERCENT: Final = 50
_DARK: Final = 32 * _BLOCK * _BLOCK
# Frames per step: limits temporary int16 and int32 arrays to about 3 MB.
_CHUNK: Final = 32


def static_share(
    xp: Any, luma: Any, time_s: npt.NDArray[np.float64], bands: Mapping[str, Any]
) -> npt.NDArray[np.float32]:
    """Return the share of each frame's textured blocks that are unchanged in the most similar other frame.

    Args:
        xp: numpy or torch.
        luma: shape (D, 90, 160), uint8, an array of ``xp``.
        time_s: times of the frames, shape (D,), ascending.
        bands: rows (columns) of the black band ``top``, ``bottom``, ``left``, ``right``, shape (D,), arrays of ``xp``.

    Returns:
        Shape (D,); NaN for a single frame, a frame without texture, and a dark frame with an empty middle.
    """
    count = len(time_s)
    after = np.searchsorted(time_s, time_s + _APART_S - 1e-6)
    result = np.full(count, np.nan, np.float32)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        last = min(int(after[stop - 1]) + _NEAR, count)
        frames = _Blocks(xp, luma[start:last], {side: band[start:last] for side, band in bands.items()})
        for index in range(start, stop):
            first, end = int(after[index]), min(int(after[index]) + _NEAR, count)
            if first < end:
                share = frames.compare(index - start, slice(first - start, end - start))
                result[first:end] = np.fmax(result[first:end], share)
                result[index] = np.fmax(result[index], np.fmax.reduce(share))
    return result


class _Blocks:
    """Features of the blocks of W consecutive frames, arrays of shape (W, 18, 32)."""

    def __init__(self, xp: Any, luma: Any, bands: Mapping[str, Any]) -> None:
        self.xp = xp
        self.high = _high_pass(xp, luma)
        self.texture = _sums(xp, abs(self.high))
        self.dark = _sums(xp, _cast(xp, luma, "int16")) < _DARK
        self.inside = _inside(xp, luma, bands)
        flat = self.texture.reshape(len(luma), -1)
        ordered = xp.sort(flat, 1) if xp is np else xp.sort(flat, 1).values
        self.grain = xp.clip(ordered[:, _FLAT], 0, _GRAIN)[:, None, None]

    def compare(self, frame: int, others: slice) -> npt.NDArray[np.float32]:
        """Return the share of static blocks between one frame and each of the others; NaN without a result."""
        xp = self.xp
        texture = xp.maximum(self.texture[frame], self.texture[others])
        grain = xp.maximum(self.grain[frame], self.grain[others])
        change = _sums(xp, abs(self.high[others] - self.high[frame])) - grain * 7 // 5
        inside = self.inside[frame] & self.inside[others]
        textured = texture >= _TEXTURE + grain
        counts = inside & (textured | (change >= _MOVED))
        static = inside & textured & (change * 100 <= texture * _CHANGE)
        empty = (inside & self.dark[frame] & self.dark[others] & ~counts)[:, _MIDDLE[0], _MIDDLE[1]]
        total, still, hollow = (_numpy(mask.sum(2).sum(1)) for mask in (counts, static, empty))
        measurable = (total >= _MIN_BLOCKS) & (hollow * 100 <= _MIDDLE_BLOCKS * _EMPTY_PERCENT)
        return np.where(measurable, still / np.maximum(total, 1), np.nan).astype(np.float32)


def _numpy(values: Any) -> npt.NDArray[np.int64]:
    return np.asarray(values if isinstance(values, np.ndarray) else values.cpu().numpy(), np.int64)


def _cast(xp: Any, values: Any, dtype: str) -> Any:
    return values.astype(dtype) if xp is np else values.to(getattr(xp, dtype))


def _high_pass(xp: Any, luma: Any) -> Any:
    """Return 9 * (cell minus the mean of its 3 x 3 neighbourhood), int16; edges are replicated."""
    cells = _cast(xp, luma, "int16")
    rows = xp.concatenate((cells[:, :1], cells, cells[:, -1:]), 1)
    rows = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    box = xp.concatenate((rows[:, :, :1], rows, rows[:, :, -1:]), 2)
    return cells * 9 - (box[:, :, :-2] + box[:, :, 1:-1] + box[:, :, 2:])


def _sums(xp: Any, cells: Any) -> Any:
    """Sum int16 cells over blocks to int32; the sum of five rows of high-pass changes, up to 5 * 4590, fits int16."""
    rows = cells[:, 0::_BLOCK]
    for row in range(1, _BLOCK):
        rows = rows + cells[:, row::_BLOCK]
    columns = _cast(xp, rows[:, :, 0::_BLOCK], "int32")
    for column in range(1, _BLOCK):
        columns = columns + rows[:, :, column::_BLOCK]
    return columns


def _inside(xp: Any, luma: Any, bands: Mapping[str, Any]) -> Any:
    """Return a mask of the blocks outside the black bands; the edges of a band are always static."""
    masks = []
    for axis, start_side, end_side in ((1, "top", "bottom"), (2, "left", "right")):
        size = luma.shape[axis]
        position = xp.arange(0, size, _BLOCK)
        if xp is not np:
            position = position.to(luma.device)
        # The high-pass of the first cell next to a band is still affected by it.
        low = xp.where(bands[start_side] > 0, bands[start_side] + 1, 0)[:, None]
        high = xp.where(bands[end_side] > 0, size - bands[end_side] - 1, size)[:, None]
        masks.append((position[None] >= low) & (position[None] + _BLOCK <= high))
    return masks[0][:, :, None] & masks[1][:, None, :]
