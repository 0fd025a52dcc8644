"""Check the values of a ``.pt`` file: anything that can write to the bucket can choose them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from jobs.gamedata.model import ExtractedData, PacketRuns

__all__ = ["require_frames", "require_packets", "require_session"]

_MAX_PIXELS: Final = 2**31 - 1  # FFmpeg's limit of a frame
# Packets of all frames together, counted once per frame that needs them: their positions take 0.8 GB.
_MAX_PACKETS: Final = 10**8
_TEXTS: Final = ("s3_key", "video_id", "source_etag", "spec_digest", "extracted_at")


def require_session(data: ExtractedData, index: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check texts, metadata and times.

    Args:
        data: the content of the file.
        index: stride key -> the frame of each sample.

    Raises:
        ValueError: telecine never writes such a value.
    """
    for name in _TEXTS:
        _require(isinstance(getattr(data, name), str), f"{name} is not text")
    for name in ("video_metadata", "session_metadata"):
        document = getattr(data, name)
        _require(isinstance(document, dict), f"{name} is not an object")
        json.dumps(document, allow_nan=False)  # raises TypeError or RecursionError if it is not JSON
    _require(isinstance(data.video_metadata.get("format", {}), dict), "the video's format is not an object")
    for name in ("sampled_times_s", "asked_times_s"):
        times = getattr(data, name)
        _require(times.keys() == index.keys(), f"{name} has strides other than those of sampled_index")
        for key, values in times.items():
            _require(values.dtype.kind == "f" and values.shape == index[key].shape, f"{name} has no time per sample")
            _require(bool(np.isfinite(values).all()), f"{name} has a time that is not finite")


def require_frames(frames: Mapping[str, npt.NDArray[Any]], index: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that all frames have one shape, and that each sample has one of them.

    Raises:
        ValueError: as :func:`require_session`.
    """
    _require(frames.keys() == index.keys(), "sampled_frames has strides other than those of sampled_index")
    sizes = set()
    for key, pixels in frames.items():
        _require(pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[1] == 3, "frames are not RGB")  # noqa: PLR2004
        sizes.add(pixels.shape[2:])
        _require_rows(index[key], len(pixels))
    _require(len(sizes) <= 1 and all(min(size) > 0 for size in sizes), "frames have several sizes, or none")


def require_packets(
    runs: PacketRuns, index: Mapping[str, npt.NDArray[Any]], *, height: Any, width: Any, rotation: Any
) -> None:
    """Check that frames, runs, packets and bytes refer to what exists.

    Raises:
        ValueError: as :func:`require_session`.
    """
    _require(all(type(number) is int for number in (height, width, rotation)), "the size or rotation is not an integer")
    _require(min(height, width) > 0 and height * width <= _MAX_PIXELS, f"frames cannot have {height}x{width} pixels")
    for name in ("offsets", "pts", "first", "count"):
        values = getattr(runs, name)
        _require(values.dtype == np.int64 and values.ndim == 1, f"{name} is not a list of integers")
    packets = len(runs.pts)
    _require(
        len(runs.offsets) == packets + 1
        and runs.offsets[0] == 0
        and runs.offsets[-1] == len(runs.data)
        and bool((np.diff(runs.offsets) >= 0).all()),
        "packets are not consecutive",
    )
    _require(runs.keyframe.dtype == np.bool_ and runs.keyframe.shape == runs.pts.shape, "a packet has no keyframe flag")
    first, count = runs.first, runs.count
    _require(
        first.shape == count.shape
        and bool(((first >= 0) & (first <= packets) & (count > 0) & (count <= packets - first)).all())
        and int(count.sum()) <= _MAX_PACKETS,
        "a frame has packets that do not exist",
    )
    for rows in index.values():
        _require_rows(rows, len(first))


def _require_rows(rows: npt.NDArray[Any], count: int) -> None:
    _require(
        rows.dtype == np.int64 and rows.ndim == 1 and bool(((rows >= 0) & (rows < count)).all()),
        "a sample has a frame that does not exist",
    )


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)
