"""The index of last observations says what a dictionary would, however it is filled."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.trakt.bronze import last_seen
from jobs.trakt.bronze.last_seen import COLUMNS, LastSeen, sha_number, title_number
from jobs.trakt.bronze.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(4)]
TITLES = [(None, None, None, None), ("movie", 1, None, None), ("show", 1, None, None), ("show", 2**62, 0, 7)]
START = datetime(2026, 5, 2, tzinfo=UTC)
ITEM = st.tuples(st.integers(1, 6), st.sampled_from(SHAS), st.sampled_from(TITLES))
PAGE = st.tuples(st.integers(0, 5), st.lists(ITEM, max_size=6))


def micros(minute: int) -> int:
    return round((START + timedelta(minutes=minute)).timestamp() * 1_000_000)


def batch(items: Sequence[tuple]) -> pa.RecordBatch:
    """Return stored comments: minute, id, hash, title."""
    rows = [
        dict(zip(COLUMNS, (number, sha, START + timedelta(minutes=minute), *title), strict=True))
        for minute, (number, sha, title) in items
    ]
    return pa.RecordBatch.from_pylist(rows, schema=pa.schema([SCHEMA.field(name) for name in COLUMNS]))


class Oracle:
    """The rule, with a dictionary."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, int, int]] = {}

    def keep(self, minute: int, item: tuple) -> bool:
        number, sha, title = item
        state = (micros(minute), sha_number(sha), title_number(*title))
        last = self.last.get(number)
        if last and last[1] == state[1] and (state[2] == 0 or last[2] == state[2]):
            return False
        self.last[number] = max(last or state, state)
        return True


@settings(max_examples=200)
@given(st.lists(PAGE, max_size=6), st.lists(PAGE, max_size=6), st.integers(1, 7), st.randoms())
def test_the_index_keeps_what_a_dictionary_would(before, pages, fresh, random):
    oracle, index = Oracle(), LastSeen()
    stored = [(minute, item) for minute, items in before for item in items if oracle.keep(minute, item)]
    random.shuffle(stored)
    half = len(stored) // 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(last_seen, "_FRESH", fresh)
        index.add_stored(batch(stored[:half]))
        index.add_stored(batch(stored[half:]))
        for minute, items in pages:
            expected = [oracle.keep(minute, item) for item in items]
            kept = index.keep(
                [item[0] for item in items],
                [sha_number(item[1]) for item in items],
                [title_number(*item[2]) for item in items],
                micros(minute),
            )
            assert kept == expected
    assert len(index) == len(oracle.last)


@given(st.lists(st.sampled_from(SHAS), min_size=1), st.lists(st.sampled_from(TITLES), min_size=1))
def test_numbers_of_columns_equal_those_of_values(shas, titles):
    items = [(0, (1, sha, title)) for sha, title in zip(shas, titles, strict=False)]
    made = batch(items)
    assert last_seen._sha_numbers(made.column("payload_sha256")).tolist() == [sha_number(item[1][1]) for item in items]
    assert last_seen._title_numbers(made).tolist() == [title_number(*item[1][2]) for item in items]
    cut = made.slice(1)
    assert last_seen._sha_numbers(cut.column("payload_sha256")).tolist() == [sha_number(i[1][1]) for i in items[1:]]


def test_numbers_of_titles_differ_and_zero_is_unknown():
    titles = [
        ("movie", 1, None, None),
        ("show", 1, None, None),
        ("show", 1, 0, None),
        ("show", 1, 1, None),
        ("show", 1, 1, 0),
        ("show", 1, 0, 1),
        ("show", 1, None, 1),
        ("show", 2, None, None),
        ("movie", 2**62, None, None),
    ]
    assert len({title_number(*title) for title in titles}) == len(titles)
    assert 0 not in {title_number(*title) for title in titles}
