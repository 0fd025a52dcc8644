"""The slo step: measure the service levels of a day, store them, write the page, and send alerts.

It exits with 0 also if an objective is missed, as viewership's gauges do: the step did its work, and the objective of a
window of 28 days stays missed for weeks. A failed run each day would send a message each day, and hide the run that
really failed. The alerts send one message when they open.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from jobs.trakt.slo import page
from jobs.trakt.slo.alerts import codes, conditions, record, send_open
from jobs.trakt.slo.ledger import first_day, missing_pages, read_ledger, traffic
from jobs.trakt.slo.levels import levels
from jobs.trakt.slo.store import LOCK, final_days, stored_days, write_day
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import UsageError
from shared.notify.settings import NotifySettings
from shared.report import Report
from shared.report.terminal import find_table, print_line, print_table
from shared.slo.days import WINDOW_DAYS, Day, day_of
from shared.slo.window import percent, window

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.trakt.settings import SloSettings
    from jobs.trakt.slo.alerts import Alert
    from jobs.trakt.slo.levels import DayLevels
    from jobs.trakt.slo.store import StoredDay
    from shared.database.session import DatabaseSession
    from shared.ledger import StageRun
    from shared.slo.window import Window

__all__ = ["run", "show"]

_LOG: Final = logging.getLogger(__name__)


def run(settings: SloSettings, stage_run: StageRun) -> Report:
    """Measure a day and the days before it that need it, and return the report.

    Repeated and concurrent runs produce the same rows, unless the ledger changed. Before 09:00, the row of today shows
    the state so far, and does not count in the window.

    Raises:
        UsageError: the day has not begun.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    began = time.monotonic()
    ready(settings)
    now = datetime.now(UTC) if settings.now is None else settings.now
    today = day_of(now)
    day = today if settings.day is None else Day(settings.day)
    if day > today:
        raise UsageError(f"--day {day} has not begun in America/Chicago; expected {today} or an earlier day")
    with transaction(settings) as session:
        session.lock(LOCK)
        first = first_day(session)
        measured = _measure(session, day, None if first is None else day_of(first), now)
        changed = sum(write_day(session, each, stage_run.run_id) for each in measured)
        days = stored_days(session, day - (WINDOW_DAYS - 1), day)
        alerts = _alerts(session, measured if day == today else [], settings.storm, stage_run.run_id)
        missing = missing_pages(session, day - (WINDOW_DAYS - 1), day, settings.shown)
    sent = send_open(settings, stage_run.run_id, NotifySettings())
    if sent:
        _LOG.info("alerts were sent by %s", ", ".join(sent))
    for alert in alerts:
        _LOG.warning("alert %s, open since %s: %s", alert.alert, alert.opened_on, alert.message)
    report = _report(measured, days, alerts, changed)
    if not measured and first is not None:
        report.headline = _untracked(day, day_of(first))
    if measured:
        view = page.View(measured[-1], _window(days), days, missing, alerts, settings.shown)
        report.sections = page.sections(view)
    report.durations = {"measure": time.monotonic() - began}
    return report


def _measure(session: DatabaseSession, day: Day, first: Day | None, now: datetime) -> list[DayLevels]:
    """Return the levels of the day, of the day before, and of days of the window without a final row, oldest first."""
    if first is None:
        return []
    # Yesterday's row became final at 09:00, but titles may have become fresh since then.
    begin = max(day - (WINDOW_DAYS - 1), first)
    known = final_days(session, begin, day - 2)
    wanted = [day - back for back in range(WINDOW_DAYS - 1, -1, -1)]
    wanted = [each for each in wanted if each >= begin and (each > day - 2 or each.date not in known)]
    if not wanted:
        return []
    ledger = read_ledger(session, wanted)
    measured = [levels(each, ledger, traffic(session, each), now) for each in wanted]
    # Titles that were added after the deadline count from the next day; their pages count at once.
    return [each for each in measured if each.titles or each.pages[0]]


def _window(days: list[StoredDay]) -> Window:
    return window([(each.titles, each.fresh_titles) for each in days if each.is_final])


def _alerts(session: DatabaseSession, measured: list[DayLevels], storm: int, run_id: str) -> list[Alert]:
    """Open and end alerts by the last final day; a day of the past that is measured again changes none."""
    final = [each for each in measured if each.is_final]
    if not final:
        return record(session, None, {}, run_id)
    last = final[-1]
    recent = stored_days(session, last.day - (WINDOW_DAYS - 1), last.day)
    return record(session, last.day.date, conditions(last, recent[-1], _window(recent), storm), run_id)


def _report(measured: list[DayLevels], days: list[StoredDay], alerts: list[Alert], changed: int) -> Report:
    total = _window(days)
    last = measured[-1] if measured else None
    final = [each for each in days if each.is_final]
    of_day = final[-1] if final else None
    counts = {
        "days_measured": len(measured),
        "days_changed": changed,
        "titles": len(last.titles) if last else 0,
        "fresh_titles": last.fresh_titles if last else 0,
        "late_titles": len(last.late) if last else 0,
        "window_title_days": total.title_days,
        "window_fresh": total.fresh,
        "window_days": total.days,
        "window_good_days": total.good_days,
        "budget_spent_percent": round(100 * total.spent),
        "pages_planned": last.pages[0] if last else 0,
        "pages_landed": last.pages[1] if last else 0,
        "requests": last.traffic.requests if last else 0,
        "throttled": last.traffic.throttled if last else 0,
        "throttled_hour": last.traffic.throttled_hour if last else 0,
        "retried": last.traffic.retried if last else 0,
        "retried_landed": last.traffic.retried_landed if last else 0,
        "items_read": (last.traffic.items or 0) if last else 0,
        "duplicates": (last.traffic.duplicates or 0) if last else 0,
        "late_arrivals": (last.traffic.late_arrivals or 0) if last else 0,
        "minutes_late": round(max(last.late, default=0.0)) if last else 0,
        "days_final": len(final),
        **{f"alert_{alert}": value for alert, value in codes(alerts).items()},
    }
    return Report(
        headline=_headline(last, total, of_day),
        items=len(last.titles) if last else 0,
        counts=counts,
        tiles=("titles", "fresh_titles", "late_titles", "pages_planned", "pages_landed", "throttled", "late_arrivals"),
        rates={"budget_spent_share": total.spent},
        outputs={"table": "gold.trakt_slo_days"},
    )


def _headline(last: DayLevels | None, total: Window, of_day: StoredDay | None) -> str:
    if last is None:
        return "no title is tracked yet, so there is nothing to measure; run: telecine trakt ingest --watch-list FILE"
    of = "title is" if len(last.titles) == 1 else "titles are"
    fresh = f"{last.fresh_titles:,} of {len(last.titles):,} {of} fresh on {last.day}"
    if not last.titles:
        fresh = f"no title counts on {last.day}: a title counts from its first 09:00 in America/Chicago"
    elif not last.is_final:
        fresh += " so far"
    if of_day is None or not total.days:
        return f"{fresh}; no title-day has reached its deadline yet"
    state = "met" if total.is_met else "missed"
    return (
        f"{fresh}; {percent(total.fresh, total.title_days)} of {total.title_days:,} title-days over {total.days}"
        f" days, the objective of 99 % is {state}, and {100 * total.spent:,.0f} % of the budget is spent"
    )


def _untracked(day: Day, first: Day) -> str:
    if day < first:
        return f"no title was tracked on {day}, so there is nothing to measure; the first day that has one is {first}"
    return f"no title counts on {day}: a title counts from its first 09:00 in America/Chicago"


def show(report: Report, console: Console) -> None:
    """Print the levels, open alerts and titles that are not fresh.

    Args:
        report: report of slo.
        console: the terminal.
    """
    for title, right in ((page.LEVELS, {"value", "of", "share"}), (page.ALERTS, set()), (page.NOT_FRESH, set())):
        table = find_table(report, title)
        if table is not None and table.rows:
            rows = [[", ".join(cell) if isinstance(cell, tuple) else cell for cell in row] for row in table.rows]
            print_table(console, table.columns, rows, right=right)
    print_line(console, report.headline)
