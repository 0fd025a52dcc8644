"""The interface of both packet readers, and the reader for MP4s with a readable index."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from jobs.gamedata.frames._recovery_points import decodes_alone
from jobs.gamedata.model import StreamParameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jobs.gamedata.members.mp4 import VideoTrack
    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["MAX_REORDER", "MP4Reader", "PacketReader", "SideDataEvents"]

# Bytes of a keyframe to search for its recovery point message, which precedes the picture.
_HEAD: Final = 4096
# Maximum frames that FFmpeg's decoders hold back (H.264 and HEVC: 16).
MAX_REORDER: Final = 16


@dataclass(slots=True)
class SideDataEvents:
    """Side data that changes how packets decode, from one pass over a stream in order.

    A demuxer attaches a palette or new headers only to the first packet that they apply to, and to none after a seek.

    Attributes:
        events: ``(sample, kind, bytes)``, ascending by sample.
    """

    events: list[tuple[int, str, bytes]] = field(default_factory=list)

    def of(self, sample: int) -> tuple[tuple[str, bytes], ...]:
        """Return a packet's side data."""
        # Bisected, because every packet may have a palette.
        first, last = (bisect(self.events, sample, key=_number) for bisect in (bisect_left, bisect_right))
        return tuple((kind, body) for _, kind, body in self.events[first:last])

    def until(self, sample: int, extradata: bytes) -> tuple[tuple[str, bytes], ...]:
        """Return the side data that a decoder needs to start at a packet: the latest of each kind.

        Args:
            sample: the packet.
            extradata: the stream's headers, valid until the first new ones.
        """
        if not self.events:
            return ()
        latest = {"new_extradata": extradata} if any(kind == "new_extradata" for _, kind, _ in self.events) else {}
        latest |= {kind: body for number, kind, body in self.events if number <= sample}
        return tuple(latest.items())


def _number(event: tuple[int, str, bytes]) -> int:
    return event[0]


class PacketReader(Protocol):
    """A video stream's index, and its packets on demand.

    See :class:`~jobs.gamedata.frames.ffmpeg_reader.FFmpegReader` for the attributes.
    """

    @property
    def name(self) -> Literal["ranges", "ffmpeg"]:
        """The reader's name as stored with the session."""

    parameters: StreamParameters
    width: int
    height: int
    rotation: int
    time_base: tuple[int, int]
    start_pts: int
    pts: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    listed: npt.NDArray[np.bool_]
    keyframe: npt.NDArray[np.bool_]
    complete: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.bool_] | None
    duration_s: float
    warnings: list[str]
    refresh: npt.NDArray[np.bool_] | None
    side_data: SideDataEvents

    def fetch(self, runs: Sequence[range]) -> list[list[bytes]]:
        """Read the packets of consecutive samples."""

    def distrust(self, samples: Sequence[int]) -> None:
        """Correct ``complete``, ``keyframe`` and ``refresh``: these listed keyframes do not decode alone."""

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
        self.parameters = StreamParameters(
            track.codec, track.extradata, track.width, track.height, reorder_depth=_reorder_depth(track.pts)
        )
        self.width, self.height, self.rotation = track.width, track.height, track.rotation
        self.time_base, self.start_pts = track.time_base, track.start_pts
        self.pts, self.size = track.pts, track.size
        self.listed = self.keyframe = self.complete = track.keyframe
        self.shown: npt.NDArray[np.bool_] | None = None
        self.refresh: npt.NDArray[np.bool_] | None = None
        self.duration_s = track.duration_s
        self.warnings: list[str] = []
        self.side_data = SideDataEvents()
        self._source = source
        self._offset = track.offset

    def fetch(self, runs: Sequence[range]) -> list[list[bytes]]:
        """Read the packets of consecutive samples, all concurrently."""
        bodies = iter(
            self._source.read_many(
                [(int(self._offset[sample]), int(self.size[sample])) for run in runs for sample in run]
            )
        )
        return [[next(bodies) for _ in run] for run in runs]

    def distrust(self, samples: Sequence[int]) -> None:
        """Read the start of every listed keyframe, and keep those that decode alone."""
        listed = np.flatnonzero(self.listed)
        heads = self._source.read_many([(int(self._offset[key]), min(int(self.size[key]), _HEAD)) for key in listed])
        alone = [decodes_alone(self.parameters.codec, self.parameters.extradata, head) for head in heads]
        self.complete = self.keyframe = np.zeros_like(self.listed)
        self.complete[listed[alone]] = True
        self.complete[list(samples)] = False
        self.refresh = self.listed & ~self.complete

    def close(self) -> None:
        """Do nothing; there is nothing to release."""


def _reorder_depth(pts: npt.NDArray[np.int64]) -> int:
    """Return the most frames that precede a frame in the file but follow it in display order: FFmpeg's video_delay."""
    late = np.zeros(len(pts), np.int64)
    for distance in range(1, min(MAX_REORDER + 1, len(pts))):
        late[distance:] += pts[:-distance] > pts[distance:]
    return min(int(late.max(initial=0)), MAX_REORDER)
