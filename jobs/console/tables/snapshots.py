"""Snapshots: copies of views that take seconds, made again in the background once the tables below have changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from shared.database.session import transaction

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.console.tables.database import Database
    from shared.database.session import DatabaseSession

__all__ = ["Snapshots", "Taken"]

Name = Literal["review_keys", "match_rates"]

_LOG: Final = logging.getLogger("telecine.console")
# Seconds between copies. A slow one is made less often, so that it takes a tenth of a core at most.
_LEAST_S: Final = 15
_TIMES: Final = 10
# A phase may log its end just before its commit: a copy of that moment has the mark without the rows.
_MOST_S: Final = 300
# The view takes 1 s for 50,000 keys; the limit only ends what hangs.
_TIMEOUT: Final = "120s"
_CLOSE_S: Final = 5.0

# Decisions and their undo add to the history of matches, phases to the log, and retractions change an upload.
_MARK: Final = """
    SELECT concat_ws('/', (SELECT max(id) FROM viewership.match_history), (SELECT max(id) FROM viewership.error_log),
        (SELECT max(decision_id) FROM viewership.decisions), (SELECT max(updated_at) FROM viewership.uploads))
"""


@dataclass(frozen=True, slots=True)
class _View:
    """A view and its copy.

    Attributes:
        key: columns that identify a row.
        same: condition for a new row ``n`` to have the key of a copied row ``o``. Only equality: a join by
            ``IS NOT DISTINCT FROM`` cannot be hashed, and would compare every pair.
        others: the other columns.
        query: the rows.
    """

    key: str
    same: str
    others: str
    query: str


_VIEWS: Final = {
    "review_keys": _View(
        key="review_digest",
        same="n.review_digest = o.review_digest",
        others="platform, status, title, series, season, episode, content_id, keys, rows, held, uploads, hours,"
        " revenue, accepted_before, candidates, score, margin, reason, waiting_since",
        query="""
        SELECT q.review_digest, q.platform, q.status, COALESCE(q.content_name, q.content_name_2) AS title, q.series,
            q.season, q.episode, q.content_id, q.keys, q.rows, q.held, q.uploads, q.hours, q.revenue,
            q.accepted_before, jsonb_array_length(q.candidates) AS candidates, c.score, c.score - c.next AS margin,
            q.reasons -> 0 ->> 'code' AS reason, q.waiting_since
        FROM viewership.review_queue q
        CROSS JOIN LATERAL (
            SELECT (array_agg(s ORDER BY s DESC))[1] AS score, (array_agg(s ORDER BY s DESC))[2] AS next
            FROM (SELECT (x ->> 'score')::numeric AS s FROM jsonb_array_elements(q.candidates) x) scores
        ) c
        """,
    ),
    "match_rates": _View(
        key="upload_id, fate, week, bucket",
        same="n.upload_id = o.upload_id AND n.fate = o.fate AND COALESCE(n.bucket, '') = COALESCE(o.bucket, '')"
        " AND COALESCE(n.week, '-infinity') = COALESCE(o.week, '-infinity')",
        others="platform, units, hours, revenue",
        query="SELECT upload_id, fate, week, bucket, platform, units, hours, revenue FROM viewership.match_rates",
    ),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The state of a copy: its time, and whether nothing has changed since."""

    at: datetime
    is_current: bool


class Snapshots:
    """The copies in schema console.

    Args:
        database: the console's connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._running: dict[str, threading.Thread] = {}

    def current(self, name: Name) -> Taken:
        """Return the state of a copy; make it if there is none, and start to make it again if it is out of date.

        Call it before the page opens its own transaction.

        Args:
            name: the copy.

        Raises:
            DatabaseUnreachable: no connection.
            DatabaseNotMigrated: a table is missing.
            TransientError: the first copy took longer than two minutes.
        """
        found = self._state(name)
        if found is None:
            self.refresh(name)
            found = self._state(name)
            if found is None:  # pragma: no cover - another replica deleted the row that was just written
                raise RuntimeError(f"the copy {name} was not made")
        taken, age_s, due_s = found
        if (not taken.is_current and age_s >= due_s) or age_s >= max(_MOST_S, due_s):
            self._start(name)
        return taken

    def refresh(self, name: Name) -> None:
        """Make a copy now; wait for another process that makes it.

        Args:
            name: the copy.

        Raises:
            DatabaseUnreachable: no connection.
            TransientError: it took longer than two minutes.
        """
        with transaction(self._database.settings) as database:
            database.lock(_lock(name))
            _copy(database, name)

    def wait(self, seconds: float = _CLOSE_S) -> None:
        """Wait for copies that are being made, at most this long each."""
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            thread.join(seconds)

    def _state(self, name: Name) -> tuple[Taken, float, float] | None:
        """Return a copy's state, its age and the age at which it may be made again, in seconds."""
        with self._database.read() as database:
            rows = database.rows(
                f"SELECT taken_at, mark = ({_MARK}) AS is_current, took_ms,"  # noqa: S608 - a constant of this module
                " extract(epoch FROM clock_timestamp() - taken_at)::float AS age_s"
                " FROM console.snapshots WHERE name = :name",
                name=name,
            )
        if not rows:
            return None
        (row,) = rows
        return Taken(row.taken_at, row.is_current), row.age_s, max(_LEAST_S, _TIMES * row.took_ms / 1000)

    def _start(self, name: Name) -> None:
        with self._lock:
            running = self._running.get(name)
            if running is not None and running.is_alive():
                return
            thread = threading.Thread(target=self._try, args=(name,), name=f"snapshot {name}", daemon=True)
            self._running[name] = thread
            thread.start()

    def _try(self, name: Name) -> None:
        """Make a copy unless another process makes it; pages keep showing the one before if that fails."""
        try:
            with transaction(self._database.settings) as database:
                (row,) = database.rows(
                    "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS free", name=_lock(name)
                )
                if row.free:
                    _copy(database, name)
        except Exception as error:  # noqa: BLE001 - a thread has no caller
            _LOG.warning("the copy %s was not made: %s", name, error)


def _lock(name: str) -> str:
    return f"telecine console {name}"


def _copy(database: DatabaseSession, name: Name) -> None:
    """Bring a copy to what its view returns, writing only rows that differ."""
    view = _VIEWS[name]
    others = view.others.split(", ")
    old, new = (", ".join(f"{row}.{each}" for each in others) for row in ("o", "EXCLUDED"))
    database.rows("SELECT set_config('statement_timeout', :timeout, true)", timeout=_TIMEOUT)
    # The mark of before: what changes meanwhile makes the copy out of date, whether its rows are in it or not.
    ((began, mark),) = database.rows(f"SELECT clock_timestamp(), ({_MARK})")
    database.run(
        f"""
        WITH new AS MATERIALIZED ({view.query}), gone AS (
            DELETE FROM console.{name} o WHERE NOT EXISTS (SELECT FROM new n WHERE {view.same})
        )
        INSERT INTO console.{name} AS o ({view.key}, {view.others}) SELECT {view.key}, {view.others} FROM new
        ON CONFLICT ({view.key}) DO UPDATE SET {", ".join(f"{each} = EXCLUDED.{each}" for each in others)}
        WHERE ({old}) IS DISTINCT FROM ({new})
        """  # noqa: S608 - constants of this module
    )
    database.run(
        """
        INSERT INTO console.snapshots (name, mark, taken_at, took_ms)
        VALUES (:name, :mark, CAST(:began AS timestamptz),
            round(extract(epoch FROM clock_timestamp() - CAST(:began AS timestamptz)) * 1000))
        ON CONFLICT (name) DO UPDATE SET mark = EXCLUDED.mark, taken_at = EXCLUDED.taken_at, took_ms = EXCLUDED.took_ms
        """,
        name=name,
        mark=mark,
        began=began,
    )
