"""Versions of the manifest: one adapter per exact version text, checked before anything else is read.

All others are rejected unread.

To add a version, add a module with its models and one line here; its adapter returns the same :class:`RunManifest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.run_manifest import EXPECTED, MAX_ARTIFACTS, STATUSES, RunHead, RunManifest
from jobs.screenalytics.contract.validated import WrongField, check, refuse, shown
from jobs.screenalytics.errors import reject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Adapter = Callable[[Mapping[str, Any], str], RunHead | RunManifest]

__all__ = ["ADAPTERS", "adapter"]


_HEAD: Final = frozenset(f"/{name}" for name in RunHead.model_fields)


def _read_1_0(document: Mapping[str, Any], run_id: str) -> RunHead | RunManifest:
    """Return the manifest of a successful run, or only the head for any other run.

    Args:
        document: a JSON object.
        run_id: the run in the manifest's key.

    Raises:
        Rejected: the document has wrong fields; the error lists all of them.
    """
    status = document.get("status")
    # If the status is unreadable, all fields are checked, so that the producer sees every error at once.
    is_unknown = isinstance(status, str) and status not in STATUSES
    ended_well = not isinstance(status, str) or STATUSES.get(status, "success") == "success"
    artifacts = document.get("artifacts")
    too_many = ended_well and isinstance(artifacts, list) and len(artifacts) > MAX_ARTIFACTS
    # Checked before a million models are built.
    checked = {**document, "artifacts": []} if too_many else document
    found = check(RunManifest if ended_well else RunHead, checked, expected=EXPECTED)
    wrong = found if isinstance(found, list) else []
    if is_unknown:
        # Only a success needs the other fields, so a missing one may be right.
        wrong = [each for each in wrong if each.code != "FIELD_MISSING" or each.json_pointer in _HEAD]
    if too_many and isinstance(artifacts, list):
        place, count = "/artifacts", len(artifacts)
        wrong.append(WrongField("TOO_MANY", place, f"{place} has {count:,}; expected {EXPECTED['artifacts']}", {}))
    actual = document.get("run_id")
    if not any(each.json_pointer == "/run_id" for each in wrong) and actual != run_id:
        problem = f"/run_id is {shown(actual)}; expected '{run_id}', as in the manifest's key"
        wrong.insert(0, WrongField("ID_MISMATCH", "/run_id", problem, {"expected": run_id, "actual": actual}))
    if wrong or isinstance(found, list):
        raise refuse(wrong, what="the manifest")
    return found


ADAPTERS: Final[dict[str, Adapter]] = {"1.0": _read_1_0}
"""Version -> its reader: ``(document, run_id) -> RunHead | RunManifest``."""


def adapter(document: Mapping[str, Any]) -> Adapter:
    """Return the reader of a manifest by its version, without reading any other field.

    Raises:
        Rejected: ``MISSING_VERSION`` or ``UNSUPPORTED_VERSION``.
    """
    version = document.get("schema_version")
    valid = ", ".join(f'"{each}"' for each in ADAPTERS)
    facts = {"json_pointer": "/schema_version", "expected": valid}
    if version is None or version == "":
        raise reject("MISSING_VERSION", f"the manifest has no schema_version; expected {valid}", **facts)
    if not isinstance(version, str) or version not in ADAPTERS:
        actual = shown(version)
        message = (
            f"the manifest has the unsupported schema_version {actual}; expected {valid}, exactly this text. "
            "Nothing else of the run was read; ingest it with a release of telecine that supports this version"
        )
        raise reject("UNSUPPORTED_VERSION", message, actual=actual, **facts)
    return ADAPTERS[version]
