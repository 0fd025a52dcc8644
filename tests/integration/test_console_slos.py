"""The pages of service levels: the same figures as `telecine trakt slo` and the views, days, misses, postmortems."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from jobs.console.app import create
from jobs.console.pages.trakt import slo as slo_page
from jobs.console.pages.trakt import slo_days, slos
from jobs.console.tables.trakt import levels
from jobs.console.tables.trakt.objectives import OBJECTIVES
from jobs.console.web import gauges
from jobs.trakt.settings import SloSettings
from jobs.trakt.steps import slo as step
from tests.console_app import BROWSER, Answer, ask, settings
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import _database, database, empty_database, postgres  # noqa: F401
from tests.trakt_ledger import Ledger, at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from shared.report import Report
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TODAY = date(2026, 5, 20)
HOSTILE = "<img src=x onerror=alert(1)> | *b* [x](javascript:1)\n# h"
FRESHNESS, PAGES = "/slos/trakt-freshness", "/slos/trakt-pages"
STATES = re.compile(r'class="square (good|breach|no-data|not-due)" href="[^"]*\?day=([\d-]+)#list"')


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Return a function that sets the console's clock."""

    def put(instant: datetime) -> None:
        # The modules import it by name.
        for module in (levels, slos, slo_page, slo_days, gauges):
            monkeypatch.setattr(module, "clock", lambda: instant)

    put(at(TODAY, "10:00"))
    return put


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[Database]:
    """A month of 100 titles: a day without data, a breach, a day with late titles, and one with missing pages."""
    from tests.postgres_server import made_database

    with made_database(postgres) as made:
        ledger = Ledger(made)
        ledger.titles(100, TODAY - timedelta(days=35))
        made.rows("UPDATE trakt.titles SET title = %s WHERE trakt_id = 3", HOSTILE)
        made.rows("UPDATE trakt.titles SET kind = 'show' WHERE trakt_id > 50")
        for back in range(35, -1, -1):
            day = TODAY - timedelta(days=back)
            feed = ledger.feed(day) if back != 4 else 0
            for number in (1, 2, 3) if back == 2 else ():
                ledger.name(feed, number, action="sweep")
                ledger.rating(number, day)
            if back % 7 == 6:
                ledger.sweep_all(day, "05:10")
        ledger.sweep(1, TODAY - timedelta(days=2), "09:15")
        for number in (2, 3):
            ledger.sweep(number, TODAY - timedelta(days=1))
        for page in range(1, 5):
            status = "failed" if page == 4 else "good"
            ledger.page(
                3, TODAY - timedelta(days=9), page=page, status=status, reason="TIMEOUT" if status == "failed" else None
            )
        ledger.page(None, TODAY - timedelta(days=9), resource="feed", status="planned")
        ledger.load(TODAY, items=10, unchanged=2, late_arrivals=1)
        made.rows(
            "INSERT INTO gold.trakt_titles (title_kind, title_id_trakt, title, is_gone, is_synthetic, observed_at)"
            " SELECT kind, trakt_id, title, false, true, now() FROM trakt.titles"
        )
        measure(made, "09:30")
        # The day was never measured, and the next one only before its deadline.
        made.rows("DELETE FROM gold.trakt_slo_days WHERE day = %s", TODAY - timedelta(days=12))
        made.rows("UPDATE gold.trakt_slo_days SET is_final = false WHERE day = %s", TODAY - timedelta(days=11))
        made.rows("UPDATE trakt.slo_alerts SET message = %s, sent = '{mail}' WHERE alert = 'breach'", HOSTILE)
        yield made


def measure(made: Database, clock: str, day: date = TODAY) -> Report:
    found = SloSettings(database_url=made.url, now=at(day, clock))
    return step.run(found, MemoryStageRun(run_id="run-slo", pipeline="trakt", stage="slo"))


def app_of(made: Database, **values: Any) -> ASGIApp:
    return create(settings(database_url=made.url, **values))


@pytest.fixture(scope="module")
def site(filled: Database) -> ASGIApp:
    """One application: with its first requests, each builds what it knows of its 67 routes in 0.07 s."""
    return app_of(filled)


@pytest.fixture
def app(site: ASGIApp, now: Callable[[datetime], None]) -> ASGIApp:
    return site


def page(app: ASGIApp, target: str, **query: Any) -> Answer:
    return ask(app, f"{target}?{urlencode(query)}" if query else target, headers=BROWSER)


def states(text: str) -> dict[str, str]:
    return {day: state for state, day in STATES.findall(text)}


def every(app: ASGIApp, target: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url: str | None = f"{target}.json?{urlencode({'limit': 7, **query})}"
    while url:
        body = ask(app, url).json()
        found += body["rows"]
        url = body["next"]
    return found


def back(days: int) -> str:
    return str(TODAY - timedelta(days=days))


def test_the_figures_are_those_of_the_report_and_of_the_views(database: Database, now: Callable[..., None]):
    ledger = Ledger(database)
    ledger.titles(60, TODAY - timedelta(days=40))
    for days in range(30, -1, -1):
        if days not in (3, 5):
            ledger.feed(TODAY - timedelta(days=days))
        if days % 7 == 2:
            ledger.sweep_all(TODAY - timedelta(days=days))
    ledger.page(1, TODAY, status="failed", reason="TIMEOUT")
    app = app_of(database)
    for clock in ("08:30", "09:30"):
        report = measure(database, clock)
        now(at(TODAY, clock))
        counts = report.counts
        missed = counts["window_title_days"] - counts["window_fresh"]
        text = page(app, FRESHNESS).text
        assert f"{missed} of {counts['window_title_days']:,} title-days missed" in text
        assert f": {counts['budget_spent_percent']:,} % of the budget is spent" in text
        shown = list(states(text).values())
        assert shown.count("good") == counts["window_good_days"]
        assert len(shown) - shown.count("not-due") == counts["window_days"] == counts["days_final"]
        assert len(every(app, FRESHNESS)) == missed + (60 - counts["fresh_titles"] if clock == "08:30" else 0)
    ((titles, fresh, good, spent),) = database.rows(
        "SELECT title_days, fresh_title_days, good_days, spent_share FROM gold.trakt_slo_burn WHERE day = %s", TODAY
    )
    with app.app.state.console.database.read() as session:  # type: ignore[attr-defined]
        (found,) = levels.levels(session, [OBJECTIVES["trakt-freshness"]], at(TODAY, "09:30"))
    assert (found.window.title_days, found.window.fresh, found.window.good_days) == (titles, fresh, good)
    assert found.burns[-1].spent == pytest.approx(spent)
    ((share, complete),) = database.rows("SELECT share, is_complete FROM gold.trakt_slo_pages WHERE share < 1")
    (row,) = every(app, PAGES)
    assert (row["share"], row["is_complete"]) == (share, complete) == (0.0, False)


def test_28_squares_have_a_mark_a_state_and_words(app: ASGIApp):
    text = page(app, FRESHNESS).text
    found = states(text)
    assert list(found) == [back(days) for days in range(27, -1, -1)]
    others = {day: state for day, state in found.items() if state != "good"}
    assert others == {back(12): "no-data", back(11): "no-data", back(4): "breach", back(2): "breach"}
    assert f'aria-label="{back(4)}: breach; 0 of 100 titles fresh"' in text
    assert f'aria-label="{back(12)}: no data; not measured"' in text
    assert f'aria-label="{back(11)}: no data; 100 of 100 titles fresh when measured before 09:00"' in text
    marks = re.findall(r'class="square (\S+)" href[^>]*><b>(.)</b>(\d+)</a>', text)
    assert {state: mark for state, mark, _ in marks} == {"good": "✓", "breach": "✕", "no-data": "?"}
    assert "24 good" in text
    assert "2 no data" in text


def test_a_day_is_not_due_before_nine_in_chicago(filled: Database, now: Callable[..., None]):
    app = app_of(filled)
    day = TODAY + timedelta(days=1)
    for clock, state in (("08:59", "not-due"), ("09:00", "no-data")):
        now(at(day, clock))
        text = page(app, FRESHNESS).text
        assert states(text)[str(day)] == state
        assert ("the last day that is due, has no data" in text) is (state == "no-data")


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        pytest.param(date(2026, 3, 8), "13:59", "14:00", id="the clock was put forward"),
        pytest.param(date(2026, 11, 1), "14:59", "15:00", id="the clock was put back"),
    ],
)
def test_days_are_those_of_chicago_when_the_clock_changes(
    database: Database, now: Callable[..., None], day: date, before: str, after: str
):
    Ledger(database).titles(1, day - timedelta(days=1))
    Ledger(database).sweep_all(day - timedelta(days=7), "09:01")
    Ledger(database).feed(day)
    app = app_of(database)
    for clock, state in ((before, "not-due"), (after, "no-data")):
        now(datetime.fromisoformat(f"{day}T{clock}Z"))
        assert list(states(page(app, FRESHNESS).text).items())[-1] == (str(day), state)
    measure(database, "09:00", day)
    assert states(page(app, FRESHNESS).text)[str(day)] == "good"
    (row,) = every(app, f"{FRESHNESS}/days", **{"from": day, "to": day})
    assert row["deadline"] == f"{day}T{after}:00+00:00"
    # 05:30 UTC is still the day before: 23:30 in winter, 00:30 in summer.
    now(datetime(day.year, day.month, day.day, 5, 30, tzinfo=UTC))
    last = list(states(page(app, FRESHNESS).text))[-1]
    assert last == str(day - timedelta(days=1) if day.month == 3 else day)


def test_misses_are_listed_with_the_reason_and_filtered(app: ASGIApp):
    rows = every(app, FRESHNESS)
    assert len(rows) == len({(row["day"], row["title_kind"], row["title_id_trakt"]) for row in rows}) == 103
    assert [row["day"] for row in rows] == sorted((row["day"] for row in rows), reverse=True)
    assert [row["day"] for row in every(app, FRESHNESS, sort="oldest")] == sorted(row["day"] for row in rows)
    late = every(app, FRESHNESS, reason="READ_LATE")
    assert [(row["title"], row["minutes_late"], row["why"]) for row in late] == [
        ("Title 1", 20.0, "the title was read only after the deadline")
    ]
    assert len(every(app, FRESHNESS, kind="show")) == 50
    assert len(every(app, FRESHNESS, day=back(4))) == 100
    assert every(app, FRESHNESS, day=back(3)) == []
    text = page(app, FRESHNESS, day=back(2)).text
    assert "FEED_MISSING" not in text[text.index('id="list"') :].split("<table")[1]
    assert f'href="{FRESHNESS}?day={back(4)}"' in html.unescape(text), "the facet of days counts other days too"
    assert "img src=x" not in text.replace("&lt;img src=x", "")


def facets(text: str) -> dict[str, dict[str, str]]:
    """Return name -> value -> count of the facets of a page."""
    aside = text[text.index('<aside class="facets"') : text.index("</aside>")]
    found = re.findall(r'<a id="(\w+)-\d+"[^>]*>(\S+) <span class="dim">([^<]*)</span>', aside)
    return {name: {value: count for key, value, count in found if key == name} for name, _, _ in found}


def test_facets_count_rows_that_match_all_other_filters(app: ASGIApp):
    reasons = {"FEED_MISSING": "100", "NOT_READ": "2", "READ_LATE": "1"}
    kinds, days = {"movie": "53", "show": "50"}, {back(4): "100", back(2): "3"}
    assert facets(page(app, FRESHNESS).text) == {"reason": reasons, "kind": kinds, "day": days}
    assert facets(page(app, FRESHNESS, kind="show").text) == {
        "reason": {"FEED_MISSING": "50"},
        "kind": kinds,
        "day": {back(4): "50"},
    }
    text = page(app, FRESHNESS, reason="NOT_READ", day=back(2)).text
    assert facets(text) == {
        "reason": {"NOT_READ": "2", "READ_LATE": "1"},
        "kind": {"movie": "2"},
        "day": {back(2): "2"},
    }
    assert 'Titles that were not fresh <span class="dim">2</span>' in text


def test_missing_pages_have_the_reasons_of_the_ledger(app: ASGIApp):
    (row,) = every(app, PAGES)
    assert (row["title_id_trakt"], row["missing"], row["pages_planned"], row["reasons"]) == (3, 1, 4, ["TIMEOUT"])
    text = page(app, PAGES).text
    assert "2 of 8 pages missed: 1 of 2 measured days had fewer than 99 % of its pages." in text
    assert states(text)[back(9)] == "breach"
    assert states(text)[back(4)] == "no-data"
    assert re.search(r"<code>PLANNED</code></dt><dd>1<", text), "the feed's page"


def test_days_have_twins_with_days_without_data(app: ASGIApp):
    rows = every(app, f"{FRESHNESS}/days")
    assert [row["day"] for row in rows] == [back(days) for days in range(28)]
    by_day = {row["day"]: row for row in rows}
    assert (by_day[back(12)]["state"], by_day[back(12)]["missed"]) == ("no data", None)
    assert (by_day[back(4)]["state"], by_day[back(4)]["missed"], by_day[back(4)]["reasons"]) == (
        *("breach", 100),
        {"FEED_MISSING": 100},
    )
    shown = states(page(app, FRESHNESS).text)
    assert {day: row["state"].replace(" ", "-") for day, row in by_day.items()} == shown
    sheet = list(csv.DictReader(io.StringIO(ask(app, f"{FRESHNESS}/days.csv?sort=oldest").text.lstrip("\ufeff"))))
    assert [line["day"] for line in sheet] == [row["day"] for row in reversed(rows)]
    assert page(app, f"{FRESHNESS}/days", **{"from": back(3)}).text.count("<tr>") == 5


def test_the_budget_is_one_over_all_spans(app: ASGIApp):
    with app.app.state.console.database.read() as session:  # type: ignore[attr-defined]
        (found,) = levels.levels(session, [OBJECTIVES["trakt-freshness"]], at(TODAY, "10:00"))
    assert [(each.days, each.measured, each.missed) for each in found.burns] == [(1, 1, 0), (7, 7, 103), (28, 26, 103)]
    assert [each.spent for each in found.burns] == pytest.approx([0, 103 / 26, 103 / 26])
    text = page(app, "/slos").text
    assert "103 of 2,600 title-days missed: 396 % of the budget is spent." in text
    assert "none of 26.0 title-days; 77.0 too many were missed" in text
    assert "2 days have no data and do not count." in text


def test_alerts_show_what_was_sent_and_link_to_the_docs(filled: Database, now: Callable[..., None]):
    text = page(app_of(filled, docs_link="https://docs.example/main"), "/slos").text
    assert 'href="https://docs.example/main/trakt-slo.md#breach"' in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert 'data-label="sent by">mail<' in text
    assert "<code>docs/trakt-slo.md#breach</code>" in page(app_of(filled), FRESHNESS).text


def test_a_postmortem_has_the_figures_of_the_day_and_no_markup_of_titles(app: ASGIApp):
    answer = ask(app, f"{FRESHNESS}/postmortem.md?day={back(2)}")
    assert answer.header("content-type") == "text/markdown; charset=utf-8"
    assert answer.header("content-disposition") == f'attachment; filename="postmortem-trakt-freshness-{back(2)}.md"'
    text = answer.text
    assert text.startswith(f"# Trakt, {back(2)}: 3 of 100 titles not fresh\n")
    assert "3 title-days, 12 % of the budget of 28 days (24.0 title-days)" in text
    assert "not all titles became fresh on this day" in text
    assert "| 09:00 | deadline |" in text
    assert r"| READ\_LATE | 1 | the title was read only after the deadline |" in text
    assert "&lt;img src\\=x onerror\\=alert\\(1\\)&gt; \\| \\*b\\* \\[x\\]\\(javascript\\:1\\)\\\\n\\# h" in text
    assert "<img" not in text
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == 1
    assert "FEED" in ask(app, f"{FRESHNESS}/postmortem.md?day={back(4)}").text
    assert ask(app, f"{PAGES}/postmortem.md?day={back(9)}").text.startswith(
        f"# Trakt, {back(9)}: 2 of 5 pages not landed"
    )


def test_what_does_not_exist_says_what_does(app: ASGIApp):
    assert "expected one of trakt-freshness, trakt-pages" in page(app, "/slos/nothing").text
    assert page(app, "/slos/nothing").status == 404
    for target in ("/slos/nothing.json", "/slos/nothing/days", "/slos/nothing/postmortem.md"):
        assert page(app, target).status == 404
    assert page(app, f"{FRESHNESS}/postmortem.md").status == 400
    for day in (back(12), "0001-01-01", "9999-12-31"):
        assert page(app, f"{FRESHNESS}/postmortem.md", day=day).status == 404
    for query in ({"kind": "book"}, {"day": "2026-13-01"}, {"colour": "red"}):
        assert page(app, FRESHNESS, **query).status == 400
    assert "expected one of after, day, kind, limit" in page(app, PAGES, reason="TIMEOUT").text
    assert page(app, "/slos", day=back(1)).status == 400


def test_without_a_measured_day_the_page_says_what_to_run(database: Database, now: Callable[..., None]):
    app = app_of(database)
    assert "telecine trakt slo" in page(app, "/slos").text
    assert "so missed titles are unknown" in page(app, FRESHNESS).text
    assert set(states(page(app, FRESHNESS).text).values()) == {"no-data"}
    assert "telecine_console_slo_days{" not in ask(app, "/metrics").text
    assert re.search(r"<b>0</b> SLO breaches", page(app, "/").text)


def test_the_home_page_counts_objectives_that_are_missed_or_silent(app: ASGIApp, now: Callable[..., None]):
    # Freshness is over its budget; pages were last measured in breach.
    assert re.search(r'<a href="/slos"><b>2</b> SLO breaches', page(app, "/").text)


def test_gauges_are_the_figures_of_the_page(app: ASGIApp):
    text = ask(app, "/metrics").text
    for line in (
        'telecine_console_slo_days{slo="trakt-freshness",state="breach"} 2.0',
        'telecine_console_slo_days{slo="trakt-freshness",state="no data"} 2.0',
        'telecine_console_slo_budget_spent_share{days="1",slo="trakt-freshness"} 0.0',
        'telecine_console_slo_days_without_data{slo="trakt-freshness"} 0.0',
    ):
        assert line in text
    (left,) = re.findall(r'slo_budget_left_share\{slo="trakt-freshness"\} (\S+)', text)
    assert float(left) == pytest.approx(1 - 103 / 26)
    assert 'budget_left_share{slo="trakt-pages"}' not in text


def test_gauges_are_read_once_a_minute(filled: Database, now: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    app = app_of(filled)
    calls = []
    real = levels.levels
    monkeypatch.setattr(gauges, "levels", lambda *given: calls.append(1) or real(*given))
    for _ in range(3):
        assert ask(app, "/metrics").status == 200
    assert len(calls) == 1


def test_metrics_answer_without_a_database(now: Callable[..., None]):
    answer = ask(create(settings()), "/metrics")
    assert answer.status == 200
    assert "telecine_console_slo_days{" not in answer.text


def test_tables_that_do_not_exist_are_not_installed(empty_database: Database, now: Callable[..., None]):
    app = app_of(empty_database)
    for target in ("/slos", FRESHNESS, f"{FRESHNESS}/days"):
        assert page(app, target).status == 404
