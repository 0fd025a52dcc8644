"""Videos that are unusual in two ways at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.pictures import faults
from tests.pictures.encodes import FPS
from tests.pictures.mp4_writer import write_mp4
from tests.pictures.studio import HALF, SHORT, Studio, Video, copied, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["mixture_videos"]

_KIND: Final = "two things at once"
_X265: Final = "log-level=none:scenecut=0:bframes=3:pools=none:open-gop=1"
_OPEN: Final[dict[str, dict[str, Any]]] = {
    "libx264": {"options": {"x264-params": "open-gop=1"}, "b_frames": 3},
    "libx265": {"options": {"x265-params": _X265}, "b_frames": 3},
}
_REFRESH: Final[dict[str, Any]] = {
    "options": {"x264-params": "intra-refresh=1:keyint=24:bframes=0"},
    "b_frames": 0,
    "gop": 24,
}
_OFF: Final = {"shift_s": -55 / FPS}  # an edit list that begins in the middle of a GOP
_WRAP: Final = {"shift_s": (1 << 33) / 90_000 - 8, "mux": {"mpegts_copyts": "1"}}
_FRAGMENTS: Final = {"mux": {"movflags": "frag_keyframe+empty_moov"}}


def mixture_videos() -> Iterator[Video]:
    """Yield the videos."""
    yield from _open_gops()
    yield from _refreshes()
    yield from _interlaced()
    yield from _joined()
    yield from _damaged()


def _cut(studio: Studio, codec: str, size: int, settings: dict[str, Any]) -> Path:
    return faults.cut_start(studio.encode(codec, "ts", **settings), studio.file("ts"), size)


def _open_gops() -> Iterator[Video]:
    for codec, settings in _OPEN.items():
        name = f"{codec} open GOP"
        yield Video(_KIND, f"{name}, edit list off a sync frame", copied(codec, "mp4", copy=_OFF, **settings))
        for size in (1317, 30_000):
            make = partial(_cut, codec=codec, size=size, settings=settings)
            sample = (codec, size) == ("libx265", 1317)
            yield Video(_KIND, f"{name}, without the first {size} bytes", make, sample=sample)
        yield Video(_KIND, f"{name}, wrap after 8 s", copied(codec, "ts", copy=_WRAP, **settings))
        for how, replace in (("scrambled", faults.scrambled), ("garbage", faults.garbage)):
            change = {"change": faults.at(10, replace=replace)}
            yield Video(_KIND, f"{name}, a keyframe {how}", copied(codec, "mkv", copy=change, **settings))


def _refreshes() -> Iterator[Video]:
    for name, suffix, copy in (
        ("wrap after 8 s", "ts", _WRAP),
        ("edit list off a sync frame", "mp4", _OFF),
        ("rotated", "mp4", {"rotation": 90}),
        ("a packet scrambled", "mp4", {"change": faults.at(6, replace=faults.scrambled)}),
        ("a packet of garbage", "mkv", {"change": faults.at(6, replace=faults.garbage)}),
        ("a sample of filler", "mp4", {"change": faults.at(6, replace=faults.filler("h264"))}),
        ("a packet missing", "mp4", {"change": faults.at(6, replace=lambda _: None)}),
    ):
        yield Video(_KIND, f"intra refresh, {name}", copied("libx264", suffix, copy=copy, **_REFRESH))
    for size in (1317, 30_000):
        make = partial(_cut, codec="libx264", size=size, settings=_REFRESH)
        yield Video(_KIND, f"intra refresh in ts, without the first {size} bytes", make)


def _interlaced() -> Iterator[Video]:
    flags = {"options": {"flags": "+ildct+ilme", "bf": "2"}, "fps": 25, "seconds": SHORT}
    for suffix in ("mpg", "ts", "mkv"):
        yield Video(_KIND, f"mpeg2video interlaced in {suffix}", encoded("mpeg2video", suffix, **flags))
    for suffix in ("mp4", "mkv", "avi", "ts"):
        for b_frames in (0, 2):
            settings: dict[str, Any] = {**flags, "options": {"flags": "+ildct+ilme"}, "b_frames": b_frames, "gop": 12}
            make = encoded("mpeg4", suffix, **settings)
            sample = (suffix, b_frames) == ("mp4", 2)
            name = f"mpeg4 interlaced with {b_frames} B-frames in {suffix}"
            yield Video(_KIND, name, make, sample=sample)
    for suffix in ("ts", "mkv", "avi"):
        make = encoded("libx264", suffix, options={"x264-params": "tff=1:open-gop=1"}, b_frames=3)
        yield Video(_KIND, f"libx264 interlaced with an open GOP in {suffix}", make)


def _joined() -> Iterator[Video]:
    def described(studio: Studio, settings: dict[str, Any], copy: dict[str, Any]) -> Path:
        one = studio.encode(seconds=HALF)
        other = studio.encode(seconds=HALF, first=700, **settings)
        joined = write_mp4([one, other], studio.file("mp4"))
        return studio.copy(joined, "mp4", **copy) if copy else joined

    for name, settings in (
        ("intra refresh", _REFRESH),
        ("open GOP", _OPEN["libx264"]),
        ("10 bit", {"pixels": "yuv420p10le"}),
        ("4:4:4", {"pixels": "yuv444p"}),
        ("full range", {"color_range": 2}),
        ("BT.709", {"matrix": 1}),
        ("one GOP", {"gop": 9999}),
    ):
        make = partial(described, settings=settings, copy={})
        yield Video(_KIND, f"two descriptions, the second of {name}", make)

    def streams(studio: Studio, codecs: tuple[str, str], settings: dict[str, Any]) -> Path:
        parts = [
            studio.encode(codec, "ts", seconds=HALF, first=first) for codec, first in zip(codecs, (0, 700), strict=True)
        ]
        moved = studio.copy(parts[1], "ts", **settings)
        return faults.concatenated(studio.file("ts"), parts[0], moved)

    for name, codecs, shift in (
        ("a gap of a minute", ("libx264", "libx264"), 60 + HALF),
        ("an overlap of 3 s", ("libx264", "libx264"), HALF - 3),
        ("HEVC after H.264", ("libx264", "libx265"), HALF),
    ):
        make = partial(streams, codecs=codecs, settings={"shift_s": shift})
        yield Video(_KIND, f"two parts in ts, {name}", make)


def _damaged() -> Iterator[Video]:
    lost = faults.at(6, 10, replace=lambda _: None)
    for codec, suffix in (
        ("libx264", "mp4"),
        ("libx265", "mp4"),
        ("libx264", "ts"),
        ("mpeg4", "avi"),
        ("libvpx-vp9", "webm"),
        ("libvpx", "webm"),
    ):
        source = suffix if suffix in ("ts", "avi") or codec == "libvpx" else "mp4"
        make = copied(codec, suffix, source=source, copy={"change": lost})
        yield Video(_KIND, f"{codec} in {suffix}, two packets missing", make)
    several = faults.at(2, 6, 10, 14, replace=faults.scrambled)
    for codec in ("libx264", "libx265"):
        make = copied(codec, "mp4", copy={"change": several, **_FRAGMENTS})
        yield Video(_KIND, f"{codec} in fragmented mp4, four packets scrambled", make)
        make = copied(codec, "mp4", copy={"change": several, **_OFF})
        yield Video(_KIND, f"{codec} in mp4, edit list, four packets scrambled", make)
    zeros = faults.at(6, 14, replace=lambda body: bytes(len(body)))
    for codec, suffix in (("libx264", "mp4"), ("mpeg4", "mkv"), ("mpeg4", "avi")):
        make = copied(codec, suffix, source="avi" if suffix == "avi" else "mp4", copy={"change": zeros})
        yield Video(_KIND, f"{codec} in {suffix}, two packets of zeros", make)
    for codec, suffix in (("png", "mov"), ("mjpeg", "avi"), ("ffv1", "mkv"), ("huffyuv", "avi"), ("utvideo", "avi")):
        settings: dict[str, Any] = {"huffyuv": {"pixels": "yuv422p"}, "png": {"pixels": "rgb24"}}.get(codec, {})
        settings = {"pixels": "yuvj420p"} if codec == "mjpeg" else settings
        change = faults.at(2, replace=faults.scrambled)
        make = copied(codec, suffix, source=suffix, seconds=4, copy={"change": change}, **settings)
        yield Video(_KIND, f"{codec} in {suffix}, a packet scrambled", make, ((1.0, 3),))
