"""Compare one run with its manifest (same, changed, gone) and artifacts in the store; ``--quick``: only ETags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobs.screenalytics.settings import next_step
from jobs.screenalytics.verification.tables import finding
from shared.errors import ObjectChanged, ObjectMissing, RequestRefused, TransientError
from shared.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.settings import VerifySettings
    from jobs.screenalytics.verification.tables import StoredArtifact, StoredRun
    from shared.storage import ObjectStore

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of comparing a run with its objects.

    Attributes:
        run: the run.
        manifest: state of the manifest; ``unknown`` if the store did not answer.
        findings: all mismatches, except a manifest that is gone.
        bytes_read: bytes read from the store.
    """

    run: StoredRun
    manifest: Literal["same", "gone", "changed", "unknown"]
    findings: tuple[Failure, ...] = ()
    bytes_read: int = 0


def compare(store: ObjectStore, run: StoredRun, etag: str | None, settings: VerifySettings) -> Comparison:
    """Compare a run with its objects, and return the result.

    Args:
        store: the bucket of the runs.
        run: the run in the tables.
        etag: ETag of its manifest in the listing; None if it was not listed.
        settings: settings of the step; with ``quick``, only ETags are compared, with a request only if the manifest was
            not listed.
    """
    try:
        if etag is None:
            # It may have been uploaded after the listing.
            etag = store.stat(run.manifest_key).etag
        if settings.quick:
            return _quickly(run, etag, settings)
        size, digest = _digest(store, run.manifest_key, etag)
        if digest != run.manifest_sha256:
            return Comparison(run, "changed", (_changed(run, digest, settings),), size)
    except ObjectMissing:
        return Comparison(run, "gone")
    except (TransientError, RequestRefused) as error:
        return Comparison(run, "unknown", (Failure.of(run.run_id, error, manifest_key=run.manifest_key),))
    findings = []
    for artifact in run.artifacts:
        try:
            read, mismatches = _compare_artifact(store, run, artifact, settings)
        except (TransientError, RequestRefused) as error:
            failure = Failure.of(run.run_id, error, manifest_key=run.manifest_key, artifact_key=artifact.artifact_key)
            read, mismatches = 0, [failure]
        size += read
        findings += mismatches
    return Comparison(run, "same", tuple(findings), size)


def _quickly(run: StoredRun, etag: str, settings: VerifySettings) -> Comparison:
    if etag in run.etags:
        return Comparison(run, "same")
    message = (
        f"the ETag of the manifest of run {run.run_id} has changed since it was ingested. To compare its content, run:"
        f" {next_step(settings, 'verify')}"
    )
    data = {"expected": sorted(run.etags), "actual": etag}
    return Comparison(run, "changed", (finding(run.run_id, run.manifest_key, "ETAG_CHANGED", message, **data),))


def _changed(run: StoredRun, digest: str, settings: VerifySettings) -> Failure:
    message = (
        f"the manifest of run {run.run_id} has changed since it was ingested: its sha256 is {digest[:12]}…, expected"
        f" {run.manifest_sha256[:12]}…. To ingest it, run:"
        f" {next_step(settings, 'replay', run.run_id, '--accept-changed')}"
    )
    data = {"expected": run.manifest_sha256, "actual": digest}
    return finding(run.run_id, run.manifest_key, "MANIFEST_CHANGED", message, **data)


def _compare_artifact(
    store: ObjectStore, run: StoredRun, artifact: StoredArtifact, settings: VerifySettings
) -> tuple[int, list[Failure]]:
    name = f"artifact {artifact.artifact_key} of run {run.run_id} ({artifact.s3_key})"
    data: dict[str, object] = {"artifact_key": artifact.artifact_key}
    try:
        info = store.stat(artifact.s3_key)
        if artifact.size_bytes not in (None, info.size):
            message = (
                f"{name} was replaced: it has {info.size} bytes; expected {artifact.size_bytes}."
                f" {_replaced(run, settings)}"
            )
            data |= {"expected": artifact.size_bytes, "actual": info.size}
            return 0, [finding(run.run_id, run.manifest_key, "SIZE_MISMATCH", message, **data)]
        if artifact.sha256 is None:
            return 0, []
        size, digest = _digest(store, artifact.s3_key, info.etag)
    except ObjectMissing:
        message = f"{name} is gone, so the run cannot be ingested again. The rows are kept. Upload it again as it was"
        return 0, [finding(run.run_id, run.manifest_key, "ARTIFACT_MISSING", message, **data)]
    if digest == artifact.sha256:
        return size, []
    message = (
        f"{name} was replaced: its sha256 is {digest[:12]}…; expected {artifact.sha256[:12]}…."
        f" {_replaced(run, settings)}"
    )
    data |= {"expected": artifact.sha256, "actual": digest}
    return size, [finding(run.run_id, run.manifest_key, "CHECKSUM_MISMATCH", message, **data)]


def _replaced(run: StoredRun, settings: VerifySettings) -> str:
    return (
        "The rows are kept. Upload the artifact again as it was; if the new one is correct, upload a manifest that"
        f" describes it and run: {next_step(settings, 'replay', run.run_id, '--accept-changed')}"
    )


def _digest(store: ObjectStore, key: str, etag: str) -> tuple[int, str]:
    """Return size and sha256 of an object; if it is replaced during the read, read it once more."""
    try:
        return _hashed(store.stream(key, etag=etag))
    except ObjectChanged:
        return _hashed(store.stream(key))


def _hashed(chunks: Iterator[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
