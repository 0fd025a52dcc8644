"""Service levels from the page ledger: title-days, pages, traffic, the window, and writing a day twice."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.settings import SloSettings
from jobs.trakt.steps import slo as step
from shared.errors import UsageError
from shared.report.page import render
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ledger import Ledger, at

if TYPE_CHECKING:
    from shared.report import Report
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TODAY = date(2026, 5, 20)
SINCE = TODAY - timedelta(days=40)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def measured(ledger: Ledger, clock: str = "09:00", day: date = TODAY, **values: Any) -> Report:
    settings = SloSettings(database_url=ledger.database.url, now=at(day, clock), **values)
    return step.run(settings, MemoryStageRun(run_id=f"run-{clock}", pipeline="trakt", stage="slo"))


def titles(ledger: Ledger, day: date = TODAY) -> dict[int, Any]:
    rows = ledger.database.rows("SELECT title_id_trakt, reason FROM gold.trakt_slo_titles WHERE day = %s", day)
    return dict(rows)


def snapshot(ledger: Ledger) -> list[Any]:
    return [
        ledger.database.rows(f"SELECT * FROM gold.{table} ORDER BY 1, 2, 4, 5")
        for table in ("trakt_slo_days", "trakt_slo_titles")
    ]


def test_without_titles_nothing_is_written(ledger: Ledger) -> None:
    report = measured(ledger)
    assert (report.exit_code, report.items) == (0, 0)
    assert report.headline.endswith("run: telecine trakt ingest --watch-list FILE")
    assert snapshot(ledger) == [[], []]


def test_each_title_of_a_day_has_a_reason_if_it_is_not_fresh(ledger: Ledger) -> None:
    ledger.titles(6, SINCE)
    ledger.sweep_all(TODAY - timedelta(days=2))
    ledger.database.rows("DELETE FROM trakt.sweeps WHERE trakt_id = 6")
    ledger.sweep(6, TODAY - timedelta(days=30))
    feed = ledger.feed(TODAY)
    ledger.name(feed, 2)
    ledger.rating(2, TODAY)
    ledger.name(feed, 3)
    ledger.rating(3, TODAY, status="failed")
    ledger.name(feed, 4, action="sweep")
    ledger.rating(4, TODAY)
    ledger.name(feed, 5, action="sweep")
    ledger.rating(5, TODAY)
    ledger.sweep(5, TODAY, "09:10")
    report = measured(ledger, "10:00")
    assert titles(ledger) == {1: None, 2: None, 3: "RATING_MISSING", 4: "NOT_READ", 5: "READ_LATE", 6: "SWEEP_OLD"}
    assert (report.counts["titles"], report.counts["fresh_titles"], report.counts["late_titles"]) == (6, 2, 1)
    assert report.counts["minutes_late"] == 15
    assert report.exit_code == 0
    (row,) = ledger.database.rows(
        "SELECT is_good, late_titles, minutes_late, reasons FROM gold.trakt_slo_days WHERE day = %s", TODAY
    )
    assert row[:3] == (False, 1, 15.0)
    assert row[3] == {"NOT_READ": 1, "RATING_MISSING": 1, "READ_LATE": 1, "SWEEP_OLD": 1}


def test_a_title_counts_while_it_is_tracked(ledger: Ledger) -> None:
    for number, since in ((1, SINCE), (2, TODAY + timedelta(days=1)), (3, SINCE), (4, SINCE)):
        ledger.title(number, since)
    ledger.database.rows(
        "UPDATE trakt.titles SET state = 'gone', state_since = %s WHERE trakt_id = 3", at(TODAY, "08:59")
    )
    ledger.database.rows(
        "UPDATE trakt.titles SET state = 'dropped', state_since = %s WHERE trakt_id = 4", at(TODAY, "09:01")
    )
    measured(ledger, "12:00")
    assert set(titles(ledger)) == {1, 4}
    assert set(titles(ledger, TODAY - timedelta(days=1))) == {1, 3, 4}


def test_a_day_that_is_measured_again_has_the_same_rows(ledger: Ledger) -> None:
    ledger.titles(3, SINCE)
    ledger.sweep_all(TODAY - timedelta(days=2))
    ledger.feed(TODAY)
    ledger.page(1, TODAY)
    assert measured(ledger, "09:00").counts["days_changed"] > 0
    before = snapshot(ledger)
    again = measured(ledger, "09:00")
    assert again.counts["days_changed"] == 0
    assert snapshot(ledger) == before
    # The ledger learns of a page: only this day changes.
    ledger.page(2, TODAY, status="failed", reason="TIMEOUT")
    assert measured(ledger, "09:30").counts["days_changed"] == 1
    assert {row[-2] for row in snapshot(ledger)[0]} == {"run-09:00", "run-09:30"}


def test_titles_that_were_added_after_nine_count_from_the_next_day_and_their_pages_at_once(ledger: Ledger) -> None:
    ledger.titles(2, TODAY)
    ledger.database.rows("UPDATE trakt.titles SET tracked_since = %s", at(TODAY, "14:00"))
    ledger.page(1, TODAY, "14:01")
    report = measured(ledger, "14:10")
    assert "no title counts on 2026-05-20" in report.headline
    assert ledger.database.rows("SELECT titles, is_good, pages_landed FROM gold.trakt_slo_days") == [(0, None, 1)]
    assert ledger.database.rows("SELECT title_days, spent_share FROM gold.trakt_slo_burn") == [(0, None)]
    assert report.sections
    assert measured(ledger, "09:00", TODAY + timedelta(days=1)).counts["titles"] == 2


def test_two_runs_at_once_write_the_day_once(ledger: Ledger) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ledger.titles(3, TODAY - timedelta(days=1))
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: measured(ledger), range(3)))
    assert sorted(report.counts["days_changed"] for report in reports) == [0, 0, 2]
    assert len(titles(ledger)) == 3


def test_before_nine_the_row_of_today_does_not_count(ledger: Ledger) -> None:
    ledger.titles(2, TODAY)
    early = measured(ledger, "07:30")
    assert early.counts["window_title_days"] == 0
    assert "so far; no title-day has reached its deadline" in early.headline
    assert ledger.database.rows("SELECT is_final FROM gold.trakt_slo_days") == [(False,)]
    assert ledger.database.rows("SELECT * FROM gold.trakt_slo_burn") == []
    assert measured(ledger, "09:00").counts["window_title_days"] == 2
    assert ledger.database.rows("SELECT is_final FROM gold.trakt_slo_days") == [(True,)]


def test_days_without_a_row_are_measured_later(ledger: Ledger) -> None:
    ledger.titles(1, TODAY - timedelta(days=4))
    ledger.sweep_all(TODAY - timedelta(days=4))
    for back in (4, 2, 1, 0):
        ledger.feed(TODAY - timedelta(days=back))
    report = measured(ledger)
    assert (report.counts["window_days"], report.counts["window_fresh"], report.counts["window_good_days"]) == (5, 4, 4)
    days = ledger.database.rows("SELECT day, reasons FROM gold.trakt_slo_days WHERE NOT is_good")
    assert days == [(TODAY - timedelta(days=3), {"FEED_MISSING": 1})]


def test_the_window_has_28_days(ledger: Ledger) -> None:
    ledger.titles(100, TODAY - timedelta(days=30))
    for back in range(30, -1, -1):
        ledger.feed(TODAY - timedelta(days=back))
        if back % 7 == 2:
            ledger.sweep_all(TODAY - timedelta(days=back))
    day = TODAY - timedelta(days=5)
    feed = ledger.feed(day, "05:30")
    ledger.database.rows(
        "DELETE FROM trakt.sweeps WHERE resource = 'feed' AND started_at < %s AND started_at > %s",
        at(day, "05:10"),
        at(day, "04:00"),
    )
    for number in range(1, 6):
        ledger.name(feed, number)
    for back in (5, 10, 15, 20, 25, 28):
        measured(ledger, day=TODAY - timedelta(days=back))
    report = measured(ledger)
    assert (report.counts["window_days"], report.counts["window_title_days"]) == (28, 2800)
    # Five titles missed five days and today: they were named, and never read since.
    assert report.counts["window_fresh"] == 2800 - 30
    assert report.counts["budget_spent_percent"] == 107
    ((share, days, spent),) = ledger.database.rows(
        "SELECT fresh_share, good_day_share, spent_share FROM gold.trakt_slo_burn WHERE day = %s", TODAY
    )
    assert (round(share, 4), round(days, 4), round(spent, 2)) == (0.9893, 0.7857, 1.07)


def test_pages_are_counted_once_however_often_they_were_asked_for(ledger: Ledger) -> None:
    ledger.titles(3, SINCE)
    ledger.page(1, TODAY, page=1, status="failed", reason="TIMEOUT", attempts=5)
    ledger.page(1, TODAY, "06:00", page=1)
    ledger.page(1, TODAY, page=2, status="failed", reason="SERVER_ERROR", attempts=5)
    ledger.page(1, TODAY, "05:40", page=1, is_slice=True)
    ledger.page(2, TODAY, status="good_empty")
    ledger.page(None, TODAY, resource="feed", status="planned")
    report = measured(ledger)
    assert (report.counts["pages_planned"], report.counts["pages_landed"]) == (4, 2)
    rows = ledger.database.rows("SELECT title_id_trakt, pages_planned, share, is_complete FROM gold.trakt_slo_pages")
    assert sorted(rows) == [(1, 2, 0.5, False), (2, 1, 1.0, True)], "no page was planned for title 3: it has no row"
    page = {table.title: table for table in report.sections if hasattr(table, "rows")}
    missing = [tuple(row[1:5]) for row in page["Missing pages, and why"].rows]
    assert missing == [("Title 1", "comments", 2, "SERVER_ERROR"), ("the feed", "feed", 1, "PLANNED")]
    assert (report.counts["requests"], report.counts["retried"], report.counts["retried_landed"]) == (14, 2, 0)


def test_429s_are_those_of_the_worst_hour(ledger: Ledger) -> None:
    ledger.titles(1, SINCE)
    for clock, throttled in (("05:00", 10), ("05:40", 25), ("06:00", 30)):
        ledger.page(
            1, TODAY, clock, resource="comments", page=int(clock[3:]) + int(clock[1]), throttled=throttled, attempts=2
        )
    ledger.page(1, TODAY - timedelta(days=1), throttled=7, attempts=2)
    report = measured(ledger)
    assert (report.counts["throttled"], report.counts["throttled_hour"]) == (65, 35)
    assert (report.counts["retried"], report.counts["retried_landed"]) == (3, 3)


def test_late_arrivals_and_duplicates_are_those_of_the_loads(ledger: Ledger) -> None:
    ledger.titles(1, SINCE)
    ledger.load(TODAY - timedelta(days=1), "23:59", items=7, unchanged=7, late_arrivals=7)
    ledger.load(TODAY, "00:00", items=1000, unchanged=900, late_arrivals=2)
    ledger.load(TODAY, "12:00", items=10)
    report = measured(ledger, "13:00")
    assert [report.counts[name] for name in ("items_read", "duplicates", "late_arrivals")] == [1010, 900, 2]
    rows = ledger.database.rows(
        "SELECT items, duplicates, late_arrivals FROM gold.trakt_slo_days ORDER BY day DESC LIMIT 3"
    )
    assert rows == [(1010, 900, 2), (7, 7, 7), (None, None, None)]


@pytest.mark.parametrize(
    ("day", "fresh", "late"),
    [
        pytest.param(date(2026, 3, 8), "13:59", "14:01", id="the clock was put forward"),
        pytest.param(date(2026, 11, 1), "14:59", "15:01", id="the clock was put back"),
    ],
)
def test_nine_is_nine_on_the_days_when_the_clock_changes(ledger: Ledger, day: date, fresh: str, late: str) -> None:
    ledger.titles(1, day - timedelta(days=1))
    ledger.sweep_all(day - timedelta(days=7), "09:01")
    for clock, reason in ((late, "FEED_LATE"), (fresh, None)):
        ledger.database.rows(
            "INSERT INTO trakt.sweeps (run_id, owner, resource, sort, page_limit, started_at, ended_at, complete,"
            " verified, borders) VALUES ('r', 'o', 'feed', 'updates', 250, %s, %s, true, true, true)",
            f"{day} 12:00Z",
            f"{day} {clock}Z",
        )
        measured(ledger, "20:00", day)
        assert titles(ledger, day) == {1: reason}


def test_a_day_that_has_not_begun_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match=r"--day 2026-05-21 has not begun in America/Chicago; expected 2026-05-20"):
        measured_on(ledger, TODAY + timedelta(days=1))


def measured_on(ledger: Ledger, day: date) -> Report:
    settings = SloSettings(database_url=ledger.database.url, now=at(TODAY, "23:59"), day=day)
    return step.run(settings, MemoryStageRun(run_id="run", pipeline="trakt", stage="slo"))


def test_a_day_of_the_past_is_measured_with_its_own_window(ledger: Ledger) -> None:
    ledger.titles(1, SINCE)
    ledger.sweep_all(TODAY - timedelta(days=12))
    ledger.feed(TODAY - timedelta(days=10))
    report = measured_on(ledger, TODAY - timedelta(days=10))
    assert "1 of 1 title is fresh on 2026-05-10" in report.headline
    assert ledger.database.rows("SELECT max(day) FROM gold.trakt_slo_days") == [(TODAY - timedelta(days=10),)]


def test_a_day_before_any_title_was_tracked_names_the_first_day_with_one(ledger: Ledger) -> None:
    ledger.titles(2, SINCE)
    report = measured_on(ledger, SINCE - timedelta(days=3))
    assert report.headline == (
        f"no title was tracked on {SINCE - timedelta(days=3)}, so there is nothing to measure; "
        f"the first day that has one is {SINCE}"
    )
    assert (report.exit_code, report.items, snapshot(ledger)) == (0, 0, [[], []])


def test_the_day_on_which_the_first_title_came_after_nine_says_that_no_title_counts(ledger: Ledger) -> None:
    ledger.titles(1, TODAY)
    ledger.database.rows("UPDATE trakt.titles SET tracked_since = %s", at(TODAY, "14:00"))
    assert measured(ledger, "14:10").headline.startswith(f"no title counts on {TODAY}: a title counts from its first")


def test_the_page_names_the_objective_and_why_pages_are_missing(ledger: Ledger) -> None:
    ledger.title(1, TODAY - timedelta(days=2), name="<b>Night & Day</b>")
    ledger.page(1, TODAY, status="failed", reason="NOT_JSON", attempts=4)
    text = render(measured(ledger))
    for words in (
        "(the objective)",
        "Error budget",
        "limit 100",
        "NOT_JSON",
        "429 answers",
        "Late arrivals",
        "FEED_MISSING",
    ):
        assert words in text
    assert "<b>Night" not in text
    assert "&lt;b&gt;Night &amp; Day" in text


def test_2000_titles_and_28_days_take_seconds(ledger: Ledger) -> None:
    ledger.titles(2000, TODAY - timedelta(days=27))
    ledger.sweep_all(TODAY - timedelta(days=3))
    report = measured(ledger)
    assert report.counts["window_title_days"] == 56_000
    assert report.durations["measure"] < 60
