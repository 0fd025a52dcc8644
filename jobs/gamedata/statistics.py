"""Numbers about sampled frames, from small luma grids: black bands, brightness, what stays as it is.

Everything is integer arithmetic on a grid of :data:`~jobs.gamedata.model.STATISTICS_SHAPE`, written once for numpy and
for torch: a GPU gives the same numbers to the last bit, so no flag depends on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from jobs.gamedata.model import SIGNATURE_SHAPE, STATISTICS_SHAPE, FrameStatistics

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["measure", "signatures"]

# A cell of the grid is black below this luma (of 255): codec noise in black bars reaches 3 to 4, the original's rule
# for bands was 10. One cell in a hundred may be brighter, such as a recorder's dot.
_BLACK: Final = 10
_BRIGHT_CELLS: Final = 0.01

# Blocks of 5 x 5 cells (18 x 32 of them): small enough that a line of text or a HUD element has blocks of its own.
_BLOCK: Final = 5
# What a block holds is its high-pass: each cell less the mean of its 3 x 3. Skies, vignettes and blurred backgrounds
# have none, so they neither count as static in gameplay nor as moving behind a menu; brightness may fade.
# A block counts when its mean |high-pass| reaches this much luma in either frame; keyframe noise gives 0.2 to 0.4.
_TEXTURE: Final = 1.5
# It is static when the high-pass changes by less than this share of itself. Unrelated textures change by about 1.4 of
# it, the same one re-encoded by less than 0.2; relative: dim games and dimmed menus are judged like bright ones.
_CHANGE: Final = 0.3
# Frames closer than this are alike in gameplay too; the neighbour is looked for beyond it.
_APART_S: Final = 1.0
# Weaker blocks count as moving from this much change: dim gameplay between a bright HUD. A blurred picture that drifts
# behind a menu gives up to 0.6.
_MOVED: Final = 0.8
# Fewer blocks than this (of 576, 3.5 %) say nothing: a HUD alone before a black scene has 4 to 10, three lines of text
# 30.
_MIN_BLOCKS: Final = 20
# Frames a step: about 6 MB of int16 and int32 in flight.
_CHUNK: Final = 32


def measure(
    luma: npt.NDArray[np.uint8],
    signature: npt.NDArray[np.uint8],
    time_s: npt.NDArray[np.float64],
    corrupt: npt.NDArray[np.bool_],
    *,
    device: Literal["cpu", "cuda"] = "cpu",
) -> FrameStatistics:
    """Measure the distinct frames of one session.

    Args:
        luma: range-normalised luma grids, shape (D, 90, 160), uint8, upright, in order of time.
        signature: RGB thumbnails, shape (D, 9, 16, 3), uint8.
        time_s: seconds from the first displayed frame, shape (D,), ascending.
        corrupt: the decoder concealed errors, shape (D,).
        device: ``cuda`` computes the same numbers with torch on the GPU.

    Raises:
        ValueError: for arrays of other shapes.
    """
    count = len(luma)
    if luma.shape[1:] != STATISTICS_SHAPE or signature.shape != (count, *SIGNATURE_SHAPE):
        raise ValueError(f"luma {luma.shape} and signature {signature.shape} do not belong together")
    xp, array = _backend(device, luma)
    brightness = {name: np.zeros(count, np.float32) for name in ("mean", "p01", "p50", "p99")}
    bands = {name: np.zeros(count, np.float32) for name in ("top", "bottom", "left", "right")}
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        for name, values in _brightness(xp, array[part]).items():
            brightness[name][part] = _numpy(values)
        for name, values in _bands(xp, array[part]).items():
            bands[name][part] = _numpy(values) / np.float32(STATISTICS_SHAPE[name in ("left", "right")])
    return FrameStatistics(
        time_s=time_s.astype(np.float64, copy=False),
        luma_mean=brightness["mean"] / np.float32(STATISTICS_SHAPE[0] * STATISTICS_SHAPE[1]),
        luma_p01=brightness["p01"],
        luma_p50=brightness["p50"],
        luma_p99=brightness["p99"],
        border_top=bands["top"],
        border_bottom=bands["bottom"],
        border_left=bands["left"],
        border_right=bands["right"],
        static_share=_static_share(xp, array, time_s),
        corrupt=corrupt.astype(np.bool_, copy=False),
        signature=signature,
    )


def signatures(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Average RGB thumbnails of (D, 90, 160, 3) down to (D, 9, 16, 3), rounded to the nearest."""
    rows, columns, channels = SIGNATURE_SHAPE
    high, wide = STATISTICS_SHAPE[0] // rows, STATISTICS_SHAPE[1] // columns
    blocks = thumbnails.reshape(-1, rows, high, columns, wide, channels).sum(axis=(2, 4), dtype=np.uint32)
    rounded: npt.NDArray[np.uint8] = ((blocks + high * wide // 2) // (high * wide)).astype(np.uint8)
    return rounded


def _backend(device: str, luma: npt.NDArray[np.uint8]) -> tuple[Any, Any]:
    if device == "cpu":
        return np, luma
    import torch

    return torch, torch.from_numpy(np.ascontiguousarray(luma)).to(device)


def _numpy(values: Any) -> npt.NDArray[np.float32]:
    cpu = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return np.asarray(cpu, dtype=np.float32)


def _cast(xp: Any, values: Any, dtype: str) -> Any:
    return values.astype(dtype) if xp is np else values.to(getattr(xp, dtype))


def _brightness(xp: Any, luma: Any) -> dict[str, Any]:
    """Sum and nearest-rank percentiles of each frame, from its histogram."""
    count, cells = len(luma), STATISTICS_SHAPE[0] * STATISTICS_SHAPE[1]
    flat = _cast(xp, luma.reshape(count, -1), "int64")
    shift = xp.arange(count) * 256
    if xp is not np:
        shift = shift.to(luma.device)
    histogram = xp.bincount((flat + shift[:, None]).reshape(-1), minlength=256 * count).reshape(count, 256)
    cumulated = xp.cumsum(histogram, 1)
    ranks = {"p01": cells // 100, "p50": cells // 2, "p99": cells * 99 // 100}
    return {"mean": flat.sum(1), **{name: (cumulated < rank).sum(1) for name, rank in ranks.items()}}


def _bands(xp: Any, luma: Any) -> dict[str, Any]:
    """Rows (columns) of the black band on each side, counted inwards to the first that is not black."""
    bright = luma >= _BLACK
    found = {}
    for axis, near, far in ((2, "top", "bottom"), (1, "left", "right")):
        allowed = max(1, int(_BRIGHT_CELLS * luma.shape[axis] + 0.5))
        ends_band = _cast(xp, bright.sum(axis) > allowed, "int64")
        found[near] = (xp.cumsum(ends_band, 1) == 0).sum(1)
        found[far] = (xp.cumsum(xp.flip(ends_band, (1,)), 1) == 0).sum(1)
    return found


def _high_pass(xp: Any, luma: Any) -> Any:
    """9 times (cell less the mean of its 3 x 3), int16; edges repeat their neighbours."""
    cells = _cast(xp, luma, "int16")
    rows = xp.concatenate((cells[:, :1], cells, cells[:, -1:]), 1)
    rows = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    box = xp.concatenate((rows[:, :, :1], rows, rows[:, :, -1:]), 2)
    return cells * 9 - (box[:, :, :-2] + box[:, :, 1:-1] + box[:, :, 2:])


def _blocks(xp: Any, cells: Any) -> Any:
    """Sum over blocks, shape (D, 18, 32), int32."""
    rows, columns = STATISTICS_SHAPE[0] // _BLOCK, STATISTICS_SHAPE[1] // _BLOCK
    return _cast(xp, cells, "int32").reshape(-1, rows, _BLOCK, columns, _BLOCK).sum(4).sum(2)


def _inside(xp: Any, luma: Any) -> Any:
    """Blocks that lie off the black bands, whose edges stand still whatever is shown between them; (D, 18, 32)."""
    bands = _bands(xp, luma)
    masks = []
    for axis, near, far in ((1, "top", "bottom"), (2, "left", "right")):
        size = luma.shape[axis]
        position = xp.arange(0, size, _BLOCK)
        if xp is not np:
            position = position.to(luma.device)
        # The high-pass of the first cell next to a band still sees it.
        low = xp.where(bands[near] > 0, bands[near] + 1, 0)[:, None]
        high = xp.where(bands[far] > 0, size - bands[far] - 1, size)[:, None]
        masks.append((position[None] >= low) & (position[None] + _BLOCK <= high))
    return masks[0][:, :, None] & masks[1][:, None, :]


def _static_share(xp: Any, luma: Any, time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    count = len(time_s)
    # Each frame's next one that is far enough; pairs are shared by both directions where the spacing is regular.
    after = np.searchsorted(time_s, time_s + _APART_S - 1e-6)
    before = np.searchsorted(time_s, time_s - _APART_S + 1e-6) - 1
    frames = np.arange(count)
    pairs = np.unique(
        np.concatenate(
            [
                np.stack([frames, after], 1)[after < count],
                np.stack([before, frames], 1)[before >= 0],
            ]
        ),
        axis=0,
    )
    shares = {(int(first), int(second)): np.nan for first, second in pairs}
    unit = 9 * _BLOCK * _BLOCK
    for start in range(0, len(pairs), _CHUNK):
        first, second = pairs[start : start + _CHUNK, 0], pairs[start : start + _CHUNK, 1]
        high_first, high_second = _high_pass(xp, luma[first]), _high_pass(xp, luma[second])
        texture = xp.maximum(_blocks(xp, abs(high_first)), _blocks(xp, abs(high_second)))
        change = _blocks(xp, abs(high_first - high_second))
        inside = _inside(xp, luma[first]) & _inside(xp, luma[second])
        textured = texture >= int(_TEXTURE * unit)
        counts = inside & (textured | (change >= int(_MOVED * unit)))
        static = inside & textured & (change * 100 <= texture * int(_CHANGE * 100))
        total, still = _numpy(counts.sum(2).sum(1)), _numpy(static.sum(2).sum(1))
        share = np.where(total >= _MIN_BLOCKS, still / np.maximum(total, 1), np.nan)
        shares.update(zip(zip(first.tolist(), second.tolist(), strict=True), share.tolist(), strict=True))
    result = np.full(count, np.nan, np.float32)
    for index in range(count):
        around = (
            shares.get((index, int(after[index])), np.nan),
            shares.get((int(before[index]), index), np.nan),
        )
        result[index] = np.fmax(*around)
    return result
