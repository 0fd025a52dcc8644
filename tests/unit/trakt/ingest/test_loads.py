"""Page objects and rows of the ledger: none replaces another, and none is lost."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from jobs.trakt.bronze.pages import Page, PageObjects, PageRequest
from jobs.trakt.ingest.ledger_rows import LeftLoad, Outcome, Planned
from jobs.trakt.ingest.loads import Loads
from jobs.trakt.ingest.recovery import recover
from jobs.trakt.model import TitleRef
from shared.errors import TransientError
from shared.storage import FileStore

NOW = datetime(2026, 5, 4, tzinfo=UTC)
REF = TitleRef("movie", 12)
REQUEST = PageRequest("load-1", "comments", REF, sort="oldest", page=1, limit=250)


def page(request: PageRequest, body: bytes = b"[]") -> Page:
    return Page(request, "/", 200, {}, body, NOW, NOW, NOW, "run-1")


class FakePlace:
    def __init__(self, folder: Any) -> None:
        self.pages = PageObjects(FileStore(str(folder)))


class FakeLedger:
    """A ledger that keeps what is written, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.writes: list[list[Outcome]] = []
        self.left: list[LeftLoad] = []
        self.rows: list[Planned] = []
        self.named: list[str] = []

    def write(self, outcomes: list[Outcome]) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("the database is away")
        self.writes.append(list(outcomes))

    def left_loads(self) -> list[LeftLoad]:
        return self.left

    def planned(self, _: list[str]) -> list[Planned]:
        return self.rows

    def page_keys(self, _: list[str]) -> list[str]:
        return self.named

    def read_before(self, _: str) -> set[TitleRef]:
        return set()

    def committed(self, *_: object) -> None:
        pass

    def skip_singles(self, _: object) -> None:
        pass


def loads(place: Any, ledger: Any) -> Loads:
    return Loads(place, ledger, 100)


def test_a_page_that_is_read_twice_in_a_load_is_two_objects(tmp_path):
    place = FakePlace(tmp_path)
    taken = loads(place, FakeLedger())

    async def put() -> list[str]:
        other = replace(REQUEST, load_id="load-2")
        return [await taken.put(page(each, b"[%d]" % at)) for at, each in enumerate((REQUEST, REQUEST, other))]

    keys = asyncio.run(put())
    assert [place.pages.get(key).body for key in keys] == [b"[0]", b"[1]", b"[2]"]
    assert [key.rpartition("/")[2] for key in keys] == [
        "oldest-250-0000001.json.gz",
        "oldest-250-0000001-r2.json.gz",
        "oldest-250-0000001.json.gz",
    ]


@pytest.mark.parametrize(
    ("reads", "named", "found"),
    [([1], [], 1), ([1], [1], None), ([1, 2], [1], 2), ([1, 2, 4], [2], 4), ([1, 2], [2], None), ([], [], None)],
)
def test_a_planned_row_takes_the_first_object_that_no_other_row_has_taken(tmp_path, monkeypatch, reads, named, found):
    place, ledger = FakePlace(tmp_path), FakeLedger()
    for read in reads:
        place.pages.put(page(replace(REQUEST, read=read)))
    ledger.left = [LeftLoad("load-1", is_committed=False)]
    ledger.rows = [Planned(7, "load-1", "comments", REF, None, "oldest", 1, 250, in_sweep=True)]
    ledger.named = [replace(REQUEST, read=read).key for read in named]
    monkeypatch.setattr(Loads, "_commit_now", lambda *_: None)
    asyncio.run(recover(ledger, place, loads(place, ledger)))  # type: ignore[arg-type]
    outcomes = [each for rows in ledger.writes for each in rows]
    assert [each.page_key for each in outcomes] == ([] if found is None else [replace(REQUEST, read=found).key])


def test_a_planned_row_takes_no_object_of_an_earlier_load(tmp_path, monkeypatch):
    place, ledger = FakePlace(tmp_path), FakeLedger()
    place.pages.put(page(REQUEST))
    ledger.left = [LeftLoad("load-1", is_committed=False), LeftLoad("load-2", is_committed=False)]
    ledger.rows = [Planned(7, "load-2", "comments", REF, None, "oldest", 1, 250, in_sweep=True)]
    monkeypatch.setattr(Loads, "_commit_now", lambda *_: None)
    assert asyncio.run(recover(ledger, place, loads(place, ledger))) == 0  # type: ignore[arg-type]


def test_a_row_of_a_committed_load_takes_its_object_from_a_later_load(tmp_path, monkeypatch):
    place, ledger = FakePlace(tmp_path), FakeLedger()
    key = place.pages.put(page(replace(REQUEST, load_id="load-2")))
    place.pages.put(page(REQUEST))
    ledger.left = [LeftLoad("load-1", is_committed=True), LeftLoad("load-2", is_committed=False)]
    ledger.rows = [Planned(7, "load-1", "comments", REF, None, "oldest", 1, 250, in_sweep=True)]
    committed: list[str] = []
    monkeypatch.setattr(Loads, "_commit_now", lambda _, load: committed.append(load))
    assert asyncio.run(recover(ledger, place, loads(place, ledger))) == 1  # type: ignore[arg-type]
    # The load that is in the table has a row for each of its objects.
    assert [each.page_key for rows in ledger.writes for each in rows] == [key]
    assert committed == ["load-2"]


def test_outcomes_whose_writing_failed_are_written_once_by_the_next(tmp_path):
    ledger = FakeLedger(failures=1)
    taken = loads(FakePlace(tmp_path), ledger)

    async def work() -> None:
        with pytest.raises(TransientError):
            await taken.add(Outcome(1, "good", "load-1"))
        assert ledger.writes == []
        # One statement changes a row once: a second read of the page is written after the first.
        await taken.add(Outcome(1, "good", "load-1", rows=2))
        await taken.add(Outcome(2, "good", "load-1"))
        await taken.finish()

    asyncio.run(work())
    assert [(each.page_id, each.rows) for rows in ledger.writes for each in rows] == [(1, None), (2, None), (1, 2)]
    assert all(len({each.page_id for each in rows}) == len(rows) for rows in ledger.writes)


def test_two_reads_of_a_page_that_wait_at_the_end_are_written_one_after_the_other(tmp_path):
    ledger = FakeLedger(failures=1)
    entered, goes_on = threading.Event(), threading.Event()
    write = ledger.write

    def slowly(outcomes: list[Outcome]) -> None:
        entered.set()
        goes_on.wait(10)
        write(outcomes)

    ledger.write = slowly  # type: ignore[method-assign]
    taken = loads(FakePlace(tmp_path), ledger)

    async def work() -> None:
        first = asyncio.create_task(taken.add(Outcome(1, "good", "load-1")))
        await asyncio.to_thread(entered.wait, 10)
        await taken.add(Outcome(1, "good", "load-1", rows=2))
        goes_on.set()
        with pytest.raises(TransientError):
            await first

    asyncio.run(work())
    taken.settle()
    assert [[(each.page_id, each.rows) for each in rows] for rows in ledger.writes] == [[(1, None)], [(1, 2)]]


@pytest.mark.parametrize("failures", [0, 1])
def test_outcomes_of_a_write_that_is_cancelled_are_written_once(tmp_path, failures):
    ledger = FakeLedger(failures=failures)
    entered, goes_on = threading.Event(), threading.Event()
    write = ledger.write

    def slowly(outcomes: list[Outcome]) -> None:
        entered.set()
        goes_on.wait(10)
        write(outcomes)

    ledger.write = slowly  # type: ignore[method-assign]
    taken = loads(FakePlace(tmp_path), ledger)

    async def work() -> None:
        task = asyncio.create_task(taken.add(Outcome(1, "good", "load-1")))
        await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        await taken.finish()

    asyncio.run(work())
    assert [each.page_id for rows in ledger.writes for each in rows] == [1]
