"""The catalog gaps command: episodes that platforms report but the catalogue lacks, with the hours that wait."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.gap_files import gap_file
from jobs.viewership.model import exact_sum, grouped
from jobs.viewership.phases.gaps import find_gaps
from jobs.viewership.settings.catalog import CatalogImportSettings
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.steps._platforms import check_platforms, shipped_platforms
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import UsageError
from shared.report.terminal import counted
from shared.settings.next_command import next_command
from shared.storage import put_uri
from shared.text import as_json, cut, one_line, text_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from jobs.viewership.phases.gaps import Counted, Gap, Gaps
    from jobs.viewership.settings.catalog import CatalogGapsSettings

__all__ = ["GAPS_VERSION", "gaps"]

GAPS_VERSION: Final = "1.0"
_FORMS: Final = ("csv", "jsonl", "xlsx")
_TITLE_CHARS: Final = 60


def gaps(settings: CatalogGapsSettings) -> str:
    """Return the gaps, most hours first, and write them to a file that `catalog import` reads.

    Args:
        settings: the platforms, and what is shown and written.

    Raises:
        UsageError: a platform is unknown, the file's name has another suffix, or it cannot be written.
    """
    form = _form(settings.output)
    ready(settings)
    with transaction(settings) as session:
        check_platforms(session, settings.platform, also=shipped_platforms())
        found = find_gaps(session, settings.platform)
    if settings.output is not None and form is not None:
        rows = [_row(gap, settings.ref_id) for gap in found.gaps]
        try:
            put_uri(settings.output, gap_file(form, rows), settings)
        except ValueError as error:
            raise UsageError(str(error)) from error
    if settings.json_:
        return as_json(_document(found, settings.limit), indent=2)
    return _told(found, settings, form)


def _form(output: str | None) -> str | None:
    if output is None:
        return None
    form = output.rpartition(".")[2].lower()
    if form not in _FORMS:
        raise UsageError(f"--output {one_line(output)} has an unknown suffix; expected .csv, .jsonl or .xlsx")
    return form


def _row(gap: Gap, ref_id: str) -> list[str | None]:
    """Return a row of the file; the platform's id only if all platforms that have one agree."""
    proposed = gap.content_ids[0] if ref_id == "platform" and len(gap.content_ids) == 1 else None
    return [proposed, gap.series, gap.series_code, gap.season, gap.episode, gap.title]


def _document(found: Gaps, limit: int) -> dict[str, Any]:
    return {
        "gaps_version": GAPS_VERSION,
        "catalogue_version": found.version,
        "episodes": len(found.gaps),
        "rows": sum(gap.rows for gap in found.gaps),
        "hours": str(_hours(found.gaps)),
        "gaps": [_entry(gap) for gap in found.gaps[:limit]],
        "unknown_series": [
            {
                "series": name,
                "episodes": len(members),
                "rows": sum(gap.rows for gap in members),
                "hours": str(_hours(members)),
            }
            for name, members in _unknown(found)[:limit]
        ],
        "placeholders": _counted(found.placeholders),
        "reviews": _counted(found.reviews),
    }


def _entry(gap: Gap) -> dict[str, Any]:
    return {
        "series": gap.series,
        "series_code": gap.series_code,
        "series_known": gap.known,
        "season": gap.season,
        "episode": gap.episode,
        "title": gap.title,
        "content_ids": list(gap.content_ids),
        "platforms": list(gap.platforms),
        "rows": gap.rows,
        "hours": str(gap.hours),
        "revenue": str(gap.revenue),
        "first_day": gap.first.isoformat() if gap.first else None,
        "last_day": gap.last.isoformat() if gap.last else None,
        "similar_title": gap.similar[0] if gap.similar else None,
        "similarity": gap.similar[1] if gap.similar else None,
        "keys": list(gap.keys),
    }


def _counted(each: Counted) -> dict[str, Any]:
    return {"keys": each.keys, "rows": each.rows, "hours": str(each.hours)}


def _hours(members: Sequence[Gap]) -> Decimal:
    return exact_sum(gap.hours for gap in members)


def _unknown(found: Gaps) -> list[tuple[str | None, list[Gap]]]:
    """Return the series that the catalogue lacks, with their gaps, most hours first."""
    groups: dict[str | None, list[Gap]] = defaultdict(list)
    for gap in found.gaps:
        if not gap.known:
            groups[gap.series].append(gap)
    return sorted(groups.items(), key=lambda pair: (-_hours(pair[1]), pair[0] or ""))


def _told(found: Gaps, settings: CatalogGapsSettings, form: str | None) -> str:
    lines = []
    if found.gaps:
        head = ["hours", "rows", "series", "season", "episode", "title", "platforms", "days"]
        lines.append(text_table(head, [_shown(gap) for gap in found.gaps[: settings.limit]]))
        if len(found.gaps) > settings.limit:
            lines.append(f"… and {len(found.gaps) - settings.limit:,} more")
        lines.append("")
    if unknown := _unknown(found):
        rows = [
            [
                grouped(_hours(members)),
                f"{sum(gap.rows for gap in members):,}",
                str(len(members)),
                name or "(none)",
            ]
            for name, members in unknown[: settings.limit]
        ]
        lines.append(text_table(["hours", "rows", "episodes", "series that the catalogue lacks"], rows))
        if len(unknown) > settings.limit:
            lines.append(f"… and {len(unknown) - settings.limit:,} more")
        lines.append("")
    total = f"{counted(len(found.gaps), 'episode', 'episodes')} missing: {grouped(_hours(found.gaps))} hours"
    lines.append(f"version {found.version}: {total} in {counted(sum(gap.rows for gap in found.gaps), 'row', 'rows')}")
    for name, each in (("placeholders, such as Unknown or TBA", found.placeholders), ("keys to review", found.reviews)):
        if each.keys:
            lines.append(f"not counted: {each.keys:,} {name} ({grouped(each.hours)} hours)")
    if form is not None and settings.output is not None:
        lines += _warned(found)
        lines += _next(settings, settings.output, form, len(found.gaps))
    return "\n".join(lines)


def _warned(found: Gaps) -> list[str]:
    """Warn about rows that have only a title: the catalogue may have the episode under another title."""
    bare = sum(not (gap.season and gap.episode) for gap in found.gaps)
    if not bare:
        return []
    lack = f"{counted(bare, 'row lacks', 'rows lack')} a season or an episode number"
    return [f"warning: {lack}; look for the title in the catalogue before you import it as a new episode"]


def _next(settings: CatalogGapsSettings, output: str, form: str, count: int) -> list[str]:
    """Return the location of the file and the next commands."""
    first = f"{one_line(output)}: {counted(count, 'row', 'rows')}; fill in what is missing, then run:"
    place = output
    if form == "xlsx":
        first = first.replace("then run:", "save the sheet as CSV, then run:")
        place = f"{output[: -len(form)]}csv"
    return [
        first,
        f"  {next_command('viewership catalog import', place, model=CatalogImportSettings, settings=settings)}",
        f"  {next_command('viewership reprocess', model=ReprocessSettings, settings=settings)}",
    ]


def _shown(gap: Gap) -> list[str]:
    days = sorted({day.isoformat() for day in (gap.first, gap.last) if day is not None})
    title = gap.title or "-"
    return [
        grouped(gap.hours),
        f"{gap.rows:,}",
        f"{gap.series or '-'}{'' if gap.known else ' (new)'}",
        gap.season or "-",
        gap.episode or "-",
        title if len(title) <= _TITLE_CHARS else f"{cut(title, _TITLE_CHARS - 1)}…",
        ", ".join(gap.platforms),
        " to ".join(days) or "-",
    ]
