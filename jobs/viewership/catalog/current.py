"""Read the catalogue's tables into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.columns import title_column
from jobs.viewership.catalog.entities import NOBODY, SWITCHES, Entity, EntityKind
from jobs.viewership.catalog.state import State

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["DEAL_COLUMNS", "TABLES", "load"]

_S: Final = EntityKind.SERIES
_E: Final = EntityKind.EPISODE

TABLES: Final[dict[EntityKind, str]] = {
    EntityKind.SERIES: "series",
    EntityKind.EPISODE: "episodes",
    EntityKind.ALIAS: "aliases",
    EntityKind.DEAL: "deals",
    EntityKind.CHANNEL: "channels",
    EntityKind.TERRITORY: "territories",
}
"""Kind -> its table in schema ``catalog``."""

DEAL_COLUMNS: Final = (
    *("platform", "domain", "partner", "channel", "territory", "valid_from", "valid_to"),
    *("deal_parent", "internal_partner", "internal_channel", "internal_territory"),
)


def load(session: DatabaseSession) -> State:
    """Return the current catalogue; undone aliases are left out.

    Args:
        session: a transaction; the caller holds the catalogue's lock if it is going to write.
    """
    state = State(version=session.rows("SELECT coalesce(max(version), 0) FROM catalog.versions")[0][0])
    found: list[Entity] = []
    for row in session.rows(
        "SELECT id, source, sources, code, content_provider, status FROM catalog.series ORDER BY id"
    ):
        fields = {"series_code": row[3], "content_provider": row[4], "status": row[5]}
        found.append(_entity(_S, row, fields))
    series = {entity.id: entity for entity in found}
    _load_titles(session, series, "series_titles", "series_id", "series")
    episodes: dict[int, Entity] = {}
    for row in session.rows(
        "SELECT id, source, sources, series_id, ref_id, season, episode, active FROM catalog.episodes ORDER BY id"
    ):
        fields = {"ref_id": row[4], "season": row[5], "episode": row[6], "series_id": str(row[3])}
        fields["episode_status"] = "active" if row[7] else "inactive"
        episodes[row[0]] = _entity(_E, row, fields)
        episodes[row[0]].owner = series[row[3]]
    _load_titles(session, episodes, "episode_titles", "episode_id", "title")
    for row in session.rows("SELECT episode_id, platform, season, episode, source FROM catalog.episode_numbers"):
        episodes[row[0]].numbers[row[1], row[2], row[3]] = row[4]
    found += episodes.values()
    found += _load_aliases(session, series, episodes)
    for row in session.rows(
        f"SELECT id, source, sources, active, {', '.join(DEAL_COLUMNS)} FROM catalog.deals ORDER BY id"  # noqa: S608 - our own names
    ):
        fields = {
            name: None if value is None else str(value) for name, value in zip(DEAL_COLUMNS, row[4:], strict=True)
        }
        found.append(_entity(EntityKind.DEAL, row, {**fields, "active": str(row[3]).lower()}))
    for kind in (EntityKind.CHANNEL, EntityKind.TERRITORY):
        found += _load_places(session, kind)
    for entity in found:
        state.add(entity)
    return state


def _entity(kind: EntityKind, row: Any, fields: dict[str, str | None]) -> Entity:
    entity = Entity(kind, row[0], row[1], {name: value for name, value in fields.items() if value is not None}, row[2])
    switch = SWITCHES[kind][0]
    entity.sources.setdefault(switch, NOBODY)
    return entity


def _load_titles(session: DatabaseSession, entities: dict[int, Entity], table: str, key: str, base: str) -> None:
    for row in session.rows(f"SELECT {key}, language, position, title, source FROM catalog.{table}"):  # noqa: S608 - our own names
        entity = entities[row[0]]
        _take_title(entity, title_column(base, row[1], row[2]), row[3], row[4])


def _take_title(entity: Entity, name: str, title: str, source: str) -> None:
    entity.fields[name] = title
    if source != entity.source:
        entity.sources[name] = source


def _load_aliases(session: DatabaseSession, series: dict[int, Entity], episodes: dict[int, Entity]) -> list[Entity]:
    found = []
    for row in session.rows(
        "SELECT id, source, platform, exact, title, series, season, episode, content_id, series_id, episode_id"
        " FROM catalog.aliases WHERE undone_at IS NULL AND key_id IS NULL ORDER BY id"
    ):
        target = series[row[9]] if row[9] is not None else episodes[row[10]]
        names = ("platform", "title", "series", "season", "episode", "content_id")
        values = (row[2], *row[4:9])
        fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        fields |= {"kind": str(target.kind), "target": f"{target.kind}:{target.id}"}
        if row[3]:
            fields["exact"] = "true"
        found.append(Entity(EntityKind.ALIAS, row[0], row[1], fields, owner=target))
    return found


def _load_places(session: DatabaseSession, kind: EntityKind) -> list[Entity]:
    table = TABLES[kind]
    found: dict[int, Entity] = {}
    for row in session.rows(f"SELECT id, source, sources, code, name, active FROM catalog.{table} ORDER BY id"):  # noqa: S608 - our own names
        fields = {"code": row[3], str(kind): row[4], "active": str(row[5]).lower()}
        found[row[0]] = _entity(kind, row, fields)
    for row in session.rows(f"SELECT {kind}_id, position, name, source FROM catalog.{kind}_names"):  # noqa: S608 - our own names
        _take_title(found[row[0]], title_column(str(kind), "und", row[1]), row[2], row[3])
    return list(found.values())
