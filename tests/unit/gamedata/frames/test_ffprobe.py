from __future__ import annotations

import json
import shutil
import subprocess

import av
import pytest

from jobs.gamedata.frames.ffprobe import probe
from tests.media import cached_clip

# Values that PyAV does not expose (see frames/ffprobe.py), and values that differ between FFmpeg releases.
LEFT_OUT = {
    "refs", "chroma_location", "closed_captions", "film_grain", "probe_score", "quarter_sample", "divx_packed",
    "side_data_list", "nb_programs",
}  # fmt: skip
NEWER = {"view_ids_available", "view_pos_available", "initial_padding", "mime_codec_string", "nb_stream_groups"}
KINDS = {
    "h264": {},
    "with sound": {"audio": True},
    "hevc": {"codec": "libx265"},
    "matroska": {"suffix": "mkv"},
    "webm": {"suffix": "webm", "codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
    "transport stream": {"suffix": "ts", "audio": True},
    "motion jpeg": {"suffix": "avi", "codec": "mjpeg", "b_frames": 0, "pix_fmt": "yuvj420p"},
    "rotated": {"rotation": 90},
    "full range": {"full_range": True},
    "fragments": {"fragmented": True},
}


def described(path, **settings):
    with av.open(str(path)) as container:
        return probe(container, filename=path.name, size=path.stat().st_size, **settings)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_names_and_values_match_ffprobe(kind):
    path = cached_clip(seconds=4, **KINDS[kind])
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path.name]
    output = subprocess.run(command, capture_output=True, check=True, cwd=path.parent).stdout
    theirs, ours = json.loads(output), described(path)
    assert len(ours["streams"]) == len(theirs["streams"])
    for mine, other in zip([*ours["streams"], ours["format"]], [*theirs["streams"], theirs["format"]], strict=True):
        missing = other.keys() - mine.keys() - LEFT_OUT - NEWER
        assert not missing
        for name in mine.keys() & other.keys():
            first, second = mine[name], other[name]
            if name == "tags":
                second = {key: value for key, value in second.items() if key != "vendor_id"}
            if name == "disposition":
                first = {key: first.get(key) for key in second}
            if name in {"coded_width", "coded_height"} and mine["codec_name"] == "hevc":
                continue  # ffprobe 5 reports the decoder's size, rounded up to 8
            assert first == second, name


def test_the_result_is_plain_json():
    found = described(cached_clip(seconds=4, audio=True))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [stream["codec_type"] for stream in found["streams"]] == ["video", "audio"]
    assert found["streams"][0]["avg_frame_rate"] == "10/1"
    assert found["format"]["duration"] == "4.000000"


@pytest.mark.parametrize(("clockwise", "reported"), [(90, -90), (180, -180), (270, 90)])
def test_rotation_is_reported_as_by_ffprobe(clockwise, reported):
    found = described(cached_clip(seconds=4), rotation=clockwise)
    assert found["streams"][0]["side_data_list"] == [{"side_data_type": "Display Matrix", "rotation": reported}]
