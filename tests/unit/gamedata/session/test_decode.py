from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from jobs.gamedata.errors import CODES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import extract_session
from shared.errors import ItemError
from tests.media import INPUTS, METADATA, cached_clip, tar_bytes

SPEC = SamplingSpec()


def extract(content, **settings):
    return extract_session(BytesSource(content), SPEC, **settings)


def code_of(content, **settings):
    with pytest.raises(ItemError) as caught:
        extract(content, **settings)
    assert caught.value.code in CODES
    return caught.value.code


def test_a_session_has_everything_in_its_tar():
    clip = cached_clip(seconds=20, audio=True)
    session = extract(tar_bytes(clip, video_name="2025-09-17 14-59-42.mp4"))
    assert session.video_member == "2025-09-17 14-59-42.mp4"
    assert session.video_id == "2025-09-17 14-59-42"
    assert session.session_metadata == json.loads(METADATA)
    assert session.video_metadata["format"]["filename"] == session.video_member
    assert session.video_metadata["format"]["size"] == str(clip.stat().st_size)
    assert session.duration_s == pytest.approx(20)
    assert session.inputs.keyboard > 0
    assert session.reader == "ranges"
    assert session.warnings == []
    assert session.statistics.signature.shape == (6, 9, 16, 3)
    assert np.array_equal(session.statistics.time_s, session.frames.time_s)


def test_without_inputs_there_are_no_input_statistics():
    assert extract(tar_bytes(cached_clip(seconds=20), inputs=None)).inputs is None


def test_the_ffmpeg_reader_records_why_it_was_used():
    session = extract(tar_bytes(cached_clip(seconds=20, fragmented=True)))
    assert session.reader == "ffmpeg"
    assert session.warnings
    assert "FFmpeg" in session.warnings[0]


def test_only_what_is_needed_is_read():
    class Counting(BytesSource):
        total = 0

        def read(self, offset, length):
            data = super().read(offset, length)
            self.total += len(data)
            return data

    # Constant bit rate with filler, as from the recorder: 15 MB.
    rate = {"crf": "-1", "b": "1M", "maxrate": "1M", "bufsize": "1M", "nal-hrd": "cbr"}
    source = Counting(tar_bytes(cached_clip(seconds=120, gop=40, options=rate)))
    assert source.size > 12e6
    extract_session(source, SamplingSpec(mode="keyframe"))
    assert source.total < 0.15 * source.size


def test_metadata_and_inputs_are_read_in_one_round_trip():
    rounds = []

    class Rounds(BytesSource):
        def read_many(self, ranges):
            rounds.append([length for _, length in ranges])
            return super().read_many(ranges)

    extract_session(Rounds(tar_bytes(cached_clip(seconds=20, audio=True))), SPEC)
    assert [len(METADATA), len(INPUTS)] in rounds


@pytest.mark.parametrize(
    ("video", "code"),
    [
        (b"", "video_invalid"),
        (bytes(4096), "video_invalid"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "video_invalid"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n", "video_invalid"),
        (None, "video_missing"),
    ],
)
def test_files_that_are_not_videos(video, code):
    assert code_of(tar_bytes(video)) == code


def test_half_a_recording_is_a_typed_error():
    whole = cached_clip(seconds=20).read_bytes()
    assert code_of(tar_bytes(whole[: len(whole) // 2])) == "moov_missing"
    early = cached_clip(seconds=20, faststart=True).read_bytes()
    assert code_of(tar_bytes(early[: len(early) // 2])) == "video_truncated"


def test_half_a_matroska_file_is_read_up_to_its_end():
    whole = cached_clip(seconds=20, suffix="mkv").read_bytes()
    session = extract(tar_bytes(whole[: len(whole) // 2], video_name="recording.mkv"))
    assert 0 < len(session.frames) < 6
    assert session.duration_s < 20


def test_audio_alone_has_no_video_stream(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    import subprocess

    path = tmp_path / "sound.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", str(path)], check=True
    )
    assert code_of(tar_bytes(path)) == "video_no_stream"


@pytest.mark.parametrize("fragmented", [False, True])
def test_large_frames_are_rejected(fragmented):
    clip = cached_clip(seconds=20, fragmented=fragmented)
    assert code_of(tar_bytes(clip), max_pixels=5000) == "pixels_exceeded"


def test_large_metadata_is_rejected():
    clip = cached_clip(seconds=20)
    assert code_of(tar_bytes(clip, metadata=b'{"a": "' + b"x" * 2_000_000 + b'"}')) == "metadata_invalid"


def test_a_playlist_opens_nothing():
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/segment.ts"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n".encode()
        for name in ("a.mp4", "a.ts", "a.mkv"):
            assert code_of(tar_bytes(playlist, video_name=name)) == "video_invalid"
        server.shutdown()
        thread.join()
    assert asked == []
