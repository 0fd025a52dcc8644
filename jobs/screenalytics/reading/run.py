"""A manifest and its artifacts -> one verified run. Nothing is written, and nothing is kept between two calls."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from jobs.screenalytics.contract import versions
from jobs.screenalytics.contract.kinds import KINDS, ArtifactContext, ArtifactMetrics
from jobs.screenalytics.contract.run_manifest import MAX_ARTIFACTS, RunManifest, Status
from jobs.screenalytics.contract.validated import shown, unknown_fields
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.model import Artifact, PersonMetric, Run, RunWarning, SkippedRun
from jobs.screenalytics.reading.artifacts import plan
from jobs.screenalytics.reading.fetch import fetch_artifact
from shared import strict_json
from shared.errors import AccessDenied, ObjectMissing
from shared.text import clean_text

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.screenalytics.contract.run_manifest import ArtifactRef
    from jobs.screenalytics.model import ManifestObject
    from jobs.screenalytics.reading.artifacts import Summaries
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["MAX_PERSONS", "read_artifacts", "read_manifest", "read_run"]

# Of one run: some twenty runs wait side by side for their transaction, in a pod of 1 GiB.
MAX_PERSONS: Final = 20_000
# 16 MB of JSON take 200 MB as values, and parsing has the interpreter's lock anyway: one at a time.
_PARSING: Final = threading.Lock()

_ONE_DAY: Final = timedelta(days=1)
# The producer's clock against the store's.
_SKEW: Final = timedelta(minutes=1)


def read_run(
    store: ObjectStore, manifest: ManifestObject, settings: SourceSettings, *, now: datetime
) -> Run | SkippedRun:
    """Read a run: :func:`read_manifest`, then :func:`read_artifacts`.

    Args:
        store: of the runs.
        manifest: from :func:`~jobs.screenalytics.reading.fetch.fetch_manifest`.
        settings: prefix, roots, caps, grace.
        now: aware; the age of the manifest is measured by it.

    Raises:
        Rejected: see ``kind``: bad, or not ready yet.
        TransientError: of the store.
        AccessDenied: the credentials are refused for the manifest, too.
    """
    parsed = read_manifest(manifest, settings, now=now)
    return parsed if isinstance(parsed, SkippedRun) else read_artifacts(store, manifest, parsed, settings, now=now)


def read_manifest(manifest: ManifestObject, settings: SourceSettings, *, now: datetime) -> RunManifest | SkippedRun:
    """Parse and validate a manifest; no request is made.

    Its version is looked at first, then identifiers and status; the rest only of a successful run.

    Raises:
        Rejected: ``RUN_RUNNING``; ``MANIFEST_INCOMPLETE`` for what is no JSON, and younger than the grace.
    """
    try:
        document = strict_json.parse(manifest.body, what="the manifest", code="MANIFEST_PARSE", reject=reject)
    except Rejected as error:
        if error.code == "MANIFEST_PARSE" and _is_young(manifest, settings, now):
            raise reject("MANIFEST_INCOMPLETE", f"{error}; it may not be wholly written yet") from error
        raise
    if not isinstance(document, dict):
        raise reject("NOT_AN_OBJECT", f"the manifest is {shown(document)}; valid is one JSON object", json_pointer="")
    adapter = versions.adapter(document)
    head = adapter.head(document)
    if head.run_id != manifest.ref.run_id:
        message = f"the manifest's run_id is {head.run_id}, and its key is that of {manifest.ref.run_id}"
        facts = {"expected": manifest.ref.run_id, "actual": head.run_id}
        raise reject("ID_MISMATCH", message, json_pointer="/run_id", **facts)
    status = cast("Status", head.status)
    if status == "running":
        raise reject("RUN_RUNNING", "the run has not ended; it is looked at again", json_pointer="/status")
    if status != "success":
        return SkippedRun(head.run_id, head.ep_id, status, manifest.sha256)
    artifacts = document.get("artifacts")
    if isinstance(artifacts, list) and len(artifacts) > MAX_ARTIFACTS:
        # Before a million models are made of them.
        message = f"the manifest names {len(artifacts):,} artifacts; at most {MAX_ARTIFACTS:,} are read"
        raise reject("TOO_MANY", message, json_pointer="/artifacts")
    return adapter.whole(document)


def read_artifacts(
    store: ObjectStore, manifest: ManifestObject, parsed: RunManifest, settings: SourceSettings, *, now: datetime
) -> Run:
    """Fetch and verify what the manifest of a successful run names.

    All of the manifest is checked before the first request: places, versions, checksums, sizes.

    Raises:
        Rejected: ``ARTIFACT_NOT_YET`` for a missing artifact while the manifest is younger than the grace.
        TransientError: of the store.
        AccessDenied: the credentials are refused for the manifest, too.
    """
    summaries = plan(store, parsed, settings)
    warnings = [*_unread(parsed), *_clock(manifest, parsed)]
    metrics: dict[str, PersonMetric] = {}
    size = len(manifest.body)
    for ref, key in summaries.values():
        try:
            body, read = fetch_artifact(store, ref, key, settings)
        except AccessDenied as error:
            _check_rights(store, manifest)
            raise _denied(ref, error) from error
        except Rejected as error:
            if error.code == "ARTIFACT_MISSING" and _is_young(manifest, settings, now):
                message = f"{error}; it may not be written yet"
                raise reject("ARTIFACT_NOT_YET", message, artifact_key=ref.artifact_key) from error
            raise
        size += read
        with _PARSING:
            reading = _reading(ref, body, parsed)
        if len(metrics) + len(reading.metrics) > MAX_PERSONS:
            message = (
                f"the run has more than {MAX_PERSONS:,} persons, with artifact {ref.artifact_key!r}; no more are read"
            )
            raise reject("TOO_MANY", message, artifact_key=ref.artifact_key, expected=f"<= {MAX_PERSONS}")
        warnings += reading.warnings
        for metric in reading.metrics:
            if metrics.setdefault(metric.person_id, metric) is not metric:
                other = metrics[metric.person_id].artifact_key
                message = f"person {metric.person_id!r} is in artifact {other!r} and in {ref.artifact_key!r}"
                raise reject("DUPLICATE_PERSON", message, artifact_key=ref.artifact_key)
    return Run(
        run_id=parsed.run_id,
        ep_id=parsed.ep_id,
        manifest_key=manifest.ref.key,
        manifest_sha256=manifest.sha256,
        manifest_etag=manifest.etag,
        schema_version=parsed.schema_version,
        attempt=parsed.attempt,
        started_at=parsed.started_at,
        completed_at=parsed.completed_at,
        duration_ms=parsed.duration_ms,
        artifacts=tuple(
            _artifact(ref, summaries) for ref in sorted(parsed.artifacts, key=lambda ref: ref.artifact_key)
        ),
        metrics=tuple(metrics[person_id] for person_id in sorted(metrics)),
        warnings=tuple(warnings),
        bytes_read=size,
    )


def _reading(ref: ArtifactRef, body: bytes, parsed: RunManifest) -> ArtifactMetrics:
    what = f"artifact {ref.artifact_key!r}"
    document = strict_json.parse(body, what=what, code="ARTIFACT_PARSE", reject=reject, artifact_key=ref.artifact_key)
    about = ArtifactContext(ref.artifact_key, parsed.run_id, parsed.ep_id, parsed.duration_ms)
    reading = KINDS[ref.schema_version](document, about)
    if ref.row_count is not None and reading.rows != ref.row_count:
        message = f"{what} has {reading.rows} entries, and the manifest says {ref.row_count}"
        facts: dict[str, Any] = {"expected": ref.row_count, "actual": reading.rows}
        raise reject("ROW_COUNT_MISMATCH", message, artifact_key=ref.artifact_key, **facts)
    return reading


def _artifact(ref: ArtifactRef, summaries: Summaries) -> Artifact:
    fetched = ref.artifact_key in summaries
    return Artifact(
        artifact_key=ref.artifact_key,
        artifact_kind=ref.artifact_kind,
        # One that is not read may lie anywhere, also behind a signed URL.
        s3_key=summaries[ref.artifact_key][1] if fetched else clean_text(ref.s3_key),
        schema_version=ref.schema_version,
        content_type=ref.content_type,
        sha256=ref.checksum_sha256,
        size_bytes=ref.size_bytes,
        row_count=ref.row_count,
        fetched=fetched,
    )


def _unread(parsed: RunManifest) -> tuple[RunWarning, ...]:
    of_artifacts = (name for ref in parsed.artifacts for name in ref.model_extra or ())
    return (
        *unknown_fields("the manifest", parsed.model_extra or ()),
        *unknown_fields("the manifest, artifacts", of_artifacts),
    )


def _clock(manifest: ManifestObject, parsed: RunManifest) -> list[RunWarning]:
    """Warn of times that cannot be: they are kept as they are, and attempts decide which run is the latest."""
    found = []
    if parsed.started_at is not None and parsed.completed_at < parsed.started_at:
        found.append(
            RunWarning("CLOCK_SKEW", f"completed_at {parsed.completed_at} is before started_at {parsed.started_at}")
        )
    if parsed.completed_at > manifest.modified + _SKEW:
        text = f"completed_at {parsed.completed_at} is after the manifest was written, {manifest.modified}"
        found.append(RunWarning("CLOCK_SKEW", text))
    return found


def _is_young(manifest: ManifestObject, settings: SourceSettings, now: datetime) -> bool:
    age = now - manifest.modified
    # A store whose clock is ahead must not defer a run for ever.
    return -_ONE_DAY <= age < timedelta(minutes=settings.grace_min)


def _check_rights(store: ObjectStore, manifest: ManifestObject) -> None:
    """Ask for the manifest that was just read: when it is refused now, the credentials are, and so are all runs."""
    with suppress(ObjectMissing):
        store.stat(manifest.ref.key)


def _denied(ref: ArtifactRef, error: AccessDenied) -> Rejected:
    message = f"artifact {ref.artifact_key!r}: {error}"
    if "s3:ListBucket" not in message:
        message += "; S3 answers 403 for a missing key as well, without s3:ListBucket"
    return reject("ACCESS_DENIED", message, artifact_key=ref.artifact_key)
