"""skeleton (D1): an MP4's index."""
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from jobs.gamedata.source import RangeSource

class NotPlanned(Exception):
    """The file is for the fallback; str() is the reason. No error of the item."""

@dataclass(frozen=True, slots=True)
class VideoTrack:
    """Samples in decode order, S of them."""
    stream_index: int            # FFmpeg's index of the stream in the container
    codec: str                   # h264 | hevc
    extradata: bytes
    width: int                   # as the sample entry says
    height: int
    rotation: int                # degrees clockwise to show upright: 0, 90, 180, 270
    time_base: tuple[int, int]   # (1, timescale)
    duration_s: float            # end of the last displayed frame minus beginning of the first
    start_pts: int               # what FFmpeg gives as the first pts; pts below are relative to it
    pts: npt.NDArray[np.int64]   # 0 is the first displayed frame
    dts: npt.NDArray[np.int64]   # same origin
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]

def read_index(source: RangeSource) -> VideoTrack:
    """Raises ItemError (moov_missing, video_truncated, video_invalid, video_no_stream, video_no_frames) or NotPlanned."""
    ...

def is_intra(track: VideoTrack, packet: bytes) -> bool:
    """True when a sync sample holds only intra slices and so decodes alone (x264 --intra-refresh: False -> use the fallback)."""
    ...
