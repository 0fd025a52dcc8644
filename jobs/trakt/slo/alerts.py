"""Alerts about the service levels: each opens once, is sent once through every channel, and ends by itself.

The transaction that writes the day opens the alert. Another transaction per channel sends it and records it as sent;
after a crash in between, the same message is sent again with the same id.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.trakt.slo.store import page_objective_met
from shared.database.session import transaction
from shared.errors import TelecineError
from shared.notify.channels import channels
from shared.notify.message import Notification
from shared.report.terminal import counted
from shared.slo.meanings import ALERTS, CODES
from shared.slo.window import OBJECTIVE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.trakt.slo.levels import DayLevels
    from jobs.trakt.slo.store import StoredDay
    from shared.database.session import DatabaseSession
    from shared.notify.settings import NotifySettings
    from shared.settings.database import DatabaseSettings
    from shared.slo.window import Window

__all__ = ["Alert", "codes", "conditions", "record", "send_open"]

_LOG: Final = logging.getLogger(__name__)
_SENDING: Final = "telecine trakt slo alerts"
# Share of the budget: above it, changes wait although the objective is still met.
_BURN: Final = 0.75


class Alert(NamedTuple):
    """An open alert, the day on which it opened, and its text."""

    alert: str
    opened_on: date
    message: str
    is_new: bool


def conditions(measured: DayLevels, stored: StoredDay, window: Window, storm: int) -> dict[str, str]:
    """Return the alerts whose condition holds after a final day, with their texts.

    Args:
        measured: the day.
        stored: the same day, as stored.
        window: the 28 days up to it.
        storm: the number of 429 answers in an hour that makes a storm.
    """
    found: dict[str, str] = {}
    percent = f"{100 * float(OBJECTIVE):.0f} %"
    if not window.is_met:
        found["breach"] = (
            f"{100 * (window.share or 0):.2f} % of the title-days of the 28 days up to {measured.day} are fresh;"
            f" the objective is {percent}. {window.title_days - window.fresh:,} title-days were missed; the budget is"
            f" {window.budget:,.1f}."
        )
    elif not page_objective_met(stored):
        share = stored.pages_landed / stored.pages_planned
        found["breach"] = (
            f"{100 * share:.2f} % of the pages of {measured.day} landed; the objective is {percent}."
            f" {counted(stored.pages_planned - stored.pages_landed, 'page is', 'pages are')} missing."
        )
    storms = stored.throttled_hour >= storm
    if (window.is_met and window.spent >= _BURN) or storms:
        texts = []
        if window.is_met and window.spent >= _BURN:
            texts.append(
                f"{100 * window.spent:,.0f} % of the error budget of the 28 days up to {measured.day} is spent."
            )
        if storms:
            texts.append(
                f"One hour of {measured.day} had {stored.throttled_hour:,} 429 answers; a storm is {storm:,} or more."
            )
        found["burn"] = " ".join(texts)
    if not measured.was_ingested and measured.titles:
        found["missed"] = f"No ingest read the feed of {measured.day} before {measured.day.deadline:%H:%M} UTC."
    return found


def record(session: DatabaseSession, day: date | None, holding: dict[str, str], run_id: str) -> list[Alert]:
    """Open alerts whose condition holds, end the others, and return the open ones.

    Args:
        session: the transaction that writes the day.
        day: the day of the conditions, the last final one; None leaves all alerts as they are.
        holding: alert -> text, as :func:`conditions` returns it.
        run_id: recorded with new alerts.
    """
    opened = set() if day is None else _change(session, day, holding, run_id)
    rows = session.rows("SELECT alert, opened_on, message FROM trakt.slo_alerts WHERE ended_on IS NULL ORDER BY alert")
    return [Alert(row.alert, row.opened_on, row.message, row.alert in opened) for row in rows]


def _change(session: DatabaseSession, day: date, holding: dict[str, str], run_id: str) -> set[str]:
    session.run(
        "UPDATE trakt.slo_alerts SET ended_on = GREATEST(opened_on, :day)"
        " WHERE ended_on IS NULL AND NOT alert = ANY (:holding)",
        day=day,
        holding=list(holding),
    )
    opened = set()
    for alert, message in holding.items():
        # A day that is measured again reopens its own alert, unless an alert of that name is open already.
        if session.run(
            "INSERT INTO trakt.slo_alerts (alert, opened_on, message, run_id)"
            " SELECT :alert, :day, :message, :run_id WHERE NOT EXISTS"
            " (SELECT FROM trakt.slo_alerts WHERE alert = :alert AND ended_on IS NULL)"
            " ON CONFLICT (alert, opened_on) DO UPDATE SET ended_on = NULL",
            alert=alert,
            day=day,
            message=message,
            run_id=run_id,
        ):
            opened.add(alert)
    return opened


def send_open(settings: DatabaseSettings, run_id: str, notify: NotifySettings) -> list[str]:
    """Send each open alert through the channels that have not sent it yet; never raise.

    Without a channel, nothing is sent: alerts that are still open are sent once a channel is configured.

    Args:
        settings: the database.
        run_id: the run, for the message.
        notify: the channels.

    Returns:
        The channels that sent a message.
    """
    if notify.notify_on == "never":
        return []
    return [channel for channel in channels(notify) if _send(settings, run_id, notify, channel)]


def _send(settings: DatabaseSettings, run_id: str, notify: NotifySettings, channel: str) -> bool:
    sent = False
    try:
        while True:
            with transaction(settings) as session:
                alert = _next(session, channel)
                if alert is None:
                    return sent
                channels(notify)[channel](_message(alert, run_id, channel), notify)
                session.run(
                    "UPDATE trakt.slo_alerts SET sent = array_append(sent, :channel)"
                    " WHERE alert = :alert AND opened_on = :day",
                    channel=channel,
                    alert=alert.alert,
                    day=alert.opened_on,
                )
                sent = True
    except (TelecineError, ValueError, OSError) as error:
        _LOG.warning("%s: an alert could not be sent; the next run of slo retries: %s", channel, error)
    return sent


def _next(session: DatabaseSession, channel: str) -> Alert | None:
    """Return the next alert to send; None if there is none, or another process is sending."""
    (lock,) = session.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS held", name=_SENDING)
    if not lock.held:
        return None
    rows = session.rows(
        "SELECT alert, opened_on, message FROM trakt.slo_alerts WHERE ended_on IS NULL AND NOT :channel = ANY (sent)"
        " ORDER BY opened_on, alert LIMIT 1",
        channel=channel,
    )
    return Alert(rows[0].alert, rows[0].opened_on, rows[0].message, is_new=True) if rows else None


def _message(alert: Alert, run_id: str, channel: str) -> Notification:
    return Notification(
        id=f"trakt-slo:{alert.alert}:{alert.opened_on}:{channel}",
        event="slo.alert",
        pipeline="trakt",
        run_id=run_id,
        status="alert",
        step="slo",
        code=CODES[alert.alert],
        message=f"{alert.message} The run's report shows why; docs/trakt-slo.md says what to do.",
        at=datetime.now(UTC),
    )


def codes(alerts: Sequence[Alert]) -> dict[str, int]:
    """Return alert -> 1 if it is open, 0 if not."""
    open_ = {each.alert for each in alerts}
    return {alert: int(alert in open_) for alert in ALERTS}
