"""Convert decoded frames to arrays: rotate them upright, scale them to ``--max-height``, and convert colours to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from jobs.gamedata.model import STATISTICS_SHAPE

if TYPE_CHECKING:
    import numpy.typing as npt
    from av.video.frame import VideoFrame

__all__ = ["FrameConverter", "frame_size"]

# The same pixels on every CPU, within half a level of the exact result; swscale's fast path is up to 3 levels off.
_EXACT: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT

_ROUNDING: Final = 2  # frame_size rounds a width to an even number, and 0 to 2


def frame_size(width: int, height: int, rotation: int, max_height: int) -> tuple[int, int]:
    """Return the size of a sampled frame.

    Args:
        width: stored width.
        height: stored height.
        rotation: degrees clockwise to display it upright.
        max_height: scale taller (upright) frames down to this; 0 keeps the size.

    Returns:
        ``(height, width)``, upright; a scaled frame has an even width.
    """
    if rotation % 180:
        width, height = height, width
    if max_height and height > max_height:
        return max_height, max(2, 2 * round(width * max_height / height / 2))
    return height, width


class FrameConverter:
    """Converts decoded frames to arrays, and reuses swscale's tables between frames.

    Args:
        rotation: degrees clockwise to display a stored frame upright (0, 90, 180, 270).
    """

    def __init__(self, rotation: int) -> None:
        self._turns = -(rotation // 90) % 4  # np.rot90 turns counterclockwise
        self._scalers: dict[str, VideoReformatter] = {}

    def rgb(self, frame: VideoFrame, height: int, width: int, out: npt.NDArray[np.uint8]) -> None:
        """Write upright RGB of ``height`` x ``width`` to ``out`` of shape (3, height, width).

        A frame of another shape, after a mid-stream change of size, is centred between black bars.
        """
        inner_height, inner_width = self._fit(frame, height, width)
        if (inner_height, inner_width) == (height, width):
            self._planes("rgb", frame, height, width, out)
            return
        out[:] = 0
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        inner = out[:, top : top + inner_height, left : left + inner_width]
        self._planes("rgb", frame, inner_height, inner_width, inner)

    def _fit(self, frame: VideoFrame, height: int, width: int) -> tuple[int, int]:
        """Return the largest size with the shape of an upright frame that fits in ``height`` x ``width``."""
        wide, high = (frame.height, frame.width) if self._turns % 2 else (frame.width, frame.height)
        if abs(wide * height / high - width) <= _ROUNDING:
            return height, width
        scale = min(height / high, width / wide)
        return max(1, round(high * scale)), max(1, round(wide * scale))

    def luma(self, frame: VideoFrame, out: npt.NDArray[np.uint8]) -> None:
        """Write upright luma, from 0 (black) to 255 (white), to ``out`` of :data:`STATISTICS_SHAPE`."""
        high, wide = self._stored(*STATISTICS_SHAPE)
        scaled = self._scale("luma", frame, high, wide, "gray", dst_color_range=ColorRange.JPEG)
        out[:] = np.rot90(_plane(scaled.planes[0]), self._turns)

    def thumbnail(self, frame: VideoFrame, out: npt.NDArray[np.uint8]) -> None:
        """Write an upright RGB thumbnail to ``out`` of shape (90, 160, 3)."""
        self._planes("thumbnail", frame, *STATISTICS_SHAPE, out.transpose(2, 0, 1))

    def _planes(self, use: str, frame: VideoFrame, height: int, width: int, out: npt.NDArray[np.uint8]) -> None:
        # Planar output needs no transpose, and swscale's accurate path is twice as fast as with rgb24.
        scaled = self._scale(use, frame, *self._stored(height, width), "gbrp")
        for channel, plane in zip((1, 2, 0), scaled.planes, strict=True):
            out[channel] = np.rot90(_plane(plane), self._turns)

    def _stored(self, height: int, width: int) -> tuple[int, int]:
        return (width, height) if self._turns % 2 else (height, width)

    def _scale(self, use: str, frame: VideoFrame, height: int, width: int, pixels: str, **more: Any) -> VideoFrame:
        scaler = self._scalers.setdefault(use, VideoReformatter())
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith(("yuvj", "gbr", "rgb", "bgr"))
        return scaler.reformat(
            frame,
            width,
            height,
            pixels,
            interpolation=_EXACT,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            threads=1,  # 0, the default, starts one thread per core
            **more,
        )


def _plane(plane: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
