"""The verify step: compare tables and store, list runs that are not in the tables, exit with 65 for any finding.

Changes nothing but the mark of runs whose manifest is gone.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.arrival.poll import elsewhere, listed
from jobs.screenalytics.intake.advice import advice
from jobs.screenalytics.model import ManifestRef
from jobs.screenalytics.reading.source import open_source, source_uri
from jobs.screenalytics.settings import next_step
from jobs.screenalytics.tables.deleted import mark_deleted, mark_present
from jobs.screenalytics.tables.ingest_items import Entry, Items
from jobs.screenalytics.verification.store import Comparison, compare
from jobs.screenalytics.verification.tables import finding, not_ingested, stored_runs
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK, EXIT_TRANSIENT
from shared.report import Amounts, Part, Report, Table
from shared.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.screenalytics.settings import VerifySettings
    from shared.failure import Failure
    from shared.ledger import StageRun
    from shared.report import Section

__all__ = ["FINDINGS", "run"]

FINDINGS: Final = "Mismatches"
_READERS: Final = 8
_BATCH: Final = 1000
_SHOWN: Final = 200
# Findings in the log. Losing a whole bucket must not write 10,000 lines.
_LOGGED: Final = 20
# States that need no finding: the ingest reports them.
_STATES: Final = (
    Part("unchanged", "teal-2"),
    Part("different", "red"),
    Part("waiting", "light-gray"),
    Part("skipped", "gray"),
    Part("set aside", "amber"),
    Part("not ingested", "dark-red"),
)
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
    """Compare every run with its manifest, its artifacts and its hash, and look for runs that were not ingested.

    A run whose manifest is gone is marked ``source_deleted``; its rows stay. One that is back with the same content
    loses the mark. The exit code is 65 for any mismatch, including a run that was just marked, and 75 if the store
    did not answer and nothing else is wrong.

    Args:
        settings: the source, and how thorough to be.
        stage_run: receives progress; its run_id is recorded.

    Raises:
        AccessDenied: the bucket cannot be listed.
        DatabaseNotMigrated: run ``telecine db upgrade``.
        TelecineError: as :func:`shared.database.session.transaction`.
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
                pool.map(lambda pair: compare(store, pair[0], pair[1], settings), zip(page, etags, strict=True))
            )
            _record_page(settings, stage_run.run_id, compared, result)
            for stored in page:
                remaining.pop(stored.manifest_key, None)
            stage_run.progress.advance(len(page))
    refs = list(remaining.values())
    for start in range(0, len(refs), _BATCH):
        _find_missing(settings, source, refs[start : start + _BATCH], now, result)
    stage_run.progress.finish()
    hint = "" if listing or result.counts["checked"] else elsewhere(settings, store)
    return _report(settings, source, result, hint)


def _record_page(
    settings: VerifySettings, pipeline_run_id: str, compared: Sequence[Comparison], result: _Result
) -> None:
    """Count a page of runs, and update their marks."""
    gone = [one for one in compared if one.manifest == "gone" and not one.run.deleted]
    back = [one for one in compared if one.manifest == "same" and one.run.deleted]
    if settings.mark_deleted and (gone or back):
        items = Items(settings, source_uri(settings), pipeline_run_id)
        with transaction(settings) as session:
            # In the order of ids, like everything that takes several of these locks: no deadlocks.
            for one in (each for each in compared if each in gone or each in back):
                session.lock(f"screenalytics.run:{one.run.run_id}")
                deleted = one.manifest == "gone"
                if (mark_deleted if deleted else mark_present)(session, one.run.run_id):
                    ref = ManifestRef(one.run.run_id, one.run.manifest_key)
                    items.add_attempt(session, Entry(ref, "verify", "source_deleted" if deleted else "unchanged"))
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
    done = "the run is now marked source_deleted" if marked else "the run is not marked (--no-mark-deleted)"
    message = f"the manifest of run {one.run.run_id} is gone; {done}. Its rows are kept"
    return finding(one.run.run_id, one.run.manifest_key, "SOURCE_DELETED", message)


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
            "unseen": f"no ingest has processed it. Run: {next_step(settings, 'ingest')}",
            "ingested": f"its rows are gone. Run: {next_step(settings, 'replay', ref.run_id)}",
        }.get(
            item.state,
            f"it is {item.state} ({item.code}): {str(item.message).rstrip('. ')}"
            f"{advice(str(item.code), ref.run_id, settings, message=str(item.message), dead=False, attempt=1)}",
        )
        message = f"the run is in the store but not in the tables: {reason}"
        result.findings.append(finding(ref.run_id, ref.key, "NOT_INGESTED", message, state=item.state))


def _report(settings: VerifySettings, source: str, result: _Result, hint: str) -> Report:
    found = sorted(result.findings, key=lambda failure: (failure.item, failure.code))
    for failure in found[:_LOGGED]:
        _log.warning("%s: %s: %s", failure.item, failure.code, failure.message, extra={"item": failure.item})
    if len(found) > _LOGGED:
        _log.warning("%d more findings are in the report", len(found) - _LOGGED)
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
        headline=_headline(result, len(found)) + (f"; {hint}" if hint else ""),
        counts=dict(result.counts),
        bytes={"read": result.bytes_read},
        rejects=dict(sorted(Counter(failure.code for failure in found).items())),
        failures=found,
        outputs={"source": f"{source}/{settings.prefix}".rstrip("/")},
        sections=_sections(result.counts, found, rows),
    )


def _sections(counts: Counter[str], found: Sequence[Failure], rows: list[list[Any]]) -> list[Section]:
    sound, different = counts["sound"], counts["checked"] - counts["sound"]
    stored = (counts["waiting"], counts["skipped"], counts["dead"], counts["missing"])
    sections: list[Section] = []
    if counts["checked"] or any(stored):
        bars = [("in the tables", [sound, different, 0, 0, 0, 0]), ("only in the store", [0, 0, *stored])]
        note = "Unchanged also counts runs that were already marked because their manifest is gone."
        sections.append(Amounts("Runs by state", "runs", _STATES, bars, note))
    if found:
        explained = [(failure.item, failure.code) for failure in found[:_SHOWN]]
        columns = ["run", "code", "artifact", "what happened"]
        sections.append(Table(FINDINGS, columns, rows, explains=explained, total=len(found)))
    return sections


def _headline(result: _Result, found: int) -> str:
    checked, sound = result.counts["checked"], result.counts["sound"]
    text = f"{checked:,} {'run' if checked == 1 else 'runs'}: {sound:,} unchanged"
    return f"{text}, {found:,} {'finding' if found == 1 else 'findings'}"
