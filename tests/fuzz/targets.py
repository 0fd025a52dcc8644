"""Fuzz targets: each function takes arbitrary bytes and raises if a parser breaks its contract.

The contract: a typed error with one of the parser's own codes, or a consistent result. :mod:`tests.fuzz.run` runs
them with atheris, and ``tests/hostile/test_corpus.py`` over the corpus without it.
"""

from __future__ import annotations

import io
import json
import math
import zipfile

import numpy as np

from jobs.gamedata.frames.plan import plan_frames
from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.members.metadata import parse_metadata
from jobs.gamedata.members.mp4 import NeedsFFmpeg, read_index
from jobs.gamedata.members.tar import pick_members, read_members
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from shared.errors import ItemError

__all__ = ["TARGETS"]

_TAR_CODES = {"tar_empty", "tar_truncated", "tar_invalid", "tar_unsafe"}
_PICK_CODES = {"video_missing", "video_multiple", "metadata_missing", "member_duplicate"}
_MP4_CODES = {"moov_missing", "video_truncated", "video_invalid", "video_no_stream", "video_no_frames"}


class _Counted(BytesSource):
    """Count the bytes read: parsers must read headers only, and not the same bytes repeatedly."""

    def __init__(self, data):
        super().__init__(data)
        self.bytes_read = 0

    def read(self, offset, length):
        body = super().read(offset, length)
        self.bytes_read += len(body)
        return body


def tar(data: bytes) -> None:
    source = _Counted(data)
    try:
        members = read_members(source)
    except ItemError as error:
        assert error.code in _TAR_CODES, error  # noqa: PT017  either outcome is valid
        return
    finally:
        assert source.bytes_read <= 4 * len(data) + 65536
    for member in members:
        assert 0 <= member.offset <= member.offset + member.size <= len(data)
        assert member.offset % 512 == 0
        member.name.encode()
    try:
        picked = pick_members(members)
    except ItemError as error:
        assert error.code in _PICK_CODES, error  # noqa: PT017  either outcome is valid
        return
    assert {picked.video, picked.metadata} <= set(members)
    assert picked.video_id


def mp4(data: bytes) -> None:
    source = _Counted(data)
    try:
        track = read_index(source)
    except NeedsFFmpeg:
        return
    except ItemError as error:
        assert error.code in _MP4_CODES, error  # noqa: PT017  either outcome is valid
        return
    finally:
        assert source.bytes_read <= 2 * len(data) + (4 << 20)
    count = len(track.pts)
    assert count == len(track.offset) == len(track.size) == len(track.keyframe) > 0
    assert int(track.pts.min()) == 0
    assert int(track.offset.min()) >= 0
    assert int(track.size.min()) > 0
    assert int((track.offset + track.size).max()) <= len(data)
    assert math.isfinite(track.duration_s)
    assert track.duration_s >= 0
    assert track.rotation in (0, 90, 180, 270)
    assert track.width > 0
    assert track.height > 0
    for mode in ("auto", "keyframe", "exact"):
        chosen = plan_frames(
            track.pts,
            track.keyframe,
            time_base=track.time_base,
            duration_s=track.duration_s,
            spec=SamplingSpec(mode=mode),
        )
        assert (chosen.first <= chosen.index).all()
        assert not len(chosen.index) or int(chosen.index.max()) < count


def metadata(data: bytes) -> None:
    try:
        document = parse_metadata(data)
    except ItemError as error:
        assert error.code == "metadata_invalid", error  # noqa: PT017  either outcome is valid
        return
    assert isinstance(document, dict)
    text = json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(text) == document


def inputs(data: bytes) -> None:
    try:
        found = read_inputs(data)
    except ItemError as error:
        assert error.code == "inputs_invalid", error  # noqa: PT017  either outcome is valid
        return
    assert 0 <= found.keyboard + found.mouse + found.gamepad <= found.events
    assert found.invalid >= 0
    assert 0 <= found.unordered <= max(found.events - 1, 0)
    assert (found.first_s is None) == (found.last_s is None) == (found.events == 0)
    if found.events:
        assert math.isfinite(found.first_s)
        assert found.first_s <= found.last_s < math.inf


def pt(data: bytes) -> None:
    """Load a file; if the first byte is ``p``, the rest is the pickle to put into one."""
    from jobs.gamedata.pt.file import loads

    body = data[1:]
    if data[:1] == b"p":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", body)
            archive.writestr("archive/version", "3\n")
            for number in range(4):
                archive.writestr(f"archive/data/{number}", bytes(64))
        body = buffer.getvalue()
    try:
        data = loads(body)
    except ItemError as error:
        assert error.code in ("pt_invalid", "pt_legacy"), error  # noqa: PT017  either outcome is valid
        return
    assert isinstance(data.s3_key, str)
    for rows in data.sampled_times_s.values():
        assert isinstance(rows, np.ndarray)


TARGETS = {"tar": tar, "mp4": mp4, "metadata": metadata, "inputs": inputs, "pt": pt}
