"""One candidate read and checked, as far as what is known of its run makes that needful. Nothing is written here."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.model import Run, SkippedRun
from jobs.screenalytics.reading.fetch import fetch_manifest
from jobs.screenalytics.reading.run import read_manifest, read_run
from jobs.screenalytics.tables.runs import changed

if TYPE_CHECKING:
    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.model import ManifestObject
    from jobs.screenalytics.settings import IngestSettings, ReplaySettings
    from jobs.screenalytics.tables.ingest_items import Items, Look
    from shared.storage import ObjectStore

__all__ = ["Read", "Reader"]


@dataclass(slots=True)
class Read:
    """A candidate's bytes, read and checked.

    Attributes:
        manifest: None where it could not be read.
        look: what the database knew of it then.
        run: None where it need not be read, or could not.
        verdict: what is clear without reading more.
        error: why there is no run.
        seconds: that it took.
    """

    manifest: ManifestObject | None = None
    look: Look | None = None
    run: Run | SkippedRun | None = None
    verdict: Literal["unchanged", "set_aside"] | None = None
    error: Exception | None = None
    seconds: float = 0.0


class Reader:
    """Reads candidates of one source; safe between threads.

    Args:
        settings: of the step.
        store: the runs.
        items: what is known of them.
        source: the bucket's URI.
        accept_changed: read also what replaces a known run.
        look_at_dead: read also what is set aside.
    """

    def __init__(
        self,
        settings: IngestSettings | ReplaySettings,
        store: ObjectStore,
        items: Items,
        *,
        source: str,
        accept_changed: bool,
        look_at_dead: bool,
    ) -> None:
        self._settings = settings
        self._store = store
        self._items = items
        self._source = source
        self._accept = accept_changed
        self._look_at_dead = look_at_dead

    def read(self, candidate: Candidate) -> Read:
        """Read one candidate. What goes wrong is kept in the result: one run must not end the others."""
        began = time.monotonic()
        read = Read()
        try:
            self._read(candidate, read)
        except Exception as error:  # noqa: BLE001 - whoever writes decides what it means
            read.error = _light(error)
        read.seconds = time.monotonic() - began
        return read

    def _read(self, candidate: Candidate, read: Read) -> None:
        ref, expected = candidate.ref, candidate.expected_sha256
        manifest = fetch_manifest(self._store, ref, self._settings)
        if expected not in (None, manifest.sha256):
            # The event may have been quicker than the object.
            manifest = fetch_manifest(self._store, ref, self._settings)
        read.manifest = manifest
        look = read.look = self._items.look(ref)
        known = look.known
        if known is not None and known.manifest_sha256 == manifest.sha256:
            # Also for an event of older content: the newer is in the tables.
            read.verdict = "unchanged"
            return
        if expected not in (None, manifest.sha256):
            raise reject(
                "CHECKSUM_MISMATCH",
                f"the event of run {ref.run_id} tells of a manifest with the sha256 {expected}, but {ref.key} has"
                f" {manifest.sha256}",
                expected=expected,
                actual=manifest.sha256,
            )
        item = look.item
        if not self._look_at_dead and item is not None and item.state == "dead" and item.etag == manifest.etag:
            read.verdict = "set_aside"
            return
        if known is not None:
            self._compare(manifest, look)
        read.run = read_run(self._store, manifest, self._settings, now=look.now)
        if known is not None and isinstance(read.run, SkippedRun):
            raise self._changed(manifest, look, read.run.ep_id)

    def _compare(self, manifest: ManifestObject, look: Look) -> None:
        """Raise for other content of a known run, unless it is to be accepted; no artifact is read for it."""
        try:
            ep_id: str | None = read_manifest(manifest, self._settings, now=look.now).ep_id
        except Rejected as error:
            if error.kind == "not_ready" or self._accept:
                raise
            ep_id = None
        found = self._changed(manifest, look, ep_id)
        if found.code != "MANIFEST_CHANGED" or not self._accept:
            raise found

    def _changed(self, manifest: ManifestObject, look: Look, ep_id: str | None) -> Rejected:
        assert look.known is not None
        return changed(
            look.known,
            manifest.ref.run_id,
            ep_id=ep_id,
            source=self._source,
            manifest_key=manifest.ref.key,
            manifest_sha256=manifest.sha256,
        )


def _light(error: Exception) -> Exception:
    """Let go of what a kept error holds: its frames' values, and the document that its cause could not parse."""
    if isinstance(error, Rejected):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    return error
