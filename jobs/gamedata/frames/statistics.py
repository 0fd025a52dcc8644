"""Measure sampled frames on small luma grids: brightness, black bands, and the static share (see ``_stillness``).

All arithmetic uses integers on a grid of :data:`~jobs.gamedata.model.STATISTICS_SHAPE`, with the same code for numpy
and torch. A GPU produces bit-identical numbers, so no check depends on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from jobs.gamedata.frames._stillness import static_share
from jobs.gamedata.model import SIGNATURE_SHAPE, STATISTICS_SHAPE, FrameStatistics

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["measure", "signatures"]

# A cell is black below this luma (of 255): codec noise in black bars reaches 3 to 4, and the original pipeline used 10.
# One cell in a hundred may be brighter, such as a recorder's dot.
_BLACK: Final = 10
_BRIGHT_CELLS: Final = 0.01

# Frames per step: limits the histogram to 4 MB.
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
        luma: range-normalised luma grids, shape (D, 90, 160), uint8, upright, ordered by time.
        signature: RGB thumbnails, shape (D, 9, 16, 3), uint8.
        time_s: seconds from the first displayed frame, shape (D,), ascending.
        corrupt: True if the decoder concealed errors, shape (D,).
        device: ``cuda`` computes the same numbers with torch on the GPU.

    Raises:
        ValueError: an array has the wrong shape.
    """
    count = len(luma)
    if luma.shape[1:] != STATISTICS_SHAPE or signature.shape != (count, *SIGNATURE_SHAPE):
        raise ValueError(
            f"luma has shape {luma.shape} and signature {signature.shape}; expected (D, 90, 160) and (D, 9, 16, 3)"
        )
    xp, array = _backend(device, luma)
    brightness = {name: np.zeros(count, np.float32) for name in ("mean", "p01", "p50", "p99")}
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        for name, values in _brightness(xp, array[part]).items():
            brightness[name][part] = _numpy(values)
    rows = _bands(xp, array)
    bands = {
        name: _numpy(values) / np.float32(STATISTICS_SHAPE[name in ("left", "right")]) for name, values in rows.items()
    }
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
        static_share=static_share(xp, array, time_s, rows),
        corrupt=corrupt.astype(np.bool_, copy=False),
        signature=signature,
    )


def signatures(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Average RGB thumbnails of (D, 90, 160, 3) down to (D, 9, 16, 3), rounded to nearest."""
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
    """Return the sum and the nearest-rank percentiles of each frame's luma, computed from its histogram."""
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
    """Return the number of rows (columns) of the black band on each side, up to the first one that is not black."""
    bright = luma >= _BLACK
    sizes = {}
    for axis, start_side, end_side in ((2, "top", "bottom"), (1, "left", "right")):
        allowed = max(1, int(_BRIGHT_CELLS * luma.shape[axis] + 0.5))
        ends_band = _cast(xp, bright.sum(axis) > allowed, "int64")
        sizes[start_side] = (xp.cumsum(ends_band, 1) == 0).sum(1)
        sizes[end_side] = (xp.cumsum(xp.flip(ends_band, (1,)), 1) == 0).sum(1)
    return sizes
