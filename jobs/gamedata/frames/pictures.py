"""Scale images down, and read and write image files without an imaging library: PyAV reads, zlib writes PNG."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.errors import item_error

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["luma", "png", "read_picture", "shrink"]

# FFmpeg's names for single images.
_FORMATS: Final = "png_pipe,jpeg_pipe,apng,mjpeg"
_MAX_PIXELS: Final = 8192 * 4320


def shrink(pictures: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Downscale images by area averaging: (…, H, W) -> float32 (…, rows, columns); a shorter axis repeats its cells."""
    return _average(_average(pictures.astype(np.float32), rows, -2), columns, -1)


def _average(values: npt.NDArray[np.float32], count: int, axis: int) -> npt.NDArray[np.float32]:
    size = values.shape[axis]
    edges = np.arange(count + 1) * size // count
    if size < count:
        repeated: npt.NDArray[np.float32] = values.take(edges[:-1], axis=axis)
        return repeated
    shape = [1] * values.ndim
    shape[axis] = count
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    means: npt.NDArray[np.float32] = (sums / np.diff(edges).reshape(shape)).astype(np.float32)
    return means


def luma(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Convert RGB to luma with the BT.601 weights that swscale uses for SD video: (…, 3, H, W) -> (…, H, W)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32).reshape(3, 1, 1)
    weighed: npt.NDArray[np.float32] = (rgb * weights).sum(axis=-3)
    return weighed


def png(rgb: npt.NDArray[np.uint8]) -> bytes:
    """Encode uint8 RGB of shape (H, W, 3) as PNG (W3C PNG, third edition, §11: colour type 2, filter 0)."""
    height, width, _ = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgb.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def read_picture(body: bytes, *, max_pixels: int = _MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Decode an image file, PNG or JPEG, with FFmpeg to uint8 RGB of shape (H, W, 3).

    A file with an image suffix may be a playlist, which FFmpeg would follow to other files and hosts.

    Args:
        body: content of the file.
        max_pixels: larger pictures are rejected.

    Raises:
        ItemError: ``video_invalid``: FFmpeg finds no image in the file.
    """
    import av

    limit = {"max_pixels": str(max_pixels)}
    try:
        with av.open(io.BytesIO(body), "r", options={"format_whitelist": _FORMATS} | limit) as container:
            container.streams.video[0].codec_context.options = limit
            for frame in container.decode(video=0):
                return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        raise item_error("video_invalid", f"it is not an image: {error}") from error
    raise item_error("video_invalid", "it is not an image: it has no frames")
