"""Quadrants: the side of its peers' medians on which a title is, if that is probable enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.metrics._numbers import count, number
from jobs.trakt.metrics._special import gamma_cdf
from jobs.trakt.metrics.breadth import breadth_shape
from jobs.trakt.metrics.intensity import posterior
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from jobs.trakt.metrics.peers import Peers

__all__ = ["QUADRANTS", "Quadrant", "quadrant"]

QUADRANTS: Final[dict[str, str]] = {
    "phenomenon": "many people, who comment often",
    "broad_hit": "many people, who comment once",
    "cult": "few people, who comment often",
    "quiet": "few people, who comment once",
    "borderline": "a side of a median is less probable than side_probability",
    "insufficient": "fewer than n_min comments, or fewer than peers_min peers",
}
"""Quadrant -> meaning; the last two mean that the side is not known."""

_BY_SIDES: Final = {
    (True, True): "phenomenon",
    (True, False): "broad_hit",
    (False, True): "cult",
    (False, False): "quiet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadrant:
    """A title's quadrant; probabilities take the place of an interval.

    Attributes:
        n: comments.
        value: a name in :data:`QUADRANTS`.
        p_breadth: probability that the expected breadth is above the peers' median.
        p_intensity: probability that the intensity is above the peers' median.
        breadth_ratio: breadth / median.
        intensity_ratio: intensity / median.
        peers: number of titles behind the medians.
        reason: a code if the value is borderline or insufficient.
    """

    n: int
    value: str
    p_breadth: float | None = None
    p_intensity: float | None = None
    breadth_ratio: float | None = None
    intensity_ratio: float | None = None
    peers: int | None = None
    reason: str | None = None


def quadrant(commenters: Any, comments: Any, group: Peers, *, parameters: Parameters | None = None) -> Quadrant:
    """Return a title's quadrant among its peers.

    A title exactly at a median is above it with a probability of about one half, so ties are borderline, and no more
    than half of the peers can be on either side. The line of intensity is the median of posterior medians, not of
    means: the gamma distribution is skewed, so a title whose mean is at the line would probably be below it.

    Args:
        commenters: distinct commenters.
        comments: their comments.
        group: the peers, from :func:`~jobs.trakt.metrics.peers.peers`.
        parameters: choices; None takes the defaults.
    """
    use = parameters or Parameters()
    people, total, peers = count(commenters), count(comments), count(group.n)
    if people is None or total is None or total < people:
        return Quadrant(n=0, value="insufficient", peers=peers, reason="COUNTS_INVALID")
    if total < use.n_min or people == 0:
        return Quadrant(n=total, value="insufficient", peers=peers, reason="TOO_FEW")
    if peers is None or peers < use.peers_min:
        return Quadrant(n=total, value="insufficient", peers=peers, reason="TOO_FEW_PEERS")
    lines = number(group.median_breadth), number(group.median_intensity)
    found = None if group.alpha is None else posterior(people, total, group)
    if found is None or lines[0] is None or lines[1] is None or lines[0] <= 0 or lines[1] <= 0:
        return Quadrant(n=total, value="insufficient", peers=peers, reason="PEERS_INVALID")
    shape, rate = found
    p_breadth = 1 - gamma_cdf(lines[0], breadth_shape(people))
    p_intensity = 1 - gamma_cdf(lines[1] * rate, shape)
    is_clear = all(max(p, 1 - p) >= use.side_probability for p in (p_breadth, p_intensity))
    return Quadrant(
        n=total,
        value=_BY_SIDES[p_breadth > 0.5, p_intensity > 0.5] if is_clear else "borderline",  # noqa: PLR2004 - a coin
        p_breadth=p_breadth,
        p_intensity=p_intensity,
        breadth_ratio=people / lines[0],
        intensity_ratio=shape / rate / lines[1],
        peers=peers,
        reason=None if is_clear else "NEAR_MEDIAN",
    )
