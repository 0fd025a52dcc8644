"""The pipeline's values: what to sample, what a session holds, what is measured on it.

Only numpy: the decoder process, which has no torch, and the planner, which has no Ray, import this.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

__all__ = [
    "SIGNATURE_SHAPE",
    "STATISTICS_SHAPE",
    "ExtractedData",
    "FrameStatistics",
    "FrameStore",
    "InputStatistics",
    "PacketRuns",
    "SampleTimes",
    "SamplingMode",
    "SamplingSpec",
    "Session",
    "stride_key",
]

SamplingMode = Literal["auto", "keyframe", "exact"]
FrameFormat = Literal["rgb", "packets"]

# Luma planes are averaged down to this grid (rows, columns) before anything is measured: area averaging keeps a mean,
# a bar of 1.1 % of the height still fills a row, and 14 kB a frame go to numpy or to torch on a GPU alike.
STATISTICS_SHAPE: Final = (90, 160)
# RGB thumbnail (rows, columns, channels) kept per frame for likeness to menu references.
SIGNATURE_SHAPE: Final = (9, 16, 3)
# Part of the spec hash: a change in what frames or statistics mean makes old results count as not done.
SPEC_VERSION: Final = 2


def stride_key(stride_s: float) -> str:
    """Name a stride as the original did: ``stride-3_chw``; 0.5 s gives ``stride-0.5_chw``."""
    return f"stride-{stride_s:g}_chw"


@dataclass(frozen=True, slots=True)
class SamplingSpec:
    """Which frames are taken and how they are kept.

    Attributes:
        strides: ``(stride in seconds, count)`` pairs; asked times are ``(i + 1) * stride``, as long as they lie within
            the video.
        mode: ``auto`` | ``keyframe`` | ``exact`` (DESIGN §6).
        max_height: frames higher than this many pixels are scaled to it, width even; 0 keeps the size.
        frames: ``rgb`` keeps pixels, ``packets`` the source's own encoded packets.
    """

    strides: tuple[tuple[float, int], ...] = ((3.0, 15), (30.0, 15), (60.0, 5))
    mode: SamplingMode = "auto"
    max_height: int = 360
    frames: FrameFormat = "rgb"

    @property
    def digest(self) -> str:
        """16 hex digits that stand for these settings and the version of the algorithm."""
        document = json.dumps({"spec_version": SPEC_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(document.encode()).hexdigest()[:16]


@dataclass(slots=True)
class SampleTimes:
    """One stride's samples.

    Attributes:
        asked_s: asked times in seconds from the video's first displayed frame, shape (N,).
        index: for each, its row among the distinct frames, shape (N,), int64.
    """

    asked_s: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]


@dataclass(slots=True)
class PacketRuns:
    """The source's own packets, enough to decode each distinct frame again without the TAR.

    Attributes:
        codec: FFmpeg's name, such as ``h264``.
        extradata: the codec's out-of-band headers (avcC, hvcC, …).
        data: all packets, one after the other.
        offsets: shape (P + 1,), int64: packet p is ``data[offsets[p]:offsets[p + 1]]``.
        pts: shape (P,), int64, in ``time_base``.
        first: shape (D,), int64: the run of frame d begins at this packet.
        count: shape (D,), int64: and has so many packets; 1 for a keyframe.
        time_base: ``(numerator, denominator)`` in seconds.
    """

    codec: str
    extradata: bytes
    data: bytes
    offsets: npt.NDArray[np.int64]
    pts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    time_base: tuple[int, int]


@dataclass(slots=True)
class FrameStore:
    """The distinct frames of a session, D of them in order of pts, each held once.

    Attributes:
        images: uint8 RGB, shape (D, 3, H, W); None when ``packets`` holds them.
        packets: see :class:`PacketRuns`; None when ``images`` holds them.
        height: rows of a sampled frame, after ``max_height``.
        width: columns, likewise.
        rotation: degrees clockwise that show stored packets upright (0, 90, 180, 270); ``images`` are upright already.
        strides: samples by stride in seconds.
        pts: true pts, shape (D,), int64, in ``time_base``.
        time_s: true times in seconds from the first displayed frame, shape (D,), float64.
        keyframe: shape (D,), bool.
        time_base: ``(numerator, denominator)`` in seconds.
    """

    images: npt.NDArray[np.uint8] | None
    packets: PacketRuns | None
    height: int
    width: int
    rotation: int
    strides: dict[float, SampleTimes]
    pts: npt.NDArray[np.int64]
    time_s: npt.NDArray[np.float64]
    keyframe: npt.NDArray[np.bool_]
    time_base: tuple[int, int]

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(slots=True)
class FrameStatistics:
    """Measured on the luma of each distinct frame; every array has shape (D,) unless said otherwise.

    Luma is range-normalised: 0 is black and 255 is white, whether the video is limited or full range, 8 bits or more.

    Attributes:
        time_s: float64, seconds from the first displayed frame.
        luma_mean: float32, 0 to 255.
        luma_p01: float32, 1st percentile.
        luma_p50: float32, median.
        luma_p99: float32, 99th percentile.
        border_top: float32, the share of the height that is one black band from this side (0 to 1).
        border_bottom: float32.
        border_left: float32, the share of the width.
        border_right: float32.
        static_share: float32, the share of textured picture blocks that stand as they do in that one of the 16 sampled
            frames before and the 16 after, a second away or more, that is most like it; NaN for a lone frame, for one
            without texture, and for a dark one with an empty middle.
        corrupt: bool, the decoder concealed errors.
        signature: uint8, shape (D, 9, 16, 3): an RGB thumbnail.
    """

    time_s: npt.NDArray[np.float64]
    luma_mean: npt.NDArray[np.float32]
    luma_p01: npt.NDArray[np.float32]
    luma_p50: npt.NDArray[np.float32]
    luma_p99: npt.NDArray[np.float32]
    border_top: npt.NDArray[np.float32]
    border_bottom: npt.NDArray[np.float32]
    border_left: npt.NDArray[np.float32]
    border_right: npt.NDArray[np.float32]
    static_share: npt.NDArray[np.float32]
    corrupt: npt.NDArray[np.bool_]
    signature: npt.NDArray[np.uint8]


@dataclass(slots=True)
class InputStatistics:
    """What inputs.csv says, in one pass.

    Attributes:
        events: rows.
        keyboard: KEYBOARD rows.
        mouse: MOUSE_* and SCROLL rows.
        gamepad: GAMEPAD_* rows, without those of a stick near its centre: a worn one moves untouched.
        first_s: smallest timestamp, unix seconds; None without rows.
        last_s: largest.
        integer_timestamps: every timestamp is a whole number (recordings before 2025-08-28: unusable for alignment).
        unordered: rows that are more than a tenth of a second older than a row before them.
        invalid: rows that do not parse.
        desk_s: whole seconds with an event of keyboard or mouse; None in parts that are older than this figure.
        gamepad_s: whole seconds with one of the gamepad.
    """

    events: int
    keyboard: int
    mouse: int
    gamepad: int
    first_s: float | None
    last_s: float | None
    integer_timestamps: bool
    unordered: int
    invalid: int
    desk_s: int | None = None
    gamepad_s: int | None = None


@dataclass(slots=True)
class Session:
    """All that one TAR gives.

    Attributes:
        video_member: the video's name in the TAR.
        video_id: its stem.
        video_metadata: ffprobe's ``format`` and ``streams``, its names and values.
        session_metadata: metadata.json as parsed.
        duration_s: of the video stream, seconds; None when the container does not say.
        frames: see :class:`FrameStore`.
        statistics: see :class:`FrameStatistics`.
        inputs: None without an inputs.csv.
        reader: ``ranges`` (the GOP plan) or ``ffmpeg`` (PyAV over a range-backed file).
        repeated: samples that share their keyframe with another of the same stride (mode ``keyframe``).
        decoded: frames that the decoder put out.
        warnings: what was odd and tolerated, in words.
    """

    video_member: str
    video_id: str
    video_metadata: dict[str, Any]
    session_metadata: dict[str, Any]
    duration_s: float | None
    frames: FrameStore
    statistics: FrameStatistics
    inputs: InputStatistics | None
    reader: Literal["ranges", "ffmpeg"]
    repeated: int = 0
    decoded: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ExtractedData:
    """One ``.pt`` file, as :func:`jobs.gamedata.load` gives it.

    Attributes:
        s3_key: the TAR's key.
        video_id: the video's stem.
        video_metadata: ffprobe's ``format`` and ``streams``.
        session_metadata: metadata.json.
        sampled_frames: ``stride-3_chw`` … -> uint8 RGB, shape (N, 3, H, W); (0, 3, H, W) when the video is shorter than
            the stride. Views of one buffer where the file keeps pixels; decoded on access where it keeps packets.
        sampled_times_s: the same keys -> true times in seconds, shape (N,).
        asked_times_s: the same keys -> asked times.
        source_etag: ETag of the TAR that was read.
        spec_digest: :attr:`SamplingSpec.digest`.
        extracted_at: ISO 8601, UTC.
        versions: of telecine, torch, PyAV and FFmpeg's libavcodec.

    Example:
        >>> from jobs.gamedata import load
        >>> session = load(".telecine/demo/game-data-manifest/gameplay.pt")
        >>> session.sampled_frames["stride-3_chw"].shape
        (15, 3, 360, 640)
        >>> session.asked_times_s["stride-3_chw"][:3]
        array([3., 6., 9.])
        >>> session.session_metadata["game_exe"]
        'game.exe'
    """

    s3_key: str
    video_id: str
    video_metadata: dict[str, Any]
    session_metadata: dict[str, Any]
    sampled_frames: Mapping[str, npt.NDArray[np.uint8]]
    sampled_times_s: dict[str, npt.NDArray[np.float64]]
    asked_times_s: dict[str, npt.NDArray[np.float64]]
    source_etag: str
    spec_digest: str
    extracted_at: str
    versions: dict[str, str]

    def __repr__(self) -> str:
        """Name the session and count its frames: the pixels would fill hundreds of lines of a notebook."""
        declared = str(self.video_metadata.get("format", {}).get("duration"))
        parts = [repr(self.s3_key), *([f"{float(declared):.1f} s"] if declared.replace(".", "", 1).isdigit() else [])]
        for place, (key, times) in enumerate(self.sampled_times_s.items()):
            frames = f"{key.removesuffix('_chw')}: {len(times)} frame{'' if len(times) == 1 else 's'}"
            # Packets are decoded when a stride is read: not for this.
            if place == 0 and isinstance(self.sampled_frames, dict):
                height, width = self.sampled_frames[key].shape[2:]
                frames += f" {height}x{width}"
            parts.append(frames)
        return f"ExtractedData({', '.join(parts)})"
