"""Values from the files, collected per entity: rows may repeat a value but not contradict it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.entities import BASES, Entity, EntityKind
from jobs.viewership.catalog.state import ref_key
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.catalog.columns import Kind
    from jobs.viewership.catalog.files import Bad, Row
    from jobs.viewership.catalog.state import State

__all__ = ["Gathering", "is_titled", "quoted"]

_SHOWN: Final = 80


def is_titled(base: str, name: str) -> bool:
    """Return whether a column is one of those of a base, such as ``title-es.2`` of ``title``."""
    return name == base or name.startswith((f"{base}-", f"{base}."))


def quoted(text: str) -> str:
    """Quote text from a file for a message."""
    return f"'{one_line(cut(text, _SHOWN))}'"


class Gathering:
    """The base of the classes that read rows: each finds a row's entity and gathers the row's values for it.

    Args:
        state: the current catalogue; new entities are added to it.
        source: the source of the files.
    """

    def __init__(self, state: State, source: str) -> None:
        self._state = state
        self._source = source
        self._found_bad: list[Bad] = []
        # Entity -> the values that the files state, and the row that stated each.
        self._values: dict[Entity, dict[str, str | None]] = {}
        self._origins: dict[tuple[Entity, str], Row] = {}
        self._first: dict[Entity, Row] = {}
        # Kinds of which the files have at least one row.
        self._present: set[Kind] = set()
        self._owners: dict[Entity, Entity] = {}
        # Fields of a series in a row of an episode -> the series.
        self._stated_series: dict[tuple[str | None, ...], Entity] = {}
        self._numbers: dict[Entity, list[tuple[str | None, str | None, str | None]]] = defaultdict(list)

    def _bad(self, row: Row, column: str | None, message: str) -> None:
        self._found_bad.append(row.bad(column, message))

    def _new(self, kind: EntityKind) -> Entity:
        entity = Entity(kind, self._state.next_id(kind), self._source, new=True)
        self._state.entities[kind][entity.id] = entity
        return entity

    def _gather(self, entity: Entity, values: Mapping[str, str | None], row: Row) -> None:
        """Record a row's values for an entity; rows may repeat a value but not contradict it."""
        known = self._values.setdefault(entity, {})
        self._first.setdefault(entity, row)
        for name, value in values.items():
            before = known.get(name)
            if value is None or before == value:
                known.setdefault(name, value)
            elif before is None:
                known[name] = value
                if row is not self._first[entity]:
                    self._origins[entity, name] = row
            else:
                other = self._origins.get((entity, name), self._first[entity])
                if name in ("series_id", "target"):
                    now, then = self._shown(value), self._shown(before)
                else:
                    now, then = value, before
                self._bad(
                    row,
                    name,
                    f"{quoted(now)} contradicts {quoted(then)} in {other.file} line {other.line}; expected one"
                    f" value per {entity.kind}{_advice(entity.kind, name)}",
                )

    def _shown(self, pointer: str) -> str:
        """Return the name of the series or episode that a value points to."""
        kind, _, number = pointer.rpartition(":")
        entity = self._state.entities[EntityKind(kind or "series")][int(number)]
        stated = {**entity.fields, **self._values.get(entity, {})}
        return next((text for name in ("ref_id", "series", "title") if (text := stated.get(name))), pointer)

    def _stated(self, entity: Entity, name: str) -> str | None:
        return self._values.get(entity, {}).get(name) or entity.fields.get(name)

    def _spelled(self, entity: Entity, name: str, value: str | None) -> str | None:
        """Return an id in its known spelling; case does not distinguish ids."""
        known = self._stated(entity, name)
        return known if known and value and ref_key(known) == ref_key(value) else value


def _advice(kind: EntityKind, name: str) -> str:
    base = BASES.get(kind)
    if base and is_titled(base, name):
        return f"; put further ones into columns {name.partition('.')[0]}.2, .3 and so on"
    return ""
