"""The catalogue in memory: entities with flat fields and the source of each, and how a file's values change them.

A field is named like the column that sets it: ``season``, ``title``, ``title-es.2``. Each has the source that filled
it. Another source fills what is empty; it replaces nothing unless it is told to, and an empty cell clears only what
its own source has filled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from jobs.viewership.catalog.columns import title_slot

__all__ = [
    "BASES",
    "MISSING",
    "NOBODY",
    "SWITCHES",
    "Change",
    "Conflict",
    "Entity",
    "EntityKind",
    "Update",
    "main_title",
    "merge",
]

NOBODY: Final = ""
"""The source of a default that no file has stated."""
MISSING: Final = "-missing"
"""The source of the status of an entity that its own source lacked in an import with ``--remove-missing``."""


class EntityKind(StrEnum):
    """The kinds of entities, as ``catalog.changes`` names them."""

    SERIES = "series"
    EPISODE = "episode"
    ALIAS = "alias"
    DEAL = "deal"
    CHANNEL = "channel"
    TERRITORY = "territory"


BASES: Final[dict[EntityKind, str]] = {
    EntityKind.SERIES: "series",
    EntityKind.EPISODE: "title",
    EntityKind.CHANNEL: "channel",
    EntityKind.TERRITORY: "territory",
}
"""Kind -> the column of its titles or names."""

SWITCHES: Final[dict[EntityKind, tuple[str, str, str]]] = {
    EntityKind.SERIES: ("status", "active", "inactive"),
    EntityKind.EPISODE: ("episode_status", "active", "inactive"),
    EntityKind.DEAL: ("active", "true", "false"),
    EntityKind.CHANNEL: ("active", "true", "false"),
    EntityKind.TERRITORY: ("active", "true", "false"),
}
"""Kind -> the column that activates or deactivates it, with both values."""


@dataclass(slots=True, eq=False)
class Entity:
    """A series, episode, alias, deal, channel or territory.

    Attributes:
        kind: what it is.
        id: its id in the database; of a new one, the next free id.
        source: the source that added it.
        fields: field -> value; a field without a value is absent.
        sources: field -> the source that filled it, where that is not ``source``.
        owner: the series of an episode, the target of an alias.
        numbers: of an episode, its further numberings (platform, season, episode) -> source.
        new: whether the import adds it.
    """

    kind: EntityKind
    id: int
    source: str
    fields: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    owner: Entity | None = None
    numbers: dict[tuple[str | None, str | None, str | None], str] = field(default_factory=dict)
    new: bool = False

    def source_of(self, name: str) -> str:
        """Return the source of a field."""
        return self.sources.get(name, self.source)

    def titles(self, base: str) -> dict[str, str]:
        """Return the titles among the fields; the first represents the entity, as :func:`main_title` says.

        Args:
            base: ``title`` for episodes, ``series`` for series, ``channel`` and ``territory``.
        """
        names = [name for name in self.fields if name == base or name.startswith((f"{base}-", f"{base}."))]
        return {name: self.fields[name] for name in sorted(names, key=_title_order)}


@dataclass(frozen=True, slots=True)
class Change:
    """A field that an import sets, replaces or clears."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value of a file that is not used, because another source filled the field."""

    name: str
    kept: str
    source: str
    offered: str


@dataclass(slots=True)
class Update:
    """The effect of an import on one entity.

    Attributes:
        entity: the entity, already changed.
        action: ``added``, ``changed`` or ``removed``; empty if nothing changes.
        changes: its fields.
        conflicts: values that are not used.
        titles_before: titles before the change.
        series_before: the series that an episode belonged to, if it changes.
        numbers: further numberings that are added.
    """

    entity: Entity
    action: str = ""
    changes: list[Change] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    titles_before: dict[str, str] = field(default_factory=dict)
    series_before: Entity | None = None
    numbers: list[tuple[str | None, str | None, str | None]] = field(default_factory=list)


# The title that represents the entity: without a language, else English, else the first language.
_MAIN: Final = {"und": 0, "en": 1}


def main_title(titles: dict[str, str]) -> str | None:
    """Return the column of the title that represents an entity, or None without titles.

    >>> main_title({"title-es": "Piloto", "title-en": "Pilot"})
    'title-en'
    """
    return min(titles, key=_title_order, default=None)


def _title_order(name: str) -> tuple[int, str, int]:
    language, position = title_slot(name)
    return _MAIN.get(language, len(_MAIN)), language, position


def merge(entity: Entity, values: dict[str, str | None], source: str, *, overwrite: bool = False) -> Update:
    """Change an entity's fields to a file's values where the source may, and return what changed.

    Args:
        entity: is changed.
        values: column -> value; None clears it.
        source: the source of the values.
        overwrite: also replace what other sources have filled.
    """
    update = Update(entity)
    for name, value in values.items():
        before = entity.fields.get(name)
        if value == before:
            continue
        owner = entity.source_of(name)
        if before is None or owner in (source, NOBODY, MISSING) or (overwrite and value is not None):
            update.changes.append(Change(name, before, value))
            _set(entity, name, value, source)
        elif value is not None:
            update.conflicts.append(Conflict(name, before, owner, value))
    if update.changes:
        update.action = "changed"
    return update


def _set(entity: Entity, name: str, value: str | None, source: str) -> None:
    if value is None:
        del entity.fields[name]
        entity.sources.pop(name, None)
        return
    entity.fields[name] = value
    if source == entity.source:
        entity.sources.pop(name, None)
    else:
        entity.sources[name] = source
