"""The videos of the matrix: each kind of encoder, container, GOP structure, damage and timestamps, as a function."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.pictures import faults
from tests.pictures.encodes import FPS, SIZE, copy_packets, encode, ffmpeg
from tests.pictures.two_descriptions import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["STRIDES", "Studio", "Video", "videos"]

STRIDES: Final = ((2.0, 12), (7.0, 3))
# The strides of videos with large keyframe intervals.
_LONG: Final = ((3.0, 15), (30.0, 2))
_SHORT: Final = 10  # seconds, where every frame is a keyframe or large
# The 33 bits of a transport stream's clock end here.
_WRAP_S: Final = (1 << 33) / 90_000
_MIXED: Final = (240, 144)  # the second size where the resolution changes: 5:3 after 11:9
_HALF: Final = 13  # seconds


class Studio:
    """Makes videos in a folder, each encode once.

    Args:
        folder: where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Path] = {}

    def file(self, suffix: str) -> Path:
        """Return a new path."""
        taken = len(self._made)
        self._made[f"file {taken}"] = path = self.folder / f"{taken}.{suffix}"
        return path

    def encode(self, codec: str = "libx264", suffix: str = "mp4", **settings: Any) -> Path:
        """Encode the scene, or return the file that has the same settings."""
        key = json.dumps([codec, suffix, settings], sort_keys=True)
        if key not in self._made:
            path = encode(self.file(suffix), codec, **settings)
            self._made[key] = path
        return self._made[key]

    def copy(self, sources: Path | Sequence[Path], suffix: str, **settings: Any) -> Path:
        """Copy the packets to a new file."""
        return copy_packets(sources, self.file(suffix), **settings)

    def ffmpeg(self, codec: str, suffix: str, *options: str, seconds: float = 26) -> Path:
        """Encode FFmpeg's test picture with Debian's ffmpeg."""
        path = self.file(suffix)
        size = "x".join(map(str, SIZE))
        source = f"testsrc2=s={size}:r={FPS}:d={seconds}"
        ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, *options, path, codec=codec)
        return path


@dataclass(frozen=True, slots=True)
class Video:
    """One video of the matrix.

    Attributes:
        kind: the row of the table that it counts for.
        name: unique.
        make: writes it.
        strides: the samples to take of it.
        restarts: True if times begin again in the middle.
        sample: True to have it in ``make test``.
    """

    kind: str
    name: str
    make: Callable[[Studio], Path]
    strides: tuple[tuple[float, int], ...] = STRIDES
    restarts: bool = False
    sample: bool = False


def videos() -> list[Video]:
    """Return all videos, in the order of their kinds."""
    found = [
        *_encoders(),
        *_gops(),
        *_refreshes(),
        *_descriptions(),
        *_edits(),
        *_rotations(),
        *_sizes(),
        *_damages(),
        *_times(),
        *_cuts(),
        *_reported(),
    ]
    assert len({video.name for video in found}) == len(found)
    return found


def _encoded(codec: str, suffix: str, **settings: Any) -> Callable[[Studio], Path]:
    return lambda studio: studio.encode(codec, suffix, **settings)


def _copied(
    codec: str, suffix: str, *, source: str = "mp4", copy: dict[str, Any] | None = None, **settings: Any
) -> Callable[[Studio], Path]:
    return lambda studio: studio.copy(studio.encode(codec, source, **settings), suffix, **(copy or {}))


def _encoders() -> Iterator[Video]:
    """Yield every encoder in the containers that take it."""
    kind = "encoders, GOPs of 40"
    for codec, suffixes in {
        "libx264": ("mp4", "mov", "mkv", "ts", "flv", "nut", "m4v"),
        "libx265": ("mp4", "mkv", "ts"),
        "libsvtav1": ("mp4", "mkv", "webm"),
        "libvpx": ("webm", "mkv"),
        "libvpx-vp9": ("webm", "mp4"),
        "mpeg4": ("mp4", "mkv", "mov"),
        "flv1": ("flv",),
    }.items():
        encoder = "flv" if codec == "flv1" else codec
        for suffix in suffixes:
            sample = (codec, suffix) in {("libx264", "mkv"), ("libvpx-vp9", "webm")}
            yield Video(kind, f"{codec} in {suffix}", _encoded(encoder, suffix), sample=sample)
    for codec, suffixes in {"mpeg1video": ("mpg", "mkv"), "mpeg2video": ("ts", "mpg", "mkv")}.items():
        for suffix in suffixes:
            make = _encoded(codec, suffix, fps=24, seconds=20, options={"bf": "2"})
            yield Video(kind, f"{codec} in {suffix}", make)
    # Codecs that take the size, depth or tag from the container.
    kind = "encoders that need the container's parameters"
    for codec, suffixes in {
        "h263": ("avi", "mkv", "mp4"),
        "h263p": ("avi",),
        "h261": ("avi",),
        "msmpeg4v2": ("avi",),
        "msmpeg4": ("avi", "mkv"),
        "wmv1": ("avi", "wmv"),
        "wmv2": ("avi", "wmv"),
        "rv10": ("rm",),
        "rv20": ("rm",),
        "svq1": ("mov",),
        "snow": ("avi",),
    }.items():
        for suffix in suffixes:
            yield Video(
                kind, f"{codec} in {suffix}", _encoded(codec, suffix), sample=(codec, suffix) == ("h263", "avi")
            )
    for codec, suffix, pixels in (
        ("huffyuv", "avi", "yuv422p"),
        ("ffvhuff", "avi", "yuv420p"),
        ("utvideo", "avi", "yuv420p"),
        ("ffv1", "avi", "yuv420p"),
        ("ffv1", "mkv", "yuv420p"),
        ("magicyuv", "avi", "yuv420p"),
        ("rawvideo", "avi", "yuv420p"),
        ("rawvideo", "mkv", "yuv420p"),
        ("rawvideo", "mov", "yuyv422"),
        ("msvideo1", "avi", "rgb555le"),
        ("cinepak", "avi", "rgb24"),
        ("qtrle", "mov", "rgb24"),
        ("rpza", "mov", "rgb555le"),
        ("png", "mov", "rgb24"),
        ("png", "avi", "rgb24"),
        ("bmp", "avi", "bgr24"),
        ("tiff", "mov", "rgb24"),
        ("v210", "mov", "yuv422p10le"),
        ("v308", "mov", "yuv444p"),
        ("r210", "mov", "gbrp10le"),
        ("speedhq", "mov", "yuv422p"),
        ("zmbv", "avi", "bgr0"),
        ("flashsv", "flv", "bgr24"),
        ("asv1", "avi", "yuv420p"),
        ("asv2", "avi", "yuv420p"),
        ("vc2", "mov", "yuv420p"),
        ("vc2", "mkv", "yuv420p"),
        ("jpeg2000", "mov", "yuv420p"),
        ("prores_ks", "mov", "yuv422p10le"),
        ("mjpeg", "avi", "yuvj420p"),
        ("mjpeg", "mov", "yuvj420p"),
        ("mjpeg", "mkv", "yuvj420p"),
        ("gif", "gif", "rgb8"),
    ):
        sample = (codec, suffix) in {("png", "mov"), ("huffyuv", "avi"), ("utvideo", "avi")}
        seconds = 6 if codec == "cinepak" else _SHORT
        make = _encoded(codec, suffix, pixels=pixels, seconds=seconds)
        yield Video(kind, f"{codec} in {suffix}", make, sample=sample)
    yield Video(
        kind,
        "dvvideo in avi",
        _encoded("dvvideo", "avi", size=(720, 576), fps=25, seconds=5),
        strides=((1.0, 4),),
    )
    dnxhd = _encoded("dnxhd", "mov", size=(1280, 720), fps=25, seconds=3, pixels="yuv422p", options={"b": "110M"})
    yield Video(kind, "dnxhd in mov", dnxhd, strides=((1.0, 2),))
    yield Video(kind, "hap in mov", lambda studio: studio.ffmpeg("hap", "mov", seconds=_SHORT))
    yield Video(kind, "libtheora in mkv", lambda studio: studio.ffmpeg("libtheora", "mkv"))
    yield Video(kind, "libxvid in avi", lambda studio: studio.ffmpeg("libxvid", "avi", "-bf", "2"))
    yield Video(
        kind, "libaom-av1 in mp4", lambda studio: studio.ffmpeg("libaom-av1", "mp4", "-cpu-used", "8", seconds=6)
    )


_OPEN: Final[dict[str, dict[str, str]]] = {
    "libx264": {"x264-params": "open-gop=1"},
    "libx265": {"x265-params": "log-level=none:scenecut=0:bframes=3:pools=none:open-gop=1"},
}


def _gops() -> Iterator[Video]:
    """Yield GOP structures of H.264 and HEVC."""
    for codec in ("libx264", "libx265"):
        for suffix in ("mp4", "mkv", "ts"):
            make = _encoded(codec, suffix, options=_OPEN[codec], b_frames=3)
            yield Video("open GOP", f"{codec} open GOP in {suffix}", make, sample=suffix == "ts")
        for suffix in ("mp4", "mkv"):
            make = _encoded(codec, suffix, gop=9999)
            yield Video("one GOP", f"{codec} one GOP in {suffix}", make, sample=(codec, suffix) == ("libx264", "mp4"))
        for suffix in ("mp4", "ts"):
            make = _encoded(codec, suffix, gop=1, b_frames=0, seconds=_SHORT)
            yield Video(
                "all intra", f"{codec} all intra in {suffix}", make, sample=(codec, suffix) == ("libx264", "ts")
            )
    make = _encoded("libx264", "mp4", pixels="yuv444p")
    yield Video("closed GOP", "libx264 4:4:4 in mp4", make)
    yield Video("closed GOP", "libx264 10 bit in mkv", _encoded("libx264", "mkv", pixels="yuv420p10le"))
    make = _encoded("libx264", "mp4", options={"x264-params": "b-pyramid=none:ref=1:weightp=0"}, gop=12)
    yield Video("closed GOP", "libx264 GOPs of 12 in mp4", make)
    make = _encoded("libx264", "mp4", options={"x264-params": "slices=4:b-pyramid=strict"}, gop=60, b_frames=5)
    yield Video("closed GOP", "libx264 four slices in mp4", make)
    make = _encoded("libx264", "ts", options={"x264-params": "fake-interlaced=1"})
    yield Video("closed GOP", "libx264 fake interlaced in ts", make)
    make = _encoded("libx264", "mp4", options={"x264-params": "interlaced=1"}, gop=48)
    yield Video("closed GOP", "libx264 interlaced in mp4", make)


def _refreshes() -> Iterator[Video]:
    """Yield intra refresh: no keyframes after the first one, but recovery points."""
    for keyint in (24, 60, 120, 250):
        options = {"x264-params": f"intra-refresh=1:keyint={keyint}:bframes=0"}
        fast: dict[str, Any] = {} if keyint == 24 else {"fps": 24, "seconds": 44}
        strides = STRIDES if keyint == 24 else _LONG
        for suffix in ("mp4", "mkv", "ts"):
            yield Video(
                "intra refresh",
                f"intra refresh {keyint} in {suffix}",
                _encoded("libx264", suffix, gop=keyint, b_frames=0, options=options, **fast),
                strides,
                sample=(keyint, suffix) in {(24, "mp4"), (24, "ts")},
            )
    options = {"x264-params": "intra-refresh=1:keyint=24:bframes=0"}
    make = _encoded(
        "libx264", "mp4", gop=24, b_frames=0, options=options, first=70, mux={"movflags": "frag_keyframe+empty_moov"}
    )
    yield Video("intra refresh", "intra refresh 24 in fragmented mp4", make)
    make = _encoded("libx264", "flv", gop=24, b_frames=0, options=options)
    yield Video("intra refresh", "intra refresh 24 in flv", make)
    options = {"x265-params": "log-level=none:scenecut=0:bframes=0:pools=none:intra-refresh=1:keyint=24"}
    for suffix in ("mp4", "ts"):
        make = _encoded("libx265", suffix, gop=24, b_frames=0, options=options)
        yield Video("intra refresh", f"intra refresh 24 of libx265 in {suffix}", make)


def _descriptions() -> Iterator[Video]:
    """Yield MP4s with two sample descriptions."""
    kind = "two sample descriptions"

    def joined(studio: Studio, codec: str, second: dict[str, Any]) -> Path:
        one = studio.encode(codec, seconds=_HALF)
        other = studio.encode(codec, seconds=_HALF, first=700, **second)
        return join(one, other, studio.file("mp4"))

    cabac = {"options": {"x264-params": "cabac=0:ref=4:8x8dct=0"}}
    yield Video(kind, "two descriptions of libx264", partial(joined, codec="libx264", second=cabac), sample=True)
    other = {"options": {"x264-params": "qp=20"}, "size": _MIXED}
    yield Video(kind, "two descriptions of two sizes", partial(joined, codec="libx264", second=other))
    other = {"options": {"x265-params": "log-level=none:scenecut=0:bframes=0:pools=none:ctu=16"}}
    yield Video(kind, "two descriptions of libx265", partial(joined, codec="libx265", second=other))
    yield Video(kind, "two descriptions of mpeg4", partial(joined, codec="mpeg4", second={"gop": 12}))


def _edits() -> Iterator[Video]:
    """Yield edit lists that begin on a sync frame, and in the middle of a GOP."""
    for kind, shift in (("edit list on a sync frame", -40 / FPS), ("edit list off a sync frame", -55 / FPS)):
        off = shift == -55 / FPS
        for codec in ("libx264", "libx265", "mpeg4"):
            for suffix in ("mp4", "mov"):
                make = _copied(codec, suffix, copy={"shift_s": shift})
                sample = (codec, suffix) == ("libx264", "mp4")
                yield Video(kind, f"{kind}: {codec} in {suffix}", make, sample=sample)
        for rotation in (90, 180, 270):
            make = _copied("libx264", "mp4", copy={"shift_s": shift, "rotation": rotation})
            yield Video(kind, f"{kind}, rotated by {rotation}", make, sample=off and rotation == 90)


def _rotations() -> Iterator[Video]:
    for rotation in (0, 90, 180, 270):
        for codec, suffix in (("libx264", "mp4"), ("libx264", "mkv"), ("mpeg4", "mov"), ("libx265", "mp4")):
            make = _copied(codec, suffix, copy={"rotation": rotation})
            sample = (rotation, codec, suffix) == (90, "libx264", "mp4")
            yield Video("rotation", f"{codec} rotated by {rotation} in {suffix}", make, sample=sample)
    make = _copied("libx264", "mp4", copy={"rotation": 90, "mux": {"movflags": "frag_keyframe+empty_moov"}})
    yield Video("rotation", "libx264 rotated by 90 in fragmented mp4", make)


def _sizes() -> Iterator[Video]:
    """Yield streams that change their resolution in the middle."""
    kind = "change of resolution"

    def joined_ts(studio: Studio, codec: str) -> Path:
        one = studio.encode(codec, seconds=_HALF)
        other = studio.encode(codec, seconds=_HALF, size=_MIXED, first=156)
        parts = [studio.copy(one, "ts"), studio.copy(other, "ts", shift_s=_HALF)]
        return faults.concatenated(studio.file("ts"), *parts)

    def in_band(studio: Studio, codec: str, suffix: str) -> Path:
        container = {"libx264": "h264", "libx265": "hevc", "libvpx": "ivf"}[codec]
        sizes = ((SIZE, 0), (_MIXED, 156))
        options = {"libx264": {"options": {"x264-params": "repeat-headers=1"}}}.get(codec, {})
        parts = [
            studio.encode(
                codec, container, container=container, seconds=_HALF, size=size, first=first, b_frames=0, **options
            )
            for size, first in sizes
        ]
        return studio.copy(parts, suffix, fps=FPS)

    for codec in ("libx264", "libx265"):
        yield Video(kind, f"{codec} changes its size in ts", partial(joined_ts, codec=codec), sample=codec == "libx264")
    for codec, suffix in (
        ("libx264", "mkv"),
        ("libx264", "flv"),
        ("libx264", "mp4"),
        ("libx265", "mkv"),
        ("libvpx", "webm"),
    ):
        yield Video(kind, f"{codec} changes its size in {suffix}", partial(in_band, codec=codec, suffix=suffix))


def _damages() -> Iterator[Video]:
    """Yield single damaged packets; 6 s and 14 s are sampled and no keyframes."""
    kind = "one corrupt packet"
    for how, replace in (("scrambled", faults.scrambled), ("garbage", faults.garbage)):
        change = faults.at(6, replace=replace)
        for codec, suffix in (
            ("libx264", "mp4"),
            ("libx264", "mkv"),
            ("libx264", "ts"),
            ("libx265", "mp4"),
            ("libx265", "mkv"),
            ("mpeg4", "mp4"),
            ("mpeg4", "mkv"),
            ("libvpx-vp9", "webm"),
            ("libvpx", "webm"),
            ("libsvtav1", "mkv"),
        ):
            source = "webm" if codec == "libvpx" else "mp4"
            make = _copied(codec, suffix, source=source, copy={"change": change})
            sample = (how, codec, suffix) in {("garbage", "libx264", "mp4"), ("scrambled", "libx264", "mkv")}
            yield Video(kind, f"{codec} in {suffix}, a packet {how}", make, sample=sample)
    for codec, suffix in (("libx264", "mp4"), ("libx265", "mkv"), ("libx264", "ts")):
        for how, replace in (("scrambled", faults.scrambled), ("garbage", faults.garbage)):
            make = _copied(codec, suffix, copy={"change": faults.at(10, replace=replace)})
            yield Video(kind, f"{codec} in {suffix}, a keyframe {how}", make)
    kind = "a sample of filler"
    for codec, coder in (("libx264", "h264"), ("libx265", "hevc")):
        for suffix in ("mp4", "mkv"):
            make = _copied(codec, suffix, copy={"change": faults.at(6, 14, replace=faults.filler(coder))})
            yield Video(
                kind, f"{codec} in {suffix}, a sample of filler", make, sample=(codec, suffix) == ("libx264", "mp4")
            )


_UNEVEN: Final = [second + step for second in range(26) for step in (0, 0.04, 0.1, 0.35, 0.4, 0.8)]
_SPARSE: Final = [0, 0.4, 1.2, 13, 13.04, 20, 20.04, 25.9]


def _times() -> Iterator[Video]:
    """Yield unusual timestamps."""
    for suffix in ("mp4", "mkv", "ts", "mov", "flv"):
        make = _encoded("libx264", suffix, times=_UNEVEN)
        yield Video("variable frame rate", f"uneven in {suffix}", make, sample=suffix == "mkv")
    yield Video("variable frame rate", "uneven libx265 in mp4", _encoded("libx265", "mp4", times=_UNEVEN))
    for codec in ("libx264", "libx265", "mpeg2video"):
        more: dict[str, Any] = {"fps": 24, "seconds": 20} if codec == "mpeg2video" else {}
        for before in (0.5, 12):
            copy = {"shift_s": _WRAP_S - before, "mux": {"mpegts_copyts": "1"}}
            make = _copied(codec, "ts", source="mpg" if more else "mp4", copy=copy, **more)
            yield Video(
                "times wrap", f"{codec} in ts, wrap after {before} s", make, sample=(codec, before) == ("libx264", 12)
            )
    for codec in ("libx264", "libx265"):
        for seconds in (_HALF, 7):

            def restarted(studio: Studio, codec: str = codec, seconds: float = seconds) -> Path:
                parts = [studio.encode(codec, "ts", seconds=seconds, first=first) for first in (0, 700)]
                return faults.concatenated(studio.file("ts"), *parts)

            sample = (codec, seconds) == ("libx264", _HALF)
            name = f"{codec} in ts, times restart after {seconds} s"
            yield Video("times restart", name, restarted, restarts=True, sample=sample)
    for suffix in ("mp4", "mkv", "ts", "flv"):
        make = _copied("libx264", suffix, times=_SPARSE, gop=5)
        yield Video("sparse", f"sparse in {suffix}", make, sample=suffix == "mkv")
    for suffix, shift in (("mp4", 5), ("mkv", 5), ("ts", 100), ("flv", 5), ("mkv", 0.033), ("nut", -1)):
        make = _copied("libx264", suffix, copy={"shift_s": shift})
        yield Video(
            "start is not 0", f"libx264 in {suffix}, starts at {shift} s", make, sample=(suffix, shift) == ("ts", 100)
        )
    negative = {"shift_s": -1, "mux": {"avoid_negative_ts": "disabled"}}
    for suffix in ("mkv", "ts"):
        yield Video("start is not 0", f"libx264 in {suffix}, starts at -1 s", _copied("libx264", suffix, copy=negative))
    for codec, b_frames in (("libx264", 2), ("libx264", 0), ("mpeg4", 0), ("mpeg4", 2)):
        make = _encoded(codec, "avi", b_frames=b_frames)
        sample = (codec, b_frames) == ("libx264", 2)
        yield Video("no times", f"{codec} with {b_frames} B-frames in avi", make, sample=sample)
    for codec, container in (("libx264", "h264"), ("libx265", "hevc"), ("mpeg4", "m4v")):
        for b_frames in (0, 2):
            make = _encoded(codec, container, container=container, b_frames=b_frames)
            yield Video("no times", f"{codec} with {b_frames} B-frames, raw", make)


def _cuts() -> Iterator[Video]:
    """Yield fragmented files, and files that miss their start or end."""
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    for codec in ("libx264", "libx265", "mpeg4"):
        make = _copied(codec, "mp4", copy={"mux": fragments})
        yield Video("fragmented", f"{codec} in fragmented mp4", make, sample=codec == "libx264")
    dash = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    yield Video("fragmented", "libx264 in mp4, a fragment per frame", _copied("libx264", "mp4", copy={"mux": dash}))
    for codec, gop in (("libx264", 40), ("libx264", 9999), ("libx264", 120), ("libx265", 40), ("mpeg2video", 40)):
        more: dict[str, Any] = {"fps": 24, "seconds": 20} if codec == "mpeg2video" else {}
        for size in (1317, 40_000):

            def cut(studio: Studio, codec: str, gop: int, size: int, more: dict[str, Any]) -> Path:
                whole = studio.encode(codec, "ts", gop=gop, **more)
                return faults.cut_start(whole, studio.file("ts"), size)

            sample = (codec, gop, size) == ("libx264", 40, 1317)
            name = f"{codec} in ts, GOPs of {gop}, without the first {size} bytes"
            yield Video("cut start", name, partial(cut, codec=codec, gop=gop, size=size, more=more), sample=sample)
    for codec, suffix in (
        ("libx264", "mp4"),
        ("libx265", "mp4"),
        ("libx264", "mkv"),
        ("libx264", "ts"),
        ("libx264", "flv"),
        ("libx264", "avi"),
        ("libx265", "mkv"),
        ("mpeg4", "avi"),
        ("libvpx-vp9", "webm"),
        ("mjpeg", "avi"),
    ):

        def cut_end(studio: Studio, codec: str, suffix: str) -> Path:
            settings: dict[str, Any] = {"pixels": "yuvj420p", "seconds": _SHORT} if codec == "mjpeg" else {}
            mux = {"mux": fragments} if suffix == "mp4" else {}
            whole = studio.encode(codec, suffix, **settings, **mux)
            return faults.cut_end(whole, studio.file(suffix), 0.6)

        name = f"{codec} in {'fragmented ' * (suffix == 'mp4')}{suffix}, cut at 60 %"
        sample = (codec, suffix) == ("libx264", "mp4")
        yield Video("cut end", name, partial(cut_end, codec=codec, suffix=suffix), sample=sample)


def _reported() -> Iterator[Video]:
    """Yield videos of Debian's ffmpeg with the default strides, as users made them when a picture was wrong."""
    kind = "reported"
    long = ((3.0, 15), (30.0, 15), (60.0, 5))

    def made(studio: Studio, codec: str, suffix: str, options: str, size: str, rate: int, seconds: int) -> Path:
        path = studio.file(suffix)
        source = f"testsrc2=s={size}:r={rate}:d={seconds}"
        ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, *options.split(), path, codec=codec)
        return path

    for codec, suffix, options in (
        ("h263", "avi", ""),
        ("png", "mov", "-t 7"),
        ("huffyuv", "avi", "-pix_fmt yuv422p -t 10"),
        ("utvideo", "avi", "-t 10"),
        ("libxvid", "avi", "-bf 2"),
    ):
        make = partial(made, codec=codec, suffix=suffix, options=options, size="176x144", rate=10, seconds=32)
        yield Video(kind, f"reported {codec} in {suffix}", make, long)
    for keyint, rate in ((24, 12), (60, 12), (250, 30)):
        options = f"-preset veryfast -x264-params intra-refresh=1:keyint={keyint}:bframes=0"
        make = partial(made, codec="libx264", suffix="mp4", options=options, size="160x90", rate=rate, seconds=65)
        yield Video(kind, f"reported intra refresh {keyint}", make, long)

    def with_sound(studio: Studio, suffix: str, size: str, rate: int, gop: int, seconds: int = 65) -> Path:
        path = studio.file(suffix)
        sources = (f"testsrc2=s={size}:r={rate}:d={seconds}", f"sine=d={seconds}")
        video = f"-c:v libx264 -preset veryfast -b:v 1M -g {gop} -bf 2 -c:a aac"
        ffmpeg(*(word for source in sources for word in ("-f", "lavfi", "-i", source)), *video.split(), path)
        return path

    def copied(studio: Studio, source: Path, suffix: str, options: str) -> Path:
        path = studio.file(suffix)
        ffmpeg("-i", source, "-c", "copy", *options.split(), path)
        return path

    def cut_start(studio: Studio) -> Path:
        return faults.cut_start(with_sound(studio, "ts", "320x180", 30, 250), studio.file("ts"), 1316)

    def cut_fragments(studio: Studio) -> Path:
        whole = with_sound(studio, "mp4", "160x90", 12, 24)
        return faults.cut_end(
            copied(studio, whole, "mp4", "-movflags frag_keyframe+empty_moov"), studio.file("mp4"), 0.6
        )

    def wrapped(studio: Studio) -> Path:
        whole = with_sound(studio, "mp4", "160x90", 12, 24, 70)
        return copied(studio, whole, "ts", "-output_ts_offset 95400 -mpegts_copyts 1 -muxdelay 0")

    def sparse(studio: Studio) -> Path:
        path = studio.file("mp4")
        frames = "+".join(f"eq(n\\,{number})" for number in (0, 10, 30, 700, 701, 2400))
        source = f"testsrc2=s=160x90:r=25:d=100,select={frames}"
        ffmpeg(
            "-f", "lavfi", "-i", source, *["-vsync", "vfr", "-c:v", "libx264", "-preset", "veryfast", "-g", "40"], path
        )
        return copied(studio, path, "mkv", "")

    def trimmed(studio: Studio, rotation: int) -> Path:
        whole = with_sound(studio, "mp4", "160x90", 12, 24)
        turned = studio.copy(whole, "mp4", rotation=rotation)
        path = studio.file("mp4")
        ffmpeg("-ss", "3.3", "-i", turned, "-c", "copy", path)
        return path

    yield Video(kind, "reported ts without its first packets", cut_start, long)
    yield Video(kind, "reported fragments, cut", cut_fragments, long)
    yield Video(kind, "reported ts that wraps", wrapped, long)
    yield Video(kind, "reported sparse mkv", sparse, long)
    yield Video(kind, "reported mp4, trimmed and rotated", partial(trimmed, rotation=90), long)
