"""The step ``verify``: tables and store compared. Of a run's rows only the mark of one that was deleted is changed."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.arrival.poll import listed
from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.reading.source import open_source, source_uri
from jobs.screenalytics.reading.threads import Threads
from jobs.screenalytics.tables.deleted import mark_deleted, mark_present
from jobs.screenalytics.tables.ingest_items import Entry, Items
from jobs.screenalytics.verification.store import Comparison, compare
from jobs.screenalytics.verification.tables import finding, not_ingested, stored_runs
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK, EXIT_TRANSIENT
from shared.report import Report, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.screenalytics.settings import VerifySettings
    from shared.failure import Failure
    from shared.ledger import StageRun

__all__ = ["FINDINGS", "run"]

FINDINGS: Final = "What does not match"
_READERS: Final = 8
_BATCH: Final = 1000
_SHOWN: Final = 200
# Named in the log as well; a whole bucket gone is no reason for 10,000 lines.
_NAMED: Final = 20
# Items that nothing has to be done about here: an ingest counts them.
_EXPLAINED: Final = frozenset({"skipped", "deferred", "dead", "source_deleted"})

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Result:
    counts: Counter[str] = field(
        default_factory=lambda: Counter(
            dict.fromkeys(("checked", "sound", "source_deleted", "back", "missing", "waiting"), 0)
        )
    )
    findings: list[Failure] = field(default_factory=list)
    bytes_read: int = 0


def run(settings: VerifySettings, stage_run: StageRun) -> Report:
    """Compare every run of the source with its manifest and artifacts, its rows with their hash, and look for others.

    A run whose manifest is gone is marked ``source_deleted``, once it is found; its rows stay. One that is back with
    the same content loses the mark. The exit code is 65 when anything does not match, a run that was just marked
    included, and 75 when all that is wrong is a store that did not answer.

    Args:
        settings: the source; how thoroughly.
        stage_run: for progress, and for its run's id.

    Raises:
        AccessDenied: the bucket may not be listed.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        TelecineError: as :func:`shared.database.session.transaction`.
    """
    ready(settings)
    store, source = open_source(settings), source_uri(settings)
    now = datetime.now(UTC)
    listing = {ref.key: ref for ref in listed(settings.prefix, store)}
    result = _Result()
    unknown = dict(listing)
    stage_run.progress.start(len(listing), "runs")
    with Threads(_READERS) as pool:
        for page in stored_runs(settings, source):
            etags = [listing[run.manifest_key].etag if run.manifest_key in listing else None for run in page]
            compared = list(
                pool.map(
                    lambda pair: compare(store, pair[0], pair[1], quick=settings.quick), zip(page, etags, strict=True)
                )
            )
            _settle(settings, stage_run.run_id, compared, result)
            for stored in page:
                unknown.pop(stored.manifest_key, None)
            stage_run.progress.advance(len(page))
    refs = list(unknown.values())
    for start in range(0, len(refs), _BATCH):
        _look_at(settings, source, refs[start : start + _BATCH], now, result)
    stage_run.progress.finish()
    return _report(settings, source, result)


def _settle(settings: VerifySettings, pipeline_run_id: str, compared: Sequence[Comparison], result: _Result) -> None:
    """Count a page of runs, and renew their marks."""
    gone = [one for one in compared if one.manifest == "gone" and not one.run.deleted]
    back = [one for one in compared if one.manifest == "same" and one.run.deleted]
    if settings.mark_deleted and (gone or back):
        items = Items(settings, source_uri(settings), pipeline_run_id)
        with transaction(settings) as session:
            # In the order of ids, as all that take several of these locks.
            for one in (each for each in compared if each in gone or each in back):
                session.lock(f"screenalytics.run:{one.run.run_id}")
                deleted = one.manifest == "gone"
                if (mark_deleted if deleted else mark_present)(session, one.run.run_id):
                    ref = ManifestRef(one.run.run_id, one.run.manifest_key)
                    items.tell(session, Entry(ref, "verify", "source_deleted" if deleted else "unchanged"))
    for one in compared:
        found = [*one.run.damage, *one.findings]
        if one.manifest == "gone" and not one.run.deleted:
            found.append(_gone(one, marked=settings.mark_deleted))
        result.findings += found
        result.bytes_read += one.bytes_read
        result.counts["checked"] += 1
        result.counts["sound"] += not found
        result.counts["source_deleted"] += one.manifest == "gone"
    result.counts["back"] += len(back)


def _gone(one: Comparison, *, marked: bool) -> Failure:
    done = "it is marked as source_deleted from now on" if marked else "it is not marked (--no-mark-deleted)"
    message = f"the manifest of run {one.run.run_id} is gone; {done}. Its rows stay"
    return finding(one.run.run_id, one.run.manifest_key, "SOURCE_DELETED", message)


def _look_at(
    settings: VerifySettings, source: str, refs: Sequence[ManifestRef], now: datetime, result: _Result
) -> None:
    """Judge manifests that the tables have no run of."""
    grace = timedelta(minutes=settings.grace_min)
    for ref, item in not_ingested(settings, source, refs):
        young = ref.modified is not None and now - ref.modified < grace
        if item.state in _EXPLAINED or (item.state == "unseen" and young):
            result.counts["waiting" if item.state in ("unseen", "deferred") else item.state] += 1
            continue
        result.counts["missing"] += 1
        why = {
            "unseen": "no ingest has looked at it. Run: telecine screenalytics ingest",
            "ingested": f"its rows are gone. Run: telecine screenalytics replay {ref.run_id}",
        }.get(
            item.state,
            f"it is {item.state} ({item.code}). Mend it, and upload it again; why: telecine screenalytics"
            f" replay {ref.run_id}",
        )
        message = f"it is in the store and not in the tables: {why}"
        result.findings.append(finding(ref.run_id, ref.key, "NOT_INGESTED", message, state=item.state))


def _report(settings: VerifySettings, source: str, result: _Result) -> Report:
    found = sorted(result.findings, key=lambda failure: (failure.item, failure.code))
    for failure in found[:_NAMED]:
        _log.warning("%s: %s: %s", failure.item, failure.code, failure.message, extra={"item": failure.item})
    if len(found) > _NAMED:
        _log.warning("%d more are in the report", len(found) - _NAMED)
    code = EXIT_OK
    if found:
        code = EXIT_TRANSIENT if all(failure.retryable for failure in found) else EXIT_DATA
    rows: list[list[Any]] = [
        [failure.item, failure.code, failure.data.get("artifact_key"), failure.message] for failure in found[:_SHOWN]
    ]
    return Report(
        status="failed" if code else "success",
        exit_code=code,
        items=result.counts["checked"],
        headline=_headline(result, len(found)),
        counts=dict(result.counts),
        bytes={"read": result.bytes_read},
        rejects=dict(sorted(Counter(failure.code for failure in found).items())),
        failures=found,
        outputs={"source": f"{source}/{settings.prefix}".rstrip("/")},
        sections=[Table(FINDINGS, ["run", "code", "artifact", "what happened"], rows)] if found else [],
    )


def _headline(result: _Result, found: int) -> str:
    checked, sound = result.counts["checked"], result.counts["sound"]
    said = f"{checked:,} {'run' if checked == 1 else 'runs'}: {sound:,} as ingested"
    return f"{said}, {found:,} {'finding' if found == 1 else 'findings'}"
