"""Why a run is not ingested: stable codes, and what each means for the run (specs: RunManifest 1.0)."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from shared.errors import ItemError

__all__ = ["CODES", "MEANINGS", "Kind", "Rejected", "reject"]

Kind = Literal["permanent", "not_ready", "quarantine"]
"""``permanent``: bad as it is, zero rows; ``not_ready``: looked at again, no error; ``quarantine``: old rows stay."""

_PERMANENT: Final = {
    "MANIFEST_MISSING": "there is no manifest where the run's must be",
    "MANIFEST_PARSE": "the manifest is no JSON, or is cut off; younger than the grace it is MANIFEST_INCOMPLETE",
    "ENCODING": "a document is not UTF-8, or has half of a surrogate pair",
    "DUPLICATE_KEY": "an object of a document has a key twice",
    "NON_FINITE": "NaN, Infinity, or a number that is as large",
    "TOO_LARGE": "a manifest or an artifact is larger than its limit, as stored or unpacked",
    "TOO_DEEP": "a document is nested too deep",
    "TOO_MANY": "a manifest names too many artifacts, or an artifact has too many rows",
    "NOT_AN_OBJECT": "a document is a list or a value where an object must be",
    "MISSING_VERSION": "schema_version is absent, null or empty",
    "UNSUPPORTED_VERSION": "schema_version is not one that this telecine reads; nothing else of the run was fetched",
    "FIELD_MISSING": "a field that is needed is absent",
    "FIELD_INVALID": "a field has the wrong type or a value that is not valid",
    "UNKNOWN_STATUS": "status is none of the words that are known",
    "NAIVE_TIMESTAMP": "a time has no offset",
    "ID_MISMATCH": "run or episode differ between key, manifest, artifact and event",
    "NO_SUMMARY": "no artifact is of the kind person_metrics",
    "DUPLICATE_ARTIFACT": "an artifact_key or an artifact's object stands twice",
    "KEY_ESCAPE": "a key is outside the run's folders, or could name something else than itself",
    "FOREIGN_LOCATION": "an artifact is said to be in another bucket or at a URL; nothing was asked of it",
    "CROSS_RUN_REF": "an artifact is in the folder of another run",
    "NOT_AN_OBJECT_KEY": "an artifact is a path on the producer's machine",
    "ARTIFACT_MISSING": "an artifact is not there, and the grace is over; before that it is ARTIFACT_NOT_YET",
    "ACCESS_DENIED": "the store refuses this object; S3 says so of a missing one, too, where it may not be listed",
    "UNSUPPORTED_ARTIFACT_VERSION": "a person_metrics artifact has a schema_version that this telecine does not read",
    "CHECKSUM_MISSING": "a person_metrics artifact has no checksum, and --unverified is not set",
    "CHECKSUM_INVALID": "a checksum is not 64 hexadecimal digits",
    "CHECKSUM_MISMATCH": "the object has another sha256 than the manifest says, or the manifest than the event says",
    "SIZE_MISMATCH": "the object has another size than the manifest says",
    "ROW_COUNT_MISMATCH": "an artifact has another number of rows than the manifest says",
    "DECODE": "a gzip artifact is cut off, damaged, or has something behind its end",
    "ARTIFACT_PARSE": "an artifact is no JSON",
    "PERSON_ID_INVALID": "a person_id or cast_id is blank, has a control character, or is too long",
    "DUPLICATE_PERSON": "a person stands twice under the same cast",
    "NEGATIVE": "a time or a count is below zero",
    "OUT_OF_RANGE": "a person is seen for longer than the episode, or a number is larger than its column",
    "CONFIDENCE_INVALID": "a confidence is not a number from 0 to 1",
    "INCONSISTENT": "visual_s and face_visible_seconds differ",
    "UNKNOWN_EVENT": "an event is of a type that is not known",
    "EVENT_INVALID": "an event names no run, or its payload is not as it must be",
    "SOURCE_DELETED": "the manifest of a run that was waiting is gone",
}
_NOT_READY: Final = {
    "RUN_RUNNING": "the manifest says that the run goes on",
    "MANIFEST_INCOMPLETE": "the manifest is no whole JSON, and younger than the grace",
    "MANIFEST_NOT_YET": "an event told of the run, and its manifest is not there",
    "ARTIFACT_NOT_YET": "an artifact is not there, and the manifest is younger than the grace",
}
_QUARANTINE: Final = {
    "MANIFEST_CHANGED": "a known run has another manifest; its rows stay until the new one is accepted",
    "RUN_ID_COLLISION": "a known run_id is used for another episode, or in another place with other content",
}

MEANINGS: Final[dict[str, str]] = {**_PERMANENT, **_NOT_READY, **_QUARANTINE}
"""What each code says."""

CODES: Final[dict[str, Kind]] = {
    **dict.fromkeys(_PERMANENT, "permanent"),
    **dict.fromkeys(_NOT_READY, "not_ready"),
    **dict.fromkeys(_QUARANTINE, "quarantine"),
}
"""What each code means for its run."""


class Rejected(ItemError):
    """A run that is not ingested now, and why.

    Errors of the store and of the database are none of these: they keep the types of :mod:`shared.errors`.
    """

    default_code: ClassVar[str] = "FIELD_INVALID"

    @property
    def kind(self) -> Kind:
        """What becomes of the run."""
        return CODES[self.code]


def reject(code: str, message: str, **data: Any) -> Rejected:
    """Return the typed error of a run.

    Args:
        code: one of :data:`CODES`.
        message: what was found, where, what is valid and what to do.
        data: named facts: ``artifact_key``, ``json_pointer``, ``expected``, ``actual``.

    Raises:
        KeyError: for a code that :data:`CODES` does not have.
    """
    kind = CODES[code]
    return Rejected(message, code=code, retryable=kind == "not_ready", **data)
