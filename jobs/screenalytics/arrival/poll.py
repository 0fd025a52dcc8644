"""Find runs by listing ``{prefix}/runs/``, except manifests that were already processed with the same ETag."""

from __future__ import annotations

import shlex
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.keys import manifest_key, run_of, runs_folder
from jobs.screenalytics.model import ManifestRef
from shared.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["elsewhere", "listed", "poll"]

_BATCH: Final = 1000
# Maximum folders of the bucket to look into and to name if the prefix has no runs.
_SHOWN: Final = 5


def poll(
    settings: SourceSettings,
    store: ObjectStore,
    settled: Callable[[Sequence[ManifestRef]], AbstractSet[str]],
) -> Iterator[Candidate]:
    """Yield the runs under the prefix that need work, in key order.

    Args:
        settings: settings with the prefix.
        store: the bucket of the runs; it is listed page by page, and no object is read.
        settled: called with up to 1,000 listed manifests; returns the keys of those that need no work.
    """
    batch: list[ManifestRef] = []
    for ref in listed(settings.prefix, store):
        batch.append(ref)
        if len(batch) == _BATCH:
            yield from _unsettled(batch, settled)
            batch = []
    if batch:
        yield from _unsettled(batch, settled)


def listed(prefix: str, store: ObjectStore) -> Iterator[ManifestRef]:
    """Yield every manifest under the prefix."""
    for info in store.list(runs_folder(prefix)):
        run_id = run_of(info.key, prefix)
        if run_id is not None:
            yield ManifestRef(run_id, info.key, info.etag, info.modified)


def elsewhere(settings: SourceSettings, store: ObjectStore) -> str:
    """Return the message for a listing without runs: what is expected, what the bucket has, and what to set.

    Args:
        settings: settings with the prefix.
        store: the bucket of the runs.
    """
    text = f"nothing is stored at {manifest_key(settings.prefix, 'RUN')} in {store.uri}"
    try:
        folders = store.folders()[:_SHOWN]
        prefixes = ["", *(folder.rstrip("/") for folder in folders)]
        others = [prefix for prefix in prefixes if prefix != settings.prefix and _has_runs(prefix, store)]
    except RequestRefused:  # no right to list more than the prefix
        return f"{text}; check --bucket and --prefix"
    if others:
        flags = " or ".join(f"--prefix {shlex.quote(prefix or '/')}" for prefix in others)
        return f"{text}; there are runs below {', '.join(map(runs_folder, others))}: set {flags}"
    if folders:
        return f"{text}; the bucket has {', '.join(folders)}: check --bucket and --prefix, or wait for the first run"
    return f"{text}; the bucket has no folders"


def _has_runs(prefix: str, store: ObjectStore) -> bool:
    """Return True if one of the first folders below ``runs/`` has a manifest."""
    folder = runs_folder(prefix)
    keys = (f"{run}manifest.json" for run in store.folders(folder)[:_SHOWN])
    return any(run_of(info.key, prefix) for key in keys for info in islice(store.list(key), 1))


def _unsettled(
    batch: Sequence[ManifestRef], settled: Callable[[Sequence[ManifestRef]], AbstractSet[str]]
) -> Iterator[Candidate]:
    keys = settled(batch)
    yield from (Candidate(ref, "poll") for ref in batch if ref.key not in keys)
