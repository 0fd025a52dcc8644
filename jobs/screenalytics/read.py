"""A manifest and its artifacts -> one verified run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.screenalytics.contract import RunManifest
    from jobs.screenalytics.model import ManifestObject, Run, SkippedRun
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["read_artifacts", "read_manifest", "read_run"]


def read_manifest(manifest: ManifestObject, settings: SourceSettings, *, now: datetime) -> RunManifest | SkippedRun:
    """Parse and validate a manifest; no request is made. ``run_id`` and ``ep_id`` are those of the result."""
    raise NotImplementedError


def read_artifacts(
    store: ObjectStore, manifest: ManifestObject, parsed: RunManifest, settings: SourceSettings, *, now: datetime
) -> Run:
    """Fetch and verify what a manifest of a successful run names."""
    raise NotImplementedError


def read_run(
    store: ObjectStore, manifest: ManifestObject, settings: SourceSettings, *, now: datetime
) -> Run | SkippedRun:
    """Both, one after the other.

    Raises:
        Rejected: see ``kind``: bad, or not ready yet.
        TransientError: of the store.
        AccessDenied: the credentials are refused for the manifest, too.
    """
    raise NotImplementedError
