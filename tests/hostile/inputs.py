"""Hostile and odd sessions, each with its expected code of :data:`~jobs.gamedata.errors.CODES` or correct result.

docs/security.md explains each; its table is generated from :data:`INPUTS`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import av

from tests.hostile._blocks import END, box, entry, extended, header, moov_of, record
from tests.media import METADATA, cached_clip, tar_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOLE", "INPUTS", "OK", "Input", "clip"]

OK: Final = "ok"
_CLIP = {"seconds": 12, "fps": 10, "gop": 20}


@dataclass(frozen=True)
class Input:
    """One session.

    Attributes:
        group: TAR, video, JSON or CSV.
        make: its bytes.
        codes: allowed results; ``ok`` is a session.
        why: the reason, for the docs.
        frames: distinct frames of a session whose content must match their numbers; None: not checked.
    """

    group: str
    make: Callable[[], bytes]
    codes: tuple[str, ...]
    why: str
    frames: int | None = None


# Display times of a clip whose frame 60 is shown for ten seconds.
HOLE = [0.1 * i + (10.0 if i > 60 else 0.0) for i in range(130)]
INPUTS: dict[str, Input] = {}


def clip(**settings: object) -> bytes:
    """A numbered clip of 12 seconds."""
    return cached_clip(**{**_CLIP, **settings}).read_bytes()


def _add(  # noqa: PLR0917  a table's columns
    group: str, name: str, codes: str, why: str, make: Callable[[], bytes], frames: int | None = None
) -> None:
    assert name not in INPUTS
    INPUTS[name] = Input(group, make, tuple(codes.split()), why, frames)


def _tar(name: str, codes: str, why: str, make: Callable[[], bytes], frames: int | None = None) -> None:
    _add("TAR", name, codes, why, make, frames)


def _video(name: str, codes: str, why: str, make: Callable[[], bytes], suffix: str = "mp4") -> None:
    _add("video", name, codes, why, lambda: tar_bytes(make(), video_name=f"recording.{suffix}"))


def _right(name: str, why: str, *, frames: int = 10, suffix: str = "mp4", **settings: object) -> None:
    """A video that must decode to the frames of its times."""
    made = {"suffix": suffix, **settings}
    _add("video", name, OK, why, lambda: tar_bytes(clip(**made), video_name=f"recording.{suffix}"), frames)


def _json(name: str, codes: str, why: str, body: Callable[[], bytes]) -> None:
    _add("JSON", name, codes, why, lambda: tar_bytes(clip(), metadata=body()))


def _csv(name: str, codes: str, why: str, body: Callable[[], bytes]) -> None:
    _add("CSV", name, codes, why, lambda: tar_bytes(clip(), inputs=body()))


def _session(*first: bytes, video: str = "recording.mp4") -> bytes:
    """Hand-made headers, then a sound session."""
    return b"".join(first) + tar_bytes(clip(), video_name=video)


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("recording.mp4", b"v" * 4096)
    return buffer.getvalue()


# --- TAR
_JSON_ENTRY = entry(b"metadata.json", METADATA)
_tar(
    "names with ..",
    OK,
    "names are only compared; nothing is written",
    lambda: tar_bytes(clip(), video_name="../../a.mp4"),
)
_tar("absolute name", OK, "as above", lambda: tar_bytes(clip(), video_name="/etc/cron.d/a.mp4"))
_tar(
    "NUL in a name", OK, "the name ends at the NUL, as in every TAR reader",
    lambda: entry(b"a.mp4\0/../x.json", clip()) + _JSON_ENTRY + END,
)  # fmt: skip
_tar(
    "two members of one name", "member_duplicate", "which one counts depends on the reader",
    lambda: entry(b"a.mp4", b"v") * 2 + _JSON_ENTRY + END,
)  # fmt: skip
_tar(
    "two metadata.json", "member_duplicate", "as above",
    lambda: entry(b"a.mp4", b"v") + _JSON_ENTRY + entry(b"x/metadata.json", b"{}") + END,
)  # fmt: skip
_tar(
    "two videos", "video_multiple", "a session has exactly one video",
    lambda: entry(b"a.mp4", b"v") + entry(b"b.mkv", b"v") + _JSON_ENTRY + END,
)  # fmt: skip
for _kind, _what in ((b"2", "symbolic link"), (b"1", "hard link"), (b"3", "character device"), (b"4", "block device")):
    _tar(
        f"{_what} for a video", "video_missing", "only regular files are read",
        lambda kind=_kind: header(b"a.mp4", kind=kind, link=b"/etc/passwd") + _JSON_ENTRY + END,
    )  # fmt: skip
_tar(
    "GNU sparse member of 3 GiB", "tar_unsafe", "2 KB that `tarfile` expands to 3.2 GB of memory",
    lambda: header(b"a.mp4", size=2048, kind=b"S") + bytes(2048) + _JSON_ENTRY + END,
)  # fmt: skip
_tar(
    "PAX sparse member", "tar_unsafe", "the same, declared in an extended header",
    lambda: _session(extended(record("GNU.sparse.realsize", "3221225472"), record("GNU.sparse.major", "1"))),
)  # fmt: skip
_tar(
    "PAX size beyond the object", "tar_truncated", "two headers disagree about the size; every range is checked",
    lambda: extended(record("size", "9" * 15)) + entry(b"a.mp4", b"v" * 8) + END,
)  # fmt: skip
_tar(
    "PAX size of 4 for 8 bytes", "tar_invalid video_missing video_invalid tar_truncated",
    "reading continues where the smaller size ends, and finds no valid header",
    lambda: extended(record("size", "4")) + header(b"a.mp4", size=1024) + b"v" * 1024 + _JSON_ENTRY + END,
)  # fmt: skip
_tar(
    "PAX size negative", "tar_unsafe", "a size cannot be negative",
    lambda: extended(record("size", "-512")) + header() + END,
)  # fmt: skip
_tar(
    "unknown PAX keyword",
    "tar_unsafe",
    "it could change the meaning of a member",
    lambda: _session(extended(record("hdr", "1"))),
)
_tar(
    "extended header of 1 GiB", "tar_unsafe", "`tarfile` reads it whole: 1 GB of memory, 19 s",
    lambda: header(b"x", size=1 << 30, kind=b"x") + bytes(8192),
)  # fmt: skip
_tar(
    "size of -512", "tar_unsafe", "an endless loop in readers that seek back to the same header (CVE-2025-8194)",
    lambda: header(b"a.mp4", size=b"\xff" * 10 + b"\xfe\x00") + END,
)  # fmt: skip
_tar(
    "size of 2^64",
    "tar_truncated",
    "sizes do not wrap around",
    lambda: header(b"a.mp4", size=b"\x80\0\0\0" + b"\xff" * 8) + END,
)
_tar("100,000 empty members", "tar_unsafe", "a session has six headers", lambda: header(b"x") * 100_000 + END)
_tar(
    "gzip bomb",
    "tar_invalid",
    "never decompressed; expected an uncompressed TAR",
    lambda: gzip.compress(bytes(1 << 26), 1),
)
_tar("ZIP", "tar_invalid", "as above", _zipped)
_tar("cut in the video", "tar_truncated", "an interrupted upload", lambda: tar_bytes(clip())[:9000])
_tar("no bytes", "tar_empty", "an upload that never started", lambda: b"")
_tar("zeros", "tar_empty", "a hole of a disk image", lambda: bytes(20480))
_tar("text", "tar_invalid", "an error page stored instead of the object", lambda: b"<html>503</html>" * 100)
_tar("no video", "video_missing", "nothing to sample", lambda: tar_bytes(None))
_tar(
    "no metadata.json", "metadata_missing", "the session cannot be identified", lambda: tar_bytes(clip(), metadata=None)
)
_tar("no inputs.csv", OK, "the input checks are NULL", lambda: tar_bytes(clip(), inputs=None), 10)
_tar(
    "macOS leftovers", OK, "`._recording.mp4` and `__MACOSX` are ignored",
    lambda: tar_bytes(clip(), extra={"._recording.mp4": b"x", "__MACOSX/recording.mp4": b"x"}), 10,
)  # fmt: skip
_tar(
    "leftovers of tar", OK, "`PaxHeaders.1234/recording.mp4` and `GNUSparseFile.1234/recording.mp4` are ignored",
    lambda: tar_bytes(
        clip(), extra={"PaxHeaders.1234/recording.mp4": b"30 mtime", "GNUSparseFile.1234/recording.mp4": b"0"}
    ), 10,
)  # fmt: skip


# --- video
def _faststart_cut() -> bytes:
    body = clip(faststart=True)
    return body[: len(body) * 2 // 3]


def _flipped(count: int, **settings: object) -> bytes:
    body = bytearray(clip(**settings))
    moov = body.rindex(b"moov") - 4
    chance = random.Random(count)
    for _ in range(count):
        body[chance.randrange(64, moov)] ^= 1 << chance.randrange(8)
    return bytes(body)


def _sound() -> bytes:
    buffer = io.BytesIO()
    buffer.name = "a.mp4"
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48000)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 48000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for part in (frame, None):
            output.mux(stream.encode(part))
    return buffer.getvalue()


def _huge(*, tell: tuple[int, int]) -> bytes:
    """One picture of 8192 x 8192, whose container may say something else."""
    body = clip(size=(8192, 8192), seconds=1, fps=1, gop=1, b_frames=0)
    return body.replace(struct.pack(">HH", 8192, 8192), struct.pack(">HH", *tell))


def _avc() -> tuple[bytes, bytes]:
    with av.open(str(cached_clip(**_CLIP))) as container:
        return container.streams.video[0].codec_context.extradata, b""


def _bomb(samples: int, *, same: int, size: int) -> bytes:
    """A movie of some 700 bytes that claims ``samples`` pictures."""
    extradata, _ = _avc()
    moov = moov_of(samples=samples, same=same, offset=0, extradata=extradata)
    at = len(box(b"ftyp", b"isom", bytes(4), b"isom")) + len(moov) + 8
    moov = moov_of(samples=samples, same=same, offset=at, extradata=extradata)
    return box(b"ftyp", b"isom", bytes(4), b"isom") + moov + box(b"mdat", bytes(size))


def _elsewhere() -> bytes:
    """A movie whose pictures lie in another file, as its data reference says."""
    body = bytearray(clip(faststart=True))
    at = body.index(b"url ")
    body[at : at + 8] = b"alis\0\0\0\0"
    return bytes(body)


def _edited() -> bytes:
    """Begins between keyframes: the edit list hides 1.3 seconds."""
    body = bytearray(clip(b_frames=0))
    at = body.index(b"elst")
    duration, begin = struct.unpack_from(">Ii", body, at + 12)
    (scale,) = struct.unpack_from(">I", body, body.index(b"mdhd") + 16)
    struct.pack_into(">Ii", body, at + 12, duration, begin + scale * 13 // 10)
    return bytes(body)


def _long_gop() -> bytes:
    return clip(seconds=120, gop=100_000)


_video("cut, moov last", "moov_missing", "an interrupted recording", lambda: clip()[:-900])
_video("cut, moov first", "video_truncated", "FFmpeg would open it and decode half", _faststart_cut)
_video("no bytes in the video", "video_invalid", "an empty member", lambda: b"")
_video("zeros in the video", "video_invalid", "zeros instead of data", lambda: bytes(5000))
_video("noise in the video", "video_invalid", "not a video", lambda: random.Random(1).randbytes(5000))
_video("sound only", "video_no_stream", "no video stream", _sound)
_video(
    "400 flipped bits", "ok decode_failed", "damaged frames without an error; they are counted", lambda: _flipped(400)
)
_video("one flipped bit", "ok decode_failed", "as above", lambda: _flipped(1))
_video("8192x8192", "pixels_exceeded", "199 kB that would cost 320 MB of memory", lambda: _huge(tell=(8192, 8192)))
_video(
    "8192x8192 that says 160x90", "pixels_exceeded", "the decoder itself also enforces the limit",
    lambda: _huge(tell=(160, 90)),
)  # fmt: skip
_video(
    "four billion frames in 700 bytes", "video_invalid video_no_frames video_truncated", "tables are not trusted",
    lambda: _bomb(0xFFFFFFFF, same=1, size=4096),
)  # fmt: skip
_video(
    "seven million frames of one byte", "decode_failed decode_memory decode_timeout video_no_frames",
    "every table agrees, but no frame decodes", lambda: _bomb(7_000_000, same=1, size=7_000_000),
)  # fmt: skip
_video(
    "playlist", "video_invalid", "it refers to other files", lambda: b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "ts"
)
_video("concat script", "video_invalid", "as above", lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n")
_video(
    "SDP", "video_invalid", "it would open network connections",
    lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
)  # fmt: skip
_video(
    "frames in another file", "ok decode_failed video_no_frames video_invalid", "no other file is opened", _elsewhere
)
_video(
    "matroska cut in half",
    OK,
    "the part that exists is sampled, with a warning",
    lambda: clip(suffix="mkv")[:9000],
    "mkv",
)
_video(
    "matroska that ends after its header", "video_invalid video_no_stream", "a container without a video stream",
    lambda: b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x88matroska" + bytes(64),
    "mkv",
)  # fmt: skip
_add(
    "video", "begins between keyframes", OK, "an edit list hides the first 1.3 s; times start at the first visible one",
    lambda: tar_bytes(_edited()),
)  # fmt: skip
_add("video", "one keyframe in two minutes", OK, "decoded from the start", lambda: tar_bytes(_long_gop()), 20)
_right("fragmented MP4", "no frame table; read by FFmpeg", fragmented=True)
_right("moov first", "read like any other", faststart=True)
_right("rotated by 90 degrees", "frames are rotated upright", rotation=90)
_right("rotated by 180 degrees", "as above", rotation=180)
_right("641x359 in 4:4:4", "odd dimensions are kept", size=(641, 359), pix_fmt="yuv444p")
_right("portrait 606x1080", "scaled to a height of 360", size=(606, 1080))
_right("10 bits", "luma is converted to 8 bits", pix_fmt="yuv420p10le")
_right("HEVC, 10 bits", "as above", codec="libx265", pix_fmt="yuv420p10le")
_right("full range", "black is stored as 0", full_range=True)
_right("HEVC", "planned like H.264", codec="libx265")
_right("a hole of 10 s", "times come from the frames, not from the frame rate", frames=7, times=HOLE)  # fmt: skip
_right("intra refresh", "its recovery points decode to grey alone; decoding starts at the keyframe", codec="libx264",
       options={"x264-params": "intra-refresh=1:keyint=20:min-keyint=20:scenecut=0"}, b_frames=0)  # fmt: skip
_right("HEVC in matroska", "read by FFmpeg", suffix="mkv", codec="libx265")
_right("H.264 in matroska", "read by FFmpeg", suffix="mkv")
_VP9 = {"codec": "libvpx-vp9", "b_frames": 0, "options": {"cpu-used": "8", "deadline": "realtime"}}
_AV1 = {"codec": "libsvtav1", "b_frames": 0, "options": {"preset": "8", "crf": "10", "svtav1-params": "lp=1"}}
_right("VP9 in WebM", "read by FFmpeg", suffix="webm", **_VP9)
_right("VP9 in MP4", "read by FFmpeg", **_VP9)
_right("AV1 in matroska", "read by FFmpeg", suffix="mkv", **_AV1)
_right("AV1 in MP4", "read by FFmpeg", **_AV1)
_right("transport stream", "read by FFmpeg", suffix="ts")
_right("MPEG-4 Part 2 in AVI", "the container has no display times", suffix="avi", codec="mpeg4", b_frames=0)
_right("MPEG-4 Part 2 in AVI, B-frames", "the same, with frames out of order", suffix="avi", codec="mpeg4", b_frames=2)
_right("H.264 in AVI, B-frames", "as above", suffix="avi")

# --- JSON
_json("NaN", "metadata_invalid", "not a JSON number; other parsers accept it", lambda: b'{"a": NaN}')
_json("1e999", "metadata_invalid", "overflows to infinity", lambda: b'{"a": 1e999}')
_json("a key twice", "metadata_invalid", "parsers differ on which one counts", lambda: b'{"a": 1, "a": 2}')
_json("100,000 levels", "metadata_invalid", "a RecursionError in other parsers", lambda: b'{"a": ' + b"[" * 100_000)
_json(
    "100,000 levels, closed", "metadata_invalid", "as above", lambda: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
)
_json(
    "integer of 5,000 digits",
    "metadata_invalid",
    "a ValueError in other parsers",
    lambda: b'{"a": ' + b"9" * 5000 + b"}",
)
_json("byte-order mark", OK, "ignored", lambda: b"\xef\xbb\xbf" + METADATA)
_json("a list", "metadata_invalid", "expected one object", lambda: b"[]")
_json("cut JSON", "metadata_invalid", "truncated", lambda: METADATA[:50])
_json("no JSON bytes", "metadata_invalid", "an empty member", lambda: b"")
_json("half a character", "metadata_invalid", "not storable as text", lambda: b'{"a": "\\ud800"}')
_json("UTF-16", "metadata_invalid", "expected UTF-8", lambda: json.dumps({}).encode("utf-16"))
_json("2 MB", "metadata_invalid", "recorders write 20 kB", lambda: b'{"a": "' + b"x" * 2_000_000 + b'"}')
_json(
    "NUL in a string",
    OK,
    "kept in files; escaped in the database and tables",
    lambda: b'{"a\\u0000": "\\u0000"}',
)

# --- CSV
_HEAD = b"timestamp,event_type,event_args\n"
_csv("no header", "inputs_invalid", "the columns cannot be identified", lambda: b"1.0,KEYBOARD,[]\n")
_csv("noise in inputs.csv", "inputs_invalid", "as above", lambda: random.Random(2).randbytes(4000))
_csv("empty inputs.csv", OK, "a session whose inputs are unknown", lambda: b"")
_csv(
    "NaN and infinite times",
    OK,
    "these rows count as invalid",
    lambda: _HEAD + b"nan,A,[]\n1e999,A,[]\ninf,A,[]\n",
)
_csv("ISO timestamps", OK, "as above", lambda: _HEAD + b"2025-09-17T14:59:42Z,KEYBOARD,[87]\n" * 100)
_csv("8 MB of line ends", OK, "no list of lines is built", lambda: _HEAD + b"\n" * 8_000_000)
_csv("8 MB of carriage returns", OK, "as above", lambda: _HEAD + b"\r" * 8_000_000)
_csv("8 MB of broken rows", OK, "invalid rows are counted", lambda: _HEAD + b"x,,\n" * 2_000_000)
_csv(
    "300,000 kinds of events",
    OK,
    "event types are not stored",
    lambda: _HEAD + b"".join(b"1.5,K%d,[]\n" % i for i in range(300_000)),
)
_csv("one line of 30 MB", OK, "one invalid row", lambda: _HEAD + b'1,"' + b'"' * 30_000_000)
_csv(
    "100 MB of inputs.csv",
    "inputs_invalid",
    "ten minutes take 3 MB; refused before it is read",
    lambda: _HEAD + bytes(100_000_000),
)
