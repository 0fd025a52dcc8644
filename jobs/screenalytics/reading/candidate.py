"""Read one candidate only as far as needed: a run known with the same content, or set aside, ends here."""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal

from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.model import ScreenalyticsRun, SkippedRun
from jobs.screenalytics.reading.fetch import fetch_manifest
from jobs.screenalytics.reading.run import is_young, read_manifest, read_run
from jobs.screenalytics.tables.runs import conflict
from shared.errors import RequestRefused

if TYPE_CHECKING:
    from jobs.screenalytics.arrival.events import Candidate
    from jobs.screenalytics.model import ManifestObject, ManifestRef
    from jobs.screenalytics.settings import IngestSettings, ReplaySettings
    from jobs.screenalytics.tables.ingest_items import Items, Lookup
    from shared.storage import ObjectStore

__all__ = ["CandidateReader", "ReadResult"]


@dataclass(slots=True)
class ReadResult:
    """The result of reading a candidate.

    Attributes:
        manifest: the manifest; None if it could not be read.
        lookup: state of the run's rows at that time; None if the manifest could not be read.
        run: the run; None if it did not have to be read, or could not be.
        verdict: result if nothing more has to be read, otherwise None.
        error: why the run could not be read, otherwise None.
        listed: the listed manifest, if the store refuses it and its ETag is not known otherwise.
    """

    manifest: ManifestObject | None = None
    lookup: Lookup | None = None
    run: ScreenalyticsRun | SkippedRun | None = None
    verdict: Literal["unchanged", "set_aside"] | None = None
    error: Exception | None = None
    listed: ManifestRef | None = None


class CandidateReader:
    """Reads candidates of one source. Thread-safe.

    Args:
        settings: settings of the step.
        store: the bucket of the runs.
        items: the items of the source.
        source: URI of the bucket.
        accept_changed: also read runs that replace a known run.
        retry_dead: also read runs that are set aside.
        repair: also read a run that is known with the same content, because its rows are damaged.
    """

    def __init__(
        self,
        settings: IngestSettings | ReplaySettings,
        store: ObjectStore,
        items: Items,
        *,
        source: str,
        accept_changed: bool,
        retry_dead: bool,
        repair: bool,
    ) -> None:
        self._settings = settings
        self._store = store
        self._items = items
        self._source = source
        self._accept_changed = accept_changed
        self._retry_dead = retry_dead
        self._repair = repair

    def read(self, candidate: Candidate) -> ReadResult:
        """Return what was read of one candidate, including any exception, so that one run does not stop the others."""
        result = ReadResult()
        try:
            self._read(candidate, result)
        except Exception as error:  # noqa: BLE001 - the writing thread handles it
            result.error = _without_references(error)
        return result

    def _read(self, candidate: Candidate, result: ReadResult) -> None:
        ref, expected = candidate.ref, candidate.expected_sha256
        try:
            manifest = fetch_manifest(self._store, ref, self._settings)
        except RequestRefused:
            # A HEAD response gives no reason, and attempts are counted per ETag. Some proxies refuse every HEAD.
            result.listed = None if ref.etag else self._listed(ref)
            if result.listed is None:
                raise
            manifest = fetch_manifest(self._store, result.listed, self._settings)
        if expected not in (None, manifest.sha256):
            # The event may have overtaken the upload.
            manifest = fetch_manifest(self._store, ref, self._settings)
        result.manifest = manifest
        lookup = result.lookup = self._items.lookup(ref)
        known = lookup.known
        is_same = known is not None and known.manifest_sha256 == manifest.sha256
        if is_same and not self._repair:
            # This holds even if the event announced older content, because the newer content is in the tables.
            result.verdict = "unchanged"
            return
        if expected is not None and expected != manifest.sha256:
            raise self._unannounced(manifest, lookup, expected)
        item = lookup.item
        if not self._retry_dead and item is not None and item.state == "dead" and item.etag == manifest.etag:
            result.verdict = "set_aside"
            return
        if known is not None and not is_same:
            self._check_conflict(manifest, lookup)
        result.run = read_run(self._store, manifest, self._settings, now=lookup.now)
        if known is not None and isinstance(result.run, SkippedRun):
            raise self._conflict(manifest, lookup, result.run.ep_id)

    def _listed(self, ref: ManifestRef) -> ManifestRef | None:
        with suppress(RequestRefused):  # no right to list
            for info in islice(self._store.list(ref.key), 1):
                if info.key == ref.key:
                    return replace(ref, etag=info.etag, modified=info.modified)
        return None

    def _unannounced(self, manifest: ManifestObject, lookup: Lookup, expected: str) -> Rejected:
        """Return the error for a manifest that differs from the one that its event announces.

        The event may precede the upload: then the manifest is recent or says that the run is in progress.
        """
        try:
            read_manifest(manifest, self._settings, now=lookup.now)
        except Rejected as error:
            if error.kind == "not_ready":
                return error
        ref = manifest.ref
        young = is_young(manifest, self._settings, lookup.now)
        message = (
            f"the event for run {ref.run_id} announces a manifest with sha256 {expected}, but {ref.key} has"
            f" {manifest.sha256}"
        )
        if young:
            message += "; the upload may not be complete yet"
        return reject(
            "MANIFEST_OUTDATED" if young else "CHECKSUM_MISMATCH", message, expected=expected, actual=manifest.sha256
        )

    def _check_conflict(self, manifest: ManifestObject, lookup: Lookup) -> None:
        """Raise an error for new content of a known run, unless changes are accepted. Reads no artifact."""
        try:
            ep_id: str | None = read_manifest(manifest, self._settings, now=lookup.now).ep_id
        except Rejected as error:
            if error.kind == "not_ready" or self._accept_changed:
                raise
            ep_id = None
        conflicting = self._conflict(manifest, lookup, ep_id)
        if conflicting.code != "MANIFEST_CHANGED" or not self._accept_changed:
            raise conflicting

    def _conflict(self, manifest: ManifestObject, lookup: Lookup, ep_id: str | None) -> Rejected:
        assert lookup.known is not None
        return conflict(
            lookup.known,
            manifest.ref.run_id,
            ep_id=ep_id,
            source=self._source,
            manifest_key=manifest.ref.key,
            manifest_sha256=manifest.sha256,
            settings=self._settings,
        )


def _without_references(error: Exception) -> Exception:
    """Return an error without references to the locals of its frames or to a document that could not be parsed."""
    if isinstance(error, Rejected):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    return error
