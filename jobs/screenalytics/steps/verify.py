"""The verify step: compare the tables with the store. It changes only the marks of runs whose manifest is gone."""

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
# Maximum findings in the log, so that losing a whole bucket does not log 10,000 lines.
_LOGGED: Final = 20
# States that need no finding, because ingest reports them.
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
    """Compare every run with its manifest, its artifacts and its hash, and find runs that were not ingested.

    A run whose manifest is gone is marked ``source_deleted``; its rows stay. If the manifest is back with the same
    content, the mark is removed. The exit code is 65 for any mismatch, including a run that was just marked, and 75 if
    the store did not answer and nothing else is wrong.

    Args:
        settings: settings of the step.
        stage_run: receives progress; its run_id is recorded.

    Raises:
        AccessDenied: the bucket cannot be listed.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        TelecineError: see :func:`shared.database.session.transaction`.
    """
    ready(settings)
    store, source = open_source(settings), source_uri(settings)
    now = datetime.now(UTC)
    listing = {ref.key: ref for ref in listed(settings.prefix, store)}
    result = _Result()
    remaining = dict(listing)
    stage_run.progress.start(len(listing), "runs")
    with Threads(_READERS) as pool:
        for page in stored_runs(settings, source):
            etags = [listing[run.manifest_key].etag if run.manifest_key in listing else None for run in page]
            compared = list(
                pool.map(
                    lambda pair: compare(store, pair[0], pair[1], quick=settings.quick), zip(page, etags, strict=True)
                )
            )
            _record_page(settings, stage_run.run_id, compared, result)
            for stored in page:
                remaining.pop(stored.manifest_key, None)
            stage_run.progress.advance(len(page))
    refs = list(remaining.values())
    for start in range(0, len(refs), _BATCH):
        _find_missing(settings, source, refs[start : start + _BATCH], now, result)
    stage_run.progress.finish()
    return _report(settings, source, result)


def _record_page(
    settings: VerifySettings, pipeline_run_id: str, compared: Sequence[Comparison], result: _Result
) -> None:
    """Count a page of runs, and update their marks."""
    to_mark = [comparison for comparison in compared if comparison.manifest == "gone" and not comparison.run.deleted]
    to_unmark = [comparison for comparison in compared if comparison.manifest == "same" and comparison.run.deleted]
    if settings.mark_deleted and (to_mark or to_unmark):
        items = Items(settings, source_uri(settings), pipeline_run_id)
        with transaction(settings) as session:
            # In the order of ids, like all code that takes several of these locks, to avoid deadlocks.
            for comparison in (candidate for candidate in compared if candidate in to_mark or candidate in to_unmark):
                session.lock(f"screenalytics.run:{comparison.run.run_id}")
                deleted = comparison.manifest == "gone"
                if (mark_deleted if deleted else mark_present)(session, comparison.run.run_id):
                    ref = ManifestRef(comparison.run.run_id, comparison.run.manifest_key)
                    items.add_attempt(session, Entry(ref, "verify", "source_deleted" if deleted else "unchanged"))
    for comparison in compared:
        findings = [*comparison.run.damage, *comparison.findings]
        if comparison.manifest == "gone" and not comparison.run.deleted:
            findings.append(_manifest_gone(comparison, marked=settings.mark_deleted))
        result.findings += findings
        result.bytes_read += comparison.bytes_read
        result.counts["checked"] += 1
        result.counts["sound"] += not findings
        result.counts["source_deleted"] += comparison.manifest == "gone"
    result.counts["back"] += len(to_unmark)


def _manifest_gone(comparison: Comparison, *, marked: bool) -> Failure:
    consequence = "the run is now marked source_deleted" if marked else "the run is not marked (--no-mark-deleted)"
    message = f"the manifest of run {comparison.run.run_id} is gone; {consequence}. Its rows stay"
    return finding(comparison.run.run_id, comparison.run.manifest_key, "SOURCE_DELETED", message)


def _find_missing(
    settings: VerifySettings, source: str, refs: Sequence[ManifestRef], now: datetime, result: _Result
) -> None:
    """Count listed manifests without a run in the tables, and report those that need attention."""
    grace = timedelta(minutes=settings.grace_min)
    for ref, item in not_ingested(settings, source, refs):
        young = ref.modified is not None and now - ref.modified < grace
        if item.state in _EXPLAINED or (item.state == "unseen" and young):
            result.counts["waiting" if item.state in ("unseen", "deferred") else item.state] += 1
            continue
        result.counts["missing"] += 1
        reason = {
            "unseen": "no ingest has processed it. Run: telecine screenalytics ingest",
            "ingested": f"its rows are gone. Run: telecine screenalytics replay {ref.run_id}",
        }.get(
            item.state,
            f"it is {item.state} ({item.code}). Fix it and upload it again; for the reason, run: telecine screenalytics"
            f" replay {ref.run_id}",
        )
        message = f"the run is in the store but not in the tables: {reason}"
        result.findings.append(finding(ref.run_id, ref.key, "NOT_INGESTED", message, state=item.state))


def _report(settings: VerifySettings, source: str, result: _Result) -> Report:
    findings = sorted(result.findings, key=lambda failure: (failure.item, failure.code))
    for failure in findings[:_LOGGED]:
        _log.warning("%s: %s: %s", failure.item, failure.code, failure.message, extra={"item": failure.item})
    if len(findings) > _LOGGED:
        _log.warning("%d more findings are in the report", len(findings) - _LOGGED)
    code = EXIT_OK
    if findings:
        code = EXIT_TRANSIENT if all(failure.retryable for failure in findings) else EXIT_DATA
    rows: list[list[Any]] = [
        [failure.item, failure.code, failure.data.get("artifact_key"), failure.message] for failure in findings[:_SHOWN]
    ]
    return Report(
        status="failed" if code else "success",
        exit_code=code,
        items=result.counts["checked"],
        headline=_headline(result, len(findings)),
        counts=dict(result.counts),
        bytes={"read": result.bytes_read},
        rejects=dict(sorted(Counter(failure.code for failure in findings).items())),
        failures=findings,
        outputs={"source": f"{source}/{settings.prefix}".rstrip("/")},
        sections=[Table(FINDINGS, ["run", "code", "artifact", "what happened"], rows)] if findings else [],
    )


def _headline(result: _Result, findings: int) -> str:
    checked, sound = result.counts["checked"], result.counts["sound"]
    text = f"{checked:,} {'run' if checked == 1 else 'runs'}: {sound:,} unchanged"
    return f"{text}, {findings:,} {'finding' if findings == 1 else 'findings'}"
