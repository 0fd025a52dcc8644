"""Bytes of a run: read once, under a cap, of one version of the object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.screenalytics.model import ManifestObject, ManifestRef
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["fetch_manifest"]


def fetch_manifest(store: ObjectStore, ref: ManifestRef, settings: SourceSettings) -> ManifestObject:
    """Read a manifest.

    Args:
        store: of the runs.
        ref: with the ETag of the listing no HEAD is made.
        settings: ``max_manifest_mb``.

    Raises:
        Rejected: ``SOURCE_DELETED`` (it was listed, and is gone), ``MANIFEST_NOT_YET`` (never listed), ``TOO_LARGE``.
        TransientError: of the store; ``ObjectChanged`` when it changes faster than it is read.
        AccessDenied: the stage cannot go on.
    """
    raise NotImplementedError
