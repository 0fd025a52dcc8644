"""Page objects, a bronze table without a database, and what it holds, for tests.

place = plain_place(tmp_path)
place.pages.put(comments_page("load-1", [comment(id=1)]))
commit_load(place, "load-1")
rows(place, "comment")
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.trakt.bronze.data_files import open_parquet
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.pages import Page, PageRequest
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.model import TitleRef
from jobs.trakt.settings import BronzeSettings
from tests.trakt_answers import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["FERRY", "NOON", "SALT", "TABLES", "comments_page", "one_page", "plain_place", "rows", "sightings"]

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)
FERRY = TitleRef("movie", 612345)
SALT = "a salt for tests only"

TABLES = """
CREATE SCHEMA IF NOT EXISTS trakt;
CREATE TABLE IF NOT EXISTS trakt.dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    load_id text NOT NULL,
    page_key text NOT NULL,
    item_index integer,
    path text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    payload_start text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS trakt.tombstones (
    user_hash text PRIMARY KEY CHECK (user_hash ~ '^[0-9a-f]{64}$'),
    erased_at timestamptz NOT NULL DEFAULT now(),
    run_id text
);
"""
"""The tables that a commit and an erasure use, for a database whose migration does not have them yet."""


class _NoDatabase:
    """A session of a database without tombstones or dead letters."""

    def rows(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def run(self, *_: Any, **__: Any) -> int:
        return 0


class PlainPlace(BronzePlace):
    """A bronze table whose lock is one of this process."""

    def __init__(self, settings: BronzeSettings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()

    @contextmanager
    def locked(self) -> Iterator[Any]:
        with self._lock:
            yield _NoDatabase()


def plain_place(folder: Path | str) -> PlainPlace:
    """Return a table that needs no database."""
    return PlainPlace(BronzeSettings(bucket=str(folder)))


def one_page(
    request: PageRequest, body: Any, *, minutes: float = 0, status: int = 200, headers: dict[str, str] | None = None
) -> Page:
    """Return a page that was observed so many minutes after noon; a body that is not bytes is encoded."""
    at = NOON + timedelta(minutes=minutes)
    return Page(
        request,
        path="/asked",
        status=status,
        headers=headers or {},
        body=body if isinstance(body, bytes) else encode(body),
        requested_at=at,
        fetched_at=at + timedelta(seconds=1),
        observed_at=at,
        run_id="run-1",
        source_system="replay",
        is_synthetic=True,
    )


def comments_page(
    load_id: str, items: Sequence[Any], *, page: int = 1, title: TitleRef = FERRY, minutes: float = 0, **more: Any
) -> Page:
    """Return a page of a title's comments."""
    request = PageRequest(load_id, "comments", title, sort="oldest", page=page, limit=250, **more)
    return one_page(request, list(items), minutes=minutes)


def rows(place: BronzePlace, kind: str | None = None, version: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of the table, in an order of their own; each has its kind."""
    found: list[dict[str, Any]] = []
    for file in snapshot(place, version).files:
        if kind in (None, file.kind):
            with open_parquet(place.store, file.key, file.size) as parquet:
                found += [{"resource_kind": file.kind, **row} for row in parquet.read().to_pylist()]
    return sorted(found, key=lambda row: (row["resource_kind"], row["page_key"], row["item_index"] or 0))


def sightings(place: BronzePlace) -> dict[str, list[tuple[int, str]]]:
    """Return page key -> ids and hashes of the items seen on it."""
    found = {}
    for row in rows(place, "page"):
        seen = json.loads(row["payload"])
        found[row["page_key"]] = list(zip(seen["ids"], seen["sha"], strict=True))
    return found
