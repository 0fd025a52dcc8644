"""Catalogues of tests: plain Python values, and their rows in the schema `catalog`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.titles import placeholder, series_base, series_key, series_year, title_key
from jobs.viewership.keys.version import KEY_VERSION

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["Alias", "Catalogue", "Episode", "Series", "write"]


@dataclass(slots=True)
class Series:
    id: int
    titles: list[str]
    code: str | None = None
    active: bool = True


@dataclass(slots=True)
class Episode:
    id: int
    ref: str | None
    series: int
    season: str | None
    episode: str | None
    titles: list[str]
    active: bool = True
    numbers: list[tuple[str | None, str, str]] = field(default_factory=list)
    """Other numberings: platform or None, season, episode."""


@dataclass(slots=True)
class Alias:
    episode: int | None = None
    series: int | None = None
    platform: str | None = None
    exact: bool = False
    title: str | None = None
    series_name: str | None = None
    season: str | None = None
    number: str | None = None
    content_id: str | None = None


@dataclass(slots=True)
class Catalogue:
    series: list[Series] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)


def write(session: DatabaseSession, catalogue: Catalogue) -> None:
    """Insert a catalogue into empty tables, with the keys that an import computes."""
    session.run(
        "INSERT INTO catalog.versions (version, action, source, key_version, created_by)"
        " VALUES (1, 'import', 'test', :keys, 'test')",
        keys=KEY_VERSION,
    )
    session.copy(
        "catalog.series",
        ("id", "code", "code_key", "status", "source"),
        [
            (one.id, one.code, one.code and id_key(one.code), "active" if one.active else "inactive", "test")
            for one in catalogue.series
        ],
    )
    session.copy(
        "catalog.series_titles",
        ("series_id", "position", "main", "title", "series_key", "series_base", "series_year", "source"),
        [
            (one.id, place, place == 1, title, series_key(title), series_base(title), series_year(title), "test")
            for one in catalogue.series
            for place, title in enumerate(one.titles, 1)
        ],
    )
    session.copy(
        "catalog.episodes",
        ("id", "ref_id", "ref_key", "series_id", "season", "episode", "active", "source"),
        [
            (one.id, one.ref, one.ref and id_key(one.ref), one.series, one.season, one.episode, one.active, "test")
            for one in catalogue.episodes
        ],
    )
    session.copy(
        "catalog.episode_titles",
        ("episode_id", "position", "main", "title", "title_key", "placeholder", "source"),
        [
            (one.id, place, place == 1, title, title_key(title), placeholder(title), "test")
            for one in catalogue.episodes
            for place, title in enumerate(one.titles, 1)
        ],
    )
    session.copy(
        "catalog.episode_numbers",
        ("episode_id", "platform", "season", "episode", "source"),
        [(one.id, *number, "test") for one in catalogue.episodes for number in one.numbers],
    )
    names = ("title", "title_key", "series", "series_key", "season", "episode", "content_id", "content_key")
    session.copy(
        "catalog.aliases",
        ("episode_id", "series_id", "platform", "exact", *names, "source", "created_by"),
        [
            (
                *(one.episode, one.series, one.platform, one.exact),
                *(one.title, one.title and title_key(one.title)),
                *(one.series_name, one.series_name and series_key(one.series_name)),
                *(one.season, one.number, one.content_id, one.content_id and id_key(one.content_id)),
                *("test", "test"),
            )
            for one in catalogue.aliases
        ],
    )
    for table in ("series", "series_titles", "episodes", "episode_titles", "episode_numbers", "aliases"):
        session.run(f"ANALYZE catalog.{table}")
