from __future__ import annotations

import av
import numpy as np
import pytest

from jobs.gamedata.frames.conversion import FrameConverter
from tests.pictures.float_conversion import float_rgb

_SIZE = (192, 160)
_PATCH = 16


def _frame(pixels: str, matrix: int, color_range: int, seed: int) -> av.VideoFrame:
    """Return a frame of flat patches, each of random luma and chroma, legal or not."""
    random = np.random.default_rng(seed)
    frame = av.VideoFrame(*_SIZE, pixels)
    frame.colorspace, frame.color_range = matrix, color_range
    deep = frame.format.components[0].bits > 8
    for plane in frame.planes:
        top = 1 << frame.format.components[0].bits
        # Luma and chroma patches have the same size, so that every border is one of both.
        high, wide = _PATCH * plane.height // _SIZE[1], _PATCH * plane.width // _SIZE[0]
        patches = random.integers(0, top, (_SIZE[1] // _PATCH, _SIZE[0] // _PATCH))
        samples = patches.repeat(high, 0).repeat(wide, 1).astype("<u2" if deep else "u1")
        rows = np.zeros((plane.height, plane.line_size // samples.itemsize), samples.dtype)
        rows[:, : plane.width] = samples
        plane.update(rows.tobytes())
    return frame


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9])
@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuvj420p", "yuvj444p"]
)
def test_flat_patches_are_converted_as_the_equations_say(pixels: str, matrix: int, color_range: int) -> None:
    frame = _frame(pixels, matrix, color_range, seed=matrix)
    rgb = np.zeros((3, _SIZE[1], _SIZE[0]), np.uint8)
    FrameConverter(0).rgb(frame, _SIZE[1], _SIZE[0], rgb)
    found = float_rgb(frame)
    assert found is not None
    exact, flat = found
    assert flat.mean() > 0.1
    # swscale drops the low bits of full range: in 10 bits it reads white, 1023, as 255.75 and not as 255.
    deep_and_full = color_range == 2 and not pixels.endswith("p")
    assert np.abs(rgb - exact)[:, flat].max() <= (1.5 if deep_and_full else 1)
