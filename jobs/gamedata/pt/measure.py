"""Measure the frames of a ``.pt`` file in the same way as extraction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.gamedata.frames.pictures import luma, shrink
from jobs.gamedata.model import STATISTICS_SHAPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jobs.gamedata.model import ExtractedData, FrameStatistics

__all__ = ["distinct_frames", "duration_of", "measure_frames"]


def distinct_frames(data: ExtractedData) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.uint8]]]:
    """Return the distinct sampled frames in time order: times in seconds (D,), and D uint8 arrays (3, H, W)."""
    frame_at: dict[float, npt.NDArray[np.uint8]] = {}
    for key, times in data.sampled_times_s.items():
        frames = data.sampled_frames[key]
        for time_s, frame in zip(times.tolist(), frames, strict=True):
            frame_at.setdefault(time_s, frame)
    order = sorted(frame_at)
    return np.array(order, np.float64), [frame_at[time_s] for time_s in order]


def measure_frames(times: npt.NDArray[np.float64], frames: Sequence[npt.NDArray[np.uint8]]) -> FrameStatistics:
    """Return the statistics that extraction computes from decoded frames: times (D,), D RGB frames (3, H, W)."""
    from jobs.gamedata.frames.statistics import measure, signatures

    small = np.zeros((len(frames), 3, *STATISTICS_SHAPE), np.float32)
    for number, frame in enumerate(frames):
        small[number] = shrink(frame, *STATISTICS_SHAPE)
    grids = np.clip(np.rint(luma(small)), 0, 255).astype(np.uint8)
    thumbnails = np.clip(np.rint(small), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return measure(grids, signatures(thumbnails), times, np.zeros(len(times), np.bool_))


def duration_of(data: ExtractedData) -> float | None:
    """Return the duration in seconds as declared by the container; None if it declares none."""
    declared = data.video_metadata.get("format", {}).get("duration")
    try:
        return float(declared)
    except (TypeError, ValueError):
        return None
