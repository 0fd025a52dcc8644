"""The catalogue as frames, for matching: what is active, at one version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.versions import pin

if TYPE_CHECKING:
    import polars as pl

    from shared.database.session import DatabaseSession

__all__ = ["Snapshot", "load_snapshot"]

_ACTIVE: Final = (
    "JOIN catalog.series ON series.id = episode.series_id WHERE episode.active AND series.status = 'active'"
)
# Frame -> its columns as name and expression, and where they come from.
_FRAMES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "series": (
        {"series_id": "id", "series_code": "code", "content_provider": "content_provider"},
        "catalog.series WHERE status = 'active'",
    ),
    "series_titles": (
        {name: name for name in ("series_id", "language", "main", "title", "series_key", "series_base", "series_year")},
        "catalog.series_titles JOIN catalog.series ON id = series_id WHERE status = 'active'",
    ),
    "episodes": (
        {
            "episode_id": "episode.id",
            **{name: name for name in ("ref_id", "ref_key", "series_id", "season_no", "episode_no")},
        },
        f"catalog.episodes episode {_ACTIVE}",
    ),
    "titles": (
        {name: name for name in ("episode_id", "series_id", "language", "main", "title", "title_key", "placeholder")},
        f"catalog.episode_titles JOIN catalog.episodes episode ON episode.id = episode_id {_ACTIVE}",
    ),
    "numbers": (
        {
            **{name: name for name in ("episode_id", "platform")},
            **{name: f"numbering.{name}" for name in ("season_no", "episode_no")},
        },
        f"catalog.episode_numbers numbering JOIN catalog.episodes episode ON episode.id = episode_id {_ACTIVE}",
    ),
    "aliases": (
        {
            "alias_id": "id",
            **{name: name for name in ("platform", "exact", "title_key", "series_key", "season_no", "episode_no")},
            **{name: name for name in ("content_key", "series_id", "episode_id")},
        },
        "catalog.aliases WHERE undone_at IS NULL",
    ),
}
_INTEGERS: Final = frozenset(("series_id", "episode_id", "alias_id", "season_no", "episode_no", "series_year"))
_BOOLEANS: Final = frozenset(("main", "placeholder", "exact"))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The parts of the catalogue that matching needs; ids are Int64, season and episode null unless whole numbers.

    Attributes:
        version: the version of the catalogue.
        series: series_id, series_code, content_provider.
        series_titles: series_id, language, main, title, series_key, series_base, series_year.
        episodes: episode_id, ref_id, ref_key, series_id, season_no, episode_no.
        titles: episode_id, series_id, language, main, title, title_key, placeholder.
        numbers: further numberings: episode_id, platform (null: any), season_no, episode_no.
        aliases: those in force: keys (null: any, or none if exact), and series_id or episode_id.
    """

    version: int
    series: pl.DataFrame
    series_titles: pl.DataFrame
    episodes: pl.DataFrame
    titles: pl.DataFrame
    numbers: pl.DataFrame
    aliases: pl.DataFrame


def load_snapshot(session: DatabaseSession, by: str = "telecine") -> Snapshot:
    """Return the catalogue at one version; an import waits until this transaction ends.

    Args:
        session: a transaction.
        by: who runs the command, for the history if stored keys have to be computed again.

    Raises:
        ConfigurationError: a newer telecine computed the catalogue's keys.
    """
    version = pin(session, by)
    frames = {name: _frame(session, *declared) for name, declared in _FRAMES.items()}
    return Snapshot(version, **frames)


def _frame(session: DatabaseSession, columns: dict[str, str], source: str) -> pl.DataFrame:
    import polars as pl

    def kind(name: str) -> type[pl.DataType]:
        return pl.Int64 if name in _INTEGERS else pl.Boolean if name in _BOOLEANS else pl.String

    rows = session.rows(f"SELECT {', '.join(columns.values())} FROM {source} ORDER BY 1")  # noqa: S608 - our own names
    return pl.DataFrame(list(map(tuple, rows)), schema={name: kind(name) for name in columns}, orient="row")
