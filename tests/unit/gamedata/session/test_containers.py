"""Every container that the guide lists is read, with the right pictures at the right times."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.gamedata.frames import ffmpeg_reader
from jobs.gamedata.members.tar import CONTAINERS, VIDEO_SUFFIXES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import extract_session
from tests.tars import tar_bytes

GUIDE = Path(__file__).parents[4] / "docs" / "gamedata.md"
# Suffix -> muxer, encoder. The wheel has no encoder for Theora; Ogg may also contain VP8.
WRITTEN = {
    ".mp4": ("mp4", "libx264"), ".m4v": ("ipod", "libx264"), ".mov": ("mov", "libx264"), ".qt": ("mov", "mpeg4"),
    ".3gp": ("3gp", "libx264"), ".3g2": ("3g2", "libx264"), ".f4v": ("f4v", "libx264"), ".ismv": ("ismv", "libx264"),
    ".mj2": ("mov", "jpeg2000"), ".mkv": ("matroska", "libx264"), ".mk3d": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"), ".avi": ("avi", "mpeg4"), ".divx": ("avi", "mpeg4"), ".ts": ("mpegts", "libx264"),
    ".m2t": ("mpegts", "mpeg2video"), ".m2ts": ("mpegts", "libx264"), ".mts": ("mpegts", "libx264"),
    ".mpg": ("mpeg", "mpeg1video"), ".mpeg": ("mpeg", "mpeg2video"), ".vob": ("vob", "mpeg2video"),
    ".m1v": ("mpeg1video", "mpeg1video"), ".m2v": ("mpeg2video", "mpeg2video"), ".mpv": ("mpeg1video", "mpeg1video"),
    ".flv": ("flv", "libx264"), ".wmv": ("asf", "wmv2"), ".asf": ("asf", "msmpeg4"), ".ogv": ("ogg", "libvpx"),
    ".ogm": ("ogg", "libvpx"), ".rm": ("rm", "rv10"), ".rmvb": ("rm", "rv20"), ".mxf": ("mxf", "mpeg2video"),
    ".nut": ("nut", "mpeg4"), ".wtv": ("wtv", "mpeg2video"), ".ivf": ("ivf", "libvpx"),
}  # fmt: skip
# Also allowed but not listed in the guide: parts of other names, streams without times, moving pictures.
UNNAMED = {"m4v", "h264", "hevc", "obu", "live_flv", "gif", "apng"}
RATE, SECONDS = 25, 8


def grey(second: float) -> float:
    return 40 + 20 * second


# Defaults of libvpx take ten times as long.
QUICK = {"libvpx": {"deadline": "realtime", "cpu-used": "8"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


@functools.cache
def encoded(muxer: str, encoder: str) -> bytes:
    """Encode a plain video whose brightness encodes the time."""
    body = io.BytesIO()
    with av.open(body, "w", format=muxer) as output:
        stream = output.add_stream(encoder, rate=RATE, options=QUICK.get(encoder, {}))
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        stream.codec_context.gop_size = RATE
        for number in range(RATE * SECONDS):
            picture = np.full((144, 176, 3), round(grey(number / RATE)), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return body.getvalue()


@pytest.fixture(scope="module")
def videos() -> dict[str, bytes]:
    return {suffix: encoded(*written) for suffix, written in WRITTEN.items()}


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_container_that_the_guide_names_is_read(videos: dict[str, bytes], suffix: str) -> None:
    tar = tar_bytes(videos[suffix], video_name=f"2025-09-17{suffix}")
    session = extract_session(BytesSource(tar), SamplingSpec(strides=((3.0, 2),)))
    assert session.video_id == "2025-09-17"
    assert session.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert len(session.statistics.time_s) == 2
    for asked, shown, luma in zip((3, 6), session.statistics.time_s, session.statistics.luma_mean, strict=True):
        assert shown == pytest.approx(asked, abs=0.6)
        assert luma == pytest.approx(grey(shown), abs=4)


def test_the_guide_names_every_container_that_ffmpeg_may_open(videos: dict[str, bytes]) -> None:
    assert set(WRITTEN) == set(VIDEO_SUFFIXES)
    opened: set[str] = set()
    for body in videos.values():
        with ffmpeg_reader.open_video(BytesSource(body), max_pixels=1 << 20) as container:
            opened |= set(container.format.name.split(","))
    allowed = set(ffmpeg_reader._FORMATS.split(","))
    assert allowed - opened == UNNAMED
    text = GUIDE.read_text()
    for name, suffixes in CONTAINERS.items():
        assert f"| {name} | {' '.join(f'`{suffix}`' for suffix in suffixes)} |" in text
