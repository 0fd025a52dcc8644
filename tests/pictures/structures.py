"""Videos of every structure: GOPs, intra refresh, sample descriptions, edit lists, rotation, changes of size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.pictures import faults
from tests.pictures.encodes import FPS, SIZE
from tests.pictures.mp4_writer import write_mp4
from tests.pictures.studio import HALF, SHORT, STRIDES, Studio, Video, copied, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["structure_videos"]


# The strides of videos with large keyframe intervals.
_LONG: Final = ((3.0, 15), (30.0, 2))
_MIXED: Final = (240, 144)  # the second size in changes of resolution: 5:3 after 11:9
_OPEN: Final[dict[str, dict[str, str]]] = {
    "libx264": {"x264-params": "open-gop=1"},
    "libx265": {"x265-params": "log-level=none:scenecut=0:bframes=3:pools=none:open-gop=1"},
}


def structure_videos() -> Iterator[Video]:
    """Yield the videos, by kind."""
    yield from _gops()
    yield from _refreshes()
    yield from _descriptions()
    yield from _edits()
    yield from _rotations()
    yield from _sizes()


def _gops() -> Iterator[Video]:
    """Yield GOP structures of H.264 and HEVC."""
    for codec in ("libx264", "libx265"):
        for suffix in ("mp4", "mkv", "ts"):
            make = encoded(codec, suffix, options=_OPEN[codec], b_frames=3)
            yield Video("open GOP", f"{codec} open GOP in {suffix}", make, sample=suffix == "ts")
        for suffix in ("mp4", "mkv"):
            make = encoded(codec, suffix, gop=9999)
            yield Video("one GOP", f"{codec} one GOP in {suffix}", make, sample=(codec, suffix) == ("libx264", "mp4"))
        for suffix in ("mp4", "ts"):
            make = encoded(codec, suffix, gop=1, b_frames=0, seconds=SHORT)
            yield Video(
                "all intra", f"{codec} all intra in {suffix}", make, sample=(codec, suffix) == ("libx264", "ts")
            )
    make = encoded("libvpx", "webm", gop=1, seconds=SHORT)
    yield Video("all intra", "libvpx all intra in webm", make)
    make = encoded("libvpx", "webm", options={"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good"})
    yield Video("closed GOP", "libvpx with hidden frames in webm", make)
    make = encoded("libx264", "mp4", pixels="yuv444p")
    yield Video("closed GOP", "libx264 4:4:4 in mp4", make)
    yield Video("closed GOP", "libx264 10 bit in mkv", encoded("libx264", "mkv", pixels="yuv420p10le"))
    make = encoded("libx264", "mp4", options={"x264-params": "b-pyramid=none:ref=1:weightp=0"}, gop=12)
    yield Video("closed GOP", "libx264 GOPs of 12 in mp4", make)
    make = encoded("libx264", "mp4", options={"x264-params": "slices=4:b-pyramid=strict"}, gop=60, b_frames=5)
    yield Video("closed GOP", "libx264 four slices in mp4", make, sample=True)
    make = encoded("libx264", "ts", options={"x264-params": "fake-interlaced=1"})
    yield Video("closed GOP", "libx264 fake interlaced in ts", make)
    make = encoded("libx264", "mp4", options={"x264-params": "interlaced=1"}, gop=48)
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
                encoded("libx264", suffix, gop=keyint, b_frames=0, options=options, **fast),
                strides,
                sample=(keyint, suffix) in {(24, "mp4"), (24, "ts")},
            )
    options = {"x264-params": "intra-refresh=1:keyint=24:bframes=0"}
    make = encoded(
        "libx264", "mp4", gop=24, b_frames=0, options=options, first=70, mux={"movflags": "frag_keyframe+empty_moov"}
    )
    yield Video("intra refresh", "intra refresh 24 in fragmented mp4", make)
    make = encoded("libx264", "flv", gop=24, b_frames=0, options=options)
    yield Video("intra refresh", "intra refresh 24 in flv", make)
    options = {"x265-params": "log-level=none:scenecut=0:bframes=0:pools=none:intra-refresh=1:keyint=24"}
    for suffix in ("mp4", "ts"):
        make = encoded("libx265", suffix, gop=24, b_frames=0, options=options)
        yield Video("intra refresh", f"intra refresh 24 of libx265 in {suffix}", make)


def _descriptions() -> Iterator[Video]:
    """Yield MP4s with two sample descriptions."""
    kind = "two sample descriptions"

    def joined(studio: Studio, codec: str, second: dict[str, Any]) -> Path:
        one = studio.encode(codec, seconds=HALF)
        other = studio.encode(codec, seconds=HALF, first=700, **second)
        return write_mp4([one, other], studio.file("mp4"))

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
                make = copied(codec, suffix, copy={"shift_s": shift})
                sample = (codec, suffix) == ("libx264", "mp4")
                yield Video(kind, f"{kind}: {codec} in {suffix}", make, sample=sample)
        for rotation in (90, 180, 270):
            make = copied("libx264", "mp4", copy={"shift_s": shift, "rotation": rotation})
            yield Video(kind, f"{kind}, rotated by {rotation}", make, sample=off and rotation == 90)

    kind = "edit list off a sync frame"

    def edited(studio: Studio, codec: str, rotation: int, edit_s: float, unlisted: int) -> Path:
        whole = studio.encode(codec)
        return write_mp4([whole], studio.file("mp4"), edit_s=edit_s, rotation=rotation, unlisted=unlisted)

    for codec in ("libx264", "libx265"):
        for rotation, edit_s, unlisted in (
            (90, 0.5, 0),
            (90, 5.0, 0),
            (270, 1.0, 1),
            (180, 5.0, 2),
            (0, 1.0, 1),
            (90, 0.5, 1),
        ):
            make = partial(edited, codec=codec, rotation=rotation, edit_s=edit_s, unlisted=unlisted)
            name = f"{codec} rotated by {rotation}, edit at {edit_s} s, {unlisted} keyframes not listed"
            yield Video(kind, name, make, sample=(codec, rotation, unlisted) == ("libx264", 270, 1))


def _rotations() -> Iterator[Video]:
    for rotation in (0, 90, 180, 270):
        for codec, suffix in (("libx264", "mp4"), ("libx264", "mkv"), ("mpeg4", "mov"), ("libx265", "mp4")):
            make = copied(codec, suffix, copy={"rotation": rotation})
            sample = (rotation, codec, suffix) == (90, "libx264", "mp4")
            yield Video("rotation", f"{codec} rotated by {rotation} in {suffix}", make, sample=sample)
    make = copied("libx264", "mp4", copy={"rotation": 90, "mux": {"movflags": "frag_keyframe+empty_moov"}})
    yield Video("rotation", "libx264 rotated by 90 in fragmented mp4", make)
    make = copied("libx264", "mp4", copy={"rotation": 270}, size=(640, 480), seconds=SHORT)
    yield Video("rotation", "libx264 rotated by 270 and scaled in mp4", make)


def _sizes() -> Iterator[Video]:
    """Yield streams that change resolution mid-stream."""
    kind = "change of resolution"

    def joined_ts(studio: Studio, codec: str) -> Path:
        one = studio.encode(codec, seconds=HALF)
        other = studio.encode(codec, seconds=HALF, size=_MIXED, first=156)
        parts = [studio.copy(one, "ts"), studio.copy(other, "ts", shift_s=HALF)]
        return faults.concatenated(studio.file("ts"), *parts)

    def in_band(studio: Studio, codec: str, suffix: str) -> Path:
        container = {"libx264": "h264", "libx265": "hevc", "libvpx": "ivf"}[codec]
        sizes = ((SIZE, 0), (_MIXED, 156))
        options = {"libx264": {"options": {"x264-params": "repeat-headers=1"}}}.get(codec, {})
        parts = [
            studio.encode(
                codec, container, container=container, seconds=HALF, size=size, first=first, b_frames=0, **options
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
