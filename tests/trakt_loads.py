"""Bronze tables for the models, made of loads as commits make them, without page objects and without a lock."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import write_deltalake

from jobs.trakt.bronze.schema import PARTITION, SCHEMA
from jobs.trakt.model import RESOURCE_KINDS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["START", "Bronze", "Load", "comment", "moment"]

START = datetime(2026, 5, 2, 12, tzinfo=UTC)


def moment(days: float) -> datetime:
    return START + timedelta(days=days)


def comment(number: int, **changes: Any) -> dict[str, Any]:
    """Return a comment as Trakt answers it; a change of ``user`` is its name."""
    name = changes.pop("user", f"user_{number:03}")
    value = {
        "id": number, "parent_id": 0,
        "created_at": "2026-05-02T18:04:11.000Z", "updated_at": "2026-05-02T18:04:11.000Z",
        "comment": "one two three four five", "spoiler": False, "review": False, "replies": 0, "likes": 0,
        "language": "en", "user_rating": 8, "user_stats": {"rating": 8, "play_count": 1, "completed_count": 1},
        "user": {"username": name, "private": False, "deleted": False, "ids": {"slug": name}},
    }  # fmt: skip
    return {**value, **changes}


@dataclass(frozen=True)
class Observation:
    kind: str
    at: datetime
    title: tuple[str, int] | None
    number: int | None
    value: Any
    page: tuple[tuple[int, Any, str], ...] = ()


@dataclass
class Load:
    """The observations of one load; its rows depend on what is in the table when it is committed."""

    name: str
    observations: list[Observation] = field(default_factory=list)

    def page(self, at: datetime, title: tuple[str, int], *items: dict[str, Any]) -> Load:
        """Add a page of a title's comments."""
        held = tuple((item["id"], item, "") for item in items)
        self.observations.append(Observation("page", at, title, None, None, held))
        return self

    def feed(self, at: datetime, *items: tuple[str, dict[str, Any]]) -> Load:
        """Add a page of the feed: titles such as ``movie-1``, empty if unknown, with comments."""
        held = tuple((item["id"], item, title) for title, item in items)
        self.observations.append(Observation("page", at, None, None, None, held))
        return self

    def gone(self, at: datetime, number: int) -> Load:
        self.observations.append(Observation("comment_gone", at, None, number, None))
        return self

    def title(self, at: datetime, title: tuple[str, int], /, **value: Any) -> Load:
        self.observations.append(Observation("title", at, title, None, value))
        return self

    def title_gone(self, at: datetime, title: tuple[str, int]) -> Load:
        self.observations.append(Observation("title_gone", at, title, None, None))
        return self

    def rating(self, at: datetime, title: tuple[str, int], value: Any) -> Load:
        self.observations.append(Observation("rating", at, title, None, value))
        return self

    def tmdb(self, at: datetime, title: tuple[str, int], /, **value: Any) -> Load:
        self.observations.append(Observation("tmdb", at, title, None, value))
        return self


class Bronze:
    """A Delta table as commits of loads make it.

    Args:
        bucket: a folder.
    """

    def __init__(self, bucket: Path) -> None:
        self.table = bucket / "bronze" / "trakt"
        self._last: dict[int, tuple[datetime, str]] = {}

    def commit(self, *loads: Load) -> None:
        """Commit loads, in this order: a payload equal to the last stored one of its comment is not stored again."""
        for load in loads:
            rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in RESOURCE_KINDS}
            for seen in sorted(load.observations, key=lambda one: one.at):
                self._rows(load.name, seen, rows)
            found = [{PARTITION: kind, **row} for kind, group in rows.items() for row in group]
            write_deltalake(self.table, pa.Table.from_pylist(found, SCHEMA), mode="append", partition_by=[PARTITION])

    def _rows(self, load: str, seen: Observation, rows: dict[str, list[dict[str, Any]]]) -> None:
        for number, value, title in seen.page:
            text, digest = _payload(value)
            known = self._last.get(number)
            if known is None or known[1] != digest:
                about = _title(title) if title else seen.title
                rows["comment"].append(_row(load, seen, about, payload=text, payload_sha256=digest, comment_id=number))
                if known is None or known[0] <= seen.at:
                    self._last[number] = (seen.at, digest)
        if seen.kind == "page":
            sightings: dict[str, Any] = {
                "ids": [number for number, _, _ in seen.page],
                "sha": [_payload(value)[1][:16] for _, value, _ in seen.page],
                "items": len(seen.page),
            }
            if seen.title is None:
                sightings["titles"] = [title for _, _, title in seen.page]
            rows["page"].append(_row(load, seen, seen.title, payload=json.dumps(sightings)))
        else:
            text, digest = (None, None) if seen.value is None else _payload(seen.value)
            rows[seen.kind].append(
                _row(load, seen, seen.title, payload=text, payload_sha256=digest, comment_id=seen.number)
            )


def _title(text: str) -> tuple[str | int, ...]:
    """Return kind and number, and those of season and episode if the text has them: ``show-5/1/3``."""
    subject, *parts = text.split("/")
    kind, _, number = subject.partition("-")
    return kind, int(number), *map(int, parts)


def _payload(value: Any) -> tuple[str, str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text, hashlib.sha256(text.encode()).hexdigest()


def _row(load: str, seen: Observation, title: tuple[str | int, ...] | None, **values: Any) -> dict[str, Any]:
    kind, number, season, episode = (*(title or ()), None, None, None, None)[:4]
    return {
        "title_kind": kind, "title_id_trakt": number, "season": season, "episode": episode,
        "fetched_at": seen.at, "observed_at": seen.at,
        "http_status": 404 if seen.kind.endswith("_gone") else 200, "page_key": f"pages/{load}/x", "load_id": load,
        "run_id": load, "attempt": 1, "source_system": "replay", "is_synthetic": True, "schema_version": 1, **values,
    }  # fmt: skip
