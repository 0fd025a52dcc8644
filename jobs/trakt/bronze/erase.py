"""Erase a user's comments from page objects, the table and the dead letters, and keep them from coming back."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from deltalake.transaction import RemoveAction

from jobs.trakt.bronze.data_files import DataFiles, open_parquet
from jobs.trakt.bronze.erase_page import rewrite_erased
from jobs.trakt.bronze.erased_items import (
    author_marks,
    author_names,
    comment_ids,
    comment_mark,
    folded,
    name_digest,
    names_in_text,
    own_names,
    without_users,
)
from jobs.trakt.bronze.live_files import live_files
from jobs.trakt.bronze.pages import WHOLE_ANSWER
from jobs.trakt.bronze.rewrite import remove_action
from jobs.trakt.bronze.rows import encoded
from jobs.trakt.bronze.table import ERASURES, commit_files, open_table
from jobs.trakt.bronze.tombstones import add_tombstones, erased_users, salt_of
from jobs.trakt.contract.parse import Unreadable, parse
from shared.database.session import transaction
from shared.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from deltalake.transaction import AddAction

    from jobs.trakt.bronze.erased_items import Erased
    from jobs.trakt.bronze.live_files import LiveFile
    from jobs.trakt.bronze.place import BronzePlace
    from shared.database.session import DatabaseSession

__all__ = ["EraseReport", "erase_user"]

_ROWS: Final = 8_192
_LETTERS: Final = 5_000
# Kinds whose payload may have a user. TMDb is another site with users of its own.
_WITH_USERS: Final = frozenset({"comment", "rating", "title"})
_DIGITS: Final = 16

# Id, and the first digits of the payload's hash as it was -> as it is without the users.
_Changed = dict[tuple[int, str], str]


@dataclass(slots=True)
class EraseReport:
    """The result of an erasure.

    Attributes:
        names: number of the user's usernames and slugs, including the name that was passed.
        rows: comment rows removed from the table.
        scrubbed: rows about another user from which the user was removed.
        files: data files rewritten.
        pages: page objects rewritten.
        dead_letters: dead letters removed.
        version: version of the table without the user; -1 if there is no table.
        last_bytes: first day on which a vacuum deletes the last bytes.
        damaged: keys of unreadable page objects, which may contain comments by the user.
        was_known: whether an earlier erasure recorded the name that was passed.
    """

    names: int = 1
    rows: int = 0
    scrubbed: int = 0
    files: int = 0
    pages: int = 0
    dead_letters: int = 0
    version: int = -1
    last_bytes: date | None = None
    damaged: list[str] = field(default_factory=list)
    was_known: bool = False

    @property
    def is_changed(self) -> bool:
        """Return whether anything that was stored has been removed or rewritten."""
        return any((self.rows, self.files, self.pages, self.dead_letters))


def erase_user(
    place: BronzePlace, name: str, *, run_id: str, retention_days: int = 7, now: datetime | None = None
) -> EraseReport:
    """Erase the comments of a user.

    Other names of the user in the same comments are erased too: an item in an old format has no slug, and a comment
    written before a renaming has the former name. Comments whose account was deleted are recognised by their ids: the
    name that they are shown under may be that of all deleted accounts. Ids and hashes of the items stay in the record
    of sightings, so a page stays complete. If a comment by another user contains the user as an object, the object
    becomes null, and the sightings get the new hash. Mentions of the user in other users' texts stay. Safe to run
    again, even after a kill.

    Args:
        place: the bucket.
        name: username or slug; case is ignored.
        run_id: recorded with the tombstone.
        retention_days: retention of the vacuum that will follow.
        now: for tests; None uses the clock.

    Raises:
        ConfigurationError: the salt is missing, or differs from the one used for earlier erasures.
        TransientError: the store or the database failed; run it again.
    """
    salt = salt_of(place.settings)
    with place.locked() as session:
        names, ids = _all_names(place, name)
        # Committed at once: even if this process is killed, no ingest brings back what is already erased.
        with transaction(place.settings) as other:
            was_known = name_digest(salt, folded(name)) in erased_users(other, place.settings).digests
            erased = add_tombstones(other, place.settings, [*names, *map(comment_mark, ids)], run_id)
        report = EraseReport(names=len(names), was_known=was_known)
        _erase_rows(place, erased, report)
        _erase_pages(place, session, erased, report)
        _erase_letters(session, erased, report)
    report.last_bytes = ((now or datetime.now(UTC)) + timedelta(days=retention_days, hours=1)).date()
    return report


def _all_names(place: BronzePlace, name: str) -> tuple[set[str], set[int]]:
    """Return the user's names (:func:`folded`) and the ids of the user's comments, from all rows and all pages."""
    found = {folded(name)}
    files = [file for file in live_files(place, open_table(place)) if file.kind == "comment"]

    def is_of_user(item: Any) -> bool:
        return not found.isdisjoint(_folded(author_names(item)))

    ids = {number for number, item in _items(place, files) if is_of_user(item)}
    for number, item in _items(place, files):
        if number in ids:
            found |= _folded(own_names(item))
    for key in place.pages.all_keys():
        for item in filter(is_of_user, _items_of(place, key)):
            found |= _folded(own_names(item))
            ids |= comment_ids(item)
    return found, ids.union(number for number, item in _items(place, files) if is_of_user(item))


def _items_of(place: BronzePlace, key: str) -> list[Any]:
    """Return the items of a page object; none if it cannot be read."""
    try:
        value = parse(place.pages.get(key).body).value
    except (IntegrityError, Unreadable):
        return []
    return value if isinstance(value, list) else [value]


def _folded(names: set[str]) -> set[str]:
    return {folded(one) for one in names}


def _items(place: BronzePlace, files: list[LiveFile]) -> Iterator[tuple[int, Any]]:
    """Yield the id and the payload of each stored comment."""
    for file in files:
        with open_parquet(place.store, file.key, file.size) as parquet:
            for batch in parquet.iter_batches(batch_size=_ROWS, columns=["comment_id", "payload"]):
                ids = batch.column("comment_id").to_pylist()
                for number, payload in zip(ids, batch.column("payload").to_pylist(), strict=True):
                    yield number, json.loads(payload)


def _erase_rows(place: BronzePlace, erased: Erased, report: EraseReport) -> None:
    """Rewrite the files that contain rows of the users, in one commit."""
    table = open_table(place)
    if table is None:
        return
    report.version = table.version()
    actions: list[AddAction | RemoveAction] = []
    changed: _Changed = {}
    files = live_files(place, table)
    for file in (file for file in files if file.kind in _WITH_USERS):
        if (kept := _without(place, file, erased, changed, report)) is not None:
            actions += [*kept, remove_action(file, changes_data=True)]
    for file in (file for file in files if file.kind == "page" and changed):
        if (kept := _with_hashes(place, file, changed)) is not None:
            actions += [*kept, remove_action(file, changes_data=True)]
    report.files = sum(isinstance(action, RemoveAction) for action in actions)
    if actions:
        report.version = commit_files(
            place,
            actions,
            base=table.version(),
            app=ERASURES,
            number=(table.transaction_version(ERASURES) or 0) + 1,
            metadata={"erasure": True, "rows": report.rows, "scrubbed": report.scrubbed},
        )


def _without(
    place: BronzePlace, file: LiveFile, erased: Erased, changed: _Changed, report: EraseReport
) -> list[AddAction] | None:
    """Copy a file without the users; return the actions that add the copy, or None if the file has no such user."""
    # Most files have no row of the user: read the payloads before writing anything.
    if not any(erased.holds(author_marks(item)) or without_users(item, erased) for _, item in _items(place, [file])):
        return None

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        number = "comment_id" if file.kind == "comment" else "title_id_trakt"
        rows = zip(*(batch.column(name).to_pylist() for name in (number, "payload", "payload_sha256")), strict=True)
        keep, payloads, hashes = [], [], []
        for of, payload, before in rows:
            item = json.loads(payload)
            keep.append(file.kind != "comment" or not erased.holds(author_marks(item)))
            text, sha = payload, before
            if keep[-1] and without_users(item, erased):
                text = encoded(item).decode()
                sha = hashlib.sha256(text.encode()).hexdigest()
                changed[of, before[:_DIGITS]] = sha[:_DIGITS]
                report.scrubbed += 1
            payloads.append(text)
            hashes.append(sha)
        report.rows += len(keep) - sum(keep)
        return _replaced(batch, payload=payloads, payload_sha256=hashes).filter(pa.array(keep))

    return _copied(place, file, change)


def _with_hashes(place: BronzePlace, file: LiveFile, changed: _Changed) -> list[AddAction] | None:
    """Copy a file of sightings with the new hashes; return the actions, or None if it has none of these payloads."""

    def rewritten(payload: str) -> str:
        held = json.loads(payload)
        pairs = zip(held["ids"], held["sha"], strict=True)
        hashes = [changed.get((number, sha), sha) for number, sha in pairs]
        return payload if hashes == held["sha"] else json.dumps({**held, "sha": hashes}, separators=(",", ":"))

    with open_parquet(place.store, file.key, file.size) as parquet:
        batches = parquet.iter_batches(batch_size=_ROWS, columns=["payload"])
        if all(rewritten(text) is text for batch in batches for text in batch.column("payload").to_pylist()):
            return None
    return _copied(
        place, file, lambda batch: _replaced(batch, payload=[*map(rewritten, batch.column("payload").to_pylist())])
    )


def _replaced(batch: pa.RecordBatch, **columns: list[str]) -> pa.RecordBatch:
    for name, values in columns.items():
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, batch.schema.field(at), pa.array(values, batch.schema.field(at).type))
    return batch


def _copied(place: BronzePlace, file: LiveFile, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> list[AddAction]:
    with ExitStack() as stack:
        parquet = stack.enter_context(open_parquet(place.store, file.key, file.size))
        made = DataFiles(place.store, file.kind, f"part-{file.load_id or 'joined'}-erased")
        stack.callback(made.close)
        for batch in parquet.iter_batches(batch_size=_ROWS):
            made.add(change(batch))
        return made.finish()


def _erase_pages(place: BronzePlace, session: DatabaseSession, erased: Erased, report: EraseReport) -> None:
    """Rewrite page objects, and remove the dead letters of erased items."""
    for key in place.pages.all_keys():
        try:
            page = place.pages.get(key)
        except IntegrityError:
            report.damaged.append(key)
            continue
        rewritten = rewrite_erased(page, erased)
        if rewritten is not page:
            place.pages.put(rewritten)
            report.pages += 1
        # A dead letter holds only the beginning of an item, perhaps not its user: remove it by its index. Pages that a
        # killed erasure has rewritten are checked again.
        if gone := [item.index for item in rewritten.erased if item.sha is None]:
            report.dead_letters += session.run(
                "DELETE FROM trakt.dead_letters WHERE page_key = :key AND coalesce(item_index, :whole) = ANY(:gone)",
                key=key,
                gone=gone,
                whole=WHOLE_ANSWER.index,
            )


def _erase_letters(session: DatabaseSession, erased: Erased, report: EraseReport) -> None:
    """Remove dead letters that name the users; they are selected here, so that no name reaches SQL."""
    last = 0
    while rows := session.rows(
        "SELECT dead_letter_id, payload_start FROM trakt.dead_letters WHERE dead_letter_id > :last"
        " ORDER BY dead_letter_id LIMIT :count",
        last=last,
        count=_LETTERS,
    ):
        last = rows[-1].dead_letter_id
        ids = [row.dead_letter_id for row in rows if erased.holds(names_in_text(row.payload_start))]
        if ids:
            report.dead_letters += session.run(
                "DELETE FROM trakt.dead_letters WHERE dead_letter_id = ANY(:ids)", ids=ids
            )
