"""Versions of the manifest: each exact text has one adapter, and whatever is not here is refused unread.

A new version is one module with its own models, and one line here: its adapter gives the same :class:`RunManifest`.
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
    """Reads the manifests of one version.

    Attributes:
        head: version, identifiers and status, of any run.
        whole: all of it, of a successful run.
    """

    head: Callable[[Mapping[str, Any]], RunHead]
    whole: Callable[[Mapping[str, Any]], RunManifest]


_WHAT: Final = "the manifest"

ADAPTERS: Final[dict[str, Adapter]] = {
    "1.0": Adapter(partial(validated, RunHead, what=_WHAT), partial(validated, RunManifest, what=_WHAT)),
}


def adapter(document: Mapping[str, Any]) -> Adapter:
    """Return what reads a manifest; nothing else of it is looked at.

    Raises:
        Rejected: ``MISSING_VERSION`` or ``UNSUPPORTED_VERSION``.
    """
    version = document.get("schema_version")
    valid = ", ".join(f'"{each}"' for each in ADAPTERS)
    about = {"json_pointer": "/schema_version", "expected": valid}
    if version is None or version == "":
        raise reject("MISSING_VERSION", f"the manifest has no schema_version; valid is {valid}", **about)
    if not isinstance(version, str) or version not in ADAPTERS:
        found = shown(version)
        message = (
            f"the manifest's schema_version {found} is not supported; valid is {valid}, exactly this text. "
            "Nothing of the run was read; ingest it with a release of telecine that knows the version"
        )
        raise reject("UNSUPPORTED_VERSION", message, actual=found, **about)
    return ADAPTERS[version]
