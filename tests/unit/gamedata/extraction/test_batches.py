from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.gamedata.extraction.batches import Item, make_batches

items_strategy = st.lists(st.integers(0, 3_000_000_000), max_size=200).map(
    lambda sizes: [Item(f"k{number:03d}.tar", size, "e") for number, size in enumerate(sizes)]
)


@given(items_strategy, st.integers(1, 2_000_000_000), st.integers(1, 16))
def test_every_item_is_in_one_batch_and_no_batch_exceeds_the_limit(items, max_bytes, workers):
    batches = make_batches(items, max_bytes=max_bytes, workers=workers)
    taken = [item for batch in batches for item in batch.items]
    assert sorted(taken, key=lambda item: item.key) == items
    assert all(batch.size <= max_bytes or len(batch.items) == 1 for batch in batches)
    assert all(1 <= len(batch.items) <= 64 for batch in batches)
    assert [batch.number for batch in batches] == list(range(len(batches)))


@given(items_strategy, st.integers(1, 8), st.randoms())
def test_the_order_of_the_listing_does_not_matter(items, workers, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    batches = make_batches(items, max_bytes=10**9, workers=workers)
    assert make_batches(shuffled, max_bytes=10**9, workers=workers) == batches


@given(items_strategy.filter(bool), st.integers(1, 8))
def test_each_worker_gets_four_batches_if_there_are_enough_items(items, workers):
    assert len(make_batches(items, max_bytes=10**12, workers=workers)) >= min(4 * workers, len(items))


def test_equal_items_make_equal_batches():
    items = [Item(f"{number}.tar", 200_000_000, "e") for number in range(40)]
    batches = make_batches(items, max_bytes=1_000_000_000, workers=2)
    assert {len(batch.items) for batch in batches} == {5}


def test_the_largest_batch_comes_first():
    items = [Item(f"{size}.tar", size, "e") for size in (10, 5_000_000, 900_000_000)]
    assert [batch.size for batch in make_batches(items, max_bytes=10**9, workers=1)] == [900_000_000, 5_000_000, 10]


def test_no_items_make_no_batches():
    assert make_batches([], max_bytes=1, workers=1) == []
