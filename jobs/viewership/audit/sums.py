"""Compare sums: each upload's units, hours, revenue and unreadable values with those of its fates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from jobs.viewership.audit.model import Check, Finding, tell
from jobs.viewership.tables.uploads import ACTIVE

if TYPE_CHECKING:
    from jobs.viewership.audit.model import Scope
    from shared.database.session import DatabaseSession

__all__ = ["Sums", "check_days", "check_sums", "check_units"]


@dataclass(frozen=True, slots=True)
class Sums:
    """Expected and actual sums of one upload.

    Attributes:
        upload_id: the upload.
        filename: its name.
        platform: its platform.
        expected: units, hours, revenue and unreadable values of the file.
        actual: those of all fates.
    """

    upload_id: int
    filename: str
    platform: str
    expected: tuple[int, Decimal, Decimal, int]
    actual: tuple[int, Decimal, Decimal, int]


_NAMES = ("units", "hours", "revenue", "unreadable values")


def check_sums(session: DatabaseSession, scope: Scope) -> tuple[Check, list[Sums]]:
    """Compare the sums of each file with those of its units, by fate."""
    rows = session.rows(
        """
        WITH fates AS (
            SELECT upload_id, count(*) AS units, sum(hours) AS hours, sum(revenue) AS revenue, 0 AS unparsable
            FROM viewership.row_fates WHERE upload_id = ANY (:ids) GROUP BY upload_id
            UNION ALL
            SELECT upload_id, count(*), sum(hours), sum(revenue), sum(unparsable)
            FROM viewership.set_aside_rows WHERE upload_id = ANY (:ids) GROUP BY upload_id
        )
        SELECT u.upload_id, u.filename, u.platform, u.units AS file_units, u.hours AS file_hours,
            u.revenue AS file_revenue, u.unparsable AS file_unparsable, COALESCE(sum(f.units), 0) AS units,
            COALESCE(sum(f.hours), 0) AS hours, COALESCE(sum(f.revenue), 0) AS revenue,
            COALESCE(sum(f.unparsable), 0) AS unparsable
        FROM viewership.uploads u LEFT JOIN fates f USING (upload_id)
        WHERE u.upload_id = ANY (:ids) AND u.status = ANY (:active)
        GROUP BY u.upload_id ORDER BY u.upload_id
        """,
        ids=list(scope.uploads),
        active=list(ACTIVE),
    )
    check, found = Check("sums", len(rows)), []
    for row in rows:
        zero = Decimal()
        expected = (row.file_units or 0, row.file_hours or zero, row.file_revenue or zero, row.file_unparsable)
        actual = (int(row.units), row.hours, row.revenue, int(row.unparsable))
        found.append(Sums(row.upload_id, row.filename, row.platform, expected, actual))
        differing = [
            f"{mine:f} {name}, expected {theirs:f}"
            for name, mine, theirs in zip(_NAMES, map(Decimal, actual), map(Decimal, expected), strict=True)
            if mine != theirs
        ]
        if differing:
            check.add(Finding("SUMS", f"the fates add up to {'; '.join(differing)}", row.upload_id))
    return check, found


def check_units(session: DatabaseSession, scope: Scope) -> Check:
    """Compare the units of each upload that was read with its rows, and find units that are stored twice."""
    ids = list(scope.uploads)
    check = Check("units")
    rows = session.rows(
        """
        SELECT u.upload_id, u.units, r.rows AS stored, s.rows AS aside
        FROM viewership.uploads u
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows FROM viewership.platform_viewership p WHERE p.upload_id = u.upload_id) r
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows FROM viewership.set_aside_rows a WHERE a.upload_id = u.upload_id) s
        WHERE u.upload_id = ANY (:ids) AND u.status = ANY (:stored) ORDER BY u.upload_id
        """,
        ids=ids,
        stored=[*ACTIVE, "replaced", "retracted"],
    )
    for row in rows:
        check.checked += row.stored + row.aside
        if row.units != row.stored + row.aside:
            message = f"{row.stored} rows stored and {row.aside} set aside; expected {row.units} units together"
            check.add(Finding("UNITS", message, row.upload_id))
    tell(
        session,
        check,
        "STATE",
        """
        SELECT u.upload_id, NULL::integer AS line, NULL::text AS item, u.status,
            CASE WHEN u.status = 'replaced' THEN 'an upload that replaces it'
                WHEN u.status = 'retracted' THEN 'the name of a user'
                WHEN u.replaced_by IS NOT NULL THEN 'no upload that replaces it'
                ELSE 'the time of its load' END AS expected
        FROM viewership.uploads u LEFT JOIN viewership.uploads b ON b.upload_id = u.replaced_by
        WHERE u.upload_id = ANY (:ids) AND CASE u.status
            WHEN 'replaced' THEN (u.upload_id = ANY (b.replaces)) IS NOT TRUE
            WHEN 'retracted' THEN u.retracted_by IS NULL
            ELSE u.replaced_by IS NOT NULL OR (u.status IN ('loaded', 'partial') AND u.loaded_at IS NULL) END
        """,
        "it is {status}; expected {expected}",
        ids=ids,
    )
    tell(
        session,
        check,
        "UNIT_TWICE",
        """
        SELECT upload_id, line, position, count(*) AS times, NULL::text AS item FROM (
            SELECT upload_id, line, position FROM viewership.platform_viewership WHERE upload_id = ANY (:ids)
            UNION ALL
            SELECT upload_id, line, position FROM viewership.set_aside_rows WHERE upload_id = ANY (:ids)
        ) units GROUP BY upload_id, line, position HAVING count(*) > 1
        """,
        "the unit at position {position} has {times} rows; expected one",
        ids=ids,
    )
    if scope.whole:
        tell(
            session,
            check,
            "UPLOAD_TWICE",
            """
            SELECT min(upload_id) AS upload_id, NULL::integer AS line, NULL::text AS item,
                string_agg(upload_id::text, ', ' ORDER BY upload_id) AS all_ids
            FROM viewership.uploads WHERE status NOT IN ('replaced', 'retracted') AND rereads IS NULL
            GROUP BY sha256 HAVING count(*) > 1
            """,
            "uploads {all_ids} have the same bytes; expected one of them to count",
        )
    return check


def check_days(session: DatabaseSession, scope: Scope) -> Check:
    """Compare the date of each row with the days of its upload, and its week, day and month with its date."""
    ids = list(scope.uploads)
    check = Check("days")
    [[check.checked]] = session.rows(
        "SELECT count(date) FROM viewership.platform_viewership WHERE upload_id = ANY (:ids)", ids=ids
    )
    tell(
        session,
        check,
        "DAYS",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item, r.date, u.first_date, u.last_date
        FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
        WHERE r.upload_id = ANY (:ids) AND r.date IS NOT NULL
            AND (r.date BETWEEN u.first_date AND u.last_date) IS NOT TRUE
        """,
        "the row of {date} is outside the days of the upload, {first_date} to {last_date}",
        ids=ids,
    )
    tell(
        session,
        check,
        "DAYS",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item, r.date, r.week, r.day FROM viewership.platform_viewership r
        WHERE r.upload_id = ANY (:ids)
            AND (r.week, r.day) IS DISTINCT FROM (date_trunc('week', r.date)::date, extract(day FROM r.date)::smallint)
        """,
        "the row of {date} has week {week} and day {day}; expected those of its date",
        ids=ids,
    )
    tell(
        session,
        check,
        "DAYS",
        """
        SELECT r.upload_id, r.line, 'row ' || r.id AS item, r.year, r.month, r.year_month_day
        FROM viewership.platform_viewership r
        WHERE r.upload_id = ANY (:ids)
            AND r.year_month_day IS DISTINCT FROM r.year || lpad(r.month::text, 2, '0') || '01'
        """,
        "the row of year {year} and month {month} has year_month_day {year_month_day}; expected their first day",
        ids=ids,
    )
    return check
