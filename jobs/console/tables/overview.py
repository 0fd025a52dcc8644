"""Figures of the home page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.console.tables.gamedata import sessions
from jobs.console.tables.runs.ledger import status_is
from jobs.console.tables.trakt import levels
from jobs.console.tables.viewership import uploads
from jobs.console.tables.viewership.waiting import queue
from shared.ledger.store import STALE_S
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
    (row,) = database.rows(
        f"""
        SELECT
            (SELECT count(*) FROM (SELECT FROM pipeline.runs WHERE status = 'failed'
                AND created_at > now() - interval '24 hours' LIMIT :most) AS found) AS failed,
            (SELECT count(*) FROM (SELECT FROM pipeline.runs r WHERE ({status_is("interrupted")})
                AND created_at > now() - interval '24 hours' LIMIT :most) AS found) AS interrupted,
            (SELECT count(*) FROM (SELECT FROM pipeline.runs WHERE status = 'partial'
                AND created_at > now() - interval '24 hours' LIMIT :most) AS found) AS partial,
            (SELECT count(*) FROM pipeline.runs WHERE status = 'running'
                AND heartbeat_at >= clock_timestamp() - make_interval(secs => :stale)) AS running,
            ((now() - interval '24 hours') AT TIME ZONE 'UTC')::date AS since
        """,  # noqa: S608 - SQL of ours
        stale=STALE_S,
        most=CAP + 1,
    )
    failed_uploads, open_uploads, drafts = uploads.attention(database, CAP)
    waits = queue(database)
    failed_sessions, flagged_sessions = sessions.attention(database, CAP)
    since = f"&from={row.since}"
    return [
        Card("Keys to review", waits.keys, "/review", f"{number(float(waits.hours))} hours at stake", bad=True),
        Card("Failed runs", row.failed, f"/runs?status=failed{since}", "in the last 24 hours", bad=True),
        Card(
            "Interrupted runs",
            row.interrupted,
            f"/runs?status=interrupted{since}",
            "in the last 24 hours, ended without a result",
            bad=True,
        ),
        Card(
            "Partial runs",
            row.partial,
            f"/runs?status=partial{since}",
            "in the last 24 hours, with failed items",
            bad=True,
        ),
        Card("Running", row.running, "/runs?status=running", "with a heartbeat in the last minute", bad=False),
        Card(
            "Failed uploads",
            failed_uploads,
            "/uploads?status=failed",
            "in the last 24 hours, refused or matched in part",
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
