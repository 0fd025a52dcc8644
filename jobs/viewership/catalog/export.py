"""Write the catalogue as files that :mod:`jobs.viewership.catalog.files` reads: an import of them changes nothing."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.cells import neutralised
from jobs.viewership.catalog.columns import COLUMNS, Kind, title_slot
from jobs.viewership.catalog.entities import Entity, EntityKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.viewership.catalog.state import State

__all__ = ["export"]


def export(state: State, form: str) -> dict[Kind, tuple[str, int]]:
    """Return the text of one file per kind, and the number of its rows.

    Formulas are neutralised in CSV, as :mod:`jobs.viewership.catalog.cells` describes. A line of JSON has
    keys with a value, and those that say what the line is.

    Args:
        state: the catalogue.
        form: ``csv`` or ``jsonl``.
    """
    rows = {kind: _ROWS[kind](state) for kind in Kind}
    return {kind: (_csv(kind, each) if form == "csv" else _jsonl(kind, each), len(each)) for kind, each in rows.items()}


def _csv(kind: Kind, rows: list[dict[str, str | None]]) -> str:
    names = _names(kind, rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([neutralised(row.get(name) or "") for name in names] for row in rows)
    return stream.getvalue()


def _jsonl(kind: Kind, rows: list[dict[str, str | None]]) -> str:
    names = _names(kind, rows)
    lines = ({name: value for name in names if (value := row.get(name)) or name in _ALWAYS[kind]} for row in rows)
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _names(kind: Kind, rows: list[dict[str, str | None]]) -> list[str]:
    columns = COLUMNS[kind]
    names = [name for name in columns.names() if name in _ALWAYS[kind] or any(row.get(name) for row in rows)]
    further = {name for row in rows for name in row if name not in columns.names()}
    return names + sorted(further, key=title_slot)


# Columns that a file has even if all are empty, by which its kind is known; the rest would only be clutter.
_ALWAYS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.SERIES: ("series_code", "series", "content_provider", "status"),
    Kind.EPISODES: ("ref_id", "series", "series_code", "season", "episode", "episode_status", "title"),
    Kind.NUMBERS: ("ref_id", "platform", "season", "episode"),
    Kind.ALIASES: ("kind", "alias", "target", "platform"),
    Kind.DEALS: COLUMNS[Kind.DEALS].plain,
    Kind.CHANNELS: ("code", "active", "channel"),
    Kind.TERRITORIES: ("code", "active", "territory"),
}


def _series(state: State) -> list[dict[str, str | None]]:
    return [dict(entity.fields) for entity in state.entities[EntityKind.SERIES].values()]


def _episodes(state: State) -> list[dict[str, str | None]]:
    return [
        {
            **{name: value for name, value in entity.fields.items() if name != "series_id"},
            **_series_reference(entity.owner),
        }
        for entity in state.entities[EntityKind.EPISODE].values()
    ]


def _series_reference(series: Entity | None) -> dict[str, str | None]:
    """Return the columns by which an episode's row names its series."""
    if series is None:
        return {}
    name = next(iter(series.titles("series").values()))
    return {"series": name, "series_code": series.fields.get("series_code")}


def _numbers(state: State) -> list[dict[str, str | None]]:
    return [
        {**_target(entity, "ref_id"), "platform": platform, "season": season, "episode": episode}
        for entity in state.entities[EntityKind.EPISODE].values()
        for platform, season, episode in entity.numbers
    ]


def _target(episode: Entity, column: str) -> dict[str, str | None]:
    """Return the columns that name an episode, with or without an id."""
    fields = episode.fields
    if ref_id := fields.get("ref_id"):
        return {column: ref_id}
    series = episode.owner
    titles = list(series.titles("series").values()) if series else []
    return {
        "target_series": (series.fields.get("series_code") if series else None) or next(iter(titles), None),
        "target_season": fields.get("season"),
        "target_episode": fields.get("episode"),
        "target_title": next(iter(episode.titles("title").values()), None),
    }


def _aliases(state: State) -> list[dict[str, str | None]]:
    rows = []
    for entity in state.entities[EntityKind.ALIAS].values():
        row: dict[str, str | None] = {
            name: entity.fields.get(name) for name in ("kind", "platform", "exact", "season", "episode", "content_id")
        }
        target = entity.owner
        if entity.fields["kind"] == "series":
            row["alias"] = entity.fields.get("series")
            titles = list(target.titles("series").values()) if target else []
            row["target"] = (target.fields.get("series_code") if target else None) or next(iter(titles), None)
        else:
            row |= {"alias": entity.fields.get("title"), "series": entity.fields.get("series")}
            row |= _target(target, "target") if target else {}
        rows.append(row)
    return rows


def _plain(kind: EntityKind, state: State) -> list[dict[str, str | None]]:
    return [dict(entity.fields) for entity in state.entities[kind].values()]


_ROWS: Final[dict[Kind, Callable[[State], list[dict[str, str | None]]]]] = {
    Kind.SERIES: _series,
    Kind.EPISODES: _episodes,
    Kind.NUMBERS: _numbers,
    Kind.ALIASES: _aliases,
    Kind.DEALS: partial(_plain, EntityKind.DEAL),
    Kind.CHANNELS: partial(_plain, EntityKind.CHANNEL),
    Kind.TERRITORIES: partial(_plain, EntityKind.TERRITORY),
}
