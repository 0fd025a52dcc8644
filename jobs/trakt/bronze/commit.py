"""Commit a load: all rows of its page objects in one version of the table, at most once."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from jobs.trakt.bronze.batches import KindRows
from jobs.trakt.bronze.data_files import DataFiles, open_parquet
from jobs.trakt.bronze.erase_page import rewrite_erased
from jobs.trakt.bronze.last_seen import COLUMNS, LastSeen, sha_number, title_number
from jobs.trakt.bronze.live_files import live_files
from jobs.trakt.bronze.pages import check_load_id
from jobs.trakt.bronze.prefetch import ahead
from jobs.trakt.bronze.report import DeadLetter, LoadReport
from jobs.trakt.bronze.rows import DEDUPLICATED, read_page
from jobs.trakt.bronze.table import TableMoved, commit_entries, commit_files, create_table, load_app, open_table
from jobs.trakt.bronze.tombstones import erased_users
from jobs.trakt.contract.moments import moment
from jobs.trakt.model import RESOURCE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable

    from jobs.trakt.bronze.erased_items import Erased
    from jobs.trakt.bronze.pages import Page
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.bronze.rows import Observation, PageRows
    from jobs.trakt.model import TitleRef

    _Take = Callable[[Sequence[DeadLetter]], object]

__all__ = ["DeadLetter", "LoadReport", "commit_load"]

# A foreign writer or a lost lock changes the table's version; after three times in a row, assume that it will not stop.
_ROUNDS: Final = 3
_BATCH: Final = 65_536
# A title is swept every 7 days: a comment that is first seen at a greater age should have been seen before.
_LATE: Final = timedelta(days=7)


def commit_load(
    place: BronzePlace,
    load_id: str,
    *,
    page_keys: Iterable[str] | None = None,
    take: Callable[[Sequence[DeadLetter]], object] | None = None,
    read_before: Collection[TitleRef] | None = None,
) -> LoadReport:
    """Commit the rows of a load's page objects, unless the table already has the load.

    A comment whose payload and title equal its last stored observation gets no new row; its page's row still names it.

    Args:
        place: the bucket.
        load_id: the load; the same id is committed at most once.
        page_keys: its page objects; None takes all of them in the bucket.
        take: receives rejected items, page by page; None collects them in the report. A load that is committed already
            returns the same items again, so a caller that was killed before it stored them loses none.
        read_before: titles of which all comments had been read before the load's run; an old comment of theirs that is
            new is a late arrival, and not a part of the first read. None: late arrivals are not counted.

    Raises:
        DataError: the id cannot be part of a key.
        IntegrityError: a page object is damaged.
        ConfigurationError: there are erased users, and the salt is missing or differs.
        TransientError: the store or the database failed, or another writer ignores the lock; commit the load again.
    """
    check_load_id(load_id)
    keys = sorted(place.pages.keys(load_id) if page_keys is None else page_keys)
    with place.locked() as session:
        erased = erased_users(session, place.settings)
        for round_ in range(1, _ROUNDS + 1):
            try:
                taken = take if round_ == 1 or take is None else _ignore
                return _Load(place, load_id, keys, erased, taken, read_before=read_before).run()
            except TableMoved:
                if round_ == _ROUNDS:
                    raise
    raise AssertionError  # the last round returns or raises


def _ignore(_: Sequence[DeadLetter]) -> None:
    """Drop dead letters that an earlier round already passed on."""


class _Load:
    """One attempt to commit a load on top of one version of the table."""

    def __init__(
        self,
        place: BronzePlace,
        load_id: str,
        keys: list[str],
        erased: Erased,
        take: _Take | None,
        *,
        read_before: Collection[TitleRef] | None,
    ) -> None:
        self._place = place
        self._keys = keys
        self._erased = erased
        self._report = LoadReport(load_id, late_arrivals=None if read_before is None else 0)
        self._read_before = frozenset(read_before or ())
        self._take: _Take = take or self._report.dead_letters.extend
        self._last = LastSeen()
        self._last_tmdb: dict[str, tuple[int, int]] = {}
        self._kinds: dict[str, KindRows] = {}

    def run(self) -> LoadReport:
        """Write and commit the rows; if the load is committed already, only those of pages that were put later."""
        report = self._report
        existing = open_table(self._place)
        version = None if existing is None else existing.transaction_version(load_app(report.load_id))
        if existing is not None and version is not None:
            if late := self._late(existing):
                # The models may have read the load: the late pages become a load of their own, named after them.
                digest = hashlib.sha256("\n".join(late).encode()).hexdigest()[:16]
                self._write(existing, f"{report.load_id}.rest-{digest}", frozenset(late))
                existing = open_table(self._place)
            return self._again(existing, version)
        base = self._write(existing or create_table(self._place), report.load_id, None)
        report.was_committed = report.version != base + 1
        return report

    def _write(self, table: DeltaTable, load_id: str, only: frozenset[str] | None) -> int:
        """Write and commit rows under the name of a load, and return the version before.

        Args:
            table: the newest version.
            load_id: names the rows and the commit.
            only: keys of the pages whose rows are written; None for all.
        """
        report, base = self._report, table.version()
        self._read_last(table)
        with ExitStack() as stack:
            for kind in RESOURCE_KINDS:
                files = DataFiles(self._place.store, kind, f"part-{load_id}")
                stack.callback(files.close)
                self._kinds[kind] = KindRows(files, load_id)
            for page in ahead(self._place.pages.get, self._keys if only is None else sorted(only)):
                # The dead letters of late pages are reported with those of all pages.
                self._add(self._read(page) if only is None else read_page(page, self._erased))
            actions = []
            for kind, buffer in self._kinds.items():
                buffer.flush()
                actions += buffer.files.finish()
                report.rows[kind] = buffer.files.rows
        report.files, report.bytes = len(actions), sum(action.size for action in actions)
        if only is not None and not actions:
            return base
        metadata = {
            "load_id": load_id,
            "pages": report.pages if only is None else len(only),
            "rows": {kind: count for kind, count in report.rows.items() if count},
            # For a caller that was killed before it stored them: only the commit knows what was new.
            "unchanged": report.unchanged,
            "late_arrivals": report.late_arrivals,
        }
        report.version = commit_files(self._place, actions, base=base, app=load_app(load_id), metadata=metadata)
        return base

    def _late(self, table: DeltaTable) -> list[str]:
        """Return the keys of pages put after their load was committed, because its process was taken for dead."""
        load_id, known = self._report.load_id, set[str]()
        for file in live_files(self._place, table):
            if file.kind == "page" and (file.load_id is None or f"{file.load_id}.".startswith(f"{load_id}.")):
                with open_parquet(self._place.store, file.key, file.size) as parquet:
                    for batch in parquet.iter_batches(batch_size=_BATCH, columns=["page_key"]):
                        known.update(batch.column("page_key").to_pylist())
        return [key for key in self._keys if key not in known]

    def _again(self, table: DeltaTable | None, version: int) -> LoadReport:
        """Report a committed load, with its dead letters."""
        report = self._report
        report.version, report.was_committed = version, True
        report.rows.clear()
        report.files = report.bytes = 0
        for _ in self._read_all():
            pass
        entries = commit_entries(self._place, version)
        report.unchanged = entries.get("unchanged") or 0
        report.late_arrivals = entries.get("late_arrivals")
        for file in live_files(self._place, table):
            if file.load_id == report.load_id:
                report.rows[file.kind] += file.rows
                report.files += 1
                report.bytes += file.size
        return report

    def _read_all(self) -> Iterator[PageRows]:
        """Yield the contents of the pages in key order, on which the deduplication of equal payloads depends."""
        for page in ahead(self._place.pages.get, self._keys):
            yield self._read(page)

    def _read(self, page: Page) -> PageRows:
        report = self._report
        rows = read_page(page, self._erased)
        if rows.found_now:
            self._place.pages.put(rewrite_erased(page, self._erased))
        report.pages += 1
        report.items += sum(one.index is not None or one.sha256 is not None for one in rows.observations)
        report.erased += rows.erased
        report.bad.update(letter.code for letter in rows.dead_letters)
        if rows.sightings is None:
            report.unreadable.append(page.key)
        if rows.unknown:
            report.unknown.update(rows.unknown)
        if rows.notes:
            report.notes.update(rows.notes)
        if rows.dead_letters:
            self._take(rows.dead_letters)
        return rows

    def _add(self, rows: PageRows) -> None:
        """Add the rows of a page to the buffers of their kinds."""
        page, report = rows.page, self._report
        comments = [one for one in rows.observations if one.kind == "comment" and one.sha256 and one.id is not None]
        others = [one for one in rows.observations if one.kind != "comment"]
        observed = round(page.observed_at.timestamp() * 1_000_000)
        if comments:
            ids = [one.id for one in comments if one.id is not None]
            self._count_late(page, comments, ids)
            kept = self._last.keep(
                ids,
                [sha_number(one.sha256 or "") for one in comments],
                [_title_of(one) for one in comments],
                observed,
            )
            new = [one for one, is_new in zip(comments, kept, strict=True) if is_new]
            report.unchanged += len(comments) - len(new)
            self._kinds["comment"].add(page, new)
        for one in others:
            if one.kind == "tmdb" and not self._is_new_tmdb(one, observed):
                report.unchanged += 1
            else:
                self._kinds[one.kind].add(page, (one,))
        if rows.sightings is not None:
            self._kinds["page"].add_page(page, rows.sightings)

    def _count_late(self, page: Page, comments: list[Observation], ids: list[int]) -> None:
        """Count comments that should have come before; those on seasons and episodes come only when they change."""
        if not self._read_before:
            return
        limit = page.observed_at - _LATE
        late = []
        for at, one in enumerate(comments):
            subject = one.subject
            if one.written_at is None or subject.season is not None or subject.title not in self._read_before:
                continue
            written = moment(one.written_at)
            if written is not None and written < limit:
                late.append(ids[at])
        if late and self._report.late_arrivals is not None:
            self._report.late_arrivals += sum(self._last.unseen(list(dict.fromkeys(late))))

    def _is_new_tmdb(self, one: Observation, observed: int) -> bool:
        key = str(one.subject)
        state = (observed, sha_number(one.sha256 or "0"))
        last = self._last_tmdb.get(key)
        if last is not None and last[1] == state[1]:
            return False
        self._last_tmdb[key] = state if last is None else max(last, state)
        return True

    def _read_last(self, table: DeltaTable) -> None:
        """Read the last stored observation of every comment, and of the TMDb metadata of every title."""
        store = self._place.store
        for file in live_files(self._place, table):
            if file.kind not in DEDUPLICATED:
                continue
            with open_parquet(store, file.key, file.size) as parquet:
                for batch in parquet.iter_batches(batch_size=_BATCH, columns=list(COLUMNS)):
                    if file.kind == "comment":
                        self._last.add_stored(batch)
                    else:
                        self._add_tmdb(batch)

    def _add_tmdb(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            key = f"{row['title_kind']}-{row['title_id_trakt']}"
            observed = round(row["observed_at"].timestamp() * 1_000_000)
            state = (observed, sha_number(row["payload_sha256"]))
            self._last_tmdb[key] = max(self._last_tmdb.get(key, state), state)


def _title_of(one: Observation) -> int:
    subject = one.subject
    if subject.title is None:
        return 0
    return title_number(subject.title.kind, subject.title.trakt_id, subject.season, subject.episode)
