"""Start each requested run once, even if a response is lost, a console is killed or several consoles try."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from jobs.console.launch import child, workflow
from jobs.console.launch.model import Ended, Launch, Outcome
from shared.errors import ConfigurationError, TelecineError, TransientError
from shared.ledger.origin import KEY
from shared.text import clean_text

if TYPE_CHECKING:
    from jobs.console.settings import ConsoleSettings
    from jobs.console.web.state import Console

__all__ = ["reap", "retry_waiting", "start"]

_LOG: Final = logging.getLogger(__name__)

# Longer than a call of the Kubernetes API (25 s): an attempt without a result by then was killed.
_LEASE_S: Final = 40
_FIRST_RETRY_S: Final = 5
_LAST_RETRY_S: Final = 60
# A Workflow is deleted three days after its success; its name must not be used again after that.
_GIVE_UP_H: Final = 24
_MOST: Final = 20
_MESSAGE_CHARS: Final = 1_000

# An attempt that was made has a message, unless it was killed.
_CLAIM: Final = """
    UPDATE console.launches SET tried_at = now(), attempts = attempts + 1, message = NULL
    WHERE launch_id = :launch_id AND state = 'requested'
        AND (tried_at IS NULL OR message IS NOT NULL OR tried_at < now() - make_interval(secs => :lease_s))
    RETURNING launch_id, name, step, file_id, upload_id, parameters,
        requested_at < now() - make_interval(hours => :give_up_h) AS is_late,
        EXISTS (SELECT FROM pipeline.runs r WHERE r.run_id = launches.name) AS has_begun
"""
_FINISH: Final = """
    UPDATE console.launches SET state = :state, run_id = COALESCE(:run_id, run_id), message = :message,
        tried_at = now(), started_at = CASE WHEN :state = 'started' THEN now() END
    WHERE launch_id = :launch_id AND state = 'requested'
"""
_DUE: Final = """
    SELECT launch_id FROM console.launches
    WHERE state = 'requested' AND requested_at < now() - make_interval(secs => :first_s)
        AND (tried_at IS NULL OR tried_at < now() - make_interval(secs => CASE WHEN message IS NULL THEN :lease_s
            ELSE least(:first_s * 2 ^ least(attempts - 1, 10), :last_s) END))
    ORDER BY launch_id LIMIT :most
"""
# The answer about its Workflow was lost; the ledger records the Workflow's name.
_WITHOUT_RUN: Final = """
    SELECT launch_id FROM console.launches
    WHERE state = 'started' AND run_id IS NULL AND started_at > now() - make_interval(hours => :give_up_h) LIMIT 1
"""
_FIND_RUNS: Final = """
    UPDATE console.launches l SET run_id = s.run_id FROM pipeline.run_stages s
    WHERE l.state = 'started' AND l.run_id IS NULL AND l.started_at > now() - make_interval(hours => :give_up_h)
        AND s.started_at > l.requested_at AND s.parameters -> :key ->> 'workflow' = l.name
"""
_ENDED: Final = """
    UPDATE console.launches SET state = :state, started_at = NULL, message = :message, tried_at = now()
    WHERE name = :name AND state = 'started'
        AND NOT EXISTS (SELECT FROM pipeline.runs r WHERE r.run_id = launches.name)
"""


def start(console: Console, launch_id: int) -> None:
    """Start a requested run, after the commit of its request.

    The launch is then ``started``, or ``failed`` with a message if it can never start. It stays ``requested`` if that
    is unknown, or if other child processes must end first; :func:`retry_waiting` tries it again. Raises no error of
    ours: the request is stored, and its page shows what became of it.

    Args:
        console: the application.
        launch_id: the request.
    """
    try:
        launch = _claim(console, launch_id)
        if launch is not None:
            _finish(console, launch_id, _try(console, launch))
    except TelecineError as error:
        _LOG.warning("the run of launch %d is tried again: %s", launch_id, error.message)


def retry_waiting(console: Console) -> None:
    """Try again to start all runs that are still ``requested`` after some seconds.

    Each attempt claims its row, so two replicas do not try the same run at the same time.

    Raises:
        TelecineError: the database cannot be reached.
    """
    lease = {"first_s": _FIRST_RETRY_S, "last_s": _LAST_RETRY_S, "lease_s": _LEASE_S, "most": _MOST}
    with console.database.read() as database:
        due = [int(row.launch_id) for row in database.rows(_DUE, **lease)]
        is_lost = database.rows(_WITHOUT_RUN, give_up_h=_GIVE_UP_H)
    if is_lost:
        with console.database.write() as database:
            database.run(_FIND_RUNS, give_up_h=_GIVE_UP_H, key=KEY)
    for launch_id in due:
        start(console, launch_id)


def reap(console: Console, ended: Ended) -> None:
    """Record a child process that ended before its run was in the ledger; the ledger itself records all others.

    Raises:
        TelecineError: the database cannot be reached.
    """
    if ended.exit_code == 0:
        return
    with console.database.write() as database:
        database.run(
            _ENDED,
            name=ended.name,
            state="requested" if ended.is_transient else "failed",
            message=clean_text(ended.message, _MESSAGE_CHARS),
        )


def _claim(console: Console, launch_id: int) -> Launch | None:
    """Return a request that nobody else tries to start now, or None."""
    with console.database.write() as database:
        rows = database.rows(_CLAIM, launch_id=launch_id, lease_s=_LEASE_S, give_up_h=_GIVE_UP_H)
    return next((Launch(**{name: getattr(row, name) for name in Launch.__dataclass_fields__}) for row in rows), None)


def _try(console: Console, launch: Launch) -> Outcome:
    if launch.has_begun:
        return Outcome("started", run_id=launch.name)
    if launch.is_late:
        return Outcome("failed", message=f"it did not start within {_GIVE_UP_H} hours; request it again")
    try:
        return _start(console.settings, launch)
    except TransientError as error:
        return Outcome("requested", message=error.message)
    except ConfigurationError as error:
        return Outcome("failed", message=error.message)


def _start(settings: ConsoleSettings, launch: Launch) -> Outcome:
    match settings.launch_mode:
        case "workflow":
            return workflow.start(launch)
        case "process":
            return child.start(settings, launch)
        case "off":
            return Outcome("failed", message="this console starts no runs (--launch off)")


def _finish(console: Console, launch_id: int, outcome: Outcome) -> None:
    message = clean_text(outcome.message, _MESSAGE_CHARS) if outcome.message else None
    with console.database.write() as database:
        database.run(_FINISH, launch_id=launch_id, state=outcome.state, run_id=outcome.run_id, message=message)
    if outcome.state != "started":
        _LOG.warning("launch %d is %s: %s", launch_id, outcome.state, message)
