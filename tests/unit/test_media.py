from __future__ import annotations

import tarfile

import av
import numpy as np
import pytest

from tests.media import cached_clip, inputs_csv, keyframe_numbers, looped, make_tar, numbered_clip, picture, read_number


def _decoded(path, rotate=0):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [read_number(np.rot90(frame, rotate // 90)) for frame in frames]


@pytest.mark.parametrize("number", [0, 1, 5999, 36000, 65535])
@pytest.mark.parametrize("size", [(160, 90), (90, 160), (80, 46)])
def test_a_picture_carries_its_number(number, size):
    grey = picture(number, size)
    assert grey.shape == size[::-1]
    assert read_number(np.stack([grey] * 3)) == number


def test_a_blend_of_two_pictures_is_no_number():
    with pytest.raises(ValueError, match="neither black nor white"):
        read_number((picture(0) // 2 + picture(65535) // 2)[None].repeat(3, 0))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"b_frames": 0},
        {"faststart": True, "audio": True},
        {"fragmented": True},
        {"suffix": "mkv"},
        {"codec": "libx265"},
        {"codec": "mpeg4", "suffix": "avi", "b_frames": 0},
        {"pix_fmt": "yuv444p"},
        {"full_range": True},
        {"times": [0, 0.1, 0.5, 2.0, 2.1]},
        {"keyframes": [7, 13], "gop": 1000},
    ],
    ids=lambda settings: " ".join(settings) or "plain",
)
def test_frames_show_their_numbers(settings):
    clip = cached_clip(**{"seconds": 2, **settings})
    assert _decoded(clip) == list(range(len(settings.get("times", range(20)))))


def test_a_rotated_clip_reads_upright_once_turned():
    clip = cached_clip(seconds=1, size=(96, 64), rotation=90)
    assert _decoded(clip, rotate=90) == list(range(10))
    with av.open(str(clip)) as container:
        assert next(container.decode(video=0)).rotation == 90


def test_keyframes_stand_where_they_were_asked_for():
    assert keyframe_numbers(cached_clip(seconds=2, gop=8)) == [0, 8, 16]
    assert keyframe_numbers(cached_clip(seconds=2, gop=1000, keyframes=[7, 13])) == [0, 7, 13]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_same_settings_give_the_same_bytes(tmp_path, suffix):
    first = numbered_clip(tmp_path / f"a.{suffix}", seconds=3, audio=True)
    second = numbered_clip(tmp_path / f"b.{suffix}", seconds=3, audio=True)
    assert first.read_bytes() == second.read_bytes()


def test_a_clip_is_looped_by_copying(tmp_path):
    clip = looped(cached_clip(seconds=2, audio=True), tmp_path / "loop.mp4", 5)
    assert _decoded(clip) == [*range(20)] * 3


def test_a_tar_holds_what_it_was_given(tmp_path):
    path = make_tar(tmp_path / "a" / "b.tar", b"video", inputs=None, extra={"x.txt": b"x"})
    with tarfile.open(path, "r:") as archive:
        assert archive.getnames() == ["recording.mp4", "metadata.json", "x.txt"]


def test_inputs_have_the_recorders_columns():
    lines = inputs_csv(2, ["gamepad"], integer=True).decode().splitlines()
    assert lines[0] == "timestamp,event_type,event_args"
    assert all(line.split(",")[0].isdigit() for line in lines[1:])
