"""The reprocess step: match keys again that catalogue changes affect, and update final rows."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.keys.titles import title_key
from jobs.viewership.model import grouped
from jobs.viewership.phases.reprocess import Selection, reprocess
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.steps._next import next_section, print_next
from jobs.viewership.steps._platforms import check_platforms
from jobs.viewership.tables.uploads import find, unknown
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import ObjectMissing, UsageError
from shared.report import Amounts, Part, Report, Table
from shared.report.terminal import counted, find_table, print_line, print_table
from shared.settings.next_command import next_command
from shared.storage import read_uri
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from jobs.viewership.phases.reprocess import PlatformResult, Reprocessed
    from shared.ledger import StageRun

__all__ = ["run", "show"]

_COLUMNS: Final = (
    *("platform", "keys looked at", "changed", "rows added", "rows removed", "rows updated"),
    *("hours added", "hours removed", "revenue added", "revenue removed"),
)
_TABLE: Final = "Platforms"
_CHANGES: Final = (Part("added", "blue-2"), Part("updated", "amber"), Part("removed", "red"))
# difflib compares this many titles in half a second.
_COMPARED: Final = 5_000
_TITLE_CHARS: Final = 100
_MOST_TITLES: Final = 100_000


def run(settings: ReprocessSettings, stage_run: StageRun) -> Report:
    """Match affected keys again, and return the report.

    Args:
        settings: the keys to look at.
        stage_run: the stage in the ledger.

    Raises:
        UsageError: an upload or platform does not exist, or a file of titles cannot be read.
        ConfigurationError: the catalogue has no episode.
    """
    ready(settings)
    _check(settings)
    titles = _titles(settings)
    unknown_title = _unknown_title(settings, titles)
    selection = Selection(tuple(settings.platform), tuple(settings.upload), titles, everything=settings.all_)
    result = reprocess(
        settings, selection, stage_run.run_id, by=settings.by, dry_run=settings.dry_run, progress=stage_run.progress
    )
    total = result.total
    is_changed = bool(total.changed or total.entered or total.left or total.updated)
    report = _report(result, dry_run=settings.dry_run, held={} if is_changed else _held(settings))
    report.headline += unknown_title
    if settings.dry_run and is_changed:
        typed = settings.model_copy().with_typed(
            {name: text or "" for name, text in settings.typed.items() if name != "dry_run"}
        )
        report.sections.append(
            next_section(next_command("viewership reprocess", model=ReprocessSettings, settings=typed))
        )
    return report


def _held(settings: ReprocessSettings) -> dict[str, int]:
    """Count the held rows of the chosen platforms and uploads: code -> rows, most rows first."""
    with transaction(settings) as session:
        rows = session.rows(
            """
            SELECT f.code, count(*) AS rows FROM viewership.row_fates f
            WHERE f.fate = 'held' AND (:any_platform OR f.platform = ANY (CAST(:platforms AS text[])))
                AND (:any_upload OR f.upload_id = ANY (CAST(:uploads AS bigint[])))
            GROUP BY f.code ORDER BY count(*) DESC, f.code
            """,
            any_platform=not settings.platform,
            platforms=list(settings.platform),
            any_upload=not settings.upload,
            uploads=list(settings.upload),
        )
    return {row.code: row.rows for row in rows}


def _check(settings: ReprocessSettings) -> None:
    """Refuse uploads and platforms that do not exist: a typo must not look like success."""
    with transaction(settings) as session:
        if settings.upload:
            missing = set(settings.upload) - {each.upload_id for each in find(session, upload_ids=settings.upload)}
            if missing:
                raise unknown(session, min(missing))
        check_platforms(session, settings.platform)


def _titles(settings: ReprocessSettings) -> tuple[str, ...]:
    """Return the keys of the chosen titles: of one title, or of the lines of a file."""
    place = settings.titles
    if place is None:
        return ()
    texts = [place]
    local = place.removeprefix("file://")
    if "://" in local or _is_file(local):
        try:
            texts = read_uri(place, settings).decode("utf-8-sig").splitlines()
        except (ValueError, ObjectMissing) as error:  # a UnicodeDecodeError is a ValueError
            raise UsageError(f"--titles {one_line(place)} cannot be read: {error}; expected UTF-8 text") from error
    keys = {key for text in texts if text.strip() and (key := title_key(text))}
    if not keys:
        raise UsageError(f"--titles {one_line(place)} has no title; expected a title, or a file with one per line")
    if len(keys) > _MOST_TITLES:
        raise UsageError(
            f"--titles {one_line(place)} has {len(keys):,} titles; expected at most {_MOST_TITLES:,}; use --all"
        )
    return tuple(sorted(keys))


def _unknown_title(settings: ReprocessSettings, titles: tuple[str, ...]) -> str:
    """Return a message that no key has any of the titles, with the most similar one; empty if a key has one."""
    if not titles:
        return ""
    with transaction(settings) as session:
        if session.rows(
            "SELECT FROM viewership.keys k WHERE k.title_key = ANY (:titles) OR k.title_key_2 = ANY (:titles) LIMIT 1",
            titles=list(titles),
        ):
            return ""
        # A misspelled title rarely differs at both ends.
        rows = session.rows(
            "SELECT DISTINCT title_key, content_name FROM viewership.keys WHERE content_name IS NOT NULL AND"
            " (left(title_key, 3) = left(:title, 3) OR right(title_key, 3) = right(:title, 3)) LIMIT :most",
            title=titles[0],
            most=_COMPARED,
        )
    names = {str(row.title_key): str(row.content_name) for row in rows}
    near = difflib.get_close_matches(titles[0], names, n=1)
    shown = one_line(cut(settings.titles or "", _TITLE_CHARS))
    guess = f"; did you mean '{one_line(cut(names[near[0]], _TITLE_CHARS))}'?" if near else ""
    return f"; no key has the title '{shown}'{guess}" if len(titles) == 1 else f"; no key has a title from '{shown}'"


def _is_file(place: str) -> bool:
    try:
        return Path(place).is_file()
    except (OSError, ValueError):  # a title may be too long for a path, or hold a NUL
        return False


def _report(result: Reprocessed, *, dry_run: bool, held: Mapping[str, int]) -> Report:
    total = result.total
    rows = [_row(platform, each) for platform, each in sorted(result.platforms.items())]
    notes = _notes(result)
    return Report(
        status="partial" if result.failed else "success",
        headline=_headline(result, dry_run=dry_run, held=held),
        items=total.looked_at,
        counts={
            "keys": result.keys,
            "looked_at": total.looked_at,
            "changed": total.changed,
            "rows_entered": total.entered,
            "rows_left": total.left,
            "rows_updated": total.updated,
            "scopes_changed": result.scopes,
            "failed_buckets": len(result.failed),
            "inactive_decisions": result.inactive_decisions,
        },
        durations=dict(result.seconds),
        sections=[Table(_TABLE, _COLUMNS, rows, note=" ".join(notes)), *_changes(result)],
    )


def _changes(result: Reprocessed) -> list[Amounts]:
    """Return bars of the final rows that changed, by platform; nothing if none did."""
    bars = [
        (platform, [each.entered, each.updated, each.left])
        for platform, each in sorted(result.platforms.items())
        if each.entered or each.updated or each.left
    ]
    return [Amounts("Final rows that changed", "rows", _CHANGES, bars)] if bars else []


def _row(platform: str, each: PlatformResult) -> list[Any]:
    return [
        *(platform, each.looked_at, each.changed, each.entered, each.left, each.updated),
        *map(grouped, (each.hours_entered, each.hours_left, each.revenue_entered, each.revenue_left)),
    ]


def _headline(result: Reprocessed, *, dry_run: bool, held: Mapping[str, int]) -> str:
    total = result.total
    looked = f"{total.looked_at:,} of {counted(result.keys, 'key', 'keys')} matched again"
    if result.is_full and result.keys:
        looked = f"all {counted(result.keys, 'key', 'keys')} matched again"
    parts = [
        f"{'nothing was written: ' if dry_run else ''}version {result.version}: {looked}",
        f"{total.changed:,} changed",
        f"{counted(total.entered, 'final row', 'final rows')} added ({grouped(total.hours_entered)} hours)",
        f"{total.left:,} removed ({grouped(total.hours_left)} hours)",
    ]
    if held:
        count = sum(held.values())
        codes = ", ".join(code if len(held) == 1 else f"{rows:,} {code}" for code, rows in held.items())
        parts.append(f"{counted(count, 'row is', 'rows are')} still held: {codes}")
    if result.failed:
        parts.append(f"{', '.join(result.failed)} failed: its keys are unchanged until the next run")
    return ", ".join(parts)


def _notes(result: Reprocessed) -> list[str]:
    notes = [f"Changes of the catalogue from version {result.since} to {result.version}."]
    if result.is_full:
        notes.append("All keys were matched, because many were affected, the rules changed, or --all was passed.")
    if result.inactive_decisions:
        notes.append(
            f"{counted(result.inactive_decisions, 'key is', 'keys are')} decided for an episode that is now inactive;"
            " decisions apply until they are undone."
        )
    return notes


def show(report: Report, console: Console) -> None:
    """Print what changed for each platform, and the counts.

    Args:
        report: report of the step.
        console: the terminal.
    """
    table = find_table(report, _TABLE)
    if table is not None and table.rows:
        columns = [at for at, name in enumerate(table.columns) if not name.startswith("revenue")]
        changed = [row for row in table.rows if any(value not in (0, "0") for value in row[2:])]
        rows = [[f"{row[at]:,}" if isinstance(row[at], int) else row[at] for at in columns] for row in changed]
        names = [table.columns[at] for at in columns]
        if rows:
            print_table(console, names, rows, right=frozenset(names[1:]))
        others = len(table.rows) - len(changed)
        if others and rows:
            print_line(console, f"{counted(others, 'other', 'others')} unchanged")
        elif others:
            print_line(console, f"{counted(others, 'platform', 'platforms')} unchanged")
    print_line(console, report.headline)
    print_next(report, console)
