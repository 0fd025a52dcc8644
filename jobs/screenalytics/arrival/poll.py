"""Find runs by listing ``{prefix}/runs/``, except manifests that were already processed with the same ETag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.keys import run_of, runs_folder
from jobs.screenalytics.model import ManifestRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

__all__ = ["listed", "poll"]

_BATCH: Final = 1000


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


def _unsettled(
    batch: Sequence[ManifestRef], settled: Callable[[Sequence[ManifestRef]], AbstractSet[str]]
) -> Iterator[Candidate]:
    keys = settled(batch)
    yield from (Candidate(ref, "poll") for ref in batch if ref.key not in keys)
