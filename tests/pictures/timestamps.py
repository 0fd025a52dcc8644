"""Videos with unusual timestamps, or without any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.pictures import faults
from tests.pictures.studio import HALF, Studio, Video, copied, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["timestamp_videos"]


# The 33 bits of a transport stream's clock end here.
_WRAP_S: Final = (1 << 33) / 90_000
_UNEVEN: Final = [second + step for second in range(26) for step in (0, 0.04, 0.1, 0.35, 0.4, 0.8)]
_SPARSE: Final = [0, 0.4, 1.2, 13, 13.04, 20, 20.04, 25.9]


def timestamp_videos() -> Iterator[Video]:
    """Yield the videos, by kind."""
    yield from _rates()
    yield from _clocks()
    yield from _starts()
    yield from _untimed()


def _rates() -> Iterator[Video]:
    for suffix in ("mp4", "mkv", "ts", "mov", "flv"):
        make = encoded("libx264", suffix, times=_UNEVEN)
        yield Video("variable frame rate", f"uneven in {suffix}", make, sample=suffix == "mkv")
    yield Video("variable frame rate", "uneven libx265 in mp4", encoded("libx265", "mp4", times=_UNEVEN))
    for suffix in ("mp4", "mkv", "ts", "flv"):
        make = copied("libx264", suffix, times=_SPARSE, gop=5)
        yield Video("sparse", f"sparse in {suffix}", make, sample=suffix == "mkv")


def _clocks() -> Iterator[Video]:
    """Yield transport streams whose clock wraps, or begins again."""
    for codec in ("libx264", "libx265", "mpeg2video"):
        more: dict[str, Any] = {"fps": 24, "seconds": 20} if codec == "mpeg2video" else {}
        for before in (0.5, 12):
            copy = {"shift_s": _WRAP_S - before, "mux": {"mpegts_copyts": "1"}}
            make = copied(codec, "ts", source="mpg" if more else "mp4", copy=copy, **more)
            yield Video(
                "times wrap", f"{codec} in ts, wrap after {before} s", make, sample=(codec, before) == ("libx264", 12)
            )
    for codec in ("libx264", "libx265"):
        for seconds in (HALF, 7):

            def restarted(studio: Studio, codec: str = codec, seconds: float = seconds) -> Path:
                parts = [studio.encode(codec, "ts", seconds=seconds, first=first) for first in (0, 700)]
                return faults.concatenated(studio.file("ts"), *parts)

            sample = (codec, seconds) == ("libx264", HALF)
            name = f"{codec} in ts, times restart after {seconds} s"
            yield Video("times restart", name, restarted, sample=sample)


def _starts() -> Iterator[Video]:
    for suffix, shift in (("mp4", 5), ("mkv", 5), ("ts", 100), ("flv", 5), ("mkv", 0.033), ("nut", -1)):
        make = copied("libx264", suffix, copy={"shift_s": shift})
        yield Video(
            "start is not 0", f"libx264 in {suffix}, starts at {shift} s", make, sample=(suffix, shift) == ("ts", 100)
        )
    negative = {"shift_s": -1, "mux": {"avoid_negative_ts": "disabled"}}
    for suffix in ("mkv", "ts"):
        yield Video("start is not 0", f"libx264 in {suffix}, starts at -1 s", copied("libx264", suffix, copy=negative))


def _untimed() -> Iterator[Video]:
    for codec, b_frames in (("libx264", 2), ("libx264", 0), ("mpeg4", 0), ("mpeg4", 2)):
        make = encoded(codec, "avi", b_frames=b_frames)
        sample = (codec, b_frames) == ("libx264", 2)
        yield Video("no times", f"{codec} with {b_frames} B-frames in avi", make, sample=sample)
    for codec, container in (("libx264", "h264"), ("libx265", "hevc"), ("mpeg4", "m4v")):
        for b_frames in (0, 2):
            make = encoded(codec, container, container=container, b_frames=b_frames)
            yield Video("no times", f"{codec} with {b_frames} B-frames, raw", make)
