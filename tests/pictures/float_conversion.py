"""Convert planar YUV to RGB in floats by the equations of ITU-T H.273, to check the product's converter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["float_rgb"]

# (Kr, Kb) by matrix_coefficients of ITU-T H.273, table 4. 2, "unspecified", is read as BT.601, as swscale does.
_MATRICES: Final = {
    1: (0.2126, 0.0722),
    2: (0.299, 0.114),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_FORMAT: Final = re.compile(r"yuv(?P<full>j?)(?P<chroma>4[0-4][0-4])p(?P<bits>\d*)(?:le)?$")
_FULL_RANGE: Final = 2
_REACH: Final = 2  # chroma samples on each side that a scaler may use
# swscale's 32 bits overflow at twice white. No real picture comes near: luma and blue chroma would both have to exceed
# their legal ranges.
_OVERFLOW: Final = 2.0


def float_rgb(frame: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
    """Convert a frame of planar YUV according to its tags.

    Returns:
        RGB from 0 to 255, shape (3, height, width), and where it can be compared, shape (height, width): where the
        chroma around a pixel is flat. None for other pixel formats.
    """
    found = _FORMAT.match(frame.format.name)
    if found is None:
        return None
    bits = int(found["bits"] or 8)
    full = bool(found["full"]) or int(frame.color_range) == _FULL_RANGE
    red, blue = _MATRICES[int(frame.colorspace)]
    luma, *chroma = (_samples(plane, bits) for plane in frame.planes)
    one = 1 << (bits - 8)
    top = (1 << bits) - 1
    shape = luma.shape
    y = luma / top if full else (luma - 16 * one) / (219 * one)
    b, r = ((_enlarged(c, shape) - 128 * one) / (top if full else 224 * one) for c in chroma)
    flat = np.logical_and(*(_enlarged(_flat(c), shape) for c in chroma))
    result = np.empty((3, *shape), np.float32)
    result[0] = y + 2 * (1 - red) * r
    result[2] = y + 2 * (1 - blue) * b
    result[1] = (y - red * result[0] - blue * result[2]) / (1 - red - blue)
    flat &= result.max(axis=0) < _OVERFLOW
    return np.clip(result * 255, 0, 255), flat


def _samples(plane: Any, bits: int) -> npt.NDArray[np.float64]:
    kind = np.dtype("u1") if bits == 8 else np.dtype("<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    samples: npt.NDArray[np.float64] = rows[:, : plane.width].astype(np.float64)
    return samples


def _enlarged(values: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    rows = np.arange(shape[0]) * values.shape[0] // shape[0]
    columns = np.arange(shape[1]) * values.shape[1] // shape[1]
    enlarged: npt.NDArray[Any] = values[rows][:, columns]
    return enlarged


def _flat(chroma: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    same = np.ones(chroma.shape, np.bool_)
    padded = np.pad(chroma, _REACH, mode="edge")
    for row in range(2 * _REACH + 1):
        for column in range(2 * _REACH + 1):
            same &= padded[row : row + chroma.shape[0], column : column + chroma.shape[1]] == chroma
    return same
