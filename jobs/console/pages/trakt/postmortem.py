"""`/slos/{name}/postmortem.md`: a postmortem of a day as Markdown, with its figures."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import BadQuery, Refused
from jobs.console.model import Role
from jobs.console.pages.trakt.slos import PATH, objective_of
from jobs.console.tables.trakt.budget import share_of_budget
from jobs.console.tables.trakt.levels import Levels, alerts, levels
from jobs.console.tables.trakt.misses import first_misses, fresh_again
from jobs.console.web.markdown import escape
from jobs.console.web.query import ListQuery, query_of
from jobs.console.web.state import console
from shared.report.terminal import counted
from shared.slo.days import ZONE, Day
from shared.slo.meanings import REASONS
from shared.slo.window import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.console.tables.trakt.levels import DayRow

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

_SHOWN: Final = 20
# The calendar begins with year 1, and a window would begin before it.
_FIRST_YEAR: Final = 2000


class PostmortemQuery(ListQuery):
    """Parameters of a postmortem."""

    day: date | None = None
    sort: Literal[""] = ""


@router.get(f"{PATH}/{{name}}/postmortem.md")
@allow(Role.VIEWER)
def page(
    request: Request, name: str, query: Annotated[PostmortemQuery, Depends(query_of(PostmortemQuery))]
) -> Response:
    """Return the postmortem of a day as a file."""
    objective = objective_of(name)
    if query.day is None:
        raise BadQuery(["'day' is missing; expected a day such as 2026-01-31"])
    day = Day(query.day)
    if query.day.year < _FIRST_YEAR:
        raise _missing(name, day)
    with console(request).database.read() as database:
        # The window up to the day, as it was at the deadline.
        (found,) = levels(database, [objective], day.deadline)
        row = next((each for each in found.final if each.day == day.date), None)
        if row is None:
            raise _missing(name, day)
        text = "\n".join(
            _lines(
                found,
                row,
                first_misses(database, objective, day.date, _SHOWN),
                fresh_again(database, day.date) if objective.has_budget else None,
                [each for each in alerts(database, day) if each.opened_on <= day.date],
            )
        )
    return Response(
        text + "\n",
        media_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="postmortem-{name}-{day}.md"'},
    )


def _missing(name: str, day: Day) -> Refused:
    return Refused(404, f"there is no data of {day}; {PATH}/{name}/days lists the days", code="day_missing")


def _lines(
    found: Levels, row: DayRow, missed: Sequence[Any], again: datetime | None, opened: Sequence[Any]
) -> Iterator[str]:
    objective, day = found.objective, Day(row.day)
    whole, part = getattr(row, objective.whole), getattr(row, objective.part)
    unit = objective.unit[1].replace("title-days", "titles")
    yield f"# Trakt, {day}: {whole - part:,} of {whole:,} {unit} not {objective.done}"
    yield "\n## Impact\n"
    if objective.has_budget:
        spent = share_of_budget((whole - part) / found.window.budget)
        yield (
            f"{counted(whole - part, *objective.unit)}, {spent} of the budget of 28 days"
            f" ({found.window.budget:,.1f} title-days). All 28 days up to {day} spent"
            f" {share_of_budget(found.window.spent)}."
        )
        yield f"\nFresh again: {_local(again, day) if again else 'not all titles became fresh on this day'}."
    else:
        yield f"{percent(part, whole)} of the pages that were planned on this day were read; the objective is 99 %."
    yield "\n## Summary\n\n_One sentence: what failed, and why nobody saw it earlier._"
    yield "\n## Timeline (CT)\n"
    yield "| time | event |\n| --- | --- |\n| | _the ingest starts_ |"
    if row.feed_at:
        yield f"| {_local(row.feed_at, day)} | the feed was read without a gap |"
    else:
        yield "| | the feed was not read without a gap |"
    yield f"| {_local(day.deadline, day)} | deadline |"
    for alert in opened:
        yield f"| {alert.opened_on} | alert {escape(alert.alert)}: {escape(alert.message)} |"
    if again:
        yield f"| {_local(again, day)} | all titles fresh |"
    yield "\n## Figures\n"
    yield f"- requests: {row.requests:,}; 429 answers: {row.throttled:,}, in the worst hour {row.throttled_hour:,}"
    yield f"- pages: {row.pages_landed:,} of {row.pages_planned:,} landed"
    yield f"- fresh later on this day: {counted(row.late_titles, 'title', 'titles')}"
    yield f"- run that measured the day: {escape(row.run_id)}"
    reasons = row.reasons if objective.has_budget else row.missing
    if reasons:
        yield f"\n| reason | {unit} | meaning |\n| --- | ---: | --- |"
        for reason, number in sorted(reasons.items(), key=lambda each: (-each[1], each[0])):
            yield f"| {escape(reason)} | {number:,} | {escape(REASONS.get(reason, ''))} |"
    if missed:
        yield "\n| title | Trakt id | reason | minutes late |\n| --- | --- | --- | ---: |"
        for each in missed:
            late = "" if each.minutes_late is None else f"{each.minutes_late:,.0f}"
            why = escape(", ".join(each.reasons))
            yield f"| {escape(each.title or '')} | {each.title_kind} {each.title_id_trakt} | {why} | {late} |"
        if len(missed) == _SHOWN:
            yield f"\nThe first {_SHOWN}; `{PATH}/{objective.name}.csv?day={day}` has all."
    yield "\n## Cause\n\n_The chain of causes, down to what we can change._"
    yield "\n## Fixed by\n\n_What ended it._"
    yield "\n## Not enough\n\n_What was meant to prevent it, and did not._"
    yield "\n## Actions\n\n- [ ] _action, owner, date_"
    yield "\n## Lessons\n\n_What went well; where we were lucky._"


def _local(instant: datetime, day: Day) -> str:
    """Return a time in America/Chicago, with its date if it is not of the day."""
    local = instant.astimezone(ZONE)
    return f"{local:%H:%M}" if local.date() == day.date else f"{local:%Y-%m-%d %H:%M}"
