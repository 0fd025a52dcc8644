"""Verify stored rows: run every check on one snapshot of the database, which is not changed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.viewership.audit.details import check_decisions, check_details
from jobs.viewership.audit.files import check_files
from jobs.viewership.audit.keys import check_keys, check_rows
from jobs.viewership.audit.matches import check_matches
from jobs.viewership.audit.model import Scope
from jobs.viewership.audit.rows import check_hashes
from jobs.viewership.audit.scopes import check_scopes
from jobs.viewership.audit.sums import check_days, check_sums, check_units
from jobs.viewership.tables.gauges import measure
from jobs.viewership.tables.uploads import unknown
from shared.database.session import transaction
from shared.errors import UsageError
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jobs.viewership.audit.model import Check
    from jobs.viewership.audit.sums import Sums
    from jobs.viewership.settings.audit import VerifySettings
    from shared.database.session import DatabaseSession
    from shared.progress import Progress
    from shared.settings.database import DatabaseSettings

__all__ = ["Audit", "choose", "snapshot", "verify"]


@dataclass(slots=True)
class Audit:
    """The results of all checks.

    Attributes:
        uploads: number of uploads that were covered.
        checks: in order.
        sums: expected and actual sums of each upload.
        seconds: time of each check.
        gauges: the values that alerts use, over all uploads.
    """

    uploads: int = 0
    checks: list[Check] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)


class _Done(Exception):
    """Raised to roll back a transaction that must not be committed."""


@contextmanager
def snapshot(settings: DatabaseSettings) -> Iterator[DatabaseSession]:
    """Run statements on one snapshot of the database, and roll everything back at the end.

    Each transaction of a concurrent run is either visible as a whole or not at all. Only temporary tables are written.
    """
    try:
        with transaction(settings) as session:
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield session
            raise _Done  # noqa: TRY301 - the only way to end it without a commit
    except _Done:
        pass


def choose(session: DatabaseSession, uploads: Sequence[int], platform: str | None, of_run: str | None = None) -> Scope:
    """Return the uploads that a command names.

    Args:
        session: the transaction.
        uploads: their numbers; empty for all.
        platform: only those of this platform; None for all.
        of_run: only those with a log entry of this run, possibly none; None for all.

    Raises:
        UsageError: an upload or the run does not exist, or an upload is of another platform.
    """
    if of_run is not None:
        processed = session.rows(
            "SELECT DISTINCT l.upload_id FROM viewership.error_log l JOIN viewership.uploads u USING (upload_id)"
            " WHERE l.pipeline_run_id = :run AND (CAST(:platform AS text) IS NULL OR u.platform = :platform)"
            " ORDER BY l.upload_id",
            run=of_run,
            platform=platform,
        )
        found = tuple(row.upload_id for row in processed)
        # A poll that finds no files processes no uploads; an id that the ledger lacks is a typo.
        if not found and not session.rows("SELECT FROM pipeline.runs WHERE run_id = :run", run=of_run):
            raise UsageError(f"run '{one_line(of_run)}' does not exist; expected an id listed by `telecine runs list`")
        return Scope(tuple(each for each in found if not uploads or each in uploads), whole=False)
    rows = session.rows("SELECT upload_id, platform FROM viewership.uploads ORDER BY upload_id")
    if uploads:
        known = {row.upload_id: row.platform for row in rows}
        for number in uploads:
            if number not in known:
                raise unknown(session, number)
            if platform is not None and known[number] != platform:
                raise UsageError(f"upload {number} is of platform {known[number]}; expected an upload of {platform}")
        return Scope(tuple(uploads), whole=False)
    chosen = tuple(row.upload_id for row in rows if platform is None or row.platform == platform)
    if platform is not None and not chosen:
        raise UsageError(f"platform '{platform}' has no uploads; expected one in `telecine viewership uploads`")
    return Scope(chosen, whole=platform is None)


def verify(settings: VerifySettings, progress: Progress) -> Audit:
    """Compare every stored value with the one recomputed from the raw rows, the catalogue and the raw files.

    Args:
        settings: the uploads, the bucket, and how thorough to be.
        progress: receives one step per check.

    Raises:
        UsageError: an upload does not exist.
    """
    audit = Audit()
    with snapshot(settings) as session:
        audit.gauges = measure(session)
        scope = choose(session, settings.upload, settings.platform, settings.of_run)
        audit.uploads = len(scope.uploads)

        def sums() -> Check:
            check, audit.sums = check_sums(session, scope)
            return check

        checks: list[Callable[[], Check]] = [
            sums,
            lambda: check_units(session, scope),
            lambda: check_hashes(session, scope),
            lambda: check_days(session, scope),
            lambda: check_keys(session, scope),
            lambda: check_rows(session, scope),
            lambda: check_scopes(session, scope),
        ]
        if settings.files or settings.reread:
            checks.append(lambda: check_files(session, scope, settings))
        # Without a catalogue nothing was matched, and nothing can be.
        if session.rows("SELECT FROM catalog.episodes LIMIT 1"):
            checks.append(lambda: check_matches(session, scope))
        checks += [lambda: check_decisions(session, scope), lambda: check_details(session, scope)]
        progress.start(len(checks), "checks")
        for run in checks:
            began = time.monotonic()
            audit.checks.append(run())
            audit.seconds[audit.checks[-1].name] = time.monotonic() - began
            progress.advance()
    return audit
