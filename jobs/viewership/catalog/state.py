"""The catalogue of one version in memory, with the indexes by which a file's rows find their entities."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.entities import Entity, EntityKind
from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.titles import title_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ALIAS_FIELDS", "DEAL_KEY", "State", "alias_identity", "deal_identity", "name_key", "place_names", "ref_key"]

ALIAS_FIELDS: Final = ("kind", "platform", "exact", "title", "series", "season", "episode", "content_id")
DEAL_KEY: Final = ("platform", "domain", "partner", "channel", "territory", "valid_from")


@lru_cache(maxsize=1 << 18)
def ref_key(text: str) -> str:
    """Return an id for comparison; never empty."""
    return id_key(text) or name_key(text)


@lru_cache(maxsize=1 << 16)
def name_key(text: str | None) -> str:
    """Return a name for comparison: without case and surplus space."""
    return " ".join((text or "").casefold().split())


def alias_identity(fields: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return what makes two aliases the same, whatever their targets."""
    return tuple(fields.get(name) or "" for name in ALIAS_FIELDS)


def deal_identity(fields: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return what makes two deals the same, whatever their parents."""
    return tuple(name_key(fields.get(name)) for name in DEAL_KEY)


def place_names(kind: EntityKind, entity: Entity) -> list[str]:
    """Return the names of a channel or territory, its own first."""
    return list(entity.titles(str(kind)).values())


@dataclass(slots=True)
class State:
    """All entities of a version.

    Attributes:
        version: the version; 0 for an empty catalogue.
        entities: kind -> its entities, by id.
    """

    version: int = 0
    entities: dict[EntityKind, dict[int, Entity]] = field(default_factory=lambda: {kind: {} for kind in EntityKind})
    series_by_code: dict[str, Entity] = field(default_factory=dict)
    series_by_name: dict[str, list[Entity]] = field(default_factory=lambda: defaultdict(list))
    episodes_by_ref: dict[str, Entity] = field(default_factory=dict)
    episodes_by_numbers: dict[tuple[int, str, str], list[Entity]] = field(default_factory=lambda: defaultdict(list))
    episodes_by_title: dict[tuple[int, str], list[Entity]] = field(default_factory=lambda: defaultdict(list))
    aliases: dict[tuple[str, ...], Entity] = field(default_factory=dict)
    deals: dict[tuple[str, ...], Entity] = field(default_factory=dict)
    places_by_code: dict[tuple[EntityKind, str], Entity] = field(default_factory=dict)
    places_by_name: dict[tuple[EntityKind, str], list[Entity]] = field(default_factory=lambda: defaultdict(list))
    series_without_refs: set[int] = field(default_factory=set)
    _titled: bool = False

    def add(self, entity: Entity) -> None:
        """Add an entity and index it."""
        self.entities[entity.kind][entity.id] = entity
        fields = entity.fields
        if entity.kind is EntityKind.SERIES:
            self.index_series(entity, fields.get("series_code"), entity.titles("series").values())
        elif entity.kind is EntityKind.EPISODE and entity.owner is not None:
            self.index_episode(entity, entity.owner, fields)
        elif entity.kind is EntityKind.ALIAS:
            self.aliases[alias_identity(fields)] = entity
        elif entity.kind is EntityKind.DEAL:
            self.deals[deal_identity(fields)] = entity
        else:
            self.index_place(entity, fields.get("code"), place_names(entity.kind, entity))

    def next_id(self, kind: EntityKind) -> int:
        """Return the next free id; ids are never used twice."""
        known = self.entities[kind]
        return next(reversed(known), 0) + 1

    def index_series(self, entity: Entity, code: str | None, names: Iterable[str]) -> None:
        """Let a series be found by its code and names."""
        if code:
            self.series_by_code[ref_key(code)] = entity
        for name in names:
            there = self.series_by_name[name_key(name)]
            if entity not in there:
                there.append(entity)

    def index_episode(self, entity: Entity, series: Entity, fields: Mapping[str, str | None]) -> None:
        """Let an episode be found by its id and numbers, and by titles if those are indexed already."""
        if ref_id := fields.get("ref_id"):
            self.episodes_by_ref[ref_key(ref_id)] = entity
        elif entity.new or not entity.fields.get("ref_id"):
            self.series_without_refs.add(series.id)
        season, episode = fields.get("season"), fields.get("episode")
        if season and episode:
            there = self.episodes_by_numbers[series.id, season, episode]
            if entity not in there:
                there.append(entity)
        if self._titled:
            self._index_titles(entity, series, fields)

    def episodes_titled(self, series: Entity, titles: Iterable[str]) -> list[Entity]:
        """Return the episodes of a series that have one of these titles.

        The index is built by the first call: an import whose rows all have ids needs no keys for it.
        """
        if not self._titled:
            self._titled = True
            for entity in self.entities[EntityKind.EPISODE].values():
                if entity.owner is not None:
                    self._index_titles(entity, entity.owner, entity.fields)
        found: list[Entity] = []
        for key in dict.fromkeys(map(title_key, titles)):
            found += [each for each in self.episodes_by_title.get((series.id, key), []) if key and each not in found]
        return found

    def _index_titles(self, entity: Entity, series: Entity, fields: Mapping[str, str | None]) -> None:
        for name, value in fields.items():
            if value and name.startswith("title"):
                there = self.episodes_by_title[series.id, title_key(value)]
                if entity not in there:
                    there.append(entity)

    def index_place(self, entity: Entity, code: str | None, names: Iterable[str]) -> None:
        """Let a channel or territory be found by its code and names."""
        if code:
            self.places_by_code[entity.kind, name_key(code)] = entity
        for name in names:
            there = self.places_by_name[entity.kind, name_key(name)]
            if entity not in there:
                there.append(entity)
