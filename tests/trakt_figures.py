"""Figures of simulated titles in plain Python, from docs/trakt-metrics.md alone: nothing of the metrics is used.

Equations are bisected, distributions integrated, likelihoods climbed. It is slow and short, where the metrics are fast.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from statistics import mean, median, variance
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trakt_simulation import Title, Told, World

__all__ = [
    "N_MIN",
    "PEERS_MIN",
    "PERIODS",
    "SIDE",
    "Figures",
    "Peers",
    "close",
    "counts",
    "figures_of",
    "gamma_probability",
    "half_life",
    "hold_up",
    "horizon",
    "peers_of",
    "retention",
    "t_probability",
]

PERIODS = {"7d": 7, "28d": 28, "90d": 90, "all": None}
N_MIN, HALF_LIFE_N_MIN, RATINGS_N_MIN, PEERS_MIN, SIDE = 20, 30, 10, 10, 0.8
BANDS = (30, 90, 365, 1095)
CHI2_95 = 3.841458820694124
Z_95 = 1.959963984540054


def close(one: Any, other: Any, *, rel: float = 1e-9) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers and math.isclose(one, other, rel_tol=rel, abs_tol=1e-12)


@dataclass
class Figures:
    """The comments of one title, without replies, and their times in days since its start."""

    anchor: str | None
    age: float | None
    band: str | None
    times: list[float]
    comments: list[Told]


def figures_of(world: World, title: Title) -> Figures:
    there = [one for one in world.of(title) if one.day <= world.as_of]
    counted = sorted((one for one in there if not one.is_reply), key=lambda one: one.created)
    anchor: str | None = None
    start: datetime | None = None
    released = world.titles[title]
    first = min((one.created for one in world.of(title)), default=None)
    if released is not None and date(2010, 1, 1) <= released <= world.as_of:
        anchor, start = "release", datetime.combine(released, datetime.min.time(), UTC)
    elif first:
        anchor, start = "first_comment", first
    if start is None:
        return Figures(None, None, None, [], counted)
    # What could be seen ends with the last observation, not with its day.
    age = (world.ended - start).total_seconds() / 86_400
    edges = [0, *BANDS]
    place = max(at for at, edge in enumerate(edges) if edge <= age)
    band = f"{edges[place]}-{edges[place + 1] if place < len(BANDS) else ''}"
    times = [(one.created - start).total_seconds() / 86_400 for one in counted]
    return Figures(anchor, age, band, times, counted)


def bisect(function: Callable[[float], float], low: float, high: float, steps: int = 200) -> float:
    """Return the root of a function that is negative at ``low`` and positive at ``high``."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2


def simpson(function: Callable[[float], float], low: float, high: float, parts: int = 400) -> float:
    step = (high - low) / parts
    inner = math.fsum((4 if at % 2 else 2) * function(low + at * step) for at in range(1, parts))
    return (function(low) + inner + function(high)) * step / 3


@lru_cache(maxsize=10_000)
def gamma_probability(x: float, shape: float) -> float:
    """Return the probability below x of a gamma distribution of scale 1, by integration over u with t = u^2."""
    if x <= 0:
        return 0.0
    if shape < 1:
        # t = v^(1/shape): the density near 0 is infinite otherwise.
        return simpson(lambda v: math.exp(-(v ** (1 / shape))), 0, x**shape) / math.gamma(shape + 1)
    scale = math.lgamma(shape)

    def density(u: float) -> float:
        return 2 * math.exp((2 * shape - 1) * math.log(u) - u * u - scale) if u > 0 else 0.0

    # More than 12 deviations below the mean, the density is negligible.
    least = max(0.0, shape - 12 * math.sqrt(shape) - 12)
    low = math.sqrt(least)
    return simpson(density, low, math.sqrt(x)) if x > least else 0.0


def t_probability(t: float, df: float) -> float:
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return 0.5 + simpson(lambda x: math.exp(scale - (df + 1) / 2 * math.log1p(x * x / df)), 0, t)


def rate_likelihood(rate: float, times: list[float], end: float) -> float:
    """Return the log likelihood of an exponential that is cut off at the end; of a uniform one at rate 0."""
    n, total = len(times), math.fsum(times)
    if abs(rate * end) < 1e-9:
        return -n * math.log(end)
    # For a rising rate, the same mirrored in time.
    scale = math.log(abs(rate)) - math.log1p(-math.exp(-abs(rate) * end)) + min(rate, 0) * end
    return n * scale - rate * total


def half_life(found: Figures) -> dict[str, Any]:
    if found.age is None or found.age <= 0:
        return {"reason": "AGE_INVALID"}
    end = found.age
    times = [time for time in found.times if 0 <= time <= end]
    if len(found.times) - len(times) > len(times):
        return {"n": len(times), "reason": "MOSTLY_OUTSIDE"}
    if found.anchor == "first_comment" and times:
        start = times[0]
        times, end = [time - start for time in times[1:]], end - start
    n = len(times)
    if n < HALF_LIFE_N_MIN:
        return {"n": n, "reason": "TOO_FEW" if times else "NO_DATA"}
    at = math.fsum(times) / n
    most = 200 / end

    def slope(rate: float) -> float:
        if abs(rate * end) < 1e-6:
            return at - end / 2 + rate * end * end / 12
        below = 1 / abs(rate) - end / math.expm1(abs(rate) * end)
        return at - (below if rate > 0 else end - below)

    best = bisect(slope, -most, most)
    peak = rate_likelihood(best, times, end)

    def excess(rate: float) -> float:
        return 2 * (peak - rate_likelihood(rate, times, end)) - CHI2_95

    low_rate = bisect(lambda rate: -excess(rate), best - 20 * most, best)
    high_rate = bisect(excess, best, best + 20 * most)
    low = math.log(2) / high_rate if high_rate > 0 else None
    high = math.log(2) / low_rate if low_rate > 0 else math.inf
    if at >= end / 2:
        return {"n": n, "reason": "NO_DECAY", "low": low}
    power = max(
        -p * math.fsum(math.log(time + 1) for time in times)
        - n * math.log(((end + 1) ** (1 - p) - 1) / (1 - p) if abs(1 - p) > 1e-9 else math.log(end + 1))
        for p in (step / 500 + 1e-7 for step in range(2_500))
    )
    return {"n": n, "value": math.log(2) / best, "low": low, "high": high, "gain": 2 * (peak - power)}


def horizon(found: Figures, share: float, end: float) -> dict[str, Any]:
    if found.age is None or found.age <= 0:
        return {"reason": "AGE_INVALID"}
    times = [time for time in found.times if 0 <= time <= end]
    n = len(times)
    if found.age < end:
        return {"n": n, "reason": "TOO_YOUNG"}
    if n < N_MIN:
        return {"n": n, "reason": "TOO_FEW" if n else "NO_DATA"}
    spread = Z_95 * math.sqrt(n * share * (1 - share))
    first, last = math.floor(n * share - spread), math.ceil(n * share + spread) + 1
    # 0.8 of 40 is 32: the share as a ratio of whole numbers.
    rank = -(-n * round(share * 10) // 10)
    return {
        "n": n,
        "value": times[rank - 1],
        "low": times[first - 1] if first >= 1 else 0.0,
        "high": times[last - 1] if last <= n else end,
    }


def retention(found: Figures) -> dict[str, Any]:
    if found.age is None or found.age <= 0:
        return {"reason": "AGE_INVALID"}
    times = [time for time in found.times if 0 <= time < 180]
    n = len(times)
    if found.age < 180:
        return {"n": n, "reason": "TOO_YOUNG"}
    if n < N_MIN:
        return {"n": n, "reason": "TOO_FEW" if n else "NO_DATA"}
    share = sum(time >= 90 for time in times) / n
    # Wilson: the p at which the share is z deviations away, (share - p)^2 = z^2 p (1 - p) / n.
    low = bisect(lambda p: p - share + Z_95 * math.sqrt(max(p * (1 - p), 0) / n), 0, share) if share else 0.0
    high = bisect(lambda p: p - share - Z_95 * math.sqrt(max(p * (1 - p), 0) / n), share, 1) if share < 1 else 1.0
    return {"n": n, "value": share, "low": low, "high": high}


def hold_up(found: Figures) -> dict[str, Any]:
    """Return value and counts; instead of an interval the standard error and the degrees of freedom."""
    if found.age is None or found.age <= 0:
        return {"reason": "AGE_INVALID", "n_before": 0, "n_after": 0, "marked": False}
    rated = [
        (time, one)
        for time, one in zip(found.times, found.comments, strict=True)
        if one.rating_first is not None and 0 <= time <= found.age
    ]
    first = [one for time, one in rated if time < 180]
    last = [one for time, one in rated if time > found.age - 180]
    counted = {
        "n_before": len(first), "n_after": len(last), "marked": any(one.is_late for one in [*first, *last]),
    }  # fmt: skip
    if found.age < 360:
        return {"reason": "WINDOWS_OVERLAP", **counted}
    if not first and not last:
        return {"reason": "NO_DATA", **counted}
    if len(first) < RATINGS_N_MIN:
        return {"reason": "TOO_FEW_FIRST", **counted}
    if len(last) < RATINGS_N_MIN:
        return {"reason": "TOO_FEW_LAST", **counted}
    sides = [[one.rating_first or 0.0 for one in each] for each in (first, last)]
    errors = [max(variance(each), 1 / 12) / len(each) for each in sides]
    df = sum(errors) ** 2 / sum(error**2 / (len(each) - 1) for error, each in zip(errors, sides, strict=True))
    changed = sum(one.rating != one.rating_first for one in [*first, *last])
    value, error = mean(sides[1]) - mean(sides[0]), math.sqrt(sum(errors))
    return {"value": value, "error": error, "df": df, "changed": changed, **counted}


@dataclass
class Peers:
    n: int
    alpha: float | None = None
    beta: float | None = None
    spread: float = 1.0
    breadth: float | None = None
    intensity: float | None = None


def counts(found: Figures, world: World, length: int | None) -> Counter[Any]:
    since = world.as_of - timedelta(days=length) if length else date.min
    return Counter(one.user for one in found.comments if one.day > since)


def golden(function: Callable[[float], float], low: float, high: float, steps: int) -> float:
    """Return where a function with one hill is highest."""
    part = (math.sqrt(5) - 1) / 2
    for _ in range(steps):
        left, right = high - part * (high - low), low + part * (high - low)
        low, high = (left, high) if function(left) < function(right) else (low, right)
    return (low + high) / 2


def peers_of(world: World) -> dict[tuple[str, str, str], Peers]:
    """Return kind, age band and period -> figures of the titles in it."""
    groups: dict[tuple[str, str, str], list[Counter[Any]]] = defaultdict(list)
    for title in world.titles:
        found = figures_of(world, title)
        for period, length in PERIODS.items():
            people = counts(found, world, length)
            if found.band and people:
                groups[title[0], found.band, period].append(people)
    return {key: _peers(each) for key, each in groups.items()}


def _peers(groups: list[Counter[Any]]) -> Peers:
    """Fit the prior by climbing the marginal likelihood itself over mean and variation."""
    pairs = [(len(each), each.total() - len(each), sum((one - 1) ** 2 for one in each.values())) for each in groups]
    over = math.fsum(max(squares - further**2 / people, 0) for people, further, squares in pairs)
    under = math.fsum((people - 1) * further / people for people, further, _ in pairs)
    spread = max(1.0, over / under) if under > 0 else 1.0
    busy = [(people, further) for people, further, _ in pairs if people + further >= N_MIN]
    if len(busy) < PEERS_MIN:
        return Peers(len(busy), spread=spread)
    least = 0.5 / (sum(people for people, _, _ in pairs) / spread)

    def height(log_mean: float, log_variation: float) -> float:
        alpha = math.exp(-2 * log_variation)
        beta = alpha / math.exp(log_mean)
        return log_variation + math.fsum(
            math.lgamma(alpha + further / spread) - math.lgamma(alpha)
            + alpha * math.log(beta / (beta + people / spread))
            + further / spread * math.log(people / spread / (beta + people / spread))
            for people, further, _ in pairs
        )  # fmt: skip

    def best_mean(log_variation: float) -> float:
        return golden(lambda log_mean: height(log_mean, log_variation), max(math.log(least), -12), 3, 34)

    variation = golden(lambda at: height(best_mean(at), at), math.log(0.02), math.log(3), 22)
    alpha = math.exp(-2 * variation)
    beta = alpha / math.exp(best_mean(variation))

    def middle(people: int, further: int) -> float:
        shape = alpha + further / spread
        guess = shape / (beta + people / spread)
        return bisect(lambda x: gamma_probability(x * (beta + people / spread), shape) - 0.5, 0, 3 * guess + 1, 24)

    middles = {pair: middle(*pair) for pair in set(busy)}
    return Peers(
        len(busy), alpha, beta, spread, float(median(people for people, _ in busy)),
        median(middles[pair] for pair in busy),
    )  # fmt: skip
