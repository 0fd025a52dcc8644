"""Why a run is not ingested: stable codes, and what each means for the run (specs: RunManifest 1.0)."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from shared.errors import ItemError

__all__ = ["CODES", "Kind", "Rejected", "reject"]

Kind = Literal["permanent", "not_ready", "quarantine"]
"""``permanent``: bad as it is, zero rows; ``not_ready``: looked at again, no error; ``quarantine``: old rows stay."""

_PERMANENT: Final = (
    # the manifest's bytes
    *("MANIFEST_MISSING", "MANIFEST_PARSE", "ENCODING", "DUPLICATE_KEY", "NON_FINITE", "TOO_LARGE", "TOO_DEEP"),
    *("TOO_MANY", "NOT_AN_OBJECT"),
    # its contract
    *("MISSING_VERSION", "UNSUPPORTED_VERSION", "FIELD_MISSING", "FIELD_INVALID", "UNKNOWN_STATUS", "NAIVE_TIMESTAMP"),
    *("ID_MISMATCH", "NO_SUMMARY", "DUPLICATE_ARTIFACT"),
    # where its artifacts lie
    *("KEY_ESCAPE", "FOREIGN_LOCATION", "CROSS_RUN_REF", "NOT_AN_OBJECT_KEY"),
    # the artifacts
    *("ARTIFACT_MISSING", "ACCESS_DENIED", "UNSUPPORTED_ARTIFACT_VERSION", "CHECKSUM_MISSING", "CHECKSUM_INVALID"),
    *("CHECKSUM_MISMATCH", "SIZE_MISMATCH", "ROW_COUNT_MISMATCH", "DECODE", "ARTIFACT_PARSE"),
    # their values
    *("PERSON_ID_INVALID", "DUPLICATE_PERSON", "NEGATIVE", "OUT_OF_RANGE", "CONFIDENCE_INVALID", "INCONSISTENT"),
    # how it was told of, and what became of it
    *("UNKNOWN_EVENT", "EVENT_INVALID", "SOURCE_DELETED"),
)
_NOT_READY: Final = ("RUN_RUNNING", "MANIFEST_INCOMPLETE", "MANIFEST_NOT_YET", "ARTIFACT_NOT_YET")
_QUARANTINE: Final = ("MANIFEST_CHANGED", "RUN_ID_COLLISION")

CODES: Final[dict[str, Kind]] = {
    **dict.fromkeys(_PERMANENT, "permanent"),
    **dict.fromkeys(_NOT_READY, "not_ready"),
    **dict.fromkeys(_QUARANTINE, "quarantine"),
}


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
