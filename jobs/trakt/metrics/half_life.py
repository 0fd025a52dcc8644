"""Half-life: days in which the rate of comments halves, by maximum likelihood of a truncated exponential."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.metrics import _truncated
from jobs.trakt.metrics._numbers import age, split_times
from jobs.trakt.metrics._special import chi2_quantile
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HalfLife", "half_life"]

# A smaller difference of AIC says nothing (Burnham, Anderson, Model Selection and Multimodel Inference, 2002, 2.6).
_UNDECIDED: Final = 2.0
# As a share of the age; for a film that is 100 years old, 0.003 s.
_LEAST_MEAN: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfLife(Estimate):
    """A half-life in days, with its profile likelihood interval.

    Attributes:
        aic: Akaike's information criterion of the exponential.
        aic_power_law: that of a power law on the same times; the smaller one fits better.
        exponent: the power law's exponent; its rate is (days + offset)^-exponent.
        better: ``exponential``, ``power_law``, or ``undecided`` if they differ by less than 2.
        left_out: times before the start, after the age, or not a number.
        from_first: whether times are counted from the first comment.
    """

    aic: float | None = None
    aic_power_law: float | None = None
    exponent: float | None = None
    better: str | None = None
    left_out: int = 0
    from_first: bool = False


def half_life(
    times_d: Iterable[Any] | None,
    age_d: Any,
    from_first: Any = False,
    *,
    parameters: Parameters | None = None,
) -> HalfLife:
    """Estimate the half-life of a title's comments.

    The times are those of an exponential distribution that is cut off at the age A. Its rate l of largest likelihood
    solves mean(times) = 1/l - A / (e^(lA) - 1); the half-life is ln 2 / l. The interval holds every half-life whose
    likelihood ratio the chi-square test accepts; if the test accepts "no decay at all", the upper end is infinite. If
    the mean is A/2 or more, no decay can be estimated, and only the lower end of the interval is returned, if any.

    Without a release date, count from the first comment. Its time is 0 by definition, so it is left out of n. Because
    the exponential is memoryless, the others are distributed as if they were counted from a release.

    Sources: Deemer, Votaw, Estimation of parameters of truncated or censored exponential distributions, Annals of
    Mathematical Statistics 26, 1955 (the equation); Kalbfleisch, Lawless, Inference based on retrospective
    ascertainment, JASA 84, 1989 (truncation at the age); Crane, Sornette, Robust dynamic classes revealed by measuring
    the response function of a social system, PNAS 105, 2008 (the power law).

    Args:
        times_d: days from the start to each comment, in any order.
        age_d: days from the start to now.
        from_first: whether the start is the first comment instead of the release; None means False.
        parameters: choices; None takes the defaults.

    Example:
        >>> found = half_life([10.0] * 30 + [30.0] * 10, 60.0)
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (11.57, 8.16, 18.4)
        >>> half_life(range(40), 39.0).reason
        'NO_DECAY'
    """
    use = parameters or Parameters()
    is_first = bool(from_first)
    end = age(age_d)
    if end is None:
        return HalfLife(n=0, reason="AGE_INVALID", from_first=is_first)
    times, left_out = split_times(times_d, end)
    if left_out > len(times):
        return HalfLife(n=len(times), reason="MOSTLY_OUTSIDE", left_out=left_out, from_first=is_first)
    if is_first and times:
        start = times.pop(0)
        times = [time - start for time in times]
        end -= start
    n = len(times)
    if n < use.half_life_n_min:
        reason = "TOO_FEW" if times else "NO_DATA"
        return HalfLife(n=n, reason=reason, left_out=left_out, from_first=is_first)
    if end <= 0:  # all are at the first one, and that is as old as the last look
        return HalfLife(n=n, reason="AGE_INVALID", left_out=left_out, from_first=is_first)
    return _fitted(times, end, left_out, use, from_first=is_first)


def _fitted(times: list[float], end: float, left_out: int, use: Parameters, *, from_first: bool) -> HalfLife:
    n = len(times)
    at = math.fsum(time / end for time in times) / n
    if at >= 1:
        return HalfLife(n=n, reason="NO_DECAY", left_out=left_out, from_first=from_first)
    if at < _LEAST_MEAN:
        return HalfLife(n=n, reason="ALL_AT_START", left_out=left_out, from_first=from_first)
    best = _truncated.fit(at)
    least, most = _truncated.interval(at, best, n, chi2_quantile(use.probability, 1))
    low = end * math.log(2) / most if most > 0 else None
    high = end * math.log(2) / least if least > 0 else math.inf
    if best <= 0:
        high_of = math.inf if low is not None else None
        return HalfLife(n=n, low=low, high=high_of, reason="NO_DECAY", left_out=left_out, from_first=from_first)
    aic = 2 - 2 * n * (_truncated.log_density(best, at) - math.log(end))
    aic_power_law, exponent = _power_law(times, end, use.power_law_offset_d)
    return HalfLife(
        n=n,
        value=end * math.log(2) / best,
        low=low,
        high=high,
        aic=aic,
        aic_power_law=aic_power_law,
        exponent=exponent,
        better=_better(aic, aic_power_law),
        left_out=left_out,
        from_first=from_first,
    )


def _power_law(times: list[float], end: float, offset: float) -> tuple[float, float]:
    """Return AIC and exponent p of a density proportional to (t + offset)^-p, p >= 0, on (0, end).

    x = log(1 + t / offset) then has an exponential distribution of rate p - 1, truncated at log(1 + end / offset).
    """
    n = len(times)
    logs = [math.log1p(time / offset) for time in times]
    length = math.log1p(end / offset)
    total = math.fsum(logs)
    at = min(max(total / n / length, 1e-300), 1 - 1e-16)
    best = max(_truncated.fit(at), -length)
    log_likelihood = n * (_truncated.log_density(best, at) - math.log(length) - math.log(offset)) - total
    return 2 - 2 * log_likelihood, 1 + best / length


def _better(exponential: float, power_law: float) -> str:
    if abs(exponential - power_law) < _UNDECIDED:
        return "undecided"
    return "exponential" if exponential < power_law else "power_law"
