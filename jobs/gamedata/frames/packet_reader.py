"""The interface of both packet readers, and the reader for MP4s with a readable index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from jobs.gamedata.frames.plan import DecodeSpan
    from jobs.gamedata.members.mp4 import VideoTrack
    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["MP4Reader", "PacketReader"]


class PacketReader(Protocol):
    """A video stream's index, and its packets on demand.

    See :class:`~jobs.gamedata.frames.ffmpeg_reader.FFmpegReader` for the attributes.
    """

    @property
    def name(self) -> Literal["ranges", "ffmpeg"]:
        """The reader's name as stored with the session."""

    codec: str
    extradata: bytes
    width: int
    height: int
    rotation: int
    time_base: tuple[int, int]
    start_pts: int
    pts: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.bool_] | None
    duration_s: float
    warnings: list[str]
    refresh: npt.NDArray[np.bool_] | None

    def fetch(self, spans: Sequence[DecodeSpan]) -> list[list[bytes]]:
        """Read the packets of each span."""

    def close(self) -> None:
        """Release the video."""


class MP4Reader:
    """Read packets by byte range, from the positions in an MP4's index.

    Args:
        source: the video's bytes.
        track: its index.
    """

    name: Final = "ranges"

    def __init__(self, source: RangeSource, track: VideoTrack) -> None:
        self.codec, self.extradata = track.codec, track.extradata
        self.width, self.height, self.rotation = track.width, track.height, track.rotation
        self.time_base, self.start_pts = track.time_base, track.start_pts
        self.pts, self.size, self.keyframe = track.pts, track.size, track.keyframe
        self.shown: npt.NDArray[np.bool_] | None = None
        self.refresh: npt.NDArray[np.bool_] | None = None
        self.duration_s = track.duration_s
        self.warnings: list[str] = []
        self._source = source
        self._offset = track.offset

    def fetch(self, spans: Sequence[DecodeSpan]) -> list[list[bytes]]:
        """Read the packets of each span, all concurrently."""
        samples = [range(span.first, span.last + 1) for span in spans]
        bodies = iter(
            self._source.read_many(
                [(int(self._offset[sample]), int(self.size[sample])) for part in samples for sample in part]
            )
        )
        return [[next(bodies) for _ in part] for part in samples]

    def close(self) -> None:
        """Do nothing; there is nothing to release."""
