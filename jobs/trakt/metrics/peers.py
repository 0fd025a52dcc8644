"""Peers: the prior and the medians of titles of one kind and age band."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.metrics._numbers import count, number
from jobs.trakt.metrics._special import gamma_quantile
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Peers", "peers"]

# Range of the coefficient of variation between titles: 2 % cannot be told from none; at 3, a tenth of the titles have
# nearly all further comments.
_LEAST_VARIATION: Final = 0.02
_MOST_VARIATION: Final = 3.0
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_SEARCH_STEPS: Final = 24
_MEAN_STEPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Figures of a peer group.

    Attributes:
        n: number of peers: titles with at least n_min comments.
        titles: number of titles with a commenter; the prior is fitted to all of them.
        alpha: shape of the gamma prior of intensity.
        beta: its rate, in commenters; alpha / beta is the mean intensity of the group.
        dispersion: variance of further comments per commenter within a title, divided by their mean; at least 1.
        median_breadth: median of the peers' commenters.
        median_intensity: median of the peers' posterior medians of intensity.
        reason: a code if alpha, beta and the medians are None.
    """

    n: int
    titles: int
    alpha: float | None = None
    beta: float | None = None
    dispersion: float | None = None
    median_breadth: float | None = None
    median_intensity: float | None = None
    reason: str | None = None


def peers(
    commenters: Sequence[Any] | None,
    comments: Sequence[Any] | None,
    squares: Sequence[Any] | None = None,
    *,
    parameters: Parameters | None = None,
) -> Peers:
    """Fit the prior of intensity to a peer group, and take its medians.

    A title's further comments are Poisson with mean commenters x intensity, and intensities are gamma distributed with
    shape alpha and rate beta. The mean and the coefficient of variation of that gamma maximise the marginal (negative
    binomial) likelihood times the coefficient. This factor keeps the coefficient above 0 if a few peers happen to be
    alike. Some people comment far more often than others, so counts vary more than Poisson counts do; with ``squares``,
    counts are divided by their dispersion (quasi-likelihood). Without them, the dispersion is 1.

    Sources: Robbins, An empirical Bayes approach to statistics, 1956; Marshall, Mapping disease and mortality rates
    using empirical Bayes estimators, Applied Statistics 40, 1991 (gamma-Poisson); Chung, Rabe-Hesketh, Dorie, Gelman,
    Liu, A nondegenerate penalized likelihood estimator for variance parameters, Psychometrika 78, 2013; Wedderburn,
    Quasi-likelihood functions, Biometrika 61, 1974.

    Args:
        commenters: distinct commenters of each title.
        comments: comments of each title.
        squares: of each title, the sum over commenters of (comments - 1)^2.
        parameters: choices; None takes the defaults.

    Returns:
        the figures; titles with invalid counts or without commenters are left out.
    """
    use = parameters or Parameters()
    groups, dispersion = _read(commenters or (), comments or (), squares or ())
    titles = groups.total()
    busy = [(people, further) for (people, further), many in groups.items() for _ in range(many)]
    busy = [(people, further) for people, further in busy if people + further >= use.n_min]
    if len(busy) < use.peers_min:
        return Peers(n=len(busy), titles=titles, dispersion=dispersion, reason="TOO_FEW_PEERS")
    scaled = [(people / dispersion, further / dispersion, many) for (people, further), many in groups.items()]
    alpha, beta = _fit(scaled)
    medians = {
        (people, further): gamma_quantile(0.5, alpha + further / dispersion) / (beta + people / dispersion)
        for people, further in set(busy)
    }
    return Peers(
        n=len(busy),
        titles=titles,
        alpha=alpha,
        beta=beta,
        dispersion=dispersion,
        median_breadth=float(median(people for people, _ in busy)),
        median_intensity=median(medians[each] for each in busy),
    )


def _read(
    commenters: Sequence[Any], comments: Sequence[Any], squares: Sequence[Any]
) -> tuple[Counter[tuple[int, int]], float]:
    """Return how many titles have each (commenters, further comments), and the pooled dispersion."""
    groups: Counter[tuple[int, int]] = Counter()
    spread: list[float] = []
    expected: list[float] = []
    padded = [*squares, *[None] * (len(commenters) - len(squares))]
    for people, total, square in zip(map(count, commenters), map(count, comments), map(number, padded), strict=False):
        if not people or total is None or total < people:
            continue
        further = total - people
        groups[people, further] += 1
        mean = further / people
        # By Cauchy and Schwarz, the sum of squares is at least further^2 / people.
        if square is not None and square >= further * mean * (1 - 1e-9):
            spread.append(max(square - further * mean, 0.0))
            expected.append((people - 1) * mean)
    least = math.fsum(expected)
    return groups, max(1.0, math.fsum(spread) / least) if least > 0 else 1.0


def _fit(groups: list[tuple[float, float, int]]) -> tuple[float, float]:
    """Return alpha and beta of the prior: golden section over the logarithm of the coefficient of variation."""
    low, high = math.log(_LEAST_VARIATION), math.log(_MOST_VARIATION)
    mean = _least_mean(groups)
    for _ in range(_SEARCH_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _height(groups, left, mean) < _height(groups, right, mean):
            low = left
        else:
            high = right
    alpha = math.exp(-(low + high))
    return alpha, alpha / _mean(groups, alpha, mean)


def _least_mean(groups: list[tuple[float, float, int]]) -> float:
    """Return half a further comment over all commenters: without any, the mean must not be 0 (Jeffreys)."""
    return 0.5 / math.fsum(people * many for people, _, many in groups)


def _height(groups: list[tuple[float, float, int]], log_variation: float, least: float) -> float:
    alpha = math.exp(-2 * log_variation)
    beta = alpha / _mean(groups, alpha, least)
    return log_variation + math.fsum(
        many
        * (
            math.lgamma(alpha + further)
            - math.lgamma(alpha)
            - alpha * math.log1p(people / beta)
            - further * math.log1p(beta / people)
        )
        for people, further, many in groups
    )


def _mean(groups: list[tuple[float, float, int]], alpha: float, least: float) -> float:
    """Return the mean intensity of largest likelihood at a shape: sum(w x) / sum(w b) with w = 1 / (alpha + mean b)."""
    mean = max(
        math.fsum(further * many for _, further, many in groups)
        / math.fsum(people * many for people, _, many in groups),
        least,
    )
    for _ in range(_MEAN_STEPS):
        weights = [many / (alpha + mean * people) for people, _, many in groups]
        found = math.fsum(weight * further for weight, (_, further, _) in zip(weights, groups, strict=True))
        found /= math.fsum(weight * people for weight, (people, _, _) in zip(weights, groups, strict=True))
        found = max(found, least)
        if abs(found - mean) <= 1e-9 * mean:
            break
        mean = found
    return found
