"""Intensity: comments beyond each commenter's first, per commenter, shrunk towards the peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.trakt.metrics._numbers import count, number
from jobs.trakt.metrics._special import gamma_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from jobs.trakt.metrics.peers import Peers

__all__ = ["Intensity", "intensity", "posterior"]

# A fitted prior is far inside these limits; outside, the incomplete gamma function would underflow.
_LEAST, _MOST = 1e-9, 1e15


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity(Estimate):
    """Intensity with its credible interval.

    Attributes:
        raw: further comments / commenters, not shrunk.
        is_shrunk: whether there were enough peers for shrinkage.
    """

    raw: float | None = None
    is_shrunk: bool | None = None


def intensity(
    commenters: Any, comments: Any, group: Peers | None = None, *, parameters: Parameters | None = None
) -> Intensity:
    """Return the posterior mean of intensity, with its equal-tailed credible interval.

    With x further comments of b commenters and dispersion d, the posterior is a gamma distribution of shape
    alpha + x/d and rate beta + b/d; its mean lies between x / b and the peers' alpha / beta. Without peers, the prior
    is Jeffreys' (1/2, 0), and nothing is shrunk.

    Source: Marshall, Mapping disease and mortality rates using empirical Bayes estimators, Applied Statistics 40, 1991.

    Args:
        commenters: distinct commenters.
        comments: their comments, the first of each included.
        group: the peers; None, or a group without alpha and beta, if there are too few.
        parameters: choices; None takes the defaults.

    Returns:
        the estimate; its n is the number of comments.

    Example:
        >>> from jobs.trakt.metrics.peers import Peers
        >>> group = Peers(n=30, titles=30, alpha=2.0, beta=10.0)
        >>> intensity(10, 16, group).value  # (2 + 6) / (10 + 10), between 2 / 10 and 6 / 10
        0.4
    """
    use = parameters or Parameters()
    people, total = count(commenters), count(comments)
    if people is None or total is None or total < people:
        return Intensity(n=0, reason="COUNTS_INVALID")
    if people == 0:
        return Intensity(n=0, reason="COUNTS_INVALID" if total else "NO_DATA")
    found = posterior(people, total, group)
    if found is None:
        return Intensity(n=total, reason="PEERS_INVALID")
    shape, rate = found
    tail = (1 - use.probability) / 2
    mean = shape / rate
    return Intensity(
        n=total,
        value=mean,
        low=gamma_quantile(tail, shape) / rate,
        # The mean of a very skewed posterior is above many of its quantiles.
        high=max(gamma_quantile(1 - tail, shape) / rate, mean),
        raw=(total - people) / people,
        is_shrunk=group is not None and group.alpha is not None,
    )


def posterior(commenters: int, comments: int, group: Peers | None) -> tuple[float, float] | None:
    """Return shape and rate of the posterior of intensity; None if the peers' figures are not positive numbers."""
    shape, rate, spread = 0.5, 0.0, 1.0
    if group is not None and group.alpha is not None:
        alpha, beta = number(group.alpha), number(group.beta)
        if alpha is None or beta is None or not _LEAST <= min(alpha, beta) <= max(alpha, beta) <= _MOST:
            return None
        shape, rate = alpha, beta
    if group is not None and group.dispersion is not None:
        known = number(group.dispersion)
        if known is None or not 1 <= known <= _MOST:
            return None
        spread = known
    return shape + (comments - commenters) / spread, rate + commenters / spread
