"""The plot of `/titles`: which titles are drawn one by one, which are labelled, and which cannot be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.console.tables.trakt import meanings, titles
from shared.report import scatter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.console.tables.trakt.titles import Group, Points
    from shared.database.session import DatabaseSession

__all__ = ["Drawn", "Mark", "draw"]

_LABELLED: Final = 12
# Corners of the plot: names of quadrants are drawn there.
_CORNER: Final = (150.0, 22.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A drawn title: position, quadrant, link and words; ``rank`` is its place among the labelled ones, from 1."""

    x: float
    y: float
    state: str
    href: str
    name: str
    words: str
    rank: int | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """The contents of the plot.

    Attributes:
        figure: its geometry.
        is_relative: axes are ratios to the medians of each title's peers, because there are several groups.
        marks: titles that are drawn one by one: all, or the labelled ones.
        labels: texts of labelled titles.
        farthest: the labelled titles, the farthest first.
        number: titles that are drawn.
        without_value: titles without breadth or intensity, which are not drawn.
        without_lines: titles whose peers have no medians, which cannot be drawn as ratios.
    """

    figure: scatter.Scatter
    is_relative: bool
    marks: list[Mark]
    labels: list[scatter.Label]
    farthest: list[Mark]
    number: int
    without_value: int
    without_lines: int


def draw(
    database: DatabaseSession,
    groups: Sequence[Group],
    points: Sequence[Points],
    href: Callable[[str, int], str],
    *,
    log: bool,
    quadrant: str | None,
) -> Drawn | None:
    """Lay out the plot of titles; None if there is no title to draw.

    Args:
        database: an open transaction, to look up names.
        groups: peer groups of all titles that match the filters.
        points: those titles that have a place in a plot.
        href: returns the URL of a title by kind and id.
        log: axes are logarithmic.
        quadrant: the selected quadrant, if any.
    """
    is_relative = len(groups) > 1
    keys: list[tuple[str, int]] = []
    states: list[str] = []
    values: tuple[list[float], list[float]] = [], []
    ratios: tuple[list[float], list[float]] = [], []
    number = 0
    for group in points:
        number += len(group.ids)
        across, up = group.breadth_median or 0.0, group.intensity_median or 0.0
        has_lines = across > 0 and up > 0
        if is_relative and not has_lines:
            continue
        keys += [(group.kind, each) for each in group.ids]
        states += group.states
        values[0].extend(group.breadth)
        values[1].extend(group.intensity)
        if has_lines:
            ratios[0].extend([each / across for each in group.breadth])
            ratios[1].extend([each / up for each in group.intensity])
    if not keys:
        return None
    x, y = ratios if is_relative else values
    lines = (1.0, 1.0) if is_relative else (groups[0].breadth_median, groups[0].intensity_median)
    figure = scatter.scatter(x, y, states, lines=lines, log=log)
    far: list[int] = []
    if ratios[0]:
        # With few comments, a distance is mostly chance.
        sided = [at for at, state in enumerate(states) if state != "insufficient" or quadrant == state]
        found = scatter.farthest([ratios[0][at] for at in sided], [ratios[1][at] for at in sided], _LABELLED)
        far = [sided[each] for each in found]
    wanted = [dot.index for dot in figure.dots] or far
    names = titles.names(database, [keys[at] for at in wanted])
    marks = {}
    for at in wanted:
        breadth, intensity, state = values[0][at], values[1][at], meanings.quadrant_words(states[at])
        marks[at] = Mark(
            figure.x.at(x[at]),
            figure.y.at(y[at]),
            states[at],
            href(*keys[at]),
            names[keys[at]],
            f"{state}, breadth {breadth:,.0f}, intensity {intensity:.3g}",
            far.index(at) + 1 if at in far else None,
        )
    labelled = [marks[at] for at in far]
    return Drawn(
        figure,
        is_relative,
        list(marks.values()),
        scatter.labels([(mark.x, mark.y, mark.name) for mark in labelled], figure, corners=_CORNER),
        labelled,
        len(keys),
        sum(group.total for group in groups) - number,
        number - len(keys),
    )
