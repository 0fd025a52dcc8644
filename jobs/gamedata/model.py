"""Data classes of the pipeline: sampling specs, sessions, frames and statistics.

Needs only numpy: it is also imported by the decoder process, which has no torch, and by ``plan``, which has no Ray.
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
    "StreamParameters",
    "stride_key",
]

SamplingMode = Literal["auto", "keyframe", "exact"]
FrameFormat = Literal["rgb", "packets"]

# Luma planes are averaged down to this grid (rows, columns) before they are measured. Area averaging preserves means, a
# bar of 1.1 % of the height still fills a row, and 14 kB per frame is small enough for both numpy and torch on a GPU.
STATISTICS_SHAPE: Final = (90, 160)
# Size of the RGB thumbnail per frame (rows, columns, channels), compared with menu references.
SIGNATURE_SHAPE: Final = (9, 16, 3)
# Part of the spec digest. Increase it when the meaning of frames or statistics changes: TARs with older results are
# then extracted again.
SPEC_VERSION: Final = 4


def stride_key(stride_s: float) -> str:
    """Return the name of a stride as in the original pipeline: ``stride-3_chw``, or ``stride-0.5_chw`` for 0.5 s."""
    return f"stride-{stride_s:g}_chw"


@dataclass(frozen=True, slots=True)
class SamplingSpec:
    """The frames to sample and the form in which to store them.

    Attributes:
        strides: ``(stride in seconds, count)`` pairs; requested times are ``(i + 1) * stride`` within the video.
        mode: ``auto`` | ``keyframe`` | ``exact``; see docs/gamedata.md.
        max_height: maximum height in pixels; taller frames are scaled down to it, with an even width. 0: no limit.
        frames: ``rgb`` stores pixels, ``packets`` the encoded packets of the source.
    """

    strides: tuple[tuple[float, int], ...] = ((3.0, 15), (30.0, 15), (60.0, 5))
    mode: SamplingMode = "auto"
    max_height: int = 360
    frames: FrameFormat = "rgb"

    @property
    def digest(self) -> str:
        """A hash of these settings and :data:`SPEC_VERSION`, 16 hex digits."""
        document = json.dumps({"spec_version": SPEC_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(document.encode()).hexdigest()[:16]


@dataclass(slots=True)
class SampleTimes:
    """The samples of one stride.

    Attributes:
        asked_s: requested times in seconds from the first displayed frame, shape (N,).
        index: row of each sample among the distinct frames, shape (N,), int64.
    """

    asked_s: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """The stream parameters that a decoder needs besides the packets, as declared by the container.

    H.264, HEVC and most newer codecs find them in the stream; HuffYUV, FFV1, Microsoft's MPEG-4 and many others do not.

    Attributes:
        codec: FFmpeg's name of the decoder, e.g. ``h264``.
        extradata: the codec's out-of-band headers (avcC, hvcC, …); empty if the packets contain them.
        width: stored width in pixels; 0 if unknown.
        height: stored height in pixels; 0 if unknown.
        tag: the container's four-character codec tag; empty if unknown.
        bits: bits per coded sample; 0 if unknown.
        reorder_depth: how many frames the decoder holds back to put them in display order.
        pix_fmt: FFmpeg's name of the pixel format; empty if unknown.
        profile: FFmpeg's name of the profile; empty if unknown.
        level: the codec's level; -99 (FFmpeg's value for it) if unknown.
        color_range: AVColorRange; 0 if unknown.
        color_primaries: AVColorPrimaries; 2 if unknown.
        color_trc: AVColorTransferCharacteristic; 2 if unknown.
        colorspace: AVColorSpace, the matrix of YCbCr; 2 if unknown.
        field_order: AVFieldOrder; 0 if unknown, 1 if progressive.
    """

    codec: str
    extradata: bytes = b""
    width: int = 0
    height: int = 0
    tag: str = ""
    bits: int = 0
    reorder_depth: int = 0
    pix_fmt: str = ""
    profile: str = ""
    level: int = -99
    color_range: int = 0
    color_primaries: int = 2
    color_trc: int = 2
    colorspace: int = 2
    field_order: int = 0


@dataclass(slots=True)
class PacketRuns:
    """The encoded packets of the source that are needed to decode each distinct frame without the TAR.

    Attributes:
        parameters: the stream's parameters; files written before they were stored have only codec and extradata.
        data: all packets, concatenated.
        offsets: shape (P + 1,), int64; packet p is ``data[offsets[p]:offsets[p + 1]]``.
        pts: shape (P,), int64, in ``time_base``.
        first: shape (D,), int64: first packet of the run that decodes frame d.
        count: shape (D,), int64: number of packets in that run; 1 for a keyframe.
        time_base: ``(numerator, denominator)`` in seconds.
        keyframe: shape (P,), bool: the container's keyframe flags.
        side_data: ``(packet, kind, bytes)`` of the side data that packets carry: palettes and new headers.
    """

    parameters: StreamParameters
    data: bytes
    offsets: npt.NDArray[np.int64]
    pts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    time_base: tuple[int, int]
    keyframe: npt.NDArray[np.bool_]
    side_data: tuple[tuple[int, str, bytes], ...] = ()


@dataclass(slots=True)
class FrameStore:
    """The D distinct frames of a session in order of pts.

    Attributes:
        images: uint8 RGB, shape (D, 3, H, W); None if ``packets`` is set.
        packets: the packets of the frames; None if ``images`` is set.
        height: height of a sampled frame after scaling to ``max_height``.
        width: width of a sampled frame after scaling.
        rotation: clockwise rotation in degrees (0, 90, 180, 270) that makes packets upright; ``images`` already are.
        strides: samples by stride in seconds.
        pts: actual pts, shape (D,), int64, in ``time_base``.
        time_s: actual times in seconds from the first displayed frame, shape (D,), float64.
        keyframe: True for keyframes, shape (D,), bool.
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
    """Statistics of the luma of each distinct frame; arrays have shape (D,) unless noted.

    Luma is range-normalised: 0 is black and 255 white for limited and full range and for any bit depth.

    Attributes:
        time_s: float64, seconds from the first displayed frame.
        luma_mean: float32, mean, 0 to 255.
        luma_p01: float32, 1st percentile.
        luma_p50: float32, median.
        luma_p99: float32, 99th percentile.
        border_top: float32, height of the black bar at the top as a share of the frame's height (0 to 1).
        border_bottom: float32, the same at the bottom.
        border_left: float32, width of the black bar on the left as a share of the frame's width.
        border_right: float32, the same on the right.
        static_share: float32, share of textured blocks that are unchanged in the most similar other frame, out of the
            16 sampled frames before and the 16 after that are at least a second away. NaN for a single frame, a frame
            without texture, and a dark frame with an empty middle.
        corrupt: bool, True for damaged frames: the decoder concealed errors in it or in a frame that it refers to, it
            is not provably complete (intra refresh), or it replaces a later one that does not decode.
        signature: uint8, shape (D, 9, 16, 3): RGB thumbnail.
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
    """Statistics of inputs.csv, collected in one pass.

    Attributes:
        events: number of rows that can be parsed.
        keyboard: number of KEYBOARD rows.
        mouse: number of MOUSE_* and SCROLL rows.
        gamepad: number of GAMEPAD_* rows, ignoring sticks near their centre: a worn stick drifts untouched.
        first_s: smallest timestamp in Unix seconds; None without rows.
        last_s: largest timestamp in Unix seconds; None without rows.
        integer_timestamps: True if all timestamps are whole numbers (recordings before 2025-08-28; too coarse to align
            with the video).
        unordered: number of rows more than 0.1 s older than an earlier row.
        invalid: number of rows that cannot be parsed.
        desk_s: number of whole seconds with a keyboard or mouse event; None in parts written before this column.
        gamepad_s: number of whole seconds with a gamepad event; None in parts written before this column.
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
    """The content of one TAR.

    Attributes:
        video_member: name of the video in the TAR.
        video_id: stem of that name.
        video_metadata: ``format`` and ``streams`` with the names and values of ffprobe.
        session_metadata: parsed metadata.json.
        duration_s: duration of the video stream in seconds; None if the container declares none.
        frames: sampled frames.
        statistics: statistics of the sampled frames.
        inputs: statistics of inputs.csv; None without one.
        reader: ``ranges`` (fetches planned GOPs) or ``ffmpeg`` (PyAV on a range-backed file).
        repeated: number of samples that share a keyframe with another one of their stride (mode ``keyframe``).
        decoded: number of frames the decoder produced.
        warnings: tolerated irregularities, as text.
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
    """The contents of one ``.pt`` file, as returned by :func:`jobs.gamedata.load`.

    Attributes:
        s3_key: the TAR's key.
        video_id: the video's stem.
        video_metadata: ffprobe's ``format`` and ``streams``.
        session_metadata: metadata.json.
        sampled_frames: ``stride-3_chw`` … -> uint8 RGB, shape (N, 3, H, W); (0, 3, H, W) if the video is shorter than
            the stride. Views of one buffer if the file stores pixels; decoded on access if it stores packets.
        sampled_times_s: the same keys -> actual times of the frames in seconds, shape (N,).
        asked_times_s: the same keys -> requested times in seconds, shape (N,).
        source_etag: ETag of the TAR that was read.
        spec_digest: :attr:`SamplingSpec.digest`.
        extracted_at: ISO 8601, UTC.
        versions: versions of telecine, torch, PyAV and FFmpeg's libavcodec.

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
        """Return the key and the frame counts; printing the pixels would fill hundreds of lines of a notebook."""
        declared = str(self.video_metadata.get("format", {}).get("duration"))
        parts = [repr(self.s3_key), *([f"{float(declared):.1f} s"] if declared.replace(".", "", 1).isdigit() else [])]
        for number, (key, times) in enumerate(self.sampled_times_s.items()):
            frames = f"{key.removesuffix('_chw')}: {len(times)} frame{'' if len(times) == 1 else 's'}"
            # Reading a stride stored as packets decodes them, which a repr must not do.
            if number == 0 and isinstance(self.sampled_frames, dict):
                height, width = self.sampled_frames[key].shape[2:]
                frames += f" {height}x{width}"
            parts.append(frames)
        return f"ExtractedData({', '.join(parts)})"
