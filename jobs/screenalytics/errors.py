"""Reasons not to ingest a run: stable codes, and whether each is permanent, retried or quarantined."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from shared.errors import ItemError

__all__ = ["CODES", "FINDINGS", "MEANINGS", "Rejected", "RejectionKind", "reject"]

RejectionKind = Literal["permanent", "not_ready", "quarantine"]
"""``permanent``: bad, the run gets no rows; ``not_ready``: not an error, retried; ``quarantine``: old rows stay."""

_PERMANENT: Final = {
    "MANIFEST_MISSING": "the run has no manifest at its key",
    "MANIFEST_PARSE": "the manifest is not JSON or is truncated (within the grace period: MANIFEST_INCOMPLETE)",
    "ENCODING": "a document is not valid UTF-8, or contains an unpaired surrogate",
    "DUPLICATE_KEY": "a JSON object has the same key twice",
    "NON_FINITE": "a number is NaN, infinite, or outside the range of a double",
    "TOO_LARGE": "a manifest or an artifact exceeds its size limit, as stored or unpacked",
    "TOO_DEEP": "a document is nested too deeply",
    "TOO_MANY": "a manifest lists too many artifacts, or an artifact has too many rows",
    "NOT_AN_OBJECT": "a document is not a JSON object; it is a list or a single value",
    "MISSING_VERSION": "schema_version is absent, null or empty",
    "UNSUPPORTED_VERSION": "this telecine does not support the schema_version; nothing else of the run was fetched",
    "FIELD_MISSING": "a required field is missing",
    "FIELD_INVALID": "a field has the wrong type or an invalid value",
    "UNKNOWN_STATUS": "status is not one of the known values",
    "NAIVE_TIMESTAMP": "a timestamp has no UTC offset",
    "ID_MISMATCH": "the run or the episode differs between key, manifest, artifact and event",
    "NO_SUMMARY": "no artifact has the kind person_metrics",
    "DUPLICATE_ARTIFACT": "the same artifact_key appears twice",
    "KEY_ESCAPE": "a key is outside the folders of the run, or is ambiguous (such as a/../b)",
    "FOREIGN_LOCATION": "an artifact is in another bucket or at a URL; it was not requested",
    "CROSS_RUN_REF": "an artifact is in the folder of another run",
    "NOT_AN_OBJECT_KEY": "the s3_key of an artifact is a path on the producer's machine, or not a valid key",
    "ARTIFACT_MISSING": "an artifact does not exist (within the grace period: ARTIFACT_NOT_YET)",
    "ACCESS_DENIED": "the store refuses this object; without s3:ListBucket, S3 refuses missing objects in the same way",
    "OBJECT_REFUSED": "the store refuses this object but returns others: it is archived, or its KMS key is disabled",
    "UNSUPPORTED_ARTIFACT_VERSION": "this telecine does not support the schema_version of a person_metrics artifact",
    "CHECKSUM_MISSING": "a person_metrics artifact has no checksum, and --unverified is not set",
    "CHECKSUM_INVALID": "a checksum is not 64 hexadecimal digits",
    "CHECKSUM_MISMATCH": "the sha256 of an object differs from its manifest, or that of a manifest from its event",
    "SIZE_MISMATCH": "the size of an object differs from its manifest",
    "ROW_COUNT_MISMATCH": "the number of rows in an artifact differs from its manifest",
    "DECODE": "a gzip artifact is truncated or damaged, or has trailing data",
    "ARTIFACT_PARSE": "an artifact is not JSON",
    "PERSON_ID_INVALID": "a person_id or cast_id is blank, has a control character, or is too long",
    "DUPLICATE_PERSON": "the same person appears twice under one cast",
    "PERSON_CONFLICT": "two casts have the same person_id but different names",
    "NEGATIVE": "a time or a count is negative",
    "OUT_OF_RANGE": "a person's time exceeds the duration of the episode, or a number exceeds its column",
    "CONFIDENCE_INVALID": "a confidence is not a number from 0 to 1",
    "INCONSISTENT": "visual_s and face_visible_seconds differ",
    "UNKNOWN_EVENT": "the type of an event is unknown",
    "EVENT_INVALID": "an event has no valid run id, or an invalid payload",
    "MANIFEST_EXISTS": "write-manifest found another document at the manifest's key, and --replace is not set",
    "SOURCE_DELETED": "the manifest of a run was deleted before the run was ingested",
}
_NOT_READY: Final = {
    "RUN_RUNNING": "the manifest says the run is still in progress",
    "MANIFEST_INCOMPLETE": "the manifest is not complete JSON, within the grace period",
    "MANIFEST_NOT_YET": "an event announced the run, but its manifest does not exist yet",
    "MANIFEST_OUTDATED": "within the grace period, the manifest is not yet the one that its event announces",
    "ARTIFACT_NOT_YET": "an artifact does not exist yet, within the grace period of its manifest",
}
_QUARANTINE: Final = {
    "MANIFEST_CHANGED": "the manifest of a known run changed; the old rows are kept until the change is accepted",
    "RUN_ID_COLLISION": "a known run_id is used by another episode, or at another key with other content",
}

FINDINGS: Final = {
    "NOT_INGESTED": "a run is in the store but not in the tables",
    "SOURCE_DELETED": "the manifest of a run is gone; the rows are kept",
    "ETAG_CHANGED": "the ETag of a manifest changed (--quick, which does not read its content)",
    "MANIFEST_CHANGED": "the manifest of a run changed",
    "ARTIFACT_MISSING": "an artifact of a run is gone",
    "SIZE_MISMATCH": "an artifact was replaced: its size changed",
    "CHECKSUM_MISMATCH": "an artifact was replaced: its sha256 changed",
    "PERSONS_MISMATCH": "person_metrics has missing or extra rows for a run",
    "CASTS_MISMATCH": "cast_metrics has missing or extra rows for a run",
    "HASH_MISMATCH": "rows of a run have changed since they were written",
}
"""Code of a finding of ``verify`` -> meaning. Errors of the store keep their own codes."""

MEANINGS: Final[dict[str, str]] = {**_PERMANENT, **_NOT_READY, **_QUARANTINE}
"""Code -> meaning, for the documentation."""

CODES: Final[dict[str, RejectionKind]] = {
    **dict.fromkeys(_PERMANENT, "permanent"),
    **dict.fromkeys(_NOT_READY, "not_ready"),
    **dict.fromkeys(_QUARANTINE, "quarantine"),
}
"""Code -> kind of rejection."""


class Rejected(ItemError):
    """The reason why a run is not ingested now.

    Errors of the store and the database keep their types from :mod:`shared.errors`.
    """

    default_code: ClassVar[str] = "FIELD_INVALID"

    @property
    def kind(self) -> RejectionKind:
        """The kind of rejection."""
        return CODES[self.code]


def reject(code: str, message: str, **data: Any) -> Rejected:
    """Return the error for a run.

    Args:
        code: one of :data:`CODES`.
        message: the problem and its location, the expected value, and what to do.
        data: named values: ``artifact_key``, ``json_pointer``, ``expected``, ``actual``.

    Raises:
        KeyError: the code is not in :data:`CODES`.
    """
    kind = CODES[code]
    return Rejected(message, code=code, retryable=kind == "not_ready", **data)
