from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.ranges.coalesce import coalesce
from jobs.gamedata.ranges.source import BufferedSource, BytesSource, FileSource, SourceIO, SourceSlice
from shared.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DATA = bytes(range(256)) * 8
RANGES = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 500)), max_size=12)


class Recorded(BytesSource):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[tuple[int, int]] = []

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.asked += ranges
        return super().read_many(ranges)


@given(ranges=RANGES)
def test_all_sources_return_the_same_bytes(ranges: list[tuple[int, int]]) -> None:
    expected = [DATA[offset : offset + length] for offset, length in ranges]
    whole = BytesSource(DATA)
    framed = SourceSlice(BytesSource(b"before" + DATA + b"after"), 6, len(DATA))
    for source in (
        whole,
        framed,
        BufferedSource(whole, block=100, max_blocks=3),
        BufferedSource(framed, block=7, max_blocks=1),
    ):
        assert source.size == len(DATA)
        assert source.read_many(ranges) == expected
        assert [source.read(offset, length) for offset, length in ranges] == expected


@given(ranges=RANGES, gap=st.integers(0, 200), limit=st.integers(1, 2000))
def test_joined_ranges_contain_every_range_and_stay_small(ranges: list[tuple[int, int]], gap: int, limit: int) -> None:
    joined, places = coalesce(ranges, gap=gap, limit=limit)
    for (which, where), (offset, length) in zip(places, ranges, strict=True):
        begin, reach = joined[which]
        assert begin + where == offset
        assert where + length <= reach
    assert len(joined) <= len(ranges)
    assert all(reach <= max(limit, 500) for _, reach in joined)
    assert joined == sorted(joined)


def test_the_packets_of_a_gop_are_one_request() -> None:
    source = Recorded(bytes(1_000_000))
    SourceSlice(source, 1000, 900_000).read_many([(0, 500), (500, 700), (2000, 10), (800_000, 5)])
    assert source.asked == [(1000, 2010), (801_000, 5)]


def test_a_slice_must_fit_into_its_source() -> None:
    with pytest.raises(ValueError, match="bytes 1-2049 are outside"):
        SourceSlice(BytesSource(DATA), 1, len(DATA))


@pytest.mark.parametrize("place", [(-1, 5), (0, -1)])
def test_negative_ranges_are_rejected(place: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        BytesSource(DATA).read(*place)


def test_a_file_is_read_by_range(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    with FileSource(path) as source:
        assert source.size == len(DATA)
        assert source.read_many([(10, 5), (len(DATA) - 2, 10), (len(DATA) + 5, 1)]) == [DATA[10:15], DATA[-2:], b""]
        os.truncate(path, 100)
        with pytest.raises(ItemError, match="shrank") as caught:
            source.read(50, 100)
    assert caught.value.code == "tar_changed"
    source.close()


def test_only_missing_blocks_are_fetched() -> None:
    source = Recorded(DATA)
    buffered = BufferedSource(source, block=100, max_blocks=4)
    buffered.read(50, 100)
    buffered.read(120, 100)
    assert source.asked == [(0, 100), (100, 100), (200, 100)]


def test_a_large_read_bypasses_the_cache() -> None:
    source = Recorded(DATA)
    assert BufferedSource(source, block=10, max_blocks=2).read(5, 1000) == DATA[5:1005]
    assert source.asked == []


def test_a_source_can_be_read_as_a_file() -> None:
    file = io.BufferedReader(SourceIO(BufferedSource(BytesSource(DATA), block=64)), 32)
    assert file.readable()
    assert file.seekable()
    assert file.read(10) == DATA[:10]
    assert file.seek(-6, os.SEEK_END) == len(DATA) - 6
    assert file.read() == DATA[-6:]
    assert file.seek(100) == 100
    assert file.seek(20, os.SEEK_CUR) == 120
    assert file.read(3) == DATA[120:123]
    assert file.seek(10 * len(DATA)) == 10 * len(DATA)
    assert file.read(1) == b""
    with pytest.raises(ValueError, match="before the beginning"):
        SourceIO(BytesSource(DATA)).seek(-1)
