"""Videos with a damaged packet, without their start, or without their end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.pictures import faults
from tests.pictures.studio import SHORT, Studio, Video, copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["damage_videos"]


def damage_videos() -> Iterator[Video]:
    """Yield the videos, by kind."""
    yield from _damages()
    yield from _cuts()


def _damages() -> Iterator[Video]:
    """Yield single damaged packets; the frames at 6 s and 14 s are sampled and not keyframes."""
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
            if (how, codec) == ("garbage", "libsvtav1"):
                continue  # the muxer parses AV1
            # In its own container, because changed NAL units would not survive the conversion to start codes.
            source = {"libvpx": "webm"}.get(codec, "ts" if suffix == "ts" else "mp4")
            make = copied(codec, suffix, source=source, copy={"change": change})
            sample = (how, codec, suffix) in {("garbage", "libx264", "mp4"), ("scrambled", "libx264", "mkv")}
            yield Video(kind, f"{codec} in {suffix}, a packet {how}", make, sample=sample)
    # The next keyframe after 10 s is at 13.3 s: damage reaches the frame at 12 s.
    for how, times, replace in (
        ("a packet flipped", (6, 10), faults.flipped),
        ("a packet shortened", (6, 10), faults.shortened),
        ("a keyframe flipped", (10,), faults.flipped),
        ("a keyframe shortened", (10,), faults.shortened),
        ("four packets scrambled", (2, 6, 10, 14), faults.scrambled),
    ):
        for suffix in ("webm", "mkv"):
            make = copied("libvpx", suffix, source="webm", copy={"change": faults.at(*times, replace=replace)})
            sample = (how, suffix) == ("a packet flipped", "webm")
            yield Video(kind, f"libvpx in {suffix}, {how}", make, sample=sample)
    for codec, suffix in (("libx264", "mp4"), ("libx265", "mkv"), ("libx264", "ts")):
        for how, replace in (("scrambled", faults.scrambled), ("garbage", faults.garbage)):
            make = copied(
                codec, suffix, source="ts" if suffix == "ts" else "mp4", copy={"change": faults.at(10, replace=replace)}
            )
            # Without a mark of the decoder, damage reaches the frames that refer to this keyframe.
            sample = (how, codec, suffix) == ("scrambled", "libx264", "mp4")
            yield Video(kind, f"{codec} in {suffix}, a keyframe {how}", make, sample=sample)
    kind = "a sample of filler"
    for codec, coder in (("libx264", "h264"), ("libx265", "hevc")):
        for suffix in ("mp4", "mkv"):
            make = copied(codec, suffix, copy={"change": faults.at(6, 14, replace=faults.filler(coder))})
            yield Video(
                kind, f"{codec} in {suffix}, a sample of filler", make, sample=(codec, suffix) == ("libx264", "mp4")
            )


def _cuts() -> Iterator[Video]:
    """Yield fragmented files, and files without their start or end."""
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    for codec in ("libx264", "libx265", "mpeg4"):
        make = copied(codec, "mp4", copy={"mux": fragments})
        yield Video("fragmented", f"{codec} in fragmented mp4", make, sample=codec == "libx264")
    dash = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    yield Video("fragmented", "libx264 in mp4, a fragment per frame", copied("libx264", "mp4", copy={"mux": dash}))
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
            settings: dict[str, Any] = {"pixels": "yuvj420p", "seconds": SHORT} if codec == "mjpeg" else {}
            mux = {"mux": fragments} if suffix == "mp4" else {}
            whole = studio.encode(codec, suffix, **settings, **mux)
            return faults.cut_end(whole, studio.file(suffix), 0.6)

        name = f"{codec} in {'fragmented ' * (suffix == 'mp4')}{suffix}, cut at 60 %"
        sample = (codec, suffix) == ("libx264", "mp4")
        yield Video("cut end", name, partial(cut_end, codec=codec, suffix=suffix), sample=sample)
