"""Alerts about service levels: each opens once, is sent once per channel, and ends by itself."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.settings import SloSettings
from jobs.trakt.slo import alerts as module
from jobs.trakt.slo.alerts import ALERTS
from jobs.trakt.steps import slo as step
from shared.errors import TransientError
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sinks import MailSink, WebhookSink, mail_sink, webhook_sink
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ledger import Ledger, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.notify.message import Notification
    from shared.notify.settings import NotifySettings
    from shared.report import Report
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TODAY = date(2026, 5, 20)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    made = Ledger(database)
    made.titles(100, TODAY - timedelta(days=27))
    for back in range(27, -8, -1):
        made.feed(TODAY - timedelta(days=back))
        if back % 6 == 3:
            made.sweep_all(TODAY - timedelta(days=back), "04:00")
    return made


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        monkeypatch.setenv("TELECINE_NOTIFY_WEBHOOK_URL", sink.url)
        yield sink


@pytest.fixture
def post() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


def measured(ledger: Ledger, days: int = 0, clock: str = "09:05", **values: Any) -> Report:
    settings = SloSettings(database_url=ledger.database.url, now=at(TODAY + timedelta(days=days), clock), **values)
    return step.run(settings, MemoryStageRun(run_id=f"run-{days}", pipeline="trakt", stage="slo"))


def open_alerts(report: Report) -> set[str]:
    return {name for name in ALERTS if report.counts[f"alert_{name}"]}


def unread(ledger: Ledger, number: int, days: int = 0) -> None:
    """Let some titles be named on a day, and not be read until later that day."""
    (feed,) = ledger.database.rows(
        "SELECT sweep_id FROM trakt.sweeps WHERE resource = 'feed' AND started_at = %s",
        at(TODAY + timedelta(days=days)),
    )
    for title in range(1, number + 1):
        ledger.name(feed[0], title, action="sweep")
        ledger.rating(title, TODAY + timedelta(days=days))
        ledger.sweep(title, TODAY + timedelta(days=days), "22:00")


def test_without_a_reason_nothing_is_sent(ledger: Ledger, hook: WebhookSink) -> None:
    report = measured(ledger)
    assert (open_alerts(report), hook.got) == (set(), [])
    assert report.counts["window_fresh"] == report.counts["window_title_days"] == 2800


def test_a_breach_is_sent_once_while_it_lasts(ledger: Ledger, hook: WebhookSink) -> None:
    unread(ledger, 29)
    report = measured(ledger)
    assert (report.exit_code, report.status, open_alerts(report)) == (0, "success", {"breach"})
    for days in (0, 1, 2):
        assert open_alerts(measured(ledger, days)) == {"breach"}
    (message,) = hook.got
    assert (message["event"], message["code"], message["step"]) == ("slo.alert", "SLO_BREACH", "slo")
    assert (
        "98.96 % of the title-days of the 28 days up to 2026-05-20 are fresh; the objective is 99 %"
        in message["message"]
    )
    assert "29 title-days were missed; the budget is 28.0" in message["message"]
    assert message["id"] == "trakt-slo:breach:2026-05-20:webhook"


def test_75_percent_of_the_budget_is_an_alert_of_its_own(ledger: Ledger, hook: WebhookSink) -> None:
    unread(ledger, 20)
    assert open_alerts(measured(ledger)) == set()
    unread(ledger, 1, days=1)
    assert open_alerts(measured(ledger, 1)) == {"burn"}
    unread(ledger, 10, days=2)
    # The breach takes its place: one message, not two.
    assert open_alerts(measured(ledger, 2)) == {"breach"}
    assert [message["code"] for message in hook.got] == ["SLO_BURN", "SLO_BREACH"]
    assert "75 % of the error budget" in hook.got[0]["message"]


@pytest.mark.parametrize(("throttled", "alerts"), [(59, set()), (60, {"burn"})])
def test_a_storm_is_an_alert(ledger: Ledger, hook: WebhookSink, throttled: int, alerts: set[str]) -> None:
    ledger.page(1, TODAY, throttled=throttled, attempts=3)
    assert open_alerts(measured(ledger)) == alerts
    assert [message["code"] for message in hook.got] == ["SLO_BURN"] * len(alerts)
    # A day without one ends it.
    assert open_alerts(measured(ledger, 1)) == set()
    assert ledger.database.rows("SELECT opened_on, ended_on FROM trakt.slo_alerts") == [
        (TODAY, TODAY + timedelta(days=1)) for _ in alerts
    ]


def test_missing_pages_are_a_breach_of_that_day(ledger: Ledger, hook: WebhookSink) -> None:
    for page in range(1, 101):
        ledger.page(1, TODAY, page=page, status="failed" if page > 98 else "good", reason="TIMEOUT")
    assert open_alerts(measured(ledger)) == {"breach"}
    assert "98.00 % of the pages of 2026-05-20 landed" in hook.got[0]["message"]
    assert open_alerts(measured(ledger, 1)) == set()


def test_a_missed_cron_is_sent_once_and_ends_with_the_next_ingest(ledger: Ledger, hook: WebhookSink) -> None:
    for days in (0, 1):
        ledger.database.rows(
            "DELETE FROM trakt.sweeps WHERE resource = 'feed' AND started_at = %s", at(TODAY + timedelta(days=days))
        )
    assert open_alerts(measured(ledger)) == {"missed", "breach"}
    measured(ledger, 1)
    assert sorted(message["code"] for message in hook.got) == ["INGEST_MISSED", "SLO_BREACH"]
    assert any("No ingest read the feed of 2026-05-20 before 14:00 UTC" in message["message"] for message in hook.got)
    assert open_alerts(measured(ledger, 2)) == {"breach"}
    # A later one is a new alert.
    ledger.database.rows(
        "DELETE FROM trakt.sweeps WHERE resource = 'feed' AND started_at = %s", at(TODAY + timedelta(days=3))
    )
    assert open_alerts(measured(ledger, 3)) == {"missed", "breach"}
    assert [message["code"] for message in hook.got].count("INGEST_MISSED") == 2


def test_before_nine_and_for_days_of_the_past_no_alert_changes(ledger: Ledger, hook: WebhookSink) -> None:
    unread(ledger, 29)
    assert open_alerts(measured(ledger, clock="08:00")) == set()
    assert open_alerts(measured(ledger, 1, day=TODAY)) == set()
    assert hook.got == []
    assert open_alerts(measured(ledger)) == {"breach"}


def test_every_channel_sends_an_alert_once_even_if_it_failed_or_was_added_later(
    ledger: Ledger, hook: WebhookSink, post: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread(ledger, 29)
    hook.answers = [500]
    measured(ledger)
    assert hook.got == []
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(post.port),
        "SECURITY": "none",
        "FROM": "t@example.org",
        "TO": "a@example.org",
    }.items():
        monkeypatch.setenv(f"TELECINE_NOTIFY_SMTP_{name}", value)
    for _ in range(2):
        measured(ledger)
    assert (len(hook.got), len(post.got)) == (1, 1)
    assert post.got[0]["Subject"] == "telecine: trakt slo alert (SLO_BREACH)"


def test_notify_on_never_sends_nothing(ledger: Ledger, hook: WebhookSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELECINE_NOTIFY_ON", "never")
    unread(ledger, 29)
    assert open_alerts(measured(ledger)) == {"breach"}
    assert hook.got == []


def test_a_channel_that_does_not_answer_does_not_fail_the_step(
    ledger: Ledger, hook: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread(ledger, 29)

    def refuse(_message: Notification, _settings: NotifySettings) -> None:
        raise TransientError("the webhook does not answer")

    monkeypatch.setattr(module, "channels", lambda _: {"webhook": refuse})
    assert measured(ledger).exit_code == 0
    assert ledger.database.rows("SELECT alert, sent FROM trakt.slo_alerts") == [("breach", [])]
