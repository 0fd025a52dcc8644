"""Intensity: comments beyond each commenter's first, per commenter, shrunk to those of the peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobs.trakt.metrics._numbers import count, number
from jobs.trakt.metrics._special import gamma_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

__all__ = ["Intensity", "intensity", "posterior"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity(Estimate):
    """Intensity with its credible interval.

    Attributes:
        raw: further comments / commenters, not shrunk.
        is_shrunk: whether there were enough peers to shrink to.
    """

    raw: float | None = None
    is_shrunk: bool | None = None


def intensity(
    commenters: Any,
    comments: Any,
    alpha: Any = None,
    beta: Any = None,
    dispersion: Any = None,
    *,
    parameters: Parameters | None = None,
) -> Intensity:
    """Return the posterior mean of intensity, with its equal-tailed credible interval.

    With x further comments of b commenters and dispersion d, the posterior is a gamma distribution of shape
    alpha + x/d and rate beta + b/d; its mean lies between x / b and the peers' alpha / beta. Without a prior, it is
    Jeffreys' (1/2, 0), and nothing is shrunk.

    Source: Marshall, Mapping disease and mortality rates using empirical Bayes estimators, Applied Statistics 40, 1991.

    Args:
        commenters: distinct commenters.
        comments: their comments, the first of each included.
        alpha: shape of the prior, from :func:`~jobs.trakt.metrics.peers.peers`; None without enough peers.
        beta: rate of the prior, likewise.
        dispersion: of the peers; None means 1.
        parameters: choices; None takes the defaults.

    Returns:
        the estimate; its n is the number of comments.

    Example:
        >>> intensity(10, 16, 2.0, 10.0).value  # (2 + 6) / (10 + 10), between 6 / 10 and 2 / 10
        0.4
    """
    use = parameters or Parameters()
    people, total = count(commenters), count(comments)
    if people is None or total is None or total < people:
        return Intensity(n=0, reason="COUNTS_INVALID")
    if people == 0:
        return Intensity(n=0, reason="COUNTS_INVALID" if total else "NO_DATA")
    found = posterior(people, total, alpha, beta, dispersion)
    if found is None:
        return Intensity(n=total, reason="PEERS_INVALID")
    shape, rate = found
    tail = (1 - use.probability) / 2
    return Intensity(
        n=total,
        value=shape / rate,
        low=gamma_quantile(tail, shape) / rate,
        high=gamma_quantile(1 - tail, shape) / rate,
        raw=(total - people) / people,
        is_shrunk=alpha is not None and beta is not None,
    )


def posterior(commenters: int, comments: int, alpha: Any, beta: Any, dispersion: Any) -> tuple[float, float] | None:
    """Return shape and rate of the posterior of intensity; None if the peers' figures are not positive numbers."""
    if alpha is None or beta is None:
        shape, rate = 0.5, 0.0
    else:
        read = number(alpha), number(beta)
        if read[0] is None or read[1] is None or read[0] <= 0 or read[1] <= 0:
            return None
        shape, rate = read[0], read[1]
    spread = 1.0 if dispersion is None else number(dispersion)
    if spread is None or spread < 1:
        return None
    return shape + (comments - commenters) / spread, rate + commenters / spread
