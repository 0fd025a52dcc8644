"""Rejected rows: line, column, raw text and reason of the first, and the number of the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jobs.viewership.report.fates import name
from shared.report import Table
from shared.text import brief, clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.database.session import DatabaseSession

__all__ = ["REJECTED", "rejected_table"]

REJECTED: Final = "Rejected rows"
"""Title of the table."""

_ROWS: Final = 50
_RAW_CHARS: Final = 200
_PLACE: Final = re.compile(r"line \d+(?:, column (?:'[^']*'|\w+))?: (?:'[^']*': )?")
_MESSAGE_CHARS: Final = 400


def rejected_table(session: DatabaseSession, upload_ids: Iterable[int]) -> Table | None:
    """Return the table of rejected rows; None without any.

    Args:
        session: a transaction.
        upload_ids: numbers of uploads.
    """
    ids = list(upload_ids)
    rows = session.rows(
        """
        SELECT r.upload_id, u.filename, r.line, r.column_name, r.raw, r.code, r.message
        FROM viewership.set_aside_rows r JOIN viewership.uploads u USING (upload_id)
        WHERE r.fate = 'rejected' AND r.upload_id = ANY (CAST(:ids AS bigint[]))
        ORDER BY r.upload_id, r.line, r.position LIMIT :most
        """,
        ids=ids,
        most=_ROWS,
    )
    if not rows:
        return None
    total = session.rows(
        "SELECT count(*) FROM viewership.set_aside_rows WHERE fate = 'rejected'"
        " AND upload_id = ANY (CAST(:ids AS bigint[]))",
        ids=ids,
    )[0][0]
    note = "Rejected rows are not included in the final rows. Correct the file and upload it again."
    return Table(
        REJECTED,
        ("upload", "line", "column", "text", "code", "reason"),
        [
            (
                name(row.upload_id, row.filename),
                row.line,
                None if row.column_name is None else clean_text(row.column_name, _RAW_CHARS),
                None if row.raw is None else brief(row.raw, _RAW_CHARS),
                row.code,
                # The message begins with the line, the column and the text, which have columns of their own.
                clean_text(_PLACE.sub("", row.message), _MESSAGE_CHARS),
            )
            for row in rows
        ],
        note,
        total=total,
        where="viewership.set_aside_rows",
    )
