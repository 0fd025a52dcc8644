"""Read the index of an MP4's video: the display time and byte range of each encoded frame.

Only plain files are supported: one movie box, one video track that FFmpeg would choose, H.264 or HEVC, and no edits
except the one that muxers write to compensate for the delay of B-frames. For these files, the arrays match the packets
of FFmpeg's demuxer. Everything else raises :class:`NeedsFFmpeg` and is demuxed by FFmpeg.

Formats: ISO/IEC 14496-12 (boxes), 14496-15 (avcC, hvcC). FFmpeg's behaviour: libavformat/mov.c and
``av_find_best_stream`` in libavformat/avformat.c, FFmpeg 8.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.members._mp4_boxes import NeedsFFmpeg, find, only, read_moov
from jobs.gamedata.members._mp4_tables import SampleTable, read_samples

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["NeedsFFmpeg", "VideoTrack", "read_index"]

# Sample entry -> FFmpeg's codec name and the box that contains the codec's headers.
_CODECS: Final = {
    b"avc1": ("h264", b"avcC"),
    b"avc3": ("h264", b"avcC"),
    b"hvc1": ("hevc", b"hvcC"),
    b"hev1": ("hevc", b"hvcC"),
}
_VISUAL_ENTRY: Final = 78  # bytes of a VisualSampleEntry before its boxes
_MAX_EXTRADATA: Final = 1 << 20
_ENABLED: Final = 1  # tkhd flag: FFmpeg gives the track the default disposition
_IDENTITY: Final = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """The video's S samples, in decode order.

    Attributes:
        codec: FFmpeg's name, ``h264`` or ``hevc``.
        extradata: avcC or hvcC.
        width: columns as stored.
        height: rows as stored.
        rotation: degrees clockwise to display it upright (0, 90, 180, 270).
        time_base: ``(1, ticks per second)``.
        duration_s: seconds from the start of the first displayed frame to the end of the last one.
        start_pts: FFmpeg's pts of the first displayed frame; ``pts`` is relative to it.
        pts: shape (S,), int64: display times in ``time_base``.
        offset: shape (S,), int64: positions of the first bytes.
        size: shape (S,), int64: lengths in bytes.
        keyframe: shape (S,), bool.
    """

    codec: str
    extradata: bytes
    width: int
    height: int
    rotation: int
    time_base: tuple[int, int]
    duration_s: float
    start_pts: int
    pts: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    keyframe: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Track:
    trak: memoryview
    mdia: memoryview
    enabled: bool


def read_index(source: RangeSource) -> VideoTrack:
    """Return the index of a video, using two or three reads.

    Args:
        source: the video's bytes.

    Raises:
        ItemError: ``moov_missing``, ``video_truncated``, ``video_invalid``, ``video_no_stream``, ``video_no_frames``.
        NeedsFFmpeg: the file is not a plain MP4; FFmpeg has to read it.
    """
    moov = read_moov(source)
    if only(moov, b"mvex") is not None:
        raise NeedsFFmpeg("a fragmented MP4")
    if only(moov, b"cmov") is not None:
        raise NeedsFFmpeg("a compressed index")
    mvhd = _header(moov, b"mvhd", 96)
    movie_scale = _scale(mvhd, 12, 20)
    if _matrix(mvhd, 36, 48) != _IDENTITY:
        raise NeedsFFmpeg("a transformation of the whole movie (mvhd)")
    track = _choose(moov)
    mdhd = _header(track.mdia, b"mdhd", 20)
    scale = _scale(mdhd, 12, 20)
    tkhd = _header(track.trak, b"tkhd", 84)
    minf = _nested(track.mdia, b"minf")
    dref = _nested(minf, b"dinf", b"dref")
    if bytes(dref[4:8]) != b"\0\0\0\1" or bytes(dref[16:20]) != b"\0\0\0\1":
        raise NeedsFFmpeg("frames stored in another file (dref)")
    stbl = _nested(minf, b"stbl")
    codec, extradata, width, height = _description(stbl)
    samples = read_samples(stbl)
    if not len(samples.size):
        raise item_error("video_no_frames", "the index (moov) lists no frames")
    _check_bytes(samples, source.size)
    first = int(samples.pts.min())
    last = int(samples.pts.argmax())
    delay = _edit(track.trak, samples, scale, movie_scale)
    return VideoTrack(
        codec=codec,
        extradata=extradata,
        width=width,
        height=height,
        rotation=_rotation(_matrix(tkhd, 40, 52)),
        time_base=(1, scale),
        duration_s=(int(samples.pts[last]) - first + int(samples.duration[last])) / scale,
        start_pts=delay,
        pts=samples.pts - first,
        offset=samples.offset,
        size=samples.size,
        keyframe=samples.keyframe,
    )


def _choose(moov: memoryview) -> _Track:
    """Return the track that FFmpeg selects by default: an enabled track is preferred over a disabled one.

    Among several enabled tracks, FFmpeg decides by bit rate and by the number of frames found while probing, which
    only FFmpeg knows.
    """
    tracks = []
    for trak in find(moov, b"trak"):
        mdia = only(trak, b"mdia")
        handler = only(mdia, b"hdlr", least=12) if mdia is not None else None
        if mdia is None or handler is None:
            raise NeedsFFmpeg("a track without a handler")
        kind = bytes(handler[8:12])
        if kind in (b"auxv", b"pict"):
            raise NeedsFFmpeg(f"a track of the kind {kind!r}")
        if kind == b"vide":
            flags = int.from_bytes(_header(trak, b"tkhd", 84)[1:4], "big")
            tracks.append(_Track(trak, mdia, bool(flags & _ENABLED)))
    if not tracks:
        raise item_error("video_no_stream", "the MP4 has no video track")
    enabled = [track for track in tracks if track.enabled]
    if len(enabled) == 1:
        return enabled[0]
    if len(tracks) == 1 and not find(moov, b"udta") and not find(moov, b"meta"):  # and no cover picture
        return tracks[0]
    raise NeedsFFmpeg(f"{len(tracks)} video tracks, {len(enabled)} of them enabled")


def _header(body: memoryview, kind: bytes, least: int) -> memoryview:
    header = only(body, kind, least)
    if header is None:
        raise NeedsFFmpeg(f"no {kind.decode()} box")
    # Version 1 has 64-bit times and durations, which take 12 more bytes.
    if header[0] > 1 or (header[0] == 1 and len(header) < least + 12):
        raise NeedsFFmpeg(f"{kind.decode()} of version {header[0]} in {len(header)} bytes")
    return header


def _nested(body: memoryview, *kinds: bytes) -> memoryview:
    for kind in kinds:
        inner = only(body, kind)
        if inner is None:
            raise NeedsFFmpeg(f"no {kind.decode()} box")
        body = inner
    return body


def _scale(header: memoryview, offset: int, offset_1: int) -> int:
    scale: int = struct.unpack_from(">I", header, offset_1 if header[0] == 1 else offset)[0]
    if not 0 < scale < 1 << 31:
        raise NeedsFFmpeg(f"a time scale of {scale}")
    return scale


def _matrix(header: memoryview, offset: int, offset_1: int) -> tuple[int, ...]:
    return struct.unpack_from(">9i", header, offset_1 if header[0] == 1 else offset)


def _rotation(matrix: tuple[int, ...]) -> int:
    a, b, _, c, d = matrix[:5]
    if a * d - b * c <= 0:  # mirrored or degenerate
        raise NeedsFFmpeg("a mirrored picture")
    degrees = math.degrees(math.atan2(b, a)) % 360
    return round(degrees / 90) * 90 % 360


def _description(stbl: memoryview) -> tuple[str, bytes, int, int]:
    stsd = only(stbl, b"stsd", least=16)
    if stsd is None or struct.unpack_from(">I", stsd, 4)[0] != 1:
        raise NeedsFFmpeg("several sample descriptions, or none")
    size, kind = struct.unpack_from(">I4s", stsd, 8)
    if kind not in _CODECS:
        raise NeedsFFmpeg(f"the codec {kind!r}")
    entry = stsd[16 : 8 + size]
    if len(entry) < _VISUAL_ENTRY or 8 + size > len(stsd):
        raise NeedsFFmpeg("a truncated sample description")
    codec, header = _CODECS[kind]
    width, height = struct.unpack_from(">HH", entry, 24)
    extradata = only(entry[_VISUAL_ENTRY:], header, least=7)
    if extradata is None or len(extradata) > _MAX_EXTRADATA:
        raise NeedsFFmpeg(f"no {header.decode()} box")
    if not width or not height:
        raise NeedsFFmpeg("a frame size of 0")
    return codec, bytes(extradata), width, height


def _edit(trak: memoryview, samples: SampleTable, scale: int, movie_scale: int) -> int:
    """Return FFmpeg's pts of the first displayed frame, from the edit list.

    Supported are: no edit list; one edit that starts at the first displayed frame and covers all frames; and an empty
    edit, which delays the track relative to another, followed by such an edit.
    """
    first, last = int(samples.pts.min()), int(samples.pts.max())
    edts = only(trak, b"edts")
    elst = only(edts, b"elst", least=8) if edts is not None else None
    if elst is None:
        return first + _shift(samples)
    (count,) = struct.unpack_from(">I", elst, 4)
    entry = ">Qqhh" if elst[0] == 1 else ">Iihh"
    if count not in (1, 2) or len(elst) < 8 + count * struct.calcsize(entry):
        raise NeedsFFmpeg(f"an edit list of {count} entries")
    edits = [struct.unpack_from(entry, elst, 8 + number * struct.calcsize(entry)) for number in range(count)]
    delay = edits.pop(0)[0] if edits[0][1] == -1 and count > 1 else 0
    duration, begin, rate, fraction = edits[0]
    if len(edits) != 1 or (rate, fraction) != (1, 0) or begin != first:
        raise NeedsFFmpeg("an edit list that drops, repeats or slows frames")
    if begin + duration * scale / movie_scale <= last:
        raise NeedsFFmpeg("an edit list that drops frames at the end")
    return int(delay * scale / movie_scale + 0.5)


def _shift(samples: SampleTable) -> int:
    """Return the shift by which FFmpeg makes negative composition offsets 0 (mov.c: dts_shift)."""
    return max(0, -int((samples.pts - samples.dts).min()))


def _check_bytes(samples: SampleTable, available: int) -> None:
    if int(samples.size.min()) == 0:
        raise NeedsFFmpeg("empty samples")
    end = int((samples.offset + samples.size).max())
    if end > available:
        beyond = int((samples.offset + samples.size > available).sum())
        raise item_error(
            "video_truncated",
            f"{beyond} of {len(samples.size)} frames lie beyond the end of the video: the index (moov) refers to byte "
            f"{end} but the video is only {available} bytes long",
            missing=beyond,
        )
    total = int(samples.size.sum())
    if total > available:
        raise item_error(
            "video_invalid",
            f"the index (moov) lists {total} bytes of frames but the video is only {available} bytes long",
        )
