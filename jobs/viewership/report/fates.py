"""Fates of uploads: rows, hours and revenue of each, and the difference to the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import FILTERS, HELD, REJECTS, UNDECIDED
from jobs.viewership.matching.model import REASONS
from jobs.viewership.model import Fate
from shared.report import Part, Table
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.viewership.tables.fates import Fates
    from jobs.viewership.tables.uploads import Upload

__all__ = ["FATE_PARTS", "MATCHED", "UPLOADS", "fate_sections", "name"]

MATCHED: Final = ("matched", "loaded", "partial")
"""Statuses of uploads whose fates are known; before that, every row would count as unmatched."""

UPLOADS: Final = "Uploads"
"""Title of the table of uploads."""

FATE_PARTS: Final = (
    Part(Fate.FINAL.value, "blue-2"),
    Part(Fate.REVIEW.value, "amber"),
    Part(Fate.UNMATCHED.value, "red"),
    Part(Fate.HELD.value, "brown"),
    Part(Fate.REJECTED.value, "dark-red"),
    Part(Fate.FILTERED.value, "gray"),
    Part(Fate.TOPLINE.value, "light-gray"),
)
"""The fates as parts of bars, with the colours of the bars of buckets."""

_NAME_CHARS: Final = 120
# Uploads with a table of their own; all are in the table of uploads.
_OWN_TABLE: Final = 12
_ROWS: Final = 500
_MEANINGS: Final = {**REASONS, **FILTERS, **REJECTS, **HELD, **UNDECIDED}


def name(upload_id: int, filename: str) -> str:
    """Return the number and the name of an upload, which may be long."""
    return f"{upload_id}: {brief(filename, _NAME_CHARS)}"


def fate_sections(uploads: Sequence[Upload], counted: Mapping[int, Fates]) -> list[Table]:
    """Return a table of uploads, and a table of fates for each of the first ones.

    Args:
        uploads: the uploads, in order.
        counted: the fates of those that are matched.
    """
    if not uploads:
        return []
    stored = [each for each in uploads if each.upload_id in counted]
    own = [each for each in stored if len(stored) == 1 or not _is_plain(counted[each.upload_id])]
    tables = [_all(uploads, counted), *(_one(each, counted[each.upload_id]) for each in own[:_OWN_TABLE])]
    if len(own) > _OWN_TABLE:
        command = "telecine viewership uploads"
        more = (
            f"{_OWN_TABLE} of {len(own):,} uploads with fates other than final have a table below. To list all uploads,"
            f" run: {command}"
        )
        tables[0] = replace(tables[0], note=f"{tables[0].note} {more}")
    return tables


def _is_plain(found: Fates) -> bool:
    """Return whether all rows are final, which makes a table of fates redundant."""
    return found.units_of(Fate.FINAL) == found.units and not any(found.difference)


def _all(uploads: Sequence[Upload], counted: Mapping[int, Fates]) -> Table:
    shown = [fate for fate in Fate if fate is Fate.FINAL or any(each.units_of(fate) for each in counted.values())]
    rows: list[tuple[object, ...]] = []
    for each in uploads[:_ROWS]:
        found = counted.get(each.upload_id)
        head = (name(each.upload_id, each.filename), each.platform, each.status)
        if found is None:
            rows.append((*head, *(None for _ in range(len(shown) + 3))))
            continue
        units, hours, revenue = found.difference
        rows.append(
            (
                *head,
                found.units,
                round(found.hours, 2),
                "none" if not (units or hours or revenue) else f"{units} rows, {hours:f} hours, {revenue:f} revenue",
                *(found.units_of(fate) for fate in shown),
            )
        )
    note = "Difference: the file minus all fates. Uploads that are not matched yet have no fates."
    columns = ("upload", "platform", "status", "rows", "hours", "difference", *(str(fate) for fate in shown))
    return Table(UPLOADS, columns, rows, note, total=len(uploads), where="viewership.uploads")


def _one(upload: Upload, found: Fates) -> Table:
    order = {str(fate): place for place, fate in enumerate(Fate)}
    sums = sorted(found.sums, key=lambda each: (order[each.fate], -each.units))
    rows = [
        (each.fate, each.code, _MEANINGS.get(each.code or ""), each.units, each.hours, each.revenue) for each in sums
    ]
    units, hours, revenue = found.difference
    totals = [
        ("all fates", None, None, found.units - units, found.hours - hours, found.revenue - revenue),
        ("file", None, None, found.units, found.hours, found.revenue),
        ("difference", None, None, units, hours, revenue),
    ]
    columns = ("fate", "code", "meaning", "rows", "hours", "revenue")
    return Table(
        f"Upload {name(upload.upload_id, upload.filename)} ({upload.platform}, {upload.status})",
        columns,
        [*rows, *totals],
    )
