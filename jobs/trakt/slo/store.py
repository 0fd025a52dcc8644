"""Write measured days to ``gold.trakt_slo_days`` and ``gold.trakt_slo_titles``, and read the window."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.database.merge import content_hash
from shared.slo.window import is_met

if TYPE_CHECKING:
    from datetime import date

    from jobs.trakt.slo.levels import DayLevels
    from shared.database.session import DatabaseSession
    from shared.slo.days import Day

__all__ = ["LOCK", "StoredDay", "final_days", "page_objective_met", "stored_days", "write_day"]

LOCK: Final = "telecine trakt slo"

_TITLE_COLUMNS: Final = (
    *("day", "deadline", "title_kind", "title_id_trakt", "is_fresh", "reason", "fresh_at", "minutes_late", "feed_at"),
    *("read_at", "sweep_at", "was_named", "pages_planned", "pages_landed"),
)


class StoredDay(NamedTuple):
    """A stored day of the window."""

    day: date
    is_final: bool
    titles: int
    fresh_titles: int
    pages_planned: int
    pages_landed: int
    throttled: int
    throttled_hour: int
    late_titles: int
    minutes_late: float | None
    late_arrivals: int | None
    items: int | None
    duplicates: int | None


def write_day(session: DatabaseSession, measured: DayLevels, run_id: str) -> bool:
    """Write a day and its title-days, unless the same values are already stored.

    Args:
        session: a transaction that holds :data:`LOCK`.
        measured: the day.
        run_id: recorded with the row if it changes.

    Returns:
        True if anything changed.
    """
    titles = [_title(measured, index) for index in range(len(measured.titles))]
    values = _values(measured)
    digest = content_hash({"day": _plain(values), "titles": [[str(value) for value in row] for row in titles]})
    found = session.rows("SELECT content_hash FROM gold.trakt_slo_days WHERE day = :day", day=measured.day.date)
    if found and found[0].content_hash == digest:
        return False
    session.run("DELETE FROM gold.trakt_slo_titles WHERE day = :day", day=measured.day.date)
    session.run("DELETE FROM gold.trakt_slo_days WHERE day = :day", day=measured.day.date)
    session.copy("gold.trakt_slo_titles", _TITLE_COLUMNS, titles)
    names = [*values, "content_hash", "run_id"]
    places = [f"CAST(:{name} AS jsonb)" if isinstance(values.get(name), dict) else f":{name}" for name in names]
    session.run(
        f"INSERT INTO gold.trakt_slo_days ({', '.join(names)}) VALUES ({', '.join(places)})",  # noqa: S608 - our names
        **{name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()},
        content_hash=digest,
        run_id=run_id,
    )
    return True


def _values(measured: DayLevels) -> dict[str, Any]:
    complete = [each.is_complete for each in measured.titles if each.is_complete is not None]
    planned, landed = measured.pages
    of_day = measured.traffic
    return {
        "day": measured.day.date,
        "deadline": measured.day.deadline,
        "is_final": measured.is_final,
        "titles": len(measured.titles),
        "fresh_titles": measured.fresh_titles,
        "is_good": measured.is_good,
        "feed_at": measured.feed_at,
        "late_titles": len(measured.late),
        "minutes_late": max(measured.late, default=None),
        "pages_planned": planned,
        "pages_landed": landed,
        "titles_planned": len(complete),
        "titles_complete": sum(complete),
        "requests": of_day.requests,
        "throttled": of_day.throttled,
        "throttled_hour": of_day.throttled_hour,
        "retried": of_day.retried,
        "retried_landed": of_day.retried_landed,
        "items": of_day.items,
        "duplicates": of_day.duplicates,
        "late_arrivals": of_day.late_arrivals,
        "reasons": measured.reasons,
        "missing": measured.missing,
    }


def _title(measured: DayLevels, index: int) -> tuple[Any, ...]:
    each = measured.titles[index]
    planned, landed = each.pages or (0, 0)
    return (
        measured.day.date,
        measured.day.deadline,
        each.title.ref.kind,
        each.title.ref.trakt_id,
        each.is_fresh,
        each.fresh.reason,
        each.fresh.fresh_at,
        each.minutes_late,
        each.fresh.feed_at,
        each.fresh.read_at,
        each.fresh.sweep_at,
        each.fresh.was_named,
        planned,
        landed,
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, dict) else str(value) for name, value in values.items()}


def final_days(session: DatabaseSession, first: Day, last: Day) -> set[date]:
    """Return the days that were measured after their deadline."""
    rows = session.rows(
        "SELECT day FROM gold.trakt_slo_days WHERE is_final AND day BETWEEN :first AND :last",
        first=first.date,
        last=last.date,
    )
    return {row.day for row in rows}


def stored_days(session: DatabaseSession, first: Day, last: Day) -> list[StoredDay]:
    """Return the measured days of a window, oldest first."""
    rows = session.rows(
        f"SELECT {', '.join(StoredDay._fields)} FROM gold.trakt_slo_days"  # noqa: S608 - names of ours
        " WHERE day BETWEEN :first AND :last ORDER BY day",
        first=first.date,
        last=last.date,
    )
    return [StoredDay(*row) for row in rows]


def page_objective_met(day: StoredDay) -> bool:
    """Return whether 99 % of a day's planned pages landed; true without planned pages."""
    return is_met(day.pages_landed, day.pages_planned)
