"""Read a run: grace period, limit of persons, warnings about unknown fields and implausible times (``CLOCK_SKEW``)."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from jobs.screenalytics.contract import versions
from jobs.screenalytics.contract.kinds import KINDS, ArtifactContext, ArtifactMetrics
from jobs.screenalytics.contract.run_manifest import RunManifest, RunStatus
from jobs.screenalytics.contract.validated import shown, unknown_fields
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.model import Artifact, CastMetric, PersonMetric, RunWarning, ScreenalyticsRun, SkippedRun
from jobs.screenalytics.reading.fetch import fetch_artifact, refused
from jobs.screenalytics.reading.selection import select_summaries
from jobs.screenalytics.reading.stage_manifests import describe_document
from jobs.screenalytics.settings import next_step
from shared import strict_json
from shared.errors import AccessDenied, ObjectMissing, RequestRefused
from shared.storage import is_readable
from shared.text import clean_text

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.screenalytics.contract.run_manifest import ArtifactRef
    from jobs.screenalytics.model import ManifestObject
    from jobs.screenalytics.reading.selection import Summaries
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["MAX_PERSONS", "is_young", "read_artifacts", "read_manifest", "read_run"]

# Per run. About twenty runs wait in memory for their transaction, in a pod of 1 GiB.
MAX_PERSONS: Final = 20_000
# 16 MB of JSON take 200 MB as Python values, and parsing holds the GIL anyway: one at a time.
_PARSING: Final = threading.Lock()

_ONE_DAY: Final = timedelta(days=1)
# Tolerated difference between the clocks of producer and store.
_SKEW: Final = timedelta(minutes=1)


def read_run(
    store: ObjectStore, manifest: ManifestObject, settings: SourceSettings, *, now: datetime
) -> ScreenalyticsRun | SkippedRun:
    """Read a run: :func:`read_manifest`, then :func:`read_artifacts`.

    Args:
        store: the bucket of the runs.
        manifest: the manifest from :func:`~jobs.screenalytics.reading.fetch.fetch_manifest`.
        settings: prefix, artifact roots, size limits, grace.
        now: timezone-aware; used for the age of the manifest.

    Raises:
        Rejected: the run is invalid or not ready yet, see its ``kind``.
        TransientError: from the store.
        RequestRefused: by now the store refuses the manifest as well.
    """
    parsed = read_manifest(manifest, settings, now=now)
    return parsed if isinstance(parsed, SkippedRun) else read_artifacts(store, manifest, parsed, settings, now=now)


def read_manifest(manifest: ManifestObject, settings: SourceSettings, *, now: datetime) -> RunManifest | SkippedRun:
    """Parse and validate a manifest. Makes no request.

    The version is checked first, then identifiers and status; the rest only if the run was successful.

    Raises:
        Rejected: for example ``RUN_RUNNING``, or ``MANIFEST_INCOMPLETE`` for invalid JSON younger than the grace.
    """
    try:
        document = strict_json.parse(manifest.body, what="the manifest", code="MANIFEST_PARSE", reject=reject)
    except Rejected as error:
        if error.code == "MANIFEST_PARSE" and is_young(manifest, settings, now):
            raise reject("MANIFEST_INCOMPLETE", f"{error}; the upload may not be complete yet") from error
        raise
    if not isinstance(document, dict):
        raise reject("NOT_AN_OBJECT", f"the manifest is {shown(document)}; expected one JSON object", json_pointer="")
    try:
        parsed = versions.adapter(document)(document, manifest.ref.run_id)
    except Rejected as error:
        raise _of_a_producer(document, manifest.ref.run_id, settings, error) from error
    status = cast("RunStatus", parsed.status)
    if status == "running":
        raise reject("RUN_RUNNING", "the run has not ended; the next ingest checks it again", json_pointer="/status")
    if status != "success":
        return SkippedRun(parsed.run_id, parsed.ep_id, status, manifest.sha256)
    assert isinstance(parsed, RunManifest)
    return parsed


def _of_a_producer(document: dict[str, Any], run_id: str, settings: SourceSettings, error: Rejected) -> Rejected:
    """Return the error for a manifest; one of a producer's own format names the command that makes a RunManifest."""
    if "stage" not in document and "artifact_schema_version" not in document:
        return error
    message = (
        f"{error.message}. It is {describe_document(document)}; to make a RunManifest over the files of the run, run:"
        f" {next_step(settings, 'write-manifest', run_id, '--replace')}"
    )
    return reject(error.code, message, **error.data)


def read_artifacts(
    store: ObjectStore, manifest: ManifestObject, parsed: RunManifest, settings: SourceSettings, *, now: datetime
) -> ScreenalyticsRun:
    """Fetch and verify the artifacts of a successful run.

    The whole manifest is checked before the first request: keys, versions, checksums, sizes.

    Raises:
        Rejected: ``ARTIFACT_NOT_YET`` for a missing artifact while the manifest is within the grace period.
        TransientError: from the store.
        RequestRefused: by now the store refuses the manifest as well.
    """
    summaries = select_summaries(store, parsed, settings)
    warnings = [*_unread(parsed), *_clock(manifest, parsed)]
    metrics: dict[str, PersonMetric] = {}
    casts: list[CastMetric] = []
    size = len(manifest.body)
    for ref, key in summaries.values():
        try:
            body, read = fetch_artifact(store, ref, key, settings)
        except RequestRefused as error:
            if not _is_still_readable(store, manifest):
                raise
            raise _denied(store, ref, error) from error
        except Rejected as error:
            if error.code == "ARTIFACT_MISSING" and is_young(manifest, settings, now):
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
        casts += content.casts
        for metric in content.metrics:
            if metrics.setdefault(metric.person_id, metric) is not metric:
                other = metrics[metric.person_id].artifact_key
                message = f"person {metric.person_id!r} is in two artifacts, {other!r} and {ref.artifact_key!r}"
                raise reject("DUPLICATE_PERSON", message, artifact_key=ref.artifact_key)
    return ScreenalyticsRun(
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
        casts=tuple(casts),
        warnings=tuple(warnings),
        bytes_read=size,
    )


def _parse_artifact(ref: ArtifactRef, body: bytes, parsed: RunManifest) -> ArtifactMetrics:
    what = f"artifact {ref.artifact_key!r}"
    document = strict_json.parse(body, what=what, code="ARTIFACT_PARSE", reject=reject, artifact_key=ref.artifact_key)
    context = ArtifactContext(ref.artifact_key, parsed.run_id, parsed.ep_id, parsed.duration_ms)
    content = KINDS[ref.schema_version](document, context)
    if ref.row_count is not None and content.rows != ref.row_count:
        message = f"{what} has {content.rows} entries, but the manifest says {ref.row_count}"
        facts: dict[str, Any] = {"expected": ref.row_count, "actual": content.rows}
        raise reject("ROW_COUNT_MISMATCH", message, artifact_key=ref.artifact_key, **facts)
    return content


def _artifact(ref: ArtifactRef, summaries: Summaries) -> Artifact:
    fetched = ref.artifact_key in summaries
    return Artifact(
        artifact_key=ref.artifact_key,
        artifact_kind=ref.artifact_kind,
        # An artifact that is not read may be anywhere, even at a presigned URL.
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
    """Warn about impossible times. They are stored as they are; attempts decide which run is the latest."""
    found = []
    if parsed.started_at is not None and parsed.completed_at < parsed.started_at:
        found.append(
            RunWarning("CLOCK_SKEW", f"completed_at {parsed.completed_at} is before started_at {parsed.started_at}")
        )
    if parsed.completed_at > manifest.modified + _SKEW:
        text = f"completed_at {parsed.completed_at} is after the manifest was written, {manifest.modified}"
        found.append(RunWarning("CLOCK_SKEW", text))
    return found


def is_young(manifest: ManifestObject, settings: SourceSettings, now: datetime) -> bool:
    """Return True if a manifest is within the grace period, so that it or its artifacts may still be incomplete."""
    age = now - manifest.modified
    # If the clock of the store is ahead, do not defer the run forever.
    return -_ONE_DAY <= age < timedelta(minutes=settings.grace_min)


def _is_still_readable(store: ObjectStore, manifest: ManifestObject) -> bool:
    """Read the manifest again: if it is refused too, the credentials or the bucket are at fault, not the artifact."""
    with suppress(ObjectMissing):
        return is_readable(store, manifest.ref.key)
    return True


def _denied(store: ObjectStore, ref: ArtifactRef, error: RequestRefused) -> Rejected:
    message = f"artifact {ref.artifact_key!r}: {error}"
    if isinstance(error, AccessDenied) and store.uri.startswith("s3://") and "s3:ListBucket" not in message:
        message += "; without s3:ListBucket, S3 answers 403 for missing keys as well"
    return refused(error, message, artifact_key=ref.artifact_key)
