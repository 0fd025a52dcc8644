from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from jobs.gamedata.errors import CODES
from jobs.gamedata.extraction.batches import Batch, Item, RunContext
from jobs.gamedata.extraction.worker import extract_batch
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts.store import read_parts
from jobs.gamedata.pt import file as pt
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.child import DecodeChild
from jobs.gamedata.session.decode import extract_session
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from shared.errors import ItemError
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.hostile.inputs import HOLE, INPUTS, clip
from tests.media import picture, read_number, tar_bytes

# Seconds 1 to 9, then 10, 20 …: each has its own frame.
SPEC = SamplingSpec(strides=((1.0, 9), (10.0, 11)), mode="exact")
LIMIT_S = 30.0
LIMIT_KB = 1_500_000


@pytest.fixture(scope="module")
def child():
    with DecodeChild(timeout_s=LIMIT_S) as decoder:
        yield decoder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working and temporary folder, which must stay empty."""
    clip()  # creates the folder of the clips elsewhere
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


@pytest.mark.parametrize("name", INPUTS)
def test_each_input_returns_its_error_code_or_the_right_frames(name, child, folder):
    given = INPUTS[name]
    body = given.make()
    child._ready()
    pid = child.pid
    began = time.monotonic()
    try:
        session = child.extract(BytesSource(body), SPEC)
    except ItemError as error:
        session, code = None, error.code
    else:
        code = "ok"
    assert time.monotonic() - began <= LIMIT_S + 5
    assert code in given.codes
    if child.pid == pid:  # it was not killed
        assert peak_kb(pid) <= LIMIT_KB
    assert os.listdir(folder) == []  # noqa: PTH208
    if given.frames is not None:
        assert len(session.frames) == given.frames
        shown = [read_number(image) for image in session.frames.images]
        assert not session.statistics.corrupt.any()
        times = HOLE if name == "a hole of 10 s" else np.arange(2000) / 10
        assert [times[number] for number in shown] == pytest.approx(session.frames.time_s.tolist(), abs=1e-3)
        for samples in session.frames.strides.values():
            for asked, row in zip(samples.asked_s, samples.index, strict=True):
                assert shown[row] == np.searchsorted(times, asked + 1e-6, side="right") - 1


def test_every_code_in_the_table_exists():
    assert {code for given in INPUTS.values() for code in given.codes} <= {*CODES, "ok"}


def test_bad_items_do_not_affect_good_ones_in_their_batch(tmp_path, monkeypatch):
    clip()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    source, target = (open_store(f"file://{tmp_path}/{name}", create=True) for name in ("in", "out"))
    good = {number: tar_bytes(clip(first=number)) for number in (0, 300, 600)}
    # One input for each code, because the test above has all inputs; good ones in between.
    bad = list({INPUTS[name].codes: name for name in reversed(INPUTS)}.values())
    names = {}
    for place, name in enumerate(bad):
        if place % (len(bad) // 3) == 0 and place // (len(bad) // 3) < 3:
            number = 300 * (place // (len(bad) // 3))
            names[f"{place:03}-good.tar"] = number
            source.put(f"{place:03}-good.tar", good[number])
        names[f"{place:03}.tar"] = name
        source.put(f"{place:03}.tar", INPUTS[name].make())
    items = tuple(Item(info.key, info.size, info.etag) for info in source.list())
    context = RunContext(spec=SPEC, store=True, run_id="r", generation=1, version="0")
    with DecodeChild() as decoder:
        result = extract_batch(Batch(0, items), context, source=source, target=target, extract=decoder)
    codes = {each.item.key: each.code or "ok" for each in result.items}
    assert len(codes) == len(bad) + 3
    assert len(bad) > 15
    for key, name in names.items():
        if isinstance(name, int):
            assert codes[key] == "ok"
            loaded = pt.loads(target.read(pt.pt_key(key)))
            shown = [read_number(image) for image in loaded.sampled_frames["stride-1_chw"]]
            assert shown == [name + 10 * second for second in range(1, 10)]
        else:
            assert codes[key] in INPUTS[name].codes, name
    rows = {row["s3_key"]: row["error_code"] or "ok" for row in read_parts(target).to_pylist()}
    assert rows == codes
    assert os.listdir(tmp_path / "temporary") == []  # noqa: PTH208


LUMA = {
    "8 bits": {},
    "10 bits": {"pix_fmt": "yuv420p10le"},
    "4:2:2, 10 bits": {"pix_fmt": "yuv422p10le"},
    "4:4:4": {"pix_fmt": "yuv444p"},
    "4:4:4, 10 bits": {"pix_fmt": "yuv444p10le"},
    "odd size": {"pix_fmt": "yuv444p", "size": (641, 359)},
    "rotated by 90": {"rotation": 90},
    "rotated by 270": {"rotation": 270},
    "full range": {"full_range": True},
    "full range, 10 bits": {"full_range": True, "pix_fmt": "yuv420p10le"},
    "HEVC, 10 bits": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
    "portrait": {"size": (606, 1080)},
}


@pytest.mark.parametrize("name", LUMA)
def test_luma_is_correct(name):
    session = extract_session(BytesSource(tar_bytes(clip(**LUMA[name]))), SPEC)
    expected = [picture(read_number(image)).mean() for image in session.frames.images]
    assert session.statistics.luma_mean.tolist() == pytest.approx(expected, abs=3)
    assert session.statistics.luma_p01.max() <= 6
    assert session.statistics.luma_p99.min() >= 249


class _Poison:
    """A decoder whose process is killed when it requests the bytes of one TAR."""

    def __init__(self, decoder, poison):
        self.decoder, self.poison, self.seen = decoder, poison, []

    def __call__(self, source, spec):
        body = source.read(0, source.size)
        self.seen.append(body)
        if body != self.poison:
            return self.decoder(source, spec)

        class Deadly(BytesSource):
            def read_many(inner, ranges):  # noqa: N805  self is the decoder
                os.kill(self.decoder.pid, 9)
                return super().read_many(ranges)

        return self.decoder(Deadly(body), spec)


def test_an_item_that_kills_the_decoder_is_quarantined_after_two_identical_failures(tmp_path):
    source, target = (open_store(f"file://{tmp_path}/{name}", create=True) for name in ("in", "out"))
    poison = tar_bytes(clip(first=500))
    for key, body in {"a.tar": tar_bytes(clip()), "poison.tar": poison, "z.tar": tar_bytes(clip(first=100))}.items():
        source.put(key, body)
    settings = ExtractSettings(source_bucket=source.uri, manifest_bucket=target.uri, workers=1)
    reports, seen = [], []
    with DecodeChild() as decoder:
        for _ in range(3):
            reader = _Poison(decoder, poison)
            reports.append(
                extract.run_with(
                    settings,
                    MemoryStageRun(),
                    make_extract=lambda _, reader=reader: lambda _device: reader,
                    make_pool=InlinePool,
                )
            )
            seen.append(len(reader.seen))
    assert seen == [3, 1, 0]
    assert [report.counts.get("quarantined", 0) for report in reports] == [0, 0, 1]
    for report in reports:
        assert [(failure.item, failure.code) for failure in report.failures] == [("poison.tar", "decode_crashed")]
        assert (report.exit_code, report.status) == (0, "partial")
    assert sorted(info.key for info in target.list() if info.key.endswith(".pt")) == ["a.pt", "z.pt"]
