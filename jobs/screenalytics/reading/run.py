"""Read a manifest and its artifacts into one verified run, without writes or state between calls."""

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
from jobs.screenalytics.reading.artifacts import select_summaries
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

# Maximum persons per run. About twenty runs wait in memory for their transaction, in a pod of 1 GiB.
MAX_PERSONS: Final = 20_000
# Parse one document at a time: 16 MB of JSON take 200 MB as Python values, and parsing holds the GIL anyway.
_PARSING: Final = threading.Lock()

_ONE_DAY: Final = timedelta(days=1)
# Tolerated difference between the producer's clock and the store's.
_SKEW: Final = timedelta(minutes=1)


def read_run(
    store: ObjectStore, manifest: ManifestObject, settings: SourceSettings, *, now: datetime
) -> Run | SkippedRun:
    """Return a run, read by :func:`read_manifest` and :func:`read_artifacts`.

    Args:
        store: the bucket of the runs.
        manifest: the manifest from :func:`~jobs.screenalytics.reading.fetch.fetch_manifest`.
        settings: settings with prefix, artifact roots, size limits and grace period.
        now: current time with a time zone, to compute the age of the manifest.

    Raises:
        Rejected: the run is bad or not ready yet; see its ``kind``.
        TransientError: the store failed.
        AccessDenied: the store now refuses the manifest as well, so the credentials are at fault.
    """
    parsed = read_manifest(manifest, settings, now=now)
    return parsed if isinstance(parsed, SkippedRun) else read_artifacts(store, manifest, parsed, settings, now=now)


def read_manifest(manifest: ManifestObject, settings: SourceSettings, *, now: datetime) -> RunManifest | SkippedRun:
    """Return the validated contents of a manifest, without a request.

    The version is checked first, then identifiers and status, and the other fields only if the run was successful.

    Raises:
        Rejected: for example ``RUN_RUNNING``, or ``MANIFEST_INCOMPLETE`` for invalid JSON within the grace period.
    """
    try:
        document = strict_json.parse(manifest.body, what="the manifest", code="MANIFEST_PARSE", reject=reject)
    except Rejected as error:
        if error.code == "MANIFEST_PARSE" and _is_young(manifest, settings, now):
            raise reject("MANIFEST_INCOMPLETE", f"{error}; the upload may not be complete yet") from error
        raise
    if not isinstance(document, dict):
        raise reject("NOT_AN_OBJECT", f"the manifest is {shown(document)}; expected one JSON object", json_pointer="")
    adapter = versions.adapter(document)
    head = adapter.head(document)
    if head.run_id != manifest.ref.run_id:
        message = f"the manifest has the run_id {head.run_id}; expected {manifest.ref.run_id}, as in its key"
        facts = {"expected": manifest.ref.run_id, "actual": head.run_id}
        raise reject("ID_MISMATCH", message, json_pointer="/run_id", **facts)
    status = cast("Status", head.status)
    if status == "running":
        raise reject("RUN_RUNNING", "the run has not ended; the next ingest looks again", json_pointer="/status")
    if status != "success":
        return SkippedRun(head.run_id, head.ep_id, status, manifest.sha256)
    artifacts = document.get("artifacts")
    if isinstance(artifacts, list) and len(artifacts) > MAX_ARTIFACTS:
        # Checked here, before pydantic builds a model for each of perhaps a million artifacts.
        message = f"the manifest lists {len(artifacts):,} artifacts; expected at most {MAX_ARTIFACTS:,}"
        raise reject("TOO_MANY", message, json_pointer="/artifacts")
    return adapter.whole(document)


def read_artifacts(
    store: ObjectStore, manifest: ManifestObject, parsed: RunManifest, settings: SourceSettings, *, now: datetime
) -> Run:
    """Fetch and verify the artifacts of a successful run, and return the run.

    Before the first request, the whole manifest is checked: keys, versions, checksums and sizes.

    Raises:
        Rejected: for example ``ARTIFACT_NOT_YET`` for a missing artifact within the grace period of the manifest.
        TransientError: the store failed.
        AccessDenied: the store now refuses the manifest as well, so the credentials are at fault.
    """
    summaries = select_summaries(store, parsed, settings)
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
                message = f"{error}; it may not be uploaded yet"
                raise reject("ARTIFACT_NOT_YET", message, artifact_key=ref.artifact_key) from error
            raise
        size += read
        with _PARSING:
            content = _parse_artifact(ref, body, parsed)
        if len(metrics) + len(content.metrics) > MAX_PERSONS:
            message = f"the run has more than {MAX_PERSONS:,} persons, counting those of artifact {ref.artifact_key!r}"
            raise reject("TOO_MANY", message, artifact_key=ref.artifact_key, expected=f"<= {MAX_PERSONS}")
        warnings += content.warnings
        for metric in content.metrics:
            if metrics.setdefault(metric.person_id, metric) is not metric:
                first = metrics[metric.person_id].artifact_key
                message = f"person {metric.person_id!r} is in two artifacts, {first!r} and {ref.artifact_key!r}"
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


def _parse_artifact(ref: ArtifactRef, body: bytes, parsed: RunManifest) -> ArtifactMetrics:
    name = f"artifact {ref.artifact_key!r}"
    document = strict_json.parse(body, what=name, code="ARTIFACT_PARSE", reject=reject, artifact_key=ref.artifact_key)
    context = ArtifactContext(ref.artifact_key, parsed.run_id, parsed.ep_id, parsed.duration_ms)
    content = KINDS[ref.schema_version](document, context)
    if ref.row_count is not None and content.rows != ref.row_count:
        message = f"{name} has {content.rows} entries, but the manifest says {ref.row_count}"
        facts: dict[str, Any] = {"expected": ref.row_count, "actual": content.rows}
        raise reject("ROW_COUNT_MISMATCH", message, artifact_key=ref.artifact_key, **facts)
    return content


def _artifact(ref: ArtifactRef, summaries: Summaries) -> Artifact:
    fetched = ref.artifact_key in summaries
    return Artifact(
        artifact_key=ref.artifact_key,
        artifact_kind=ref.artifact_kind,
        # The location of an artifact that is not read is not validated, and may even be a presigned URL.
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
    """Return warnings about impossible times. They are stored unchanged; attempts decide which run is the latest."""
    warnings = []
    if parsed.started_at is not None and parsed.completed_at < parsed.started_at:
        warnings.append(
            RunWarning("CLOCK_SKEW", f"completed_at {parsed.completed_at} is before started_at {parsed.started_at}")
        )
    if parsed.completed_at > manifest.modified + _SKEW:
        text = f"completed_at {parsed.completed_at} is after the manifest was written, {manifest.modified}"
        warnings.append(RunWarning("CLOCK_SKEW", text))
    return warnings


def _is_young(manifest: ManifestObject, settings: SourceSettings, now: datetime) -> bool:
    age = now - manifest.modified
    # If the store's clock is ahead, the age is negative; do not defer the run for more than a day.
    return -_ONE_DAY <= age < timedelta(minutes=settings.grace_min)


def _check_rights(store: ObjectStore, manifest: ManifestObject) -> None:
    """Request the manifest that was just read; if that raises AccessDenied, the credentials are at fault."""
    with suppress(ObjectMissing):
        store.stat(manifest.ref.key)


def _denied(ref: ArtifactRef, error: AccessDenied) -> Rejected:
    message = f"artifact {ref.artifact_key!r}: {error}"
    if "s3:ListBucket" not in message:
        message += "; without s3:ListBucket, S3 answers 403 for missing keys as well"
    return reject("ACCESS_DENIED", message, artifact_key=ref.artifact_key)
