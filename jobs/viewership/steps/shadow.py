"""The shadow command: show which keys, rows and hours other matching rules would gain, lose or change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.audit.rules_file import find_rules, read_rules
from jobs.viewership.audit.shadow import compare_rules
from jobs.viewership.audit.shadow_document import OUTCOMES
from jobs.viewership.audit.verify import choose, snapshot
from jobs.viewership.matching.model import RULES
from jobs.viewership.steps._platforms import check_platforms
from shared.database.migrate import ready
from shared.errors import UsageError
from shared.report.terminal import counted
from shared.storage import put_uri
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
    from jobs.viewership.audit.shadow_document import ChangedKey, MatchState, Shadow
    from jobs.viewership.matching.model import MatchRules
    from jobs.viewership.settings.audit import ShadowSettings

__all__ = ["shadow"]

_BASE: Final = next(iter(RULES))


def shadow(settings: ShadowSettings) -> str:
    """Match the stored keys by other rules, and return what differs, as text or as JSON. The database is not changed.

    Args:
        settings: the rules, the uploads and what to show.

    Raises:
        RulesInvalid: the rules file is not valid.
        UsageError: the rules or an upload do not exist.
        ConfigurationError: the catalogue has no episode.
        DatabaseNotMigrated: run ``telecine db upgrade``.
    """
    tried = _rules(settings)
    ready(settings)
    with snapshot(settings) as session:
        if settings.platform is not None and not settings.upload:
            check_platforms(session, [settings.platform])
        scope = choose(session, settings.upload, settings.platform)
        compared = compare_rules(session, scope, tried, RULES[_BASE], sample=settings.sample, top=settings.top)
    if settings.output is not None:
        try:
            put_uri(settings.output, compared.csv(), settings)
        except ValueError as error:
            raise UsageError(f"--output: {one_line(error)}") from None
    if settings.json_:
        return as_json(compared.document.model_dump(mode="json"), indent=2)
    text = _told(compared.document)
    if settings.output is None:
        return text
    return f"{text}\n\n{counted(len(compared.changed), 'key', 'keys')} written to {one_line(settings.output)}"


def _rules(settings: ShadowSettings) -> MatchRules:
    if (settings.rules is None) == (settings.rules_file is None):
        raise UsageError("expected exactly one of --rules and --rules-file, such as --rules exact-1")
    return read_rules(settings.rules_file) if settings.rules_file is not None else find_rules(settings.rules or "")


def _told(found: Shadow) -> str:
    """Return the document for a terminal."""
    tried, base = found.rules.model_dump(), found.compared_with.model_dump()
    other = ", ".join(
        f"{name} {_number(value)} instead of {_number(base[name])}"
        for name, value in tried.items()
        if name != "name" and value != base[name]
    )
    some = f" of {found.keys_total:,}" if found.keys != found.keys_total else ""
    lines = [
        f"{found.rules.name} compared with {found.compared_with.name}: {other or 'the same numbers'}",
        (
            f"{counted(found.keys, 'key', 'keys')}{some} matched by both, with version {found.catalogue_version} of the"
            f" catalogue; {found.decided:,} decided by reviewers"
        ),
    ]
    if found.stale:
        lines.append(
            f"{found.stale:,} stored matches differ from {found.compared_with.name} now;"
            " run: telecine viewership reprocess"
        )
    if not found.groups:
        return "\n".join([*lines, "nothing would change"])
    head = ("outcome", "platform", "bucket", "keys", "rows", "hours", "final rows", "final hours")
    rows = [
        (
            group.outcome,
            group.platform,
            group.bucket or "-",
            f"{group.keys:,}",
            f"{group.rows:,}",
            group.hours,
            f"{group.final_rows:,}",
            group.final_hours,
        )
        for group in found.groups
    ]
    lines += ["", text_table(head, rows)]
    for outcome, meaning in OUTCOMES.items():
        top = [key for key in found.top if key.outcome == outcome]
        if top:
            lines += ["", f"{outcome}: {meaning}", text_table(("hours", "rows", "title", "before", "after"), _top(top))]
    return "\n".join(lines)


def _number(value: float | bool) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _top(keys: list[ChangedKey]) -> list[tuple[str, ...]]:
    return [(key.hours, f"{key.rows:,}", _title(key), _state(key.before), _state(key.after)) for key in keys]


def _title(key: ChangedKey) -> str:
    numbers = "".join(f" {mark}{value}" for mark, value in (("S", key.season), ("E", key.episode)) if value)
    title = key.content_name or key.content_id or ""
    return f"{key.series}{numbers}: {title}" if key.series else f"{title}{numbers}"


def _state(state: MatchState) -> str:
    if state.episode_id is None:
        return f"{state.status} ({state.reasons[0]})" if state.reasons else state.status
    return f"{state.ref_id or state.episode_id} {state.title or ''} ({state.bucket}, {state.confidence})"
