"""Read a producer's own manifests, keep the latest of each stage, and report those that cannot be used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.run_manifest import EXPECTED, STATUSES
from jobs.screenalytics.contract.validated import shown
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import manifest_key
from shared import strict_json
from shared.errors import ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.screenalytics.settings import WriteManifestSettings
    from shared.storage import ObjectStore
    from shared.storage.protocol import ObjectInfo

__all__ = [
    "KEPT",
    "STAGE",
    "STAGE_FOLDER",
    "ProducerManifest",
    "describe_document",
    "find_stage_manifests",
    "latest_manifests",
    "read_document",
]

KEPT: Final = "manifest.replaced-"
"""Start of a replaced manifest's new name; it is kept next to the new manifest."""

STAGE_FOLDER: Final = "manifests/"
STAGE: Final = "screentime"
"""The stage that writes the summary, so that its status is the status of the run."""

# A stage manifest is a few kilobytes.
_MAX_BYTES: Final = 1_000_000
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ProducerManifest:
    """A manifest of the run in a producer's own format.

    Attributes:
        key: its key.
        content: a JSON object with the run's id; with ``stage`` if it is the manifest of a stage.
    """

    key: str
    content: dict[str, Any]

    def status(self) -> str:
        """Return the canonical status of a stage.

        Raises:
            Rejected: ``UNKNOWN_STATUS``.
        """
        word = self.content.get("status")
        status = STATUSES.get(word) if isinstance(word, str) else None
        if status is None:
            message = f"the status of the stage manifest {self.key} is {shown(word)}; expected {EXPECTED['status']}"
            raise reject("UNKNOWN_STATUS", message, expected=EXPECTED["status"], actual=shown(word))
        return status

    def ended(self) -> datetime | None:
        """Return when a stage ended; None if its manifest has no readable time."""
        with suppress(TypeError, ValueError, OverflowError):
            ended = datetime.fromisoformat(self.content.get("finished_at") or "")
            return ended.replace(tzinfo=UTC) if ended.tzinfo is None else ended.astimezone(UTC)
        return None

    def malformed(self) -> str | None:
        """Describe the part of a stage's file list that cannot be read; None if all of it can."""
        artifacts = self.content.get("artifacts")
        if artifacts is None:
            return None
        if not isinstance(artifacts, list):
            return f"the artifacts of {self.key}, which are {shown(artifacts)} instead of a list"
        count = sum(not (isinstance(entry, dict) and isinstance(entry.get("path"), str)) for entry in artifacts)
        return f"{count} of the artifacts of {self.key}, which have no path" if count else None


def find_stage_manifests(
    store: ObjectStore,
    run_id: str,
    settings: WriteManifestSettings,
    current: Any,
    *,
    objects: Mapping[str, ObjectInfo],
    names: Mapping[str, str],
) -> tuple[list[ProducerManifest], list[str]]:
    """Return a producer's manifests of a run, and those that cannot be used, each with its key and the reason.

    Args:
        store: the bucket.
        run_id: the run.
        settings: the prefix.
        current: the document at the manifest's key; None if there is none.
        objects: the objects of the run by key.
        names: their paths within the folder of the run, by key.

    Raises:
        Rejected: the manifest of the stage :data:`STAGE` cannot be used, so that a failed run would look like a
            success.
    """
    found, ignored = [], []
    at_key = manifest_key(settings.prefix, run_id)
    if _is_of(current, run_id):
        found.append(ProducerManifest(at_key, current))
    elif isinstance(current, dict) and "stage" in current:
        ignored.append(_foreign(at_key, current, run_id))
    for key, name in names.items():
        if not (name.startswith((STAGE_FOLDER, KEPT)) and name.endswith(".json")):
            continue
        decides = name == f"{STAGE_FOLDER}{STAGE}.json"
        try:
            content = _read(store, objects[key], run_id)
            if decides and content["stage"] != STAGE:
                raise reject("ID_MISMATCH", f"{key} is of the stage {shown(content['stage'])}", expected=STAGE)
        except Rejected as error:
            if decides:
                message = (
                    f"the stage manifest {error.message}, so it is unknown whether run {run_id} succeeded. Upload the"
                    " stage manifest again, or delete it if the run succeeded"
                )
                raise reject(error.code, message, **error.data) from error
            # A document that write-manifest replaced earlier need not be a stage manifest.
            if name.startswith(STAGE_FOLDER):
                ignored.append(error.message)
        else:
            found.append(ProducerManifest(key, content))
    return found, ignored


def latest_manifests(manifests: Iterable[ProducerManifest]) -> list[ProducerManifest]:
    """Return the latest manifest of each stage: a repeated stage may have left an older one at another key.

    Raises:
        Rejected: ``FIELD_INVALID``: two manifests of the stage :data:`STAGE` have different statuses, and one of them
            has no time.
    """
    latest: dict[str, ProducerManifest] = {}
    for manifest in manifests:
        name = str(manifest.content["stage"])
        other = latest.setdefault(name, manifest)
        ended, before = manifest.ended(), other.ended()
        is_disputed = manifest.content.get("status") != other.content.get("status")
        if name == STAGE and is_disputed and None in (ended, before):
            undated = manifest if ended is None else other
            time = shown(undated.content.get("finished_at"))
            message = (
                f"the stage manifests {other.key} and {manifest.key} have different statuses, and the finished_at of"
                f" {undated.key} is {time}; expected the time at which it ended, to tell which is the latest. Upload it"
                " with its time, or delete it"
            )
            raise reject("FIELD_INVALID", message, actual=time)
        if (ended or _NEVER) > (before or _NEVER):
            latest[name] = manifest
    return list(latest.values())


def describe_document(document: Any) -> str:
    """Describe the document at a manifest's key in a few words."""
    if isinstance(document, dict):
        if "stage" in document:
            return "a stage manifest"
        if "artifact_schema_version" in document:
            return "a manifest in another format"
        if document.get("schema_version") == "1.0":
            return "a RunManifest 1.0"
    return "another document"


def read_document(body: bytes, what: str) -> Any:
    """Parse a producer's document.

    Raises:
        Rejected: it is not JSON, or breaks a rule of :mod:`shared.strict_json`.
    """
    return strict_json.parse(body, what=what, code="ARTIFACT_PARSE", reject=reject)


def _read(store: ObjectStore, info: ObjectInfo, run_id: str) -> dict[str, Any]:
    """Read one stage manifest.

    Raises:
        Rejected: it cannot be read, or is of another run; the message starts with its key.
    """
    key = info.key
    if info.size > _MAX_BYTES:
        raise reject("TOO_LARGE", f"{key} has {info.size:,} bytes, more than {_MAX_BYTES:,}", actual=info.size)
    try:
        document = read_document(store.read(key), key)
    except ObjectMissing:
        raise reject("ARTIFACT_MISSING", f"{key} was listed but is gone") from None
    if not isinstance(document, dict) or "stage" not in document:
        raise reject("FIELD_MISSING", f"{key} names no stage")
    if not _is_of(document, run_id):
        raise reject("ID_MISMATCH", _foreign(key, document, run_id), expected=run_id)
    return document


def _is_of(document: Any, run_id: str) -> bool:
    return isinstance(document, dict) and document.get("run_id") == run_id


def _foreign(key: str, document: dict[str, Any], run_id: str) -> str:
    return f"{key} has the run_id {shown(document.get('run_id'))} instead of '{run_id}'"
