"""Packets stored in a ``.pt`` file are decoded in the decoder process, never by the reader itself."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import jobs
from jobs.gamedata import load
from jobs.gamedata.checks.frames import FrameRunner, FrameTask, Work, digest_of
from jobs.gamedata.checks.load import CheckFile
from jobs.gamedata.frames import decoder
from jobs.gamedata.manifest import contact_sheets
from jobs.gamedata.manifest.gather import measure_pt
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session import child as child_module
from jobs.gamedata.session.child import DecodeChild
from jobs.gamedata.session.decode import extract_session
from jobs.gamedata.settings import ManifestSettings
from shared.errors import ItemError
from shared.storage import open_store
from tests.media import cached_clip, tar_bytes

SPEC = SamplingSpec(frames="packets")


@pytest.fixture(scope="module")
def tar():
    return tar_bytes(cached_clip(seconds=20))


@pytest.fixture(scope="module")
def session(tar):
    return extract_session(BytesSource(tar), SPEC)


@pytest.fixture(scope="module")
def body(session):
    return bytes(pt.dump(session, s3_key="a.tar", source_etag="e", spec=SPEC, extracted_at="2026-01-01T00:00:00+00:00"))


@pytest.fixture(scope="module")
def pixels(tar):
    return extract_session(BytesSource(tar), SamplingSpec()).frames.images


@pytest.fixture
def undecoded(monkeypatch):
    """Make decoding in this process an error."""

    def refuse(*_, **__):
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(decoder.Decoder, "decode", refuse)


@pytest.mark.parametrize("frame_bytes", [1, 256 << 20])
def test_the_decoder_process_returns_the_pixels_of_the_frames(session, pixels, monkeypatch, frame_bytes):
    monkeypatch.setattr(child_module, "_FRAME_BYTES", frame_bytes)
    store = session.frames
    with DecodeChild() as child:
        found = child.decode(store.packets, store.height, store.width, store.rotation)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.usefixtures("undecoded")
def test_no_reader_of_a_file_decodes_its_packets_itself(body, session, pixels, tmp_path):
    np.testing.assert_array_equal(load(body).sampled_frames["stride-3_chw"], pixels)

    bucket = open_store(f"file://{tmp_path}/bucket", create=True)
    info = bucket.put("a.pt", body)
    with DecodeChild() as child:
        np.testing.assert_array_equal(contact_sheets._frames(bucket, "a.pt", child), pixels)
    assert measure_pt(body, "a.pt")["frame_time_s"] == session.frames.time_s.tolist()

    (tmp_path / "mine.py").write_text(
        "from jobs.gamedata.checks import frames_check\n"
        "@frames_check('total', int)\n"
        "def total(data, settings):\n"
        "    return int(data.sampled_frames['stride-3_chw'].sum())\n"
    )
    file = CheckFile.read(str(tmp_path / "mine.py"))
    work = Work(
        bucket.uri, ManifestSettings(), (file,), {"total": digest_of("total", file.digest)}, {"total": {"total": int}}
    )
    runner = FrameRunner(work, {"total": frozenset({"a.pt"})})
    (row,) = runner.run([FrameTask("a.tar", "a.pt", info.etag, info.size)])
    assert (row["error"], row["value"]) == (None, f'{{"total": {int(pixels.sum())}}}')


def test_every_reader_names_the_process_that_decodes():
    (folder,) = jobs.__path__
    calls = [
        (path.name, {word.arg for word in node.keywords})
        for path in Path(folder).rglob("*.py")
        if path.parent.name != "pt" and ("loads(" in (text := path.read_text(encoding="utf-8")) or "file.load" in text)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "loads")
            or (isinstance(node.func, ast.Attribute) and ast.unparse(node.func) in ("file.load", "file.loads"))
        )
    ]
    assert {name for name, _ in calls} == {"contact_sheets.py", "frames.py", "gather.py", "load.py", "sprites.py"}
    assert all("decode" in words for _, words in calls)


def test_packets_that_kill_the_process_raise_a_typed_error(session, monkeypatch):
    with DecodeChild() as child:
        child._ready()
        send = child._channel.send
        monkeypatch.setattr(child._channel, "send", lambda *a, **k: (child._process.kill(), send(*a, **k)))
        with pytest.raises(ItemError) as caught:
            child.decode(session.frames.packets, 90, 160, 0)
    assert caught.value.code == "decode_crashed"


def test_packets_of_an_unknown_codec_raise_a_typed_error(body, session):
    packets = session.frames.packets
    parameters = getattr(packets, "parameters", None)
    unknown = (
        dataclasses.replace(packets, codec="no_such_codec")
        if parameters is None
        else dataclasses.replace(packets, parameters=dataclasses.replace(parameters, codec="no_such_codec"))
    )
    with DecodeChild() as child:
        with pytest.raises(ItemError) as caught:
            child.decode(unknown, 90, 160, 0)
        assert caught.value.code == "video_codec_unsupported"
        store = session.frames
        assert len(child.decode(store.packets, store.height, store.width, store.rotation)) == len(store)
