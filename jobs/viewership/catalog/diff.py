"""Describe what an import changes, one line per entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.catalog.entities import Entity, EntityKind
from jobs.viewership.catalog.state import DEAL_KEY
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Sized

    from jobs.viewership.catalog.entities import Update
    from jobs.viewership.catalog.plan import Plan
    from jobs.viewership.catalog.state import State

__all__ = ["describe", "label", "summary"]

_PLURALS: Final = {
    EntityKind.SERIES: "series",
    EntityKind.EPISODE: "episodes",
    EntityKind.ALIAS: "aliases",
    EntityKind.DEAL: "deals",
    EntityKind.CHANNEL: "channels",
    EntityKind.TERRITORY: "territories",
}
_SHOWN: Final = 80


def summary(plan: Plan) -> str:
    """Return the counts, such as ``1 series, 2 episodes added; 1 episode changed``; empty if nothing changes."""
    counts = plan.counts()
    parts = []
    for action in ("added", "changed", "removed"):
        names = [
            f"{count:,} {_PLURALS[kind] if count != 1 else kind}"
            for kind in EntityKind
            if (count := counts.get(f"{kind}_{action}", 0))
        ]
        if names:
            parts.append(f"{', '.join(names)} {action}")
    return "; ".join(parts)


def describe(state: State, plan: Plan, limit: int) -> list[str]:
    """Return a section per kind: its counts, then up to ``limit`` entities that differ.

    Args:
        state: the catalogue after the plan.
        plan: what the files change.
        limit: entities per kind.
    """
    lines: list[str] = []
    for kind in EntityKind:
        updates = [update for update in plan.updates if update.entity.kind is kind]
        missing = [entity for entity in plan.missing if entity.kind is kind]
        counts = {
            "added": sum(update.action == "added" for update in updates),
            "changed": sum(update.action == "changed" for update in updates),
            "in conflict": sum(bool(update.conflicts) for update in updates),
        }
        told = [", ".join(f"{count:,} {name}" for name, count in counts.items() if count), _stay(missing)]
        if any(told):
            lines.append(f"{_PLURALS[kind]}: {'; '.join(filter(None, told))}")
            shown = [text for update in updates for text in _lines(state, update)]
            lines += shown[:limit]
            if len(shown) > limit:
                lines.append(f"  … and {len(shown) - limit:,} more")
    if plan.missing_numbers:
        lines.append(f"numbers: {_stay(plan.missing_numbers)}")
    return lines


def _stay(missing: Sized) -> str:
    """Return how many entities the files lack: without ``--remove-missing``, an import leaves them as they are."""
    count = len(missing)
    return f"{count:,} {'other stays' if count == 1 else 'others stay'}" if count else ""


def _lines(state: State, update: Update) -> list[str]:
    entity, lines = update.entity, []
    if update.action == "added":
        lines.append(f"  + {label(entity)}")
    elif update.action == "changed":
        changes = [
            f"{change.name} {_value(state, change.name, change.before)} -> {_value(state, change.name, change.after)}"
            for change in update.changes
        ]
        changes += [f"numbers + {'/'.join(each or '-' for each in numbering)}" for numbering in update.numbers]
        lines.append(f"  ~ {label(entity)}: {'; '.join(changes)}")
    for conflict in update.conflicts:
        kept, offered = (_value(state, conflict.name, value) for value in (conflict.kept, conflict.offered))
        lines.append(
            f"  ! {label(entity)}: {conflict.name} stays {kept} (source {one_line(conflict.source)}); the file has"
            f" {offered}"
        )
    return lines


def _value(state: State, name: str, value: str | None) -> str:
    if value is None:
        return "none"
    if name in ("series_id", "target"):
        kind, _, number = value.rpartition(":")
        return label(state.entities[EntityKind(kind or "series")][int(number)])
    return f"'{one_line(cut(value, _SHOWN))}'"


def label(entity: Entity) -> str:
    """Return the label that identifies an entity to a reader."""
    fields = entity.fields
    if entity.kind is EntityKind.SERIES:
        parts = [fields.get("series_code"), next(iter(entity.titles("series").values()), None)]
    elif entity.kind is EntityKind.EPISODE:
        numbers = "".join(
            f"{mark}{fields[name]}" for mark, name in (("S", "season"), ("E", "episode")) if name in fields
        )
        series = next(iter(entity.owner.titles("series").values()), None) if entity.owner else None
        parts = [fields.get("ref_id"), series, numbers, next(iter(entity.titles("title").values()), None)]
    elif entity.kind is EntityKind.ALIAS:
        names = [fields.get(name) for name in ("platform", "title", "series", "season", "episode", "content_id")]
        target = label(entity.owner) if entity.owner else "?"
        parts = [*names, "->", target]
    elif entity.kind is EntityKind.DEAL:
        parts = [fields.get("deal_parent"), *(fields.get(name) or "*" for name in DEAL_KEY[:5])]
    else:
        parts = [fields.get("code"), fields.get(str(entity.kind))]
    return one_line(" ".join(cut(part, _SHOWN) for part in parts if part))
