"""A million TARs: the memory that a worklist needs per TAR stays small."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from jobs.gamedata.parts.current import match_listing
from tests.fakes.store import MemoryStore
from tests.scale import SMALL, commit

MILLION = 1_000_000


def scale(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.scale", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Megabytes of a plan of nothing."""
    return json.loads(scale("plan", tmp_path_factory.mktemp("none"), 0, 0))["peak_mb"]


# A part of them; `make bench` runs all.
@pytest.mark.slow
def test_a_million_new_tars_would_be_listed_and_planned_within_a_gigabyte(tmp_path, base):
    count = 50_000
    found = json.loads(scale("plan", tmp_path, count, 0))
    assert found["items"] == count
    assert found["batches"] >= count / 64
    assert base + (found["peak_mb"] - base) * MILLION / count < 1000, (base, found)


@pytest.mark.slow
def test_committed_tars_need_little_memory_each(tmp_path):
    """A million take 0.6 GB and what the process takes for none: `make bench` measures them."""
    counts = (1, 3000, 8000)
    for count in counts:
        commit(str(tmp_path / str(count)), count, rows=SMALL)
    grown = json.loads(scale("growth", tmp_path, *counts))
    # 276 and 319 bytes: one more column or string of each TAR takes at least 40.
    assert grown["python"] < 310, grown
    assert grown["arrow"] < 350, grown


def test_a_streamed_listing_matches_like_a_dictionary():
    random = np.random.default_rng(3)
    store = MemoryStore({f"{number}.pt": bytes(number % 5) for number in range(0, 40, 2)})
    listing = {info.key: info for info in store.list()}
    rows = []
    for number in range(40):
        info = listing.get(f"{number - number % 2}.pt")
        size, etag = info.size, info.etag
        row = {"stored": True, "pt_key": f"{number}.pt", "pt_size": size, "pt_etag": etag}
        row |= random.choice([{}, {}, {"pt_size": 99}, {"pt_etag": "other"}, {"stored": False}, {"pt_etag": None}])
        rows.append(row if number % 7 else {"stored": False, "pt_key": None, "pt_size": None, "pt_etag": None})
    schema = pa.schema(
        [("stored", pa.bool_()), ("pt_key", pa.string()), ("pt_size", pa.int64()), ("pt_etag", pa.string())]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    found = match_listing(table, store.list())
    infos = [listing.get(row["pt_key"]) if row["stored"] else None for row in rows]
    assert found.tolist() == [
        info is not None and (info.size, info.etag) == (row["pt_size"], row["pt_etag"])
        for row, info in zip(rows, infos, strict=True)
    ]
    assert found.any()
    assert match_listing(table, []).tolist() == [False] * 40
