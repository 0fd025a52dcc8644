"""Plan an import without a database: the same plan serves import and diff."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.entities import (
    BASES,
    MISSING,
    NOBODY,
    SWITCHES,
    Change,
    Entity,
    EntityKind,
    Update,
    merge,
)
from jobs.viewership.catalog.other_rows import OtherRows

if TYPE_CHECKING:
    from jobs.viewership.catalog.files import Bad, Read, Row
    from jobs.viewership.catalog.state import State

__all__ = ["Plan", "plan"]

_SWITCHING: Final = frozenset({"status", "episode_status", "active"})
_KINDS: Final[dict[Kind, EntityKind]] = {
    Kind.SERIES: EntityKind.SERIES,
    Kind.EPISODES: EntityKind.EPISODE,
    Kind.ALIASES: EntityKind.ALIAS,
    Kind.DEALS: EntityKind.DEAL,
    Kind.CHANNELS: EntityKind.CHANNEL,
    Kind.TERRITORIES: EntityKind.TERRITORY,
}
# A series is known before its episodes, and they before what points to them.
_ORDER: Final = (
    *(Kind.SERIES, Kind.EPISODES, Kind.NUMBERS, Kind.ALIASES),
    *(Kind.CHANNELS, Kind.TERRITORIES, Kind.DEALS),
)


@dataclass(slots=True)
class Plan:
    """The effect of files on the catalogue.

    Attributes:
        updates: per entity that a file mentions; those without an action change nothing.
        bad: invalid rows; with any, nothing may be written.
        missing: entities of this source, of kinds that the files have, that the files lack.
        missing_numbers: the same of further numberings.
    """

    updates: list[Update] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    missing: list[Entity] = field(default_factory=list)
    missing_numbers: list[tuple[Entity, tuple[str | None, str | None, str | None]]] = field(default_factory=list)

    @property
    def changed(self) -> list[Update]:
        """Return the updates that change something."""
        return [update for update in self.updates if update.action]

    def counts(self) -> dict[str, int]:
        """Return the number of entities by kind and action: ``episode_added``."""
        counts: dict[str, int] = defaultdict(int)
        for update in self.changed:
            counts[f"{update.entity.kind}_{update.action}"] += 1
        return dict(counts)

    @property
    def conflicts(self) -> int:
        """Return the number of values that are not used because another source filled the field."""
        return sum(len(update.conflicts) for update in self.updates)


def plan(state: State, files: Read, source: str, *, overwrite: bool = False, remove_missing: bool = False) -> Plan:
    """Decide what files change, and change ``state`` accordingly.

    Args:
        state: the current catalogue.
        files: rows, and errors, which are handed on.
        source: the source of the files.
        overwrite: also replace what other sources have filled.
        remove_missing: deactivate what this source added but the files lack, of the kinds that they have.
    """
    return _Planner(state, source, overwrite=overwrite, remove_missing=remove_missing).run(files)


class _Planner(OtherRows):
    def __init__(self, state: State, source: str, *, overwrite: bool, remove_missing: bool) -> None:
        super().__init__(state, source)
        self._overwrite = overwrite
        self._remove = remove_missing
        self._plan = Plan()

    def run(self, files: Read) -> Plan:
        self._plan.bad = self._found_bad = list(files.bad)
        rows: dict[Kind, list[Row]] = defaultdict(list)
        for row in files.rows:
            rows[row.kind].append(row)
        readers = {
            Kind.SERIES: self._series_row,
            Kind.EPISODES: self._episode_row,
            Kind.NUMBERS: self._numbers_row,
            Kind.ALIASES: self._alias_row,
            Kind.DEALS: self._deal_row,
        }
        for kind in _ORDER:
            reader = readers.get(kind, self._place_row)
            for row in rows[kind]:
                reader(row)
        self._merge()
        if not self._plan.bad:
            self._missing()
        return self._plan

    def _merge(self) -> None:
        for entity, values in self._values.items():
            switch = SWITCHES.get(entity.kind)
            base = BASES.get(entity.kind)
            stated = {name: value for name, value in values.items() if value is not None or name not in _SWITCHING}
            if entity.new:
                self._plan.updates.append(self._added(entity, stated, switch))
            else:
                if switch is not None and self._is_back(entity, switch[0]):
                    stated.setdefault(switch[0], switch[1])
                before = entity.titles(base) if base else {}
                series = entity.owner
                update = merge(entity, stated, self._source, overwrite=self._overwrite)
                update.titles_before = before
                if any(change.name in ("series_id", "target") for change in update.changes):
                    update.series_before = series
                    entity.owner = self._owners[entity]
                self._plan.updates.append(update)
            self._add_numbers(self._plan.updates[-1])
            if base and entity.kind is not EntityKind.EPISODE and not entity.titles(base):
                self._bad(self._first[entity], base, f"the {entity.kind} would have no name; expected at least one")

    def _is_back(self, entity: Entity, switch: str) -> bool:
        """Return whether its own source lacked an entity before and has it again."""
        return entity.source == self._source and entity.sources.get(switch) == MISSING

    def _added(self, entity: Entity, stated: dict[str, str | None], switch: tuple[str, str, str] | None) -> Update:
        entity.fields.update({name: value for name, value in stated.items() if value is not None})
        if switch is not None and switch[0] not in entity.fields:
            entity.fields[switch[0]] = switch[1]
            entity.sources[switch[0]] = NOBODY
        entity.owner = self._owners.get(entity)
        entity.new = False
        changes = [Change(name, None, value) for name, value in entity.fields.items()]
        return Update(entity, "added", changes)

    def _add_numbers(self, update: Update) -> None:
        entity = update.entity
        for numbering in self._numbers.get(entity, ()):
            if numbering not in entity.numbers:
                entity.numbers[numbering] = self._source
                update.numbers.append(numbering)
        if update.numbers:
            update.action = update.action or "changed"

    def _missing(self) -> None:
        """Find entities that this source added but the files lack."""
        for kind in sorted(self._present - {Kind.NUMBERS}):
            for entity in self._state.entities[_KINDS[kind]].values():
                if entity.source != self._source or entity in self._values:
                    continue
                switch = SWITCHES.get(entity.kind)
                if switch is None or entity.fields.get(switch[0]) == switch[1]:
                    self._plan.missing.append(entity)
        if Kind.NUMBERS in self._present:
            for entity in self._state.entities[EntityKind.EPISODE].values():
                lacking = [
                    numbering
                    for numbering, source in entity.numbers.items()
                    if source == self._source and numbering not in self._numbers.get(entity, ())
                ]
                self._plan.missing_numbers += [(entity, numbering) for numbering in lacking]
        if self._remove:
            self._plan.updates += [self._removed(entity) for entity in self._plan.missing]
            for entity, numbering in self._plan.missing_numbers:
                del entity.numbers[numbering]
                self._plan.updates.append(
                    Update(entity, "changed", [Change("numbers", "/".join(map(str, numbering)), None)])
                )

    def _removed(self, entity: Entity) -> Update:
        switch = SWITCHES.get(entity.kind)
        update = Update(entity, "removed", titles_before=entity.titles(BASES.get(entity.kind, "")))
        if switch is not None:
            update.changes.append(Change(switch[0], switch[1], switch[2]))
            entity.fields[switch[0]] = switch[2]
            entity.sources[switch[0]] = MISSING
        return update
