"""Versions of the manifest: one adapter per exact version text, checked before anything else is read.

All others are rejected unread.

To add a version, add a module with its models and one line here; its adapter returns the same :class:`RunManifest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.run_manifest import RunHead, RunManifest
from jobs.screenalytics.contract.validated import shown, validated
from jobs.screenalytics.errors import reject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ADAPTERS", "Adapter", "adapter"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Reads manifests of one version.

    Attributes:
        head: function that reads version, identifiers and status of any run.
        whole: function that reads all fields of a successful run.
    """

    head: Callable[[Mapping[str, Any]], RunHead]
    whole: Callable[[Mapping[str, Any]], RunManifest]


_WHAT: Final = "the manifest"

ADAPTERS: Final[dict[str, Adapter]] = {
    "1.0": Adapter(partial(validated, RunHead, what=_WHAT), partial(validated, RunManifest, what=_WHAT)),
}


def adapter(document: Mapping[str, Any]) -> Adapter:
    """Return the adapter for a manifest, without reading anything but its version.

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
