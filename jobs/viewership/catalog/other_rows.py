"""Rows of aliases, deals, channels and territories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.entities import Entity, EntityKind
from jobs.viewership.catalog.episode_rows import EpisodeRows
from jobs.viewership.catalog.gathering import is_titled, quoted
from jobs.viewership.catalog.state import ALIAS_FIELDS, alias_identity, deal_identity, name_key, ref_key

if TYPE_CHECKING:
    from jobs.viewership.catalog.files import Row

__all__ = ["OtherRows"]

# Fields that distinguish episodes; a series is looked up by its name and platform only.
_OF_EPISODES: Final = ("season", "episode", "content_id", "exact", "target_season", "target_episode", "target_title")
_DEAL_NAMES: Final = frozenset({"platform", "domain", "partner", "channel", "territory"})


class OtherRows(EpisodeRows):
    """Find the alias, deal, channel or territory that a row describes."""

    def _alias_row(self, row: Row) -> None:
        values = row.values
        kind = values.get("kind") or "episode"
        if kind not in ("series", "episode"):
            return
        fields: dict[str, str | None] = {name: values.get(name) for name in ALIAS_FIELDS}
        fields |= {"kind": kind, "exact": "true" if values.get("exact") == "true" else None}
        if platform := fields["platform"]:
            fields["platform"] = platform.casefold()
        if kind == "series":
            if values.get("series") and values.get("alias"):
                self._bad(
                    row, "series", "an alias of a series is named in column alias; expected an empty column series"
                )
                return
            if further := next((name for name in _OF_EPISODES if values.get(name) not in (None, "false")), None):
                self._bad(
                    row,
                    further,
                    f"an alias of a series names all its episodes, and {further} would be ignored; expected an empty"
                    f" {further}, or kind episode",
                )
                return
            fields["series"] = values.get("alias") or values.get("series")
            target = self._series_target(row, values.get("target"))
        else:
            fields["title"] = values.get("alias")
            target = self._target(row, values.get("target"), "target")
        if target is None:
            return
        if not any(fields.get(name) for name in ("title", "series", "content_id")):
            self._bad(row, "alias", "the alias is empty; expected a name, a series or a content id")
            return
        identity = alias_identity(fields)
        entity = self._state.aliases.get(identity)
        if entity is None:
            entity = self._new(EntityKind.ALIAS)
            self._state.aliases[identity] = entity
        self._gather(entity, {**fields, "target": f"{target.kind}:{target.id}"}, row)
        self._owners[entity] = target
        self._present.add(Kind.ALIASES)

    def _series_target(self, row: Row, name: str | None) -> Entity | None:
        if not name:
            self._bad(row, "target", "the target is empty; expected the name or code of a series")
            return None
        coded = self._state.series_by_code.get(ref_key(name))
        named = self._state.series_by_name.get(name_key(name), [])
        found = [coded] if coded is not None else named
        if len(found) != 1:
            problem = f"no series is named {quoted(name)}" if not found else f"{len(found)} series are {quoted(name)}"
            self._bad(row, "target", f"{problem}; expected the name or code of one series, imported before or with it")
            return None
        return found[0]

    def _deal_row(self, row: Row) -> None:
        values = row.values
        for name in ("platform", "deal_parent"):
            if not values.get(name):
                self._bad(row, name, f"{name} is empty; expected a value")
                return
        if (values.get("valid_to") or "9999") < (values.get("valid_from") or ""):
            self._bad(row, "valid_to", f"{values['valid_to']} is before valid_from; expected a later day")
            return
        identity = deal_identity(values)
        entity = self._state.deals.get(identity)
        if entity is None:
            entity = self._new(EntityKind.DEAL)
            self._state.deals[identity] = entity
        # The names of a deal are compared without case: another spelling is the same deal.
        known = {name: spelled for name in _DEAL_NAMES if (spelled := self._stated(entity, name)) and name in values}
        self._gather(entity, {**values, **known}, row)
        self._present.add(Kind.DEALS)

    def _place_row(self, row: Row) -> None:
        kind = EntityKind.CHANNEL if row.kind is Kind.CHANNELS else EntityKind.TERRITORY
        values = row.values
        names = {name: value for name, value in values.items() if is_titled(kind, name)}
        code, name = values.get("code"), values.get(str(kind))
        if not name:
            self._bad(row, str(kind), f"the name is empty; expected the name of the {kind}")
            return
        entity = self._state.places_by_code.get((kind, name_key(code))) if code else None
        if entity is None:
            named = self._state.places_by_name.get((kind, name_key(name)), [])
            free = [each for each in named if not (code and self._stated(each, "code"))]
            if len(free) > 1:
                self._bad(row, str(kind), f"{len(free)} entries are named {quoted(name)}; expected a code")
                return
            entity = free[0] if free else self._new(kind)
        for other in names.values():
            there = self._state.places_by_name.get((kind, name_key(other)), []) if other else []
            if other and any(each is not entity for each in there):
                self._bad(row, str(kind), f"{quoted(other)} is a name of another {kind}; expected names of one only")
                return
        self._gather(entity, {key: value for key, value in values.items() if key == "code" or key in names}, row)
        if values.get("active"):
            self._gather(entity, {"active": values["active"]}, row)
        self._state.index_place(entity, code, [each for each in names.values() if each])
        self._present.add(row.kind)
