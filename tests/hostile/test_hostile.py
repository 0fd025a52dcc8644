from __future__ import annotations

import json
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from jobs.gamedata import extract, pt
from jobs.gamedata._extract_plan import make_plan
from jobs.gamedata._store_source import StoreSource
from jobs.gamedata.batches import Batch, Item
from jobs.gamedata.child import DecodeChild
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.parts import read_parts
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.source import BytesSource
from jobs.gamedata.worker import Task, extract_batch
from shared.errors import ItemError
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.pool import InlinePool
from tests.fakes.store import MemoryStore
from tests.hostile.inputs import HOLE, INPUTS, OK, clip
from tests.media import read_number, tar_bytes

# Seconds 1 to 9, then 10, 20 …: every one its own frame.
SPEC = SamplingSpec(strides=((1.0, 9), (10.0, 11)), mode="exact")
LIMIT_S = 30.0
LIMIT_KB = 1_500_000


@pytest.fixture(scope="module")
def child():
    with DecodeChild(timeout_s=LIMIT_S) as decoder:
        yield decoder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nothing may be left here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def peak_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


@pytest.mark.parametrize("name", INPUTS)
def test_each_input_gives_its_code_or_its_right_result(name, child, folder):
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
    if child.pid == pid:  # it was not killed for what it did
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
