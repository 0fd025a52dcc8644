"""Figures of the home page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from jobs.console.tables.database import start_of_day
from jobs.console.tables.gamedata import sessions
from jobs.console.tables.runs.ledger import status_is
from jobs.console.tables.trakt import levels
from jobs.console.tables.viewership import uploads
from jobs.console.tables.viewership.waiting import queue
from shared.report.format import number

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["CAP", "Card", "cards"]

CAP: Final = 1_000
"""Cards count up to this number: what needs attention is a list, not a total."""


@dataclass(frozen=True, slots=True)
class Card:
    """A count on the home page, with a link to the list.

    Attributes:
        title: what is counted.
        number: the count; above :data:`CAP`, there are more.
        href: URL of the list.
        note: a short explanation.
        bad: True if a count above 0 needs attention.
    """

    title: str
    number: int
    href: str
    note: str
    bad: bool


def cards(database: DatabaseSession) -> list[Card]:
    """Return the cards of the home page."""
    # Whole days, as in the filters of the lists, so that a card and its list count the same rows.
    since = (datetime.now(UTC) - timedelta(days=1)).date()
    (row,) = database.rows(
        f"""
        SELECT
            (SELECT count(*) FROM (SELECT FROM pipeline.runs WHERE status = 'failed'
                AND created_at >= {start_of_day("since")} LIMIT :most) AS found) AS failed,
            (SELECT count(*) FROM (SELECT FROM pipeline.runs r WHERE ({status_is("interrupted")})
                AND created_at >= {start_of_day("since")} LIMIT :most) AS found) AS interrupted,
            (SELECT count(*) FROM (SELECT FROM pipeline.runs WHERE status = 'partial'
                AND created_at >= {start_of_day("since")} LIMIT :most) AS found) AS partial,
            (SELECT count(*) FROM pipeline.runs r WHERE {status_is("running")}) AS running
        """,  # noqa: S608 - SQL of ours
        since=since,
        most=CAP + 1,
    )
    failed_uploads, open_uploads, drafts = uploads.attention(database, since, CAP)
    waits = queue(database)
    failed_sessions, flagged_sessions = sessions.attention(database, CAP)
    return [
        Card("Keys to review", waits.keys, "/review", f"{number(float(waits.hours))} hours at stake", bad=True),
        Card("Failed runs", row.failed, f"/runs?status=failed&from={since}", "since yesterday (UTC)", bad=True),
        Card(
            "Interrupted runs",
            row.interrupted,
            f"/runs?status=interrupted&from={since}",
            "since yesterday (UTC), ended without a result",
            bad=True,
        ),
        Card(
            "Partial runs",
            row.partial,
            f"/runs?status=partial&from={since}",
            "since yesterday (UTC), with failed items",
            bad=True,
        ),
        Card("Running", row.running, "/runs?status=running", "with a heartbeat in the last minute", bad=False),
        Card(
            "Failed uploads",
            failed_uploads,
            f"/uploads?status=failed&changed_from={since}",
            "since yesterday (UTC), refused or partially matched",
            bad=True,
        ),
        Card("Uploads with a question", open_uploads, "/uploads?status=waiting", "need an answer", bad=True),
        Card("Received files", drafts, "/uploads", "not started yet", bad=True),
        Card(
            "Sessions with an error",
            failed_sessions,
            "/sessions?error=any&view=table",
            "in the published manifest",
            bad=True,
        ),
        Card("Flagged sessions", flagged_sessions, "/sessions?flag=any", "in the published manifest", bad=False),
        Card(
            "SLO breaches",
            levels.breaches(database),
            "/slos",
            "objectives missed, or without data for the last day",
            bad=True,
        ),
    ]
