"""Find new objects below the folder of uploads, except those whose outcome with the same ETag is known."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from jobs.viewership.arrival.events import URI_CHARS, Arrival
from jobs.viewership.tables import arrivals
from shared.database.session import transaction
from shared.errors import ObjectMissing
from shared.storage import join_uri, resolved
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from jobs.viewership.settings.uploads import ArrivalSettings
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["listed"]

_LOG: Final = logging.getLogger(__name__)
_BATCH: Final = 1000
# A run reports all of its files at its end, so the rest is left to the next poll.
_MOST: Final = 10_000
# A file in a folder grows while it is copied; an object in S3 appears at once. A program that pauses for longer while
# it writes must write under another name and rename the file.
_QUIET_S: Final = 2.0
# Hidden files, Excel's locks and LibreOffice's; Hadoop's markers of folders.
_IGNORED: Final = (".", "~$")
_MARKERS: Final = ("/", "_$folder$")


def listed(settings: ArrivalSettings, store: ObjectStore, named: AbstractSet[str]) -> Iterator[Arrival]:
    """Yield the objects below the prefix that need work, in key order; files that are new come last.

    At most 10,000 are yielded. The next poll skips those that are settled by then, and takes the rest.

    Args:
        settings: settings with the prefix and the number of attempts.
        store: the bucket; it is listed page by page, and no object is read.
        named: keys that events named, which are not yielded.
    """
    for count, arrival in enumerate(_all(settings, store, named)):
        if count == _MOST:
            _LOG.warning("more than %s files have arrived; the next poll takes the rest", f"{_MOST:,}")
            return
        yield arrival


def _all(settings: ArrivalSettings, store: ObjectStore, named: AbstractSet[str]) -> Iterator[Arrival]:
    young: list[tuple[Arrival, float]] = []
    batch: list[ObjectInfo] = []
    for info in store.list(settings.prefix):
        if info.key not in named and _is_upload(store, info):
            batch.append(info)
        if len(batch) == _BATCH:
            yield from _unsettled(settings, store, batch, young)
            batch = []
    yield from _unsettled(settings, store, batch, young)
    for arrival, due in young:
        time.sleep(min(_QUIET_S, max(0.0, due - time.time())))
        try:
            info = store.stat(arrival.key)
        except ObjectMissing:
            continue
        if info.etag == arrival.etag:
            yield arrival
        else:
            _LOG.info("%s is still being written; the next poll takes it", one_line(arrival.uri))


def _is_upload(store: ObjectStore, info: ObjectInfo) -> bool:
    if info.size == 0 or info.key.endswith(_MARKERS):
        return False
    if info.key.rpartition("/")[2].startswith(_IGNORED):
        return False
    if len(join_uri(resolved(store.uri), info.key)) > URI_CHARS:
        _LOG.warning(
            "%s is skipped: its URI is too long; expected at most %d characters", one_line(info.key), URI_CHARS
        )
        return False
    return True


def _unsettled(
    settings: ArrivalSettings, store: ObjectStore, batch: list[ObjectInfo], young: list[tuple[Arrival, float]]
) -> Iterator[Arrival]:
    if not batch:
        return
    root = resolved(store.uri)
    found = [Arrival(join_uri(root, info.key), info.key, info.etag, info.size) for info in batch]
    with transaction(settings) as session:
        done = arrivals.settled(session, [(each.uri, each.etag) for each in found], settings.max_attempts)
    is_folder = root.startswith("file:")
    for info, each in zip(batch, found, strict=True):
        if each.uri in done:
            continue
        due = info.modified.timestamp() + _QUIET_S
        if is_folder and due > time.time():
            young.append((each, due))
        else:
            yield each
