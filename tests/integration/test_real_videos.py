"""Three real videos, looped by stream copy to minutes, packed as sessions, read over byte ranges."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import FileSource
from jobs.gamedata.session.decode import extract_session
from tests.media import looped, make_tar

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos"
SECONDS = 185
VIDEOS = {"nasa_13013": (480, 270), "bikes": (640, 272), "bigbuckbunny": (640, 360)}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no real videos: shared/data/videos is missing")


@pytest.fixture(scope="module", params=VIDEOS)
def extracted(request, tmp_path_factory):
    """The sessions of one video by mode, and the decoded frames that they are compared with."""
    folder = tmp_path_factory.mktemp(request.param)
    video = looped(FOLDER / f"{request.param}.mp4", folder / "recording.mp4", SECONDS)
    tar = make_tar(folder / "session.tar", video)
    sessions = {
        mode: extract_session(FileSource(tar), SamplingSpec(mode=mode), max_pixels=1 << 25)
        for mode in ("auto", "exact", "keyframe")
    }
    pts = {pts for session in sessions.values() for pts in session.frames.pts[_early(session.frames)].tolist()}
    # All modes at once: a pass over one video takes up to a second.
    return request.param, sessions, _decoded(video, pts)


def _early(frames):
    """Those whose decoding from the beginning costs little, among them one of each stride but the longest."""
    return frames.time_s < 33


def _decoded(video, pts):
    """The frames with these pts, by FFmpeg from the beginning to the last, as RGB at most 360 high."""
    wanted, found = set(pts), {}
    with av.open(str(video)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if frame.pts in wanted:
                found[frame.pts] = frame.to_ndarray(format="rgb24")
                if len(found) == len(wanted):
                    break
    return found


def _areas(picture):
    """Means over a grid that divides every height and width here: shape (2, 16, 3)."""
    height, width, _ = picture.shape
    return picture.reshape(2, height // 2, 16, width // 16, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("mode", ["auto", "exact", "keyframe"])
def test_a_real_video_gives_its_frames(extracted, mode):
    name, sessions, expected = extracted
    session = sessions[mode]
    frames = session.frames
    width, height = VIDEOS[name]
    assert session.reader == "ranges"
    assert session.duration_s == pytest.approx(SECONDS, abs=30)
    assert {stride: len(times.asked_s) for stride, times in frames.strides.items()} == {3.0: 15, 30.0: 6, 60.0: 3}
    assert frames.images.shape == (len(frames), 3, height, width)
    assert not session.statistics.corrupt.any()
    if mode == "auto":
        assert all(len(set(times.index)) == len(times.index) for times in frames.strides.values())
    if mode == "keyframe":
        assert frames.keyframe.all()
    if mode == "exact":
        for times in frames.strides.values():
            assert np.abs(frames.time_s[times.index] - times.asked_s).max() < 0.05
    early = _early(frames)
    assert early.any()
    for image, pts in zip(frames.images[early], frames.pts[early].tolist(), strict=True):
        reference, picture = expected[pts].astype(np.int16), image.transpose(1, 2, 0).astype(np.int16)
        if reference.shape == picture.shape:
            # The reader converts with accurate rounding, `to_ndarray` by the fast path: a level or two, not a frame.
            assert np.abs(reference - picture).mean() < 2.5
        assert np.abs(_areas(reference) - _areas(picture)).max() < 4


def test_of_two_video_streams_the_default_one_is_read(tmp_path):
    tar = make_tar(tmp_path / "nasa.tar", FOLDER / "nasa_13013.mp4")
    session = extract_session(FileSource(tar), SamplingSpec(), max_pixels=1 << 25)
    assert (session.frames.width, session.frames.height) == (480, 270)
    assert [stream["codec_type"] for stream in session.video_metadata["streams"]].count("video") == 2
