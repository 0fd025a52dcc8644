"""Compare the page ledger with page objects: every good page has its object, with the comments that the ledger states.

All page objects are read once, load by load, in the order in which the table took the loads; the check of bronze
receives them on the way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.trakt.bronze.prefetch import ahead
from jobs.trakt.bronze.rows import read_page
from jobs.trakt.bronze.table import load_app, open_table
from jobs.trakt.contract.parse import Unreadable, parse
from jobs.trakt.ingest.listing import entries
from shared.errors import IntegrityError, ObjectMissing
from shared.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobs.trakt.audit.model import Check
    from jobs.trakt.bronze.erased_items import Erased
    from jobs.trakt.bronze.pages import Page
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.bronze.rows import PageRows
    from shared.database.session import DatabaseSession

__all__ = ["Ledgered", "Loads", "find_loads", "read_pages"]

_GOOD: Final = ("good", "good_empty")
_ANSWERS: Final = frozenset({200, 404})


class Ledgered(NamedTuple):
    """A good page of the ledger."""

    ids: tuple[int, ...] | None
    http_status: int | None


@dataclass(slots=True)
class Loads:
    """The loads of a bucket.

    Attributes:
        keys: load -> keys of its page objects, in byte order.
        versions: load -> version of the table that has it; in the order of versions.
        ledger: load -> whether the ledger calls it committed.
        pages: key -> the page as the ledger has it.
    """

    keys: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, bool] = field(default_factory=dict)
    pages: dict[str, Ledgered] = field(default_factory=dict)


def find_loads(session: DatabaseSession, place: BronzePlace, check: Check) -> Loads:
    """List loads and pages of ledger, bucket and table, and report those that one of them lacks.

    Args:
        session: a snapshot of the database.
        place: the bucket.
        check: receives the findings.
    """
    found = Loads()
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for key in place.pages.all_keys():
        keys[key.split("/")[1]].append(key)
    found.keys = dict(keys)
    found.ledger = {
        row.load_id: row.committed
        for row in session.rows("SELECT load_id, committed_at IS NOT NULL AND pages > 0 AS committed FROM trakt.loads")
    }
    found.pages = {
        row.page_key: Ledgered(None if row.ids is None else tuple(row.ids), row.http_status)
        for row in session.rows(
            "SELECT page_key, ids, http_status FROM trakt.pages WHERE page_key IS NOT NULL AND status = ANY (:good)",
            good=list(_GOOD),
        )
    }
    table = open_table(place)
    versions: dict[str, int] = {}
    for load in {*found.keys, *found.ledger}:
        version = None if table is None else table.transaction_version(load_app(load))
        if version is not None:
            versions[load] = version
    found.versions = dict(sorted(versions.items(), key=lambda each: each[1]))
    _compare(found, check)
    return found


def _compare(found: Loads, check: Check) -> None:
    for load, keys in sorted(found.keys.items()):
        if load not in found.ledger:
            check.add(
                "ORPHAN", f"pages/{load}/", f"{len(keys):,} page objects belong to a load without a row", len(keys)
            )
        elif load not in found.versions:
            code = "LOAD_MISSING" if found.ledger[load] else "LOAD_WAITING"
            check.add(code, f"load {load}", f"{len(keys):,} page objects are not in the bronze table")
    for load, is_committed in sorted(found.ledger.items()):
        if is_committed and load not in found.versions and load not in found.keys:
            check.add("LOAD_MISSING", f"load {load}", "neither the bucket nor the bronze table has anything of it")
    known = {key for keys in found.keys.values() for key in keys}
    check.checked += len(found.pages)
    for key in sorted(set(found.pages) - known):
        check.add("PAGE_MISSING", key, "the ledger calls the page good, and the bucket does not have its object")


def read_pages(
    place: BronzePlace, loads: Loads, erased: Erased, check: Check
) -> Iterator[tuple[str, list[PageRows | None]]]:
    """Yield each load of the table with the contents of its pages, in the order in which the table took the loads.

    A page that cannot be read is None, and a finding. Each page is compared with its row of the ledger on the way.
    Pages of loads that wait are compared last, and not yielded.

    Args:
        place: the bucket.
        loads: from :func:`find_loads`.
        erased: users whose items have no rows.
        check: receives the findings.
    """
    for load in loads.versions:
        yield load, list(_read(place, loads.keys.get(load, []), loads.pages, erased, check))
    for load in sorted(set(loads.keys) - set(loads.versions)):
        for _ in _read(place, loads.keys[load], loads.pages, erased, check):
            pass


def _read(
    place: BronzePlace, keys: list[str], ledger: Mapping[str, Ledgered], erased: Erased, check: Check
) -> Iterator[PageRows | None]:
    def get(key: str) -> Page | Exception:
        try:
            return place.pages.get(key)
        except (IntegrityError, ObjectMissing) as error:
            return error

    for key, page in zip(keys, ahead(get, keys), strict=True):
        if isinstance(page, Exception):
            check.add("PAGE_DAMAGED", key, str(page))
            yield None
            continue
        rows = read_page(page, erased)
        if key != page.key:
            check.add("PAGE_DIFFERS", key, f"it is the page object of {page.key}")
        elif key in ledger:
            _compare_page(key, ledger[key], rows, check)
        yield rows


def _compare_page(key: str, stated: Ledgered, rows: PageRows, check: Check) -> None:
    # A page that stays good after a later read failed has the status of that read.
    if stated.http_status in _ANSWERS and stated.http_status != rows.page.status:
        check.add("PAGE_DIFFERS", key, f"its status is {rows.page.status}; the ledger states {stated.http_status}")
    if stated.ids is None or rows.erased or not rows.page.request.is_list:
        return
    try:
        value = parse(rows.page.body).value
    except Unreadable as error:
        check.add("PAGE_DIFFERS", key, f"{error.message}; the ledger calls the page good")
        return
    ids = tuple(each.id for each in entries(value if isinstance(value, list) else []))
    # Comments that only an earlier read of the page had come before those of the last one.
    if ids != stated.ids[len(stated.ids) - len(ids) :]:
        message = f"it has {_shown(ids)}; the ledger states {_shown(stated.ids)}"
        check.add("PAGE_DIFFERS", key, message)


def _shown(ids: tuple[int, ...]) -> str:
    return f"{counted(len(ids), 'comment', 'comments')} ({', '.join(map(str, ids[:3]))}{', ...' if ids[3:] else ''})"
