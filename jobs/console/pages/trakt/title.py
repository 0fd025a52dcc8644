"""`/titles/{kind}/{id}`: one title with its metrics over time, their intervals, and the evidence behind them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import Refused
from jobs.console.model import Role
from jobs.console.pages.trakt.title_list import PATH, TitlesQuery
from jobs.console.tables.trakt import meanings
from jobs.console.tables.trakt import title as tables
from jobs.console.web.query import query_of
from jobs.console.web.state import console
from shared.report import curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.trakt.title import Figure

__all__ = ["fitted", "router"]

router = APIRouter(route_class=GuardedRoute)

# A difference of AIC below 2 says nothing.
_UNDECIDED: Final = 2.0
_MOST_POINTS: Final = 300
_MOST_SPELLS: Final = 40


@dataclass(frozen=True, slots=True)
class Decay:
    """The comments of a title since its start, added up.

    Attributes:
        figure: observed share of the comments, and the share that the half-life predicts.
        comments: their number.
        before: comments before the start, which are left out.
        start: the first day.
    """

    figure: curve.Curve
    comments: int
    before: int
    start: date


@dataclass(frozen=True, slots=True)
class Spell:
    """Days with one quadrant: the first, the last, their number with a row, and why there is no side."""

    first: date
    last: date
    days: int
    quadrant: str
    reason: str | None


_Query = Annotated[TitlesQuery, Depends(query_of(TitlesQuery))]


@router.get(f"{PATH}/{{kind}}/{{number}}")
@allow(Role.VIEWER)
def page(request: Request, kind: Literal["movie", "show"], number: int, query: _Query) -> HTMLResponse:
    """Show a title."""
    with console(request).database.read() as database:
        found = tables.title(database, kind, number)
        if found is None:
            raise Refused(
                404,
                f"there is no {kind} with Trakt id {number}; telecine trakt publish writes titles, and removes those"
                " that are no longer in gold",
                code="title_missing",
            )
        metrics = tables.metrics(database, kind, number, query.as_of)
        rows = tables.over_time(database, kind, number, query.window)
        windows = tables.windows(database, kind, number, metrics.as_of) if metrics else []
        comments = tables.comments_by_day(database, kind, number, metrics.as_of) if metrics else []
        versions = tables.versions(database)
        watched = tables.watched(database, kind, number)
    figures = tables.figures(metrics) if metrics else {}
    return console(request).pages.render(
        request,
        "trakt/title.html.j2",
        title=found,
        name=meanings.name_of(found),
        query=query,
        list_path=PATH,
        here_path=request.url.path,
        metrics=metrics,
        figures=figures,
        labels=meanings.METRICS,
        windows=windows,
        current=next((row for row in windows if row.period == query.window), None),
        charts=_charts(rows) if rows else None,
        rows=rows[::-1][:_MOST_SPELLS],
        spells=_spells(rows)[::-1],
        most_spells=_MOST_SPELLS,
        decay=_decay(found, metrics, figures, comments) if metrics else None,
        hold_up=_interval(figures["hold_up"]) if figures else None,
        versions=versions,
        watched=watched,
        quadrants=meanings.QUADRANTS,
        all_windows=meanings.WINDOWS,
        age_words=meanings.age_words,
        reason_words=meanings.reason_words,
        better=_better(metrics.half_life_aic_gain) if metrics else None,
    )


def _charts(rows: Sequence[Any]) -> dict[str, Any]:
    """Return breadth, intensity and quadrant over the days of the rows."""
    ends = float(rows[0].as_of.toordinal()), float(rows[-1].as_of.toordinal() + 1)
    ticks = curve.day_ticks(rows[0].as_of, rows[-1].as_of)
    thin = rows[:: max(1, math.ceil(len(rows) / _MOST_POINTS))]
    at = [row.as_of.toordinal() + 0.5 for row in thin]

    def values(name: str) -> list[float | None]:
        return [getattr(row, name) for row in thin]

    def lines(name: str, **given: Any) -> curve.Curve:
        strokes = [
            curve.Stroke(name, values(name)),
            curve.Stroke("median of its peers", values(f"{name}_median"), is_reference=True),
        ]
        return curve.curve(at, strokes, ends=ends, x_ticks=ticks, **given)

    return {
        "breadth": lines("breadth"),
        "intensity": lines("intensity", band=(values("intensity_low"), values("intensity_high"))),
        "quadrants": curve.spells(
            [row.as_of for row in rows], [row.quadrant for row in rows], ends=ends, x_ticks=ticks
        ),
        "first": rows[0].as_of,
        "last": rows[-1].as_of,
    }


def _spells(rows: Sequence[Any]) -> list[Spell]:
    """Return the days with an unchanged quadrant, in order."""
    found = []
    for (quadrant, reason), members in itertools.groupby(rows, key=lambda row: (row.quadrant, row.reason)):
        kept = list(members)
        found.append(Spell(kept[0].as_of, kept[-1].as_of, len(kept), quadrant, reason))
    return found


def fitted(day: float, half_life_d: float, age_d: float) -> float:
    """Return the share of the comments up to a day that an exponential decay predicts, 0 to 1.

    The exponential is cut off at the age: (1 - e^(-lt)) / (1 - e^(-lA)) with l = ln 2 / half-life.

    Args:
        day: days since the start, from 0 to the age.
        half_life_d: half-life in days, positive.
        age_d: age in days, positive.
    """
    rate = math.log(2) / half_life_d
    return math.expm1(-rate * day) / math.expm1(-rate * age_d)


def _decay(title: Any, metrics: Any, figures: dict[str, Figure], comments: Sequence[tuple[date, int]]) -> Decay | None:
    """Lay out the comments since the start of a title; None without a start or a comment after it."""
    start = title.released if metrics.anchor == "release" else title.first_comment_at and title.first_comment_at.date()
    if metrics.anchor is None or start is None or start > metrics.as_of:
        return None
    kept = [(day, number) for day, number in comments if day >= start]
    total = sum(number for _, number in kept)
    if not total:
        return None
    age = float((metrics.as_of - start).days + 1)
    # Each day's comments have arrived at its end.
    at, shares, so_far = [0.0], [0.0], 0
    for day, number in kept:
        begin = float((day - start).days)
        if begin > at[-1]:
            at.append(begin)
            shares.append(100 * so_far / total)
        so_far += number
        at.append(begin + 1)
        shares.append(100 * so_far / total)
    if at[-1] < age:
        at.append(age)
        shares.append(100.0)
    x = sorted({*_thinned(at), *(age * step / 60 for step in range(61))})
    observed = _interpolated(x, at, shares)
    half_life = figures["half_life_days"].value
    strokes = [curve.Stroke("observed", observed)]
    if half_life is not None and half_life > 0:
        predicted = [100 * fitted(one, half_life, age) for one in x]
        strokes.append(curve.Stroke("fitted", predicted, is_reference=True))
    t50 = figures["t50_days"]
    marks = [] if t50.value is None else [curve.Mark(t50.value, f"t50 {t50.value:.3g} d", t50.low, t50.high)]
    figure = curve.curve(x, strokes, ends=(0.0, age), x_ticks=curve.number_ticks(age), marks=marks, top=100.0)
    return Decay(figure, total, sum(number for day, number in comments if day < start), start)


def _thinned(values: Sequence[float]) -> list[float]:
    every = max(1, math.ceil(len(values) / _MOST_POINTS))
    return [*values[::every], values[-1]]


def _interpolated(x: Sequence[float], at: Sequence[float], values: Sequence[float]) -> list[float | None]:
    """Return values at further positions, on the straight lines between the known ones."""
    found: list[float | None] = []
    place = 0
    for one in x:
        while place + 1 < len(at) and at[place + 1] <= one:
            place += 1
        if place + 1 == len(at):
            found.append(values[-1])
            continue
        share = (one - at[place]) / (at[place + 1] - at[place])
        found.append(values[place] + share * (values[place + 1] - values[place]))
    return found


def _interval(figure: Figure) -> curve.Interval | None:
    return None if figure.value is None else curve.interval(figure.value, figure.low, figure.high, least=0.5)


def _better(gain: float | None) -> str:
    """Return in words which of both models of decay fits better."""
    if gain is None or not math.isfinite(gain):
        return ""
    if abs(gain) < _UNDECIDED:
        return "the difference is below 2, so it decides nothing"
    return (
        "above 0: the exponential fits better than a power law"
        if gain > 0
        else "below 0: a power law fits better, so the half-life describes this title poorly"
    )
