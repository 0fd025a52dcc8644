"""Write a plan's changes to the tables: COPY, and one statement per table."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.columns import title_slot
from jobs.viewership.catalog.current import DEAL_COLUMNS, TABLES
from jobs.viewership.catalog.entities import BASES, NOBODY, SWITCHES, Entity, EntityKind, Update, main_title
from jobs.viewership.catalog.state import ref_key
from jobs.viewership.keys.titles import placeholder, series_base, series_key, series_year, title_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.viewership.catalog.plan import Plan
    from jobs.viewership.catalog.state import State
    from shared.database.session import DatabaseSession

__all__ = ["apply", "episode_title_keys", "series_title_keys"]

_S: Final = EntityKind.SERIES
_E: Final = EntityKind.EPISODE

_ALIAS_COLUMNS: Final = (
    *("platform", "exact", "title", "title_key", "series", "series_key", "season", "episode"),
    *("content_id", "content_key", "series_id", "episode_id", "source", "created_by"),
)


def apply(session: DatabaseSession, state: State, plan: Plan, version: int, by: str) -> None:
    """Write what a plan changes, and record every changed entity with the keys that it may affect.

    Args:
        session: the transaction, which holds the catalogue's lock.
        state: the catalogue after the plan.
        plan: without bad rows.
        version: the new version, whose row exists.
        by: who makes the change.
    """
    updates = _joined(plan)
    for kind in (_S, _E, EntityKind.DEAL, EntityKind.CHANNEL, EntityKind.TERRITORY):
        _write(session, kind, [update for update in updates if update.entity.kind is kind])
    for kind in (_S, _E):
        _write_titles(session, kind, updates)
    for kind in (EntityKind.CHANNEL, EntityKind.TERRITORY):
        _write_names(session, kind, updates)
    _write_numbers(session, updates)
    _record(session, state, [update for update in updates if update.entity.kind is not EntityKind.ALIAS], version)
    _write_aliases(session, [update for update in updates if update.entity.kind is EntityKind.ALIAS], version, by)


def _joined(plan: Plan) -> list[Update]:
    """Return one update per entity: removed numberings come as updates of their own."""
    joined: dict[Entity, Update] = {}
    for update in plan.changed:
        there = joined.setdefault(update.entity, update)
        if there is not update:
            there.changes += update.changes
    return list(joined.values())


def _columns(kind: EntityKind) -> tuple[str, ...]:
    rest = ("source", "sources")
    if kind is _S:
        return ("id", "code", "code_key", "content_provider", "status", *rest)
    if kind is _E:
        return ("id", "ref_id", "ref_key", "series_id", "season", "episode", "active", *rest)
    if kind is EntityKind.DEAL:
        return ("id", *DEAL_COLUMNS, "active", *rest)
    return ("id", "code", "name", "active", *rest)


def _values(entity: Entity) -> tuple[Any, ...]:
    fields, kind = entity.fields, entity.kind
    switch, on, _ = SWITCHES[kind]
    active = fields[switch] == on
    base = BASES.get(kind)
    titles = entity.titles(base) if base else {}
    sources = {name: source for name, source in entity.sources.items() if name not in titles and name != switch}
    if (owner := entity.source_of(switch)) != NOBODY:
        sources[switch] = owner
    rest = (entity.source, json.dumps(sources))
    if kind is _S:
        code = fields.get("series_code")
        key = ref_key(code) if code else None
        return (entity.id, code, key, fields.get("content_provider"), fields["status"], *rest)
    if kind is _E:
        ref_id = fields.get("ref_id")
        key = ref_key(ref_id) if ref_id else None
        numbers = fields.get("season"), fields.get("episode")
        return (entity.id, ref_id, key, int(fields["series_id"]), *numbers, active, *rest)
    if kind is EntityKind.DEAL:
        return (entity.id, *(fields.get(name) for name in DEAL_COLUMNS), active, *rest)
    return (entity.id, fields.get("code"), next(iter(titles.values())), active, *rest)


def _write(session: DatabaseSession, kind: EntityKind, updates: Sequence[Update]) -> None:
    table, columns = TABLES[kind], _columns(kind)
    added = [update.entity for update in updates if update.action == "added"]
    changed = [update.entity for update in updates if update.action != "added" and update.changes]
    if changed:
        # Ids and codes may move from one row to another, so all of them are cleared first.
        unique = {_S: "code_key = NULL, code = NULL", _E: "ref_key = NULL, ref_id = NULL"}.get(kind)
        ids = [entity.id for entity in changed]
        if unique:
            session.run(f"UPDATE catalog.{table} SET {unique} WHERE id = ANY(:ids)", ids=ids)  # noqa: S608 - our own names
        session.run(f"CREATE TEMP TABLE changed_{table} (LIKE catalog.{table}) ON COMMIT DROP")
        session.copy(f"changed_{table}", columns, map(_values, changed))
        settings = ", ".join(f"{name} = changed.{name}" for name in columns[1:])
        session.run(
            f"UPDATE catalog.{table} AS there SET {settings}"  # noqa: S608 - our own names
            f" FROM changed_{table} AS changed WHERE there.id = changed.id"
        )
    session.copy(f"catalog.{table}", columns, map(_values, added))


_SERIES_TITLE: Final = (
    *("series_id", "language", "position", "main", "title"),
    *("series_key", "series_base", "series_year", "source"),
)
_EPISODE_TITLE: Final = (
    *("episode_id", "language", "position", "main", "title"),
    *("title_key", "placeholder", "source"),
)


def series_title_keys(title: str) -> tuple[str, str, int | None]:
    """Return the key columns of a series' title: ``series_key``, ``series_base`` and ``series_year``."""
    return series_key(title), series_base(title), series_year(title)


@lru_cache(maxsize=1 << 18)
def episode_title_keys(title: str) -> tuple[str, bool]:
    """Return the key columns of an episode's title: ``title_key`` and ``placeholder``."""
    return title_key(title), placeholder(title)


def _series_title(entity: Entity, name: str, title: str, *, main: bool) -> tuple[Any, ...]:
    return (entity.id, *title_slot(name), main, title, *series_title_keys(title), entity.source_of(name))


def _episode_title(entity: Entity, name: str, title: str, *, main: bool) -> tuple[Any, ...]:
    return (entity.id, *title_slot(name), main, title, *episode_title_keys(title), entity.source_of(name))


def _write_titles(session: DatabaseSession, kind: EntityKind, updates: Iterable[Update]) -> None:
    base = BASES[kind]
    table, columns, row = {
        _S: ("series_titles", _SERIES_TITLE, _series_title),
        _E: ("episode_titles", _EPISODE_TITLE, _episode_title),
    }[kind]
    titled = [
        update
        for update in updates
        if update.entity.kind is kind and any(_is_title(base, change.name) for change in update.changes)
    ]
    replaced = [update.entity.id for update in titled if update.action != "added"]
    if replaced:
        session.run(f"DELETE FROM catalog.{table} WHERE {columns[0]} = ANY(:ids)", ids=replaced)  # noqa: S608 - our own names

    def rows() -> Iterable[tuple[Any, ...]]:
        for update in titled:
            titles = update.entity.titles(base)
            main = main_title(titles)
            for name, title in titles.items():
                yield row(update.entity, name, title, main=name == main)

    session.copy(f"catalog.{table}", columns, rows())


def _write_names(session: DatabaseSession, kind: EntityKind, updates: Iterable[Update]) -> None:
    """Write the further names of channels or territories; the first is in the row itself."""
    places = [update for update in updates if update.entity.kind is kind]
    replaced = [update.entity.id for update in places if update.action != "added"]
    if replaced:
        session.run(f"DELETE FROM catalog.{kind}_names WHERE {kind}_id = ANY(:ids)", ids=replaced)  # noqa: S608 - our own names
    session.copy(
        f"catalog.{kind}_names",
        (f"{kind}_id", "position", "name", "source"),
        (
            (update.entity.id, title_slot(name)[1], title, update.entity.source_of(name))
            for update in places
            for name, title in list(update.entity.titles(str(kind)).items())[1:]
        ),
    )


def _write_numbers(session: DatabaseSession, updates: Iterable[Update]) -> None:
    numbered = [
        update
        for update in updates
        if update.entity.kind is _E and (update.numbers or any(each.name == "numbers" for each in update.changes))
    ]
    if not numbered:
        return
    ids = [update.entity.id for update in numbered]
    session.run("DELETE FROM catalog.episode_numbers WHERE episode_id = ANY(:ids)", ids=ids)
    session.copy(
        "catalog.episode_numbers",
        ("episode_id", "platform", "season", "episode", "source"),
        (
            (update.entity.id, *numbering, source)
            for update in numbered
            for numbering, source in update.entity.numbers.items()
        ),
    )


def _is_title(base: str, name: str) -> bool:
    return name == base or name.startswith((f"{base}-", f"{base}."))


_CHANGES: Final = (
    *("version", "kind", "entity_id", "action", "before"),
    *("title_keys", "series_keys", "ref_keys"),
)


def _record(session: DatabaseSession, state: State, updates: Sequence[Update], version: int) -> None:
    """Write the changes with all keys, old and new, of what changed and of what belongs to it."""
    changed_series = {update.entity for update in updates if update.entity.kind is _S and update.action != "added"}
    members: dict[Entity, list[Entity]] = defaultdict(list)
    for episode in state.entities[_E].values() if changed_series else ():
        if episode.owner in changed_series:
            members[episode.owner].append(episode)
    # A series has many episodes, and its keys are in the row of each.
    known: dict[Entity, set[str]] = {}

    def row(update: Update) -> tuple[Any, ...]:
        entity = update.entity
        if entity.kind is _E:
            keys = _episode_keys(update, known)
        elif entity.kind is _S:
            keys = _series_keys(update, members[entity])
        else:
            keys = (set(), set(), set())
        before = None
        if update.action != "added":
            before = json.dumps({change.name: change.before for change in update.changes})
        return (
            *(version, str(entity.kind), entity.id, update.action, before),
            *(sorted(each - {""}) for each in keys),
        )

    session.copy("catalog.changes", _CHANGES, map(row, updates))


def _episode_keys(update: Update, known: dict[Entity, set[str]]) -> tuple[set[str], set[str], set[str]]:
    entity = update.entity
    titles = {
        episode_title_keys(title)[0] for title in (*update.titles_before.values(), *entity.titles("title").values())
    }
    series: set[str] = set()
    for owner in (entity.owner, update.series_before):
        if owner is not None and owner not in known:
            known[owner] = {key for title in owner.titles("series").values() for key in _both(title)}
        series |= known[owner] if owner is not None else set()
    before = (change.before for change in update.changes if change.name == "ref_id")
    return titles, series, {ref_key(ref_id) for ref_id in (entity.fields.get("ref_id"), *before) if ref_id}


def _series_keys(update: Update, members: Iterable[Entity]) -> tuple[set[str], set[str], set[str]]:
    titles: set[str] = set()
    refs: set[str] = set()
    for member in members:
        titles |= {episode_title_keys(title)[0] for title in member.titles("title").values()}
        refs |= {ref_key(ref_id)} if (ref_id := member.fields.get("ref_id")) else set()
    names = (*update.titles_before.values(), *update.entity.titles("series").values())
    return titles, {key for name in names for key in _both(name)}, refs


def _both(title: str) -> tuple[str, str]:
    return series_key(title), series_base(title)


def _write_aliases(session: DatabaseSession, updates: Sequence[Update], version: int, by: str) -> None:
    """Undo removed and replaced aliases and insert the new ones, so that who said what, and when, is kept."""
    undone = [update.entity.id for update in updates if update.action != "added"]
    if undone:
        session.run(
            f"""
            WITH undone AS (
                UPDATE catalog.aliases SET undone_at = now(), undone_by = :by WHERE id = ANY(:ids)
                RETURNING id, title_key, series_key, content_key
            )
            {_RECORD_ALIASES.format(action="removed", table="undone")}
            """,  # noqa: S608 - our own names
            ids=undone,
            by=by,
            version=version,
        )
    added = [update.entity for update in updates if update.action != "removed"]
    if added:
        session.run("CREATE TEMP TABLE added_aliases (LIKE catalog.aliases) ON COMMIT DROP")
        session.run("ALTER TABLE added_aliases ALTER id DROP NOT NULL, ALTER created_at DROP NOT NULL")
        session.copy("added_aliases", _ALIAS_COLUMNS, (_alias(entity, by) for entity in added))
        columns = ", ".join(_ALIAS_COLUMNS)
        session.run(
            f"""
            WITH added AS (
                INSERT INTO catalog.aliases ({columns}) SELECT {columns} FROM added_aliases
                RETURNING id, title_key, series_key, content_key
            )
            {_RECORD_ALIASES.format(action="added", table="added")}
            """,  # noqa: S608 - our own names
            version=version,
        )


_RECORD_ALIASES: Final = """
    INSERT INTO catalog.changes (version, kind, entity_id, action, title_keys, series_keys, ref_keys)
    SELECT :version, 'alias', id, '{action}', array_remove(ARRAY[title_key], NULL),
        array_remove(ARRAY[series_key], NULL), array_remove(ARRAY[content_key], NULL)
    FROM {table}
"""


def _alias(entity: Entity, by: str) -> tuple[Any, ...]:
    fields, target = entity.fields, entity.owner
    title, series, content_id = fields.get("title"), fields.get("series"), fields.get("content_id")
    if target is None:
        raise ValueError(f"alias {entity.id} has no target")
    return (
        fields.get("platform"),
        fields.get("exact") == "true",
        title,
        title_key(title) if title else None,
        series,
        series_key(series) if series else None,
        fields.get("season"),
        fields.get("episode"),
        content_id,
        ref_key(content_id) if content_id else None,
        target.id if target.kind is _S else None,
        target.id if target.kind is _E else None,
        entity.source_of("target"),
        by,
    )
