"""Titles without an episode, most hours first, each with the command that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.matching.model import REASONS
from shared.report import Code, Table
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.database.session import DatabaseSession

__all__ = ["UNMATCHED", "unmatched_table"]

UNMATCHED: Final = "Titles without an episode"
"""Title of the table."""

_ROWS: Final = 20
# A cell of a file has up to 4,000 characters.
_TITLE_CHARS: Final = 160


def unmatched_table(session: DatabaseSession, upload_ids: Iterable[int]) -> Table | None:
    """Return the table of titles in review or unmatched, by hours over all uploads; None without any.

    Args:
        session: a transaction.
        upload_ids: uploads that have such a title.
    """
    rows = session.rows(
        """
        SELECT q.*, count(*) OVER () AS titles, sum(q.hours) OVER () AS all_hours, encode(q.review_digest, 'hex') AS key
        FROM viewership.review_queue q
        WHERE EXISTS (
            SELECT FROM viewership.platform_viewership r
            WHERE r.key_id = ANY (q.keys) AND r.upload_id = ANY (CAST(:ids AS bigint[]))
        )
        ORDER BY q.hours DESC, q.revenue DESC, q.review_digest LIMIT :most
        """,
        ids=list(upload_ids),
        most=_ROWS,
    )
    if not rows:
        return None
    note = f"{rows[0].titles:,} titles with {rows[0].all_hours:,.2f} hours over all uploads; most hours first."
    return Table(
        UNMATCHED,
        ("title", "platform", "state", "rows", "hours", "reason", "command"),
        [
            (
                _title(row),
                row.platform,
                row.status,
                row.rows,
                round(row.hours, 2),
                _reason(row.reasons),
                Code(f"telecine viewership review show {row.key[:_KEY_CHARS]}"),
            )
            for row in rows
        ],
        note,
        total=rows[0].titles,
        where="viewership.review_queue",
    )


# Letters of a key that are shown; 12 of 32 are unique among millions of keys.
_KEY_CHARS: Final = 12


def _title(row: Any) -> str:
    """Return what a file says about an episode, such as ``Harbour Lights / S1 E2 / The Storm``."""
    numbers = " ".join(f"{letter}{value}" for letter, value in (("S", row.season), ("E", row.episode)) if value)
    parts = [part for part in (row.series, numbers, row.content_name, row.content_id) if part]
    return " / ".join(clean_text(part, _TITLE_CHARS) for part in parts) or "(no title, series or id)"


def _reason(reasons: list[Mapping[str, str]]) -> str | None:
    if not reasons:
        return None
    code = reasons[0].get("code", "")
    return REASONS.get(code, code)
