"""Videos made as users made them with ffmpeg when a stored picture was wrong or a good file was lost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.pictures import faults
from tests.pictures.encodes import ffmpeg
from tests.pictures.studio import Studio, Video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["reported_videos"]


def reported_videos() -> Iterator[Video]:
    """Yield videos of Debian's ffmpeg with the default strides, as users made them when a picture was wrong."""
    kind = "reported"
    long = ((3.0, 15), (30.0, 15), (60.0, 5))

    for codec, suffix, options in (
        ("h263", "avi", ""),
        ("png", "mov", "-t 7"),
        ("huffyuv", "avi", "-pix_fmt yuv422p -t 10"),
        ("utvideo", "avi", "-t 10"),
        ("libxvid", "avi", "-bf 2"),
    ):
        make = partial(Studio.ffmpeg, codec=codec, suffix=suffix, options=options, rate=10, seconds=32)
        yield Video(kind, f"reported {codec} in {suffix}", make, long)
    for keyint, rate in ((24, 12), (60, 12), (250, 30)):
        options = f"-preset veryfast -x264-params intra-refresh=1:keyint={keyint}:bframes=0"
        make = partial(
            Studio.ffmpeg, codec="libx264", suffix="mp4", options=options, size="160x90", rate=rate, seconds=65
        )
        yield Video(kind, f"reported intra refresh {keyint}", make, long)

    def with_sound(studio: Studio, suffix: str, size: str, *, rate: int = 12, gop: int = 24, seconds: int = 65) -> Path:
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
        return faults.cut_start(with_sound(studio, "ts", "320x180", rate=30, gop=250), studio.file("ts"), 1316)

    def cut_fragments(studio: Studio) -> Path:
        whole = with_sound(studio, "mp4", "160x90")
        return faults.cut_end(
            copied(studio, whole, "mp4", "-movflags frag_keyframe+empty_moov"), studio.file("mp4"), 0.6
        )

    def wrapped(studio: Studio) -> Path:
        whole = with_sound(studio, "mp4", "160x90", seconds=70)
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
        whole = with_sound(studio, "mp4", "160x90")
        turned = studio.copy(whole, "mp4", rotation=rotation)
        path = studio.file("mp4")
        ffmpeg("-ss", "3.3", "-i", turned, "-c", "copy", path)
        return path

    yield Video(kind, "reported ts without its first packets", cut_start, long)
    yield Video(kind, "reported fragments, cut", cut_fragments, long)
    yield Video(kind, "reported ts that wraps", wrapped, long)
    yield Video(kind, "reported sparse mkv", sparse, long)
    yield Video(kind, "reported mp4, trimmed and rotated", partial(trimmed, rotation=90), long)
