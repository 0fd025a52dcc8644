"""Decide what files change in the catalogue, without a database: the same plan serves import and diff."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.entities import MISSING, NOBODY, Change, Entity, EntityKind, Update, merge
from jobs.viewership.catalog.state import ALIAS_FIELDS, alias_identity, deal_identity, name_key, ref_key
from jobs.viewership.keys.titles import title_key
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.viewership.catalog.files import Bad, Read, Row
    from jobs.viewership.catalog.state import State

__all__ = ["BASES", "SWITCHES", "Plan", "plan"]

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
"""Kind -> the column that switches it on and off, with both values."""

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
_SHOWN: Final = 80


@dataclass(slots=True)
class Plan:
    """The effect of files on the catalogue.

    Attributes:
        updates: per entity that a file mentions; those without an action change nothing.
        bad: rows that cannot be taken; with any, nothing may be written.
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
        """Return the number of values that are not taken because another source filled the field."""
        return sum(len(update.conflicts) for update in self.updates)


def plan(state: State, files: Read, source: str, *, overwrite: bool = False, remove_missing: bool = False) -> Plan:
    """Decide what files change, and change ``state`` accordingly.

    Args:
        state: the current catalogue.
        files: rows, and errors, which are handed on.
        source: the source of the files.
        overwrite: also replace what other sources have filled.
        remove_missing: switch off what this source has added and the files lack, of the kinds that they have.
    """
    return _Planner(state, source, overwrite=overwrite, remove_missing=remove_missing).run(files)


class _Planner:
    def __init__(self, state: State, source: str, *, overwrite: bool, remove_missing: bool) -> None:
        self._state = state
        self._source = source
        self._overwrite = overwrite
        self._remove = remove_missing
        self._plan = Plan()
        # Entity -> the values that the files state, and the row that stated each.
        self._values: dict[Entity, dict[str, str | None]] = {}
        self._origins: dict[tuple[Entity, str], Row] = {}
        self._first: dict[Entity, Row] = {}
        # Kinds of which the files have at least one row.
        self._present: set[Kind] = set()
        self._owners: dict[Entity, Entity] = {}
        # What rows of episodes state of their series -> the series.
        self._stated_series: dict[tuple[str | None, ...], Entity] = {}
        self._numbers: dict[Entity, list[tuple[str | None, str | None, str | None]]] = defaultdict(list)

    def run(self, files: Read) -> Plan:
        self._plan.bad = list(files.bad)
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

    def _bad(self, row: Row, column: str | None, message: str) -> None:
        self._plan.bad.append(row.bad(column, message))

    def _new(self, kind: EntityKind) -> Entity:
        entity = Entity(kind, self._state.next_id(kind), self._source, new=True)
        self._state.entities[kind][entity.id] = entity
        return entity

    def _gather(self, entity: Entity, values: Mapping[str, str | None], row: Row) -> None:
        """Note what a row states of an entity; rows may repeat a value, not contradict it."""
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
                    f"{_quoted(now)} contradicts {_quoted(then)} in {other.file} line {other.line}; expected one"
                    f" value per {entity.kind}{_advice(entity.kind, name)}",
                )

    def _shown(self, pointer: str) -> str:
        """Return the name of the series or episode that a value points to."""
        kind, _, number = pointer.rpartition(":")
        entity = self._state.entities[EntityKind(kind or "series")][int(number)]
        stated = {**entity.fields, **self._values.get(entity, {})}
        return next((text for name in ("ref_id", "series", "title") if (text := stated.get(name))), pointer)

    # Series

    def _series_row(self, row: Row) -> None:
        values = row.values
        titles = {name: value for name, value in values.items() if _is_titled("series", name)}
        name = values.get("series") or next((value for value in titles.values() if value), None)
        entity = self._find_series(row, values.get("series_code"), name)
        if entity is None:
            return
        by_name = not values.get("series_code") and not entity.new
        if not any(titles.values()):
            titles = {}
        elif by_name and name_key(name) != name_key(self._stated(entity, "series")):
            # Found by one of its further names, which does not rename it.
            titles.pop("series", None)
        self._gather(entity, {**titles, **self._about(entity, values)}, row)
        self._present.add(Kind.SERIES)
        self._know(entity, values.get("series_code"), titles.values())

    def _find_series(self, row: Row, code: str | None, name: str | None) -> Entity | None:
        state = self._state
        named = state.series_by_name.get(name_key(name), []) if name else []
        if code and (known := state.series_by_code.get(ref_key(code))) is not None:
            return known
        if name is None:
            about = f"series code {_quoted(code)} is new and has no name" if code else "the series is empty"
            self._bad(row, "series", f"{about}; expected its name")
            return None
        if code:
            without = [each for each in named if not self._code(each)]
            return without[0] if len(without) == 1 else self._new(EntityKind.SERIES)
        if len(named) > 1:
            # A remake may have the same name, and another series the name as one of its further titles.
            main = [each for each in named if name_key(each.fields.get("series")) == name_key(name)]
            named = main if len(main) == 1 else named
        if len(named) > 1:
            codes = ", ".join(sorted(_quoted(self._code(each) or "none") for each in named))
            self._bad(row, "series", f"{len(named)} series are named {_quoted(name)} (codes {codes}); expected a code")
            return None
        return named[0] if named else self._new(EntityKind.SERIES)

    def _about(self, series: Entity, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return what a row states of its series, except names."""
        about = {key: values[key] for key in ("series_code", "content_provider", "status") if key in values}
        if code := about.get("series_code"):
            about["series_code"] = self._spelled(series, "series_code", code)
        return about

    def _spelled(self, entity: Entity, name: str, value: str | None) -> str | None:
        """Return an id in the spelling that is known: case makes no other id."""
        known = self._stated(entity, name)
        return known if known and value and ref_key(known) == ref_key(value) else value

    def _code(self, series: Entity) -> str | None:
        return self._values.get(series, {}).get("series_code") or series.fields.get("series_code")

    def _know(self, series: Entity, code: str | None, names: Iterable[str | None]) -> None:
        self._state.index_series(series, code, [name for name in names if name])

    def _is_named(self, series: Entity, name: str) -> bool:
        return series in self._state.series_by_name.get(name_key(name), ())

    # Episodes

    def _episode_row(self, row: Row) -> None:
        values = row.values
        titles = {key: value for key, value in values.items() if _is_titled("title", key)}
        ref_id, season, episode = values.get("ref_id"), values.get("season"), values.get("episode")
        known = self._state.episodes_by_ref.get(ref_key(ref_id)) if ref_id else None
        series = self._series_of(row, known)
        if series is None:
            return
        if not (ref_id or (season and episode) or any(titles.values())):
            # A row of a series alone, as in a list of series with the columns of episodes.
            return
        found = known or self._find_episode(row, series, titles)
        if found is None:
            return
        self._owners[found] = series
        own: dict[str, str | None] = {
            key: values[key] for key in ("ref_id", "season", "episode", "episode_status") if key in values
        }
        if "ref_id" in own:
            own["ref_id"] = self._spelled(found, "ref_id", ref_id)
        self._gather(found, {**own, **titles, "series_id": str(series.id)}, row)
        self._present.add(Kind.EPISODES)
        self._state.index_episode(found, series, {**own, **titles})

    def _series_of(self, row: Row, known: Entity | None) -> Entity | None:
        """Return the series of an episode's row, or None after an error, and note what the row states of it."""
        values = row.values
        stated = tuple(values.get(name) for name in ("series_code", "series", "content_provider", "status"))
        code, name = stated[:2]
        if not code and not name and known is not None:
            return self._owners.get(known, known.owner)
        if (series := self._stated_series.get(stated)) is not None:
            return series
        series = self._find_series(row, code, name)
        if series is None:
            return None
        about = self._about(series, values)
        if name and not self._is_named(series, name):
            about["series"] = name
        self._gather(series, about, row)
        self._know(series, code, [name])
        self._stated_series[stated] = series
        return series

    def _find_episode(self, row: Row, series: Entity, titles: Mapping[str, str | None]) -> Entity | None:
        """Return the episode that a row without a known id describes, a new one, or None after an error."""
        ref_id, season, episode = (row.values.get(name) for name in ("ref_id", "season", "episode"))
        found: list[Entity] = []
        if season and episode:
            found = self._state.episodes_by_numbers.get((series.id, season, episode), [])
        elif not ref_id or series.id in self._state.series_without_refs:
            given = [value for value in titles.values() if value]
            found = [
                each
                for each in self._state.episodes_titled(series, given)
                if not _disagree(season, self._stated(each, "season"))
                and not _disagree(episode, self._stated(each, "episode"))
            ]
        if ref_id:
            found = [each for each in found if not self._stated(each, "ref_id")]
        agreeing = [each for each in found if self._agrees(each, titles)]
        if ref_id:
            return agreeing[0] if len(agreeing) == 1 else self._new(EntityKind.EPISODE)
        if len(found) > 1:
            found = agreeing
        if len(found) > 1:
            ids = ", ".join(sorted(_quoted(self._stated(each, "ref_id") or "none") for each in found[:5]))
            self._bad(row, "ref_id", f"the row fits {len(found)} episodes (ref_id {ids}); expected a ref_id")
            return None
        return found[0] if found else self._new(EntityKind.EPISODE)

    def _stated(self, entity: Entity, name: str) -> str | None:
        return self._values.get(entity, {}).get(name) or entity.fields.get(name)

    def _agrees(self, episode: Entity, titles: Mapping[str, str | None]) -> bool:
        """Return whether titles contradict none of an episode's in the same language."""
        stated = {**episode.fields, **self._values.get(episode, {})}
        for language in {name.partition(".")[0] for name, value in titles.items() if value}:
            ours = {title_key(value) for name, value in stated.items() if value and name.partition(".")[0] == language}
            theirs = {
                title_key(value) for name, value in titles.items() if value and name.partition(".")[0] == language
            }
            if ours and not ours & theirs:
                return False
        return True

    def _target(self, row: Row, ref_id: str | None, column: str) -> Entity | None:
        """Return the episode that a row points to, or None after an error."""
        values = row.values
        if ref_id:
            known = self._state.episodes_by_ref.get(ref_key(ref_id))
            if known is None:
                self._bad(row, column, f"no episode has ref_id {_quoted(ref_id)}; import the episodes first")
            return known
        name = values.get("target_series")
        if not name:
            self._bad(row, column, f"the episode is missing; expected {column}, or target_series with its episode")
            return None
        named = self._state.series_by_name.get(name_key(name), [])
        coded = self._state.series_by_code.get(ref_key(name))
        series = coded or (named[0] if len(named) == 1 else None)
        if series is None:
            problem = "no series is" if not named else f"{len(named)} series are"
            self._bad(row, "target_series", f"{problem} named {_quoted(name)}; expected the name or code of one series")
            return None
        season, episode, title = values.get("target_season"), values.get("target_episode"), values.get("target_title")
        found = self._state.episodes_by_numbers.get((series.id, season or "", episode or ""), [])
        if not found and title:
            found = self._state.episodes_titled(series, [title])
        if len(found) > 1 and title:
            found = [each for each in found if each in self._state.episodes_titled(series, [title])]
        if len(found) != 1:
            self._bad(row, column, f"{len(found)} episodes of {_quoted(name)} fit; expected one: give its ref_id")
            return None
        return found[0]

    def _numbers_row(self, row: Row) -> None:
        values = row.values
        if not (values.get("season") or values.get("episode")):
            self._bad(row, "episode", "season and episode are empty; expected at least one of them")
            return
        entity = self._target(row, values.get("ref_id"), "ref_id")
        if entity is not None:
            platform = values.get("platform")
            numbering = (platform.casefold() if platform else None, values.get("season"), values.get("episode"))
            self._values.setdefault(entity, {})
            self._first.setdefault(entity, row)
            self._numbers[entity].append(numbering)
            self._present.add(Kind.NUMBERS)

    # Aliases, deals and places

    def _alias_row(self, row: Row) -> None:
        values = row.values
        kind = values.get("kind") or "episode"
        fields: dict[str, str | None] = {name: values.get(name) for name in ALIAS_FIELDS}
        fields |= {"kind": kind, "exact": "true" if values.get("exact") == "true" else None}
        if platform := fields["platform"]:
            fields["platform"] = platform.casefold()
        if kind == "series":
            if values.get("series") and values.get("alias"):
                self._bad(row, "series", "an alias of a series has its name in column alias; expected no series")
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
            problem = f"no series is named {_quoted(name)}" if not found else f"{len(found)} series are {_quoted(name)}"
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
        names = {name: value for name, value in values.items() if _is_titled(kind, name)}
        code, name = values.get("code"), values.get(str(kind))
        if not name:
            self._bad(row, str(kind), f"the name is empty; expected the name of the {kind}")
            return
        entity = self._state.places_by_code.get((kind, name_key(code))) if code else None
        if entity is None:
            named = self._state.places_by_name.get((kind, name_key(name)), [])
            free = [each for each in named if not (code and self._stated(each, "code"))]
            if len(free) > 1:
                self._bad(row, str(kind), f"{len(free)} entries are named {_quoted(name)}; expected a code")
                return
            entity = free[0] if free else self._new(kind)
        for other in names.values():
            there = self._state.places_by_name.get((kind, name_key(other)), []) if other else []
            if other and any(each is not entity for each in there):
                self._bad(row, str(kind), f"{_quoted(other)} is a name of another {kind}; expected names of one only")
                return
        self._gather(entity, {key: value for key, value in values.items() if key == "code" or key in names}, row)
        if values.get("active"):
            self._gather(entity, {"active": values["active"]}, row)
        self._state.index_place(entity, code, [each for each in names.values() if each])
        self._present.add(row.kind)

    # What changes

    def _merge(self) -> None:
        for entity, values in self._values.items():
            switch = SWITCHES.get(entity.kind)
            base = BASES.get(entity.kind)
            stated = {name: value for name, value in values.items() if value is not None or name not in _SWITCHING}
            if entity.new:
                self._plan.updates.append(self._added(entity, stated, switch))
            else:
                if switch is not None and switch[0] not in stated and entity.sources.get(switch[0]) == MISSING:
                    stated[switch[0]] = switch[1]
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
                self._bad(self._first[entity], base, f"the {entity.kind} would have no name; expected one")

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
        """Find what this source has added and the files lack."""
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


_DEAL_NAMES: Final = frozenset({"platform", "domain", "partner", "channel", "territory"})


def _is_titled(base: str, name: str) -> bool:
    return name == base or name.startswith((f"{base}-", f"{base}."))


def _disagree(first: str | None, second: str | None) -> bool:
    return bool(first and second and first != second)


def _quoted(text: str) -> str:
    return f"'{one_line(cut(text, _SHOWN))}'"


def _advice(kind: EntityKind, name: str) -> str:
    base = BASES.get(kind)
    if base and _is_titled(base, name):
        return f"; further ones go into columns {name.partition('.')[0]}.2, .3 and so on"
    return ""
