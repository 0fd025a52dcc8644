"""Compare the bronze table with page objects: each load has the rows that follow from its pages, each of them once.

The rule about equal payloads is applied again, load by load, in plain Python: a comment is stored if its payload or its
title differs from its last stored observation, the one with the newest time.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.data_files import open_parquet
from jobs.trakt.bronze.last_seen import sha_number, title_number
from jobs.trakt.bronze.live_files import live_files
from jobs.trakt.bronze.rows import DEDUPLICATED
from jobs.trakt.bronze.table import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.trakt.audit.model import Check
    from jobs.trakt.audit.pages import Loads
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.bronze.rows import Observation, PageRows

__all__ = ["BronzeRows", "Expected", "pages_without_rows", "read_rows"]

_BATCH: Final = 65_536
_COLUMNS: Final = ("page_key", "item_index", "comment_id", "title_id_trakt", "payload_sha256")
# Kinds whose id is the title's.
_OF_TITLE: Final = frozenset({"rating", "title", "title_gone", "tmdb"})

# Kind, position in the page, id of the comment or title, and payload: its hash, or the sightings themselves.
_Row = tuple[str, int | None, int | None, str | None]


@dataclass(slots=True)
class BronzeRows:
    """The rows of the table.

    Attributes:
        pages: page object -> its rows.
        stored: kind, id and payload's hash of all rows.
        rows: number of rows.
    """

    pages: dict[str, Counter[_Row]] = field(default_factory=dict)
    stored: set[tuple[str, int | None, str | None]] = field(default_factory=set)
    rows: int = 0


def read_rows(place: BronzePlace) -> BronzeRows:
    """Read the rows of the newest version, without the payloads of items."""
    found = BronzeRows()
    pages: defaultdict[str, Counter[_Row]] = defaultdict(Counter)
    for file in live_files(place, open_table(place)):
        of_page = file.kind == "page"
        names = [*_COLUMNS, "payload"] if of_page else list(_COLUMNS)
        with open_parquet(place.store, file.key, file.size) as parquet:
            for batch in parquet.iter_batches(batch_size=_BATCH, columns=names):
                columns = [batch.column(name).to_pylist() for name in names]
                for key, index, comment, title, sha, *payload in zip(*columns, strict=True):
                    content = payload[0] if of_page else sha
                    number = title if file.kind in _OF_TITLE else comment
                    pages[key][file.kind, index, number, content] += 1
                    found.stored.add((file.kind, number, content))
                    found.rows += 1
    found.pages = dict(pages)
    return found


def pages_without_rows(loads: Loads, actual: BronzeRows, check: Check) -> frozenset[str]:
    """Report good pages of the ledger of whose sightings the table has no row, although it has their load.

    The page object is not looked at: it may be missing too, or unreadable, and then nothing follows from it.

    Args:
        loads: the ledger's pages, and the loads of the table.
        actual: the rows of the table.
        check: receives the findings.

    Returns:
        The keys of these pages.
    """
    found = set()
    for key in sorted(loads.pages):
        if key.split("/")[1] in loads.versions:
            check.checked += 1
            if not any(row[0] == "page" for row in actual.pages.get(key, ())):
                found.add(key)
                check.add("PAGE_ROW_MISSING", key, "the ledger calls the page good, and bronze has no page row of it")
    return frozenset(found)


class Expected:
    """The rows that follow from page objects, load by load.

    Args:
        actual: the rows of the table.
        check: receives the findings.
        exact: whether the rule about equal payloads is applied. After an erasure it cannot be: it may have compared
            with rows that are gone.
        reported: keys of pages whose missing ``page`` row is reported already.
    """

    def __init__(
        self, actual: BronzeRows, check: Check, *, exact: bool, reported: frozenset[str] = frozenset()
    ) -> None:
        self._actual = actual
        self._check = check
        self._exact = exact
        self._reported = reported
        self._last: dict[tuple[str, object], tuple[int, int, int]] = {}

    def compare(self, pages: Iterable[PageRows | None]) -> None:
        """Compare a load; loads come in the order in which the table took them.

        Args:
            pages: contents of its page objects, in the order of their keys; None for one that cannot be read.
        """
        for page in pages:
            if page is not None:
                self._compare(page)

    def finish(self) -> None:
        """Report rows of loads that have no page objects, and of page objects that are gone."""
        for key, rows in sorted(self._actual.pages.items()):
            number = rows.total()
            self._check.add("ROW_EXTRA", key, f"{number:,} rows of it are in the table, and it cannot be read", number)

    def _compare(self, page: PageRows) -> None:
        key = page.page.key
        actual = self._actual.pages.pop(key, Counter())
        if page.erased:
            actual = Counter({_without_titles(row): number for row, number in actual.items()})
        for row, number in actual.items():
            if number > 1:
                self._check.add("ROW_TWICE", key, f"{_named(row)} is in the table {number:,} times", number - 1)
        kept, dropped = self._rows(page)
        if page.erased:
            kept = [_without_titles(row) for row in kept]
        self._check.checked += len(kept) + sum(row in actual for row in dropped)
        for row in kept:
            if row not in actual and not (row[0] == "page" and key in self._reported):
                self._check.add("ROW_MISSING", key, f"{_named(row)} is not in the table")
        for row in dropped:
            if row not in actual and (row[0], row[2], row[3]) not in self._actual.stored:
                self._check.add(
                    "ROW_MISSING", key, f"{_named(row)} is not in the table, nor is another one equal to it"
                )
        for row in set(actual) - set(kept) - (set() if self._exact else set(dropped)):
            self._check.add("ROW_EXTRA", key, f"{_named(row)} does not follow from the page")

    def _rows(self, page: PageRows) -> tuple[list[_Row], list[_Row]]:
        """Return the rows that must be in the table, and those that may be left out as equal to the last stored."""
        observed = round(page.page.observed_at.timestamp() * 1_000_000)
        kept: list[_Row] = []
        dropped: list[_Row] = []
        # Of all items of a page, the state before the page or after an item before it counts, as in a commit.
        for one in page.observations:
            row = (one.kind, one.index, one.id, one.sha256)
            if one.kind in DEDUPLICATED and not (self._exact and self._is_new(one, observed)):
                dropped.append(row)
            else:
                kept.append(row)
        if page.sightings is not None:
            kept.append(("page", None, page.page.request.comment_id, page.sightings))
        return kept, dropped

    def _is_new(self, one: Observation, observed: int) -> bool:
        subject, title = one.subject, 0
        if one.kind == "tmdb":
            place: tuple[str, object] = (one.kind, str(subject))
        else:
            place = (one.kind, one.id)
            if subject.title is not None:
                ref = subject.title
                title = title_number(ref.kind, ref.trakt_id, subject.season, subject.episode)
        state = (observed, sha_number(one.sha256 or "0"), title)
        last = self._last.get(place)
        if last is not None and last[1] == state[1] and title in {0, last[2]}:
            return False
        self._last[place] = state if last is None else max(last, state)
        return True


def _without_titles(row: _Row) -> _Row:
    """Return a row of a page without the titles of its items: a feed's page object lacks that of an erased item."""
    kind, index, number, content = row
    if kind != "page" or content is None:
        return row
    held = {name: value for name, value in json.loads(content).items() if name != "titles"}
    return kind, index, number, json.dumps(held)


def _named(row: Sequence[object]) -> str:
    kind, index, number, _ = row
    where = "" if index is None else f" at position {index}"
    return f"{kind} {number}{where}" if number is not None else f"the {kind} row"
