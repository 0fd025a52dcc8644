"""Record batches of a load: one column per field of an item, and the fields of its page repeated for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from jobs.trakt.bronze.data_files import FILE_SCHEMA
from jobs.trakt.bronze.rows import Observation, Subject
from jobs.trakt.bronze.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from jobs.trakt.bronze.data_files import DataFiles
    from jobs.trakt.bronze.pages import Page

__all__ = ["KindRows"]

# Rows held as Python objects before they are converted to Arrow columns.
_ROWS: Final = 4_096
_PAGE_COLUMNS: Final = tuple(
    name
    for name in FILE_SCHEMA.names
    if name
    not in (
        *("payload", "comment_id", "payload_sha256", "item_index"),
        *("title_kind", "title_id_trakt", "title_slug", "season", "episode"),
    )
)


class KindRows:
    """A buffer of rows of one kind, which are written to files in batches.

    Args:
        files: receives the batches.
        load_id: the load of all rows; by default that of each row's page.
    """

    def __init__(self, files: DataFiles, load_id: str | None = None) -> None:
        self.files = files
        self._load_id = load_id
        self._seen: list[Observation] = []
        # Not the pages themselves: 4,096 of them hold 600 MB of bodies.
        self._pages: list[dict[str, Any]] = []
        self._counts: list[int] = []

    def add(self, page: Page, observations: Iterable[Observation]) -> None:
        """Add observations of a page."""
        before = len(self._seen)
        self._seen.extend(observations)
        if len(self._seen) > before:
            self._pages.append(_page_values(page, self._load_id or page.request.load_id))
            self._counts.append(len(self._seen) - before)
            if len(self._seen) >= _ROWS:
                self.flush()

    def add_page(self, page: Page, sightings: str) -> None:
        """Add the row of a page itself."""
        request = page.request
        subject = Subject(request.title, None, request.season, request.episode)
        self.add(page, (Observation("page", None, request.comment_id, sightings, None, subject),))

    def flush(self) -> None:
        """Pass the buffered rows to the files."""
        if self._seen:
            self.files.add(self._batch())
            self._seen, self._pages, self._counts = [], [], []

    def _batch(self) -> pa.RecordBatch:
        seen = self._seen
        of_title = self.files.kind.startswith(("rating", "title", "tmdb"))
        subjects = [one.subject for one in seen]
        titles = [one.title for one in subjects]
        columns: dict[str, list[Any]] = {
            "payload": [one.payload for one in seen],
            "comment_id": [None if of_title else one.id for one in seen],
            "payload_sha256": [one.sha256 for one in seen],
            "item_index": [one.index for one in seen],
            "title_kind": [title and title.kind for title in titles],
            "title_id_trakt": [title and title.trakt_id for title in titles],
            "title_slug": [one.slug for one in subjects],
            "season": [one.season for one in subjects],
            "episode": [one.episode for one in subjects],
        }
        arrays = {name: pa.array(values, FILE_SCHEMA.field(name).type) for name, values in columns.items()}
        places = pa.array(np.repeat(np.arange(len(self._pages)), self._counts))
        for name in _PAGE_COLUMNS:
            column = pa.array([values[name] for values in self._pages], FILE_SCHEMA.field(name).type)
            arrays[name] = column.take(places)
        return pa.RecordBatch.from_arrays([arrays[name] for name in FILE_SCHEMA.names], schema=FILE_SCHEMA)


def _page_values(page: Page, load_id: str) -> dict[str, str | int | bool | datetime | None]:
    request = page.request
    return {
        "page": request.page,
        "fetched_at": page.fetched_at,
        "observed_at": page.observed_at,
        "sort": request.sort,
        "page_limit": _int32(page.header_number("x-pagination-limit") or request.limit),
        "page_count": _int32(page.header_number("x-pagination-page-count")),
        "item_count_header": page.header_number("x-pagination-item-count"),
        "server_header": page.headers.get("x-trakt-server"),
        "http_status": page.status,
        "etag": page.headers.get("etag"),
        "page_key": page.key,
        "load_id": load_id,
        "run_id": page.run_id,
        "attempt": page.attempt,
        "source_system": page.source_system,
        "is_synthetic": page.is_synthetic,
        "schema_version": SCHEMA_VERSION,
    }


def _int32(number: int | None) -> int | None:
    """Return a header's number if it fits its column; a hostile one must not stop a load."""
    return number if number is not None and number < 2**31 else None
