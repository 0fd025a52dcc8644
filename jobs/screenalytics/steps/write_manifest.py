"""The write-manifest step: build a RunManifest 1.0 from the files of a producer that writes none."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import RUN_ID, manifest_key
from jobs.screenalytics.model import ManifestObject, ManifestRef, ScreenalyticsRun
from jobs.screenalytics.reading.fetch import refused
from jobs.screenalytics.reading.producer import ProducerRun, find_run
from jobs.screenalytics.reading.run import read_run
from jobs.screenalytics.reading.source import open_source
from jobs.screenalytics.reading.stage_manifests import KEPT, describe_document, read_document
from jobs.screenalytics.settings import next_step
from shared.errors import ObjectMissing, RequestRefused, UsageError
from shared.failure import Failure
from shared.report import Part, Report, Shares, Table, Text
from shared.text import escape_json
from shared.verdict import verdict

if TYPE_CHECKING:
    from jobs.screenalytics.reading.producer import ProducerFile
    from jobs.screenalytics.settings import WriteManifestSettings
    from shared.ledger import StageRun
    from shared.storage import ObjectStore

__all__ = ["MANIFEST", "MANIFESTS", "run"]

MANIFESTS: Final = "Manifests"
"""Title of the table with one row per run."""

MANIFEST: Final = "Manifest of "
"""Start of the title of a manifest that was not written because of ``--dry-run``."""

_RUN: Final = re.compile(RUN_ID)
# Attempt3_2025-12-23_101500EST: the producer counts the runs of an episode.
_ATTEMPT: Final = re.compile(r"Attempt([0-9]{1,9})_.*")
# Files other than the summary have no version; telecine records them but does not read them.
_NO_VERSION: Final = "unversioned"
_TYPES: Final = {".json": "application/json", ".gz": "application/gzip", ".csv": "text/csv"}
_SHOWN: Final = 200
_OUTCOMES: Final = (
    Part("written", "blue-2"),
    Part("replaced", "violet-2"),
    Part("unchanged", "teal-2"),
    Part("failed", "red"),
)
# Files named in a note.
_NAMED: Final = 5

_log = logging.getLogger(__name__)


def run(settings: WriteManifestSettings, stage_run: StageRun) -> Report:
    """Write the manifest of each run and return the report. A failed run does not stop the others.

    Ingest accepts every manifest written here: before it is written, it is read with its files as ingest reads it.

    Args:
        settings: settings of the step.
        stage_run: receives progress.

    Raises:
        UsageError: a run id is invalid.
        TransientError: from the store.
        RequestRefused: the store refuses to list, read or write for every run.
    """
    run_ids = list(dict.fromkeys(name.strip() for name in settings.run.split(",")))
    for run_id in run_ids:
        if not _RUN.fullmatch(run_id):
            raise UsageError(
                f"'{run_id}' is not a run id; expected up to 128 letters, digits, '.', '_' and '-', starting with a"
                " letter or a digit; separate several with commas"
            )
    store = open_source(settings)
    report = Report(items=len(run_ids))
    rows: list[list[Any]] = []
    counts: Counter[str] = Counter(dict.fromkeys(("runs", "written", "replaced", "unchanged", "failed"), 0))
    stage_run.progress.start(len(run_ids), "runs")
    refusals: list[RequestRefused] = []
    for run_id in run_ids:
        counts["runs"] += 1
        try:
            outcome, row = _write_one(store, run_id, settings, report)
        except (Rejected, RequestRefused) as error:
            rejected = error
            if isinstance(error, RequestRefused):
                refusals.append(error)
                rejected = refused(error, error.message)
            failure = Failure.of(run_id, rejected)
            _log.warning("%s: %s: %s", run_id, failure.code, failure.message, extra={"item": run_id})
            report.failures.append(failure)
            outcome, row = "failed", [run_id, None, ("failed",), None, None, failure.message]
        counts[outcome] += 1
        rows.append(row)
        stage_run.progress.advance(1)
    stage_run.progress.finish()
    if len(refusals) == len(run_ids):
        # The store refuses every request, so no run is at fault.
        raise refusals[0]
    judged = verdict(counts["failed"], len(run_ids), 0)
    report.status, report.exit_code = judged.status, judged.exit_code
    report.counts = dict(counts)
    report.rejects = dict(Counter(failure.code for failure in report.failures))
    named = ", ".join(
        f"{counts[name]} {name}" for name in ("written", "replaced", "unchanged", "failed") if counts[name]
    )
    report.headline = f"dry run, nothing written: {named}" if settings.dry_run else f"manifests: {named}"
    columns = ["run", "episode", "outcome", "persons", "artifacts", "note"]
    table = Table(MANIFESTS, columns, rows[:_SHOWN], total=len(rows))
    outcomes = [("all runs", [counts[part.name] for part in _OUTCOMES])]
    report.sections = [table, *report.sections, Shares("Manifests by outcome", "runs", _OUTCOMES, outcomes)]
    return report


def _write_one(
    store: ObjectStore, run_id: str, settings: WriteManifestSettings, report: Report
) -> tuple[str, list[Any]]:
    key = manifest_key(settings.prefix, run_id)
    body, document = _current(store, key, settings)
    found = find_run(store, run_id, settings, document)
    unread = [f"{key}, which is not JSON"] if body is not None and document is None else []
    made = _manifest(run_id, found)
    # As text, a fraction in a field of the producer, such as a time in seconds, is refused by the check.
    new = json.dumps(made, indent=2, ensure_ascii=False, default=str).encode() + b"\n"
    persons = _check(store, ManifestRef(run_id, key), new, settings)
    row: list[Any] = [
        run_id,
        found.ep_id,
        "written",
        persons,
        len(made.get("artifacts", ())),
        _note(run_id, found, unread),
    ]
    if body == new:
        row[2] = "unchanged"
        return "unchanged", row
    if settings.dry_run:
        report.sections.append(Text(f"{MANIFEST}{run_id}", escape_json(new.decode())))
    if body is not None and not settings.replace:
        kept = _kept_key(key, body)
        raise reject(
            "MANIFEST_EXISTS",
            f"{key} is {describe_document(document)}; nothing was written. To replace it and keep it as {kept}, run:"
            f" {next_step(settings, 'write-manifest', run_id, '--replace')}",
            actual=describe_document(document),
        )
    if not settings.dry_run:
        if body is not None:
            store.put(_kept_key(key, body), body)
        store.put(key, new)
    outcome = row[2] = "written" if body is None else "replaced"
    return outcome, row


def _note(run_id: str, found: ProducerRun, unread: list[str]) -> str | None:
    """Return what of the producer's files the manifest leaves out, and log it; None if nothing."""
    notes = []
    if found.omitted:
        notes.append(_listed("not listed", found.omitted))
    if ignored := (*unread, *found.ignored):
        notes.append(_listed("ignored", ignored))
    for note in notes:
        _log.warning("%s: %s", run_id, note, extra={"item": run_id})
    return "; ".join(notes) or None


def _listed(word: str, names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return f"{word}: {', '.join(names[:_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _current(store: ObjectStore, key: str, settings: WriteManifestSettings) -> tuple[bytes | None, Any]:
    """Return the object at the manifest's key, and its parsed document if it is JSON.

    Raises:
        Rejected: ``TOO_LARGE``: it cannot be a manifest, and is too large to be kept.
    """
    try:
        info = store.stat(key)
        if info.size > settings.max_manifest_mb * 1_000_000:
            message = f"{key} is larger than {settings.max_manifest_mb} MB (--max-manifest-mb); move it away"
            raise reject("TOO_LARGE", message, actual=info.size)
        body = store.read(key, etag=info.etag)
    except ObjectMissing:
        return None, None
    try:
        return body, read_document(body, key)
    except Rejected:
        return body, None


def _kept_key(key: str, body: bytes) -> str:
    return f"{key.rpartition('/')[0]}/{KEPT}{hashlib.sha256(body).hexdigest()[:12]}.json"


def _manifest(run_id: str, found: ProducerRun) -> dict[str, Any]:
    """Return the manifest, without fields that are not in the producer's files."""
    attempt = _ATTEMPT.fullmatch(run_id)
    document = {
        "schema_version": "1.0",
        "run_id": run_id,
        "ep_id": found.ep_id,
        "status": found.status,
        "attempt": int(attempt[1]) if attempt else None,
        "started_at": found.started_at,
        "completed_at": found.completed_at,
    }
    document = {name: value for name, value in document.items() if value is not None}
    if found.summary is not None:
        summary = _artifact(found.summary, "screentime", found.version) | {"row_count": found.rows}
        document["artifacts"] = [summary, *(_artifact(file, file.name, _NO_VERSION) for file in found.files)]
    return document


def _artifact(file: ProducerFile, name: str, version: str) -> dict[str, Any]:
    content_type = next((value for suffix, value in _TYPES.items() if file.key.endswith(suffix)), None)
    reference = {
        "artifact_key": name,
        "artifact_kind": file.kind,
        "s3_key": file.key,
        "schema_version": version,
        "content_type": content_type,
        "size_bytes": file.size,
        "checksum_sha256": file.sha256,
    }
    return {field: value for field, value in reference.items() if value is not None}


def _check(store: ObjectStore, ref: ManifestRef, body: bytes, settings: WriteManifestSettings) -> int | None:
    """Read the run as ingest will, and return its number of persons; None if it did not succeed.

    Raises:
        Rejected: ingest would reject it; for times without an offset, the message ends with the command that adds one.
    """
    now = datetime.now(UTC)
    manifest = ManifestObject(ref, body, hashlib.sha256(body).hexdigest(), "", now)
    checked = settings.model_copy(update={"grace_min": 0.0})
    try:
        found = read_run(store, manifest, checked, now=now)
    except Rejected as error:
        codes = {error.code, *(field["code"] for field in error.data.get("fields", ()))}
        if "NAIVE_TIMESTAMP" not in codes:
            raise
        command = next_step(settings, "write-manifest", ref.run_id, "--utc-offset", "Z")
        message = f"{error.message}. If the producer's times are in UTC, run: {command}"
        raise reject(error.code, message, **error.data) from error
    return len(found.metrics) if isinstance(found, ScreenalyticsRun) else None
