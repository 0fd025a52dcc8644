"""Videos of every encoder, in the containers that accept it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.pictures.encodes import ffmpeg
from tests.pictures.studio import SHORT, Studio, Video, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["encoder_videos"]


def encoder_videos() -> Iterator[Video]:
    """Yield the videos, by kind."""
    yield from _encoders()
    yield from _pixels()


def _pixels() -> Iterator[Video]:
    """Yield pixel formats, and tags of matrix and range."""
    kind = "pixel formats and tags"
    for matrix in (1, 2, 4, 5, 7, 9):
        for color_range in (1, 2):
            make = encoded("libx264", "mp4", matrix=matrix, color_range=color_range, seconds=SHORT)
            sample = (matrix, color_range) == (9, 2)
            yield Video(kind, f"matrix {matrix}, range {color_range} of libx264 in mp4", make, sample=sample)
    for codec, suffix, pixels in (
        ("libx264", "mkv", "yuv422p"),
        ("libx264", "ts", "yuv444p10le"),
        ("libx264", "mp4", "gray"),
        ("libx264", "mp4", "yuvj420p"),
        ("libx264", "mkv", "nv12"),
        ("libx265", "mp4", "yuv420p10le"),
        ("libx265", "mkv", "gbrp"),
        ("libvpx-vp9", "webm", "yuva420p"),
        ("libvpx-vp9", "webm", "yuv444p"),
        ("libvpx-vp9", "mkv", "gbrp"),
        ("ffv1", "mkv", "gray16le"),
        ("ffv1", "mkv", "yuva420p"),
        ("ffv1", "mkv", "bgr0"),
        ("ffv1", "avi", "yuv444p16le"),
        ("png", "mov", "rgba"),
        ("png", "mov", "gray"),
        ("png", "mov", "rgb48be"),
        ("prores_ks", "mov", "yuva444p10le"),
        ("utvideo", "avi", "gbrp"),
        ("huffyuv", "avi", "bgra"),
        ("qtrle", "mov", "argb"),
        ("qtrle", "mov", "gray"),
        ("rawvideo", "avi", "bgr24"),
        ("rawvideo", "mov", "rgb24"),
        ("rawvideo", "mkv", "nv12"),
        ("rawvideo", "nut", "yuv444p10le"),
        ("mjpeg", "mkv", "yuvj444p"),
    ):
        make = encoded(codec, suffix, pixels=pixels, seconds=4)
        yield Video(kind, f"{pixels} of {codec} in {suffix}", make, ((1.0, 3),))
    for codec, suffix in (("png", "avi"), ("png", "mov"), ("rawvideo", "avi"), ("tiff", "mov"), ("qtrle", "mov")):
        pixels = "pal8" if codec != "qtrle" else "rgb555be"
        make = partial(Studio.ffmpeg, codec=codec, suffix=suffix, options=f"-pix_fmt {pixels}", seconds=4)
        yield Video(kind, f"{pixels} of {codec} in {suffix}", make, ((1.0, 3),))


def _encoders() -> Iterator[Video]:
    """Yield every encoder in the containers that accept it."""
    kind = "encoders, GOPs of 40"
    for codec, suffixes in {
        "libx264": ("mp4", "mov", "mkv", "ts", "m2ts", "flv", "nut", "m4v"),
        "libx265": ("mp4", "mkv", "ts"),
        "libsvtav1": ("mp4", "mkv", "webm"),
        "libvpx": ("webm", "mkv"),
        "libvpx-vp9": ("webm", "mp4", "ivf"),
        "mpeg4": ("mp4", "mkv", "mov"),
        "flv1": ("flv",),
    }.items():
        encoder = "flv" if codec == "flv1" else codec
        for suffix in suffixes:
            sample = (codec, suffix) in {("libx264", "mkv"), ("libvpx-vp9", "webm")}
            yield Video(kind, f"{codec} in {suffix}", encoded(encoder, suffix), sample=sample)
    for codec, suffixes in {"mpeg1video": ("mpg", "mkv"), "mpeg2video": ("ts", "mpg", "mkv")}.items():
        for suffix in suffixes:
            make = encoded(codec, suffix, fps=24, seconds=20, options={"bf": "2"})
            yield Video(kind, f"{codec} in {suffix}", make)
    # Codecs that take the size, depth or tag from the container.
    kind = "encoders that need the container's parameters"
    for codec, suffixes in {
        "h263": ("avi", "mov", "3gp"),
        "h263p": ("avi",),
        "h261": ("avi",),
        "msmpeg4v2": ("avi",),
        "msmpeg4": ("avi", "mkv"),
        "wmv1": ("avi", "wmv"),
        "wmv2": ("avi", "wmv"),
        "rv10": ("rm",),
        "rv20": ("rm",),
        "snow": ("avi",),
    }.items():
        for suffix in suffixes:
            yield Video(kind, f"{codec} in {suffix}", encoded(codec, suffix), sample=(codec, suffix) == ("h263", "avi"))
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
        ("qtrle", "mov", "rgb24"),
        ("rpza", "mov", "rgb555le"),
        ("png", "mov", "rgb24"),
        ("png", "avi", "rgb24"),
        ("tiff", "mov", "rgb24"),
        ("v210", "mov", "yuv422p10le"),
        ("v308", "mov", "yuv444p"),
        ("r210", "mov", "gbrp10le"),
        ("zmbv", "avi", "bgr0"),
        ("flashsv", "flv", "bgr24"),
        ("asv1", "avi", "yuv420p"),
        ("asv2", "avi", "yuv420p"),
        ("svq1", "mov", "yuv410p"),
        ("jpeg2000", "mov", "yuv420p"),
        ("prores_ks", "mov", "yuv422p10le"),
        ("mjpeg", "avi", "yuvj420p"),
        ("mjpeg", "mov", "yuvj420p"),
        ("mjpeg", "mkv", "yuvj420p"),
        ("gif", "gif", "rgb8"),
        ("apng", "apng", "rgb24"),
    ):
        sample = (codec, suffix) in {("png", "mov"), ("huffyuv", "avi"), ("utvideo", "avi")}
        make = encoded(codec, suffix, pixels=pixels, seconds=SHORT)
        yield Video(kind, f"{codec} in {suffix}", make, sample=sample)
    yield Video(
        kind,
        "dvvideo in avi",
        encoded("dvvideo", "avi", size=(720, 576), fps=25, seconds=5),
        strides=((1.0, 4),),
    )
    dnxhd = encoded("dnxhd", "mov", size=(1280, 720), fps=25, seconds=3, pixels="yuv422p", options={"b": "110M"})
    yield Video(kind, "dnxhd in mov", dnxhd, strides=((1.0, 2),))
    # The encoder takes a second for six frames.
    cinepak = encoded("cinepak", "avi", pixels="rgb24", seconds=2.5)
    yield Video(kind, "cinepak in avi", cinepak, strides=((1.0, 2),))
    for codec, suffix, options in (
        ("hap", "mov", ""),
        ("bmp", "avi", ""),
        ("speedhq", "avi", "-pix_fmt yuv422p"),
        ("vc2", "mov", "-pix_fmt yuv422p -strict -1"),
        ("vc2", "mkv", "-pix_fmt yuv422p -strict -1"),
        ("libtheora", "mkv", ""),
        ("libtheora", "ogv", ""),
        ("libxvid", "avi", "-bf 2"),
        ("libaom-av1", "mp4", "-cpu-used 8"),
    ):
        make = partial(Studio.ffmpeg, codec=codec, suffix=suffix, options=options)
        yield Video(kind, f"{codec} in {suffix}", make)

    def h263(studio: Studio) -> Path:
        # PyAV refuses to write this codec to Matroska.
        path = studio.file("mkv")
        ffmpeg("-i", studio.encode("h263", "avi"), "-c", "copy", path)
        return path

    yield Video(kind, "h263 in mkv", h263)
