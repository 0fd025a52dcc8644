"""Metrics of simulated titles: titles per CPU second, and half-lives against a line through log weekly counts."""

from __future__ import annotations

import math
import random
import statistics
from typing import TYPE_CHECKING, Final

from jobs.trakt.metrics.functions import functions
from jobs.trakt.metrics.half_life import half_life
from jobs.trakt.metrics.peers import peers
from tests.benchmarks._table import machine, measure, print_table
from tests.trakt_titles import Group, exponential_times, rating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["metrics"]

_SEED: Final = 20260502
_HALF_LIFE_D: Final = 60.0
_WEEK_D: Final = 7.0
_AGES_D: Final = (60.0, 90.0, 120.0, 180.0, 365.0, 600.0, 1000.0)


def metrics(*, quick: bool = False) -> None:
    """Print titles per CPU second of each metric, and the error of half-lives of two methods at several ages."""
    titles = 40 if quick else 400
    print(machine())
    for n in (40, 200):
        _errors(n, titles)
    for n in (40, 200, 10_000):
        _speed(n, max(4, titles * 40 // n))
    _speed_of_counts(titles)


def weekly_line(times: Sequence[float], age_d: float) -> float | None:
    """Return ln 2 / slope of a least squares line through the logarithms of weekly counts after the peak.

    Weeks without comments have no logarithm and are left out. None if fewer than two weeks are left, or if it rises.
    """
    weeks = max(1, math.floor(age_d / _WEEK_D))
    counts = [0] * weeks
    for time in times:
        if time < weeks * _WEEK_D:
            counts[int(time / _WEEK_D)] += 1
    peak = counts.index(max(counts))
    points = [(week * _WEEK_D, math.log(count)) for week, count in enumerate(counts) if week >= peak and count]
    if len(points) < 2:
        return None
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    return -math.log(2) / slope if slope < 0 else None


def _errors(n: int, titles: int) -> None:
    rows = []
    for age in _AGES_D:
        draw = random.Random(_SEED + n + int(age))
        drawn = [exponential_times(draw, n, _HALF_LIFE_D, age) for _ in range(titles)]
        ours = [half_life(times, age).value for times in drawn]
        lines = [weekly_line(times, age) for times in drawn]
        rows.append([f"{age:g}", *_summary(ours), *_summary(lines)])
    print_table(
        f"half-lives of {titles} titles of {n} comments each, truth {_HALF_LIFE_D:g} d: median (NULL counts as "
        "infinite), half of all titles between, NULL",
        ["age d", "likelihood", "half between", "NULL", "OLS on log weekly counts", "half between", "NULL"],
        rows,
    )


def _summary(values: list[float | None]) -> list[str]:
    known = sorted(math.inf if value is None else value for value in values)
    quarter = len(known) // 4
    null = sum(value is None for value in values) / len(values)
    return [
        f"{statistics.median(known):.0f} ({statistics.median(known) / _HALF_LIFE_D - 1:+.0%})",
        f"{known[quarter]:.0f} to {known[-quarter - 1]:.0f}",
        f"{null:.0%}",
    ]


def _speed(n: int, titles: int) -> None:
    draw = random.Random(_SEED + n)
    call = {name: made.call for name, made in functions().items()}
    times = [exponential_times(draw, n, _HALF_LIFE_D, 400.0) for _ in range(titles)]
    ratings = [[float(rating(draw, 7.0)) for _ in range(n)] for _ in range(titles)]
    seen = [False] * n
    _print(
        f"{titles} titles of {n} comments",
        titles,
        {
            "half-life, interval, AIC": lambda: _all(call["trakt_half_life"](each, 400.0, False) for each in times),
            "OLS on log weekly counts, no interval": lambda: _all(weekly_line(each, 400.0) for each in times),
            "days to a half of 90 d": lambda: _all(call["trakt_horizon"](each, 400.0, 0.5, 90.0) for each in times),
            "retention": lambda: _all(call["trakt_retention"](each, 400.0) for each in times),
            "hold-up": lambda: _all(
                call["trakt_hold_up"](each, given, seen, 400.0) for each, given in zip(times, ratings, strict=True)
            ),
        },
    )


def _speed_of_counts(titles: int) -> None:
    draw = random.Random(_SEED)
    call = {name: made.call for name, made in functions().items()}
    drawn = Group.of(draw, titles).draw(draw)
    group = peers(drawn.commenters, drawn.comments, drawn.squares)
    prior = (group.alpha, group.beta, group.dispersion)
    medians = (group.median_breadth, group.median_intensity, group.n)
    counts = list(zip(drawn.commenters, drawn.comments, strict=True))
    _print(
        f"{titles} titles of one peer group",
        titles,
        {
            "prior and medians of the peers": lambda: _all(
                [call["trakt_peers"](drawn.commenters, drawn.comments, drawn.squares)]
            ),
            "breadth": lambda: _all(call["trakt_breadth"](people) for people, _ in counts),
            "intensity": lambda: _all(call["trakt_intensity"](*each, *prior) for each in counts),
            "quadrant": lambda: _all(call["trakt_quadrant"](*each, *prior, *medians) for each in counts),
        },
    )


def _print(title: str, titles: int, ways: dict[str, Callable[[], None]]) -> None:
    rows = measure(ways, rounds=3)
    print_table(
        f"{title} (CPU, medians)",
        ["metric", "titles per CPU s", "us per title"],
        [[row.name, f"{titles / row.cpu_s:,.0f}", f"{row.cpu_s / titles * 1e6:,.0f}"] for row in rows],
    )


def _all(values: Iterable[object]) -> None:
    for _ in values:
        pass
