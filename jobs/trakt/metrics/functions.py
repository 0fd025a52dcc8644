"""The metrics as DuckDB scalar functions: names, argument types and result types as SQL text.

Importable without DuckDB. Register with ``null_handling="special"``: the functions are then called for NULL too, and
return a reason.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.metrics.breadth import breadth
from jobs.trakt.metrics.estimate import Estimate
from jobs.trakt.metrics.half_life import HalfLife, half_life
from jobs.trakt.metrics.hold_up import HoldUp, hold_up
from jobs.trakt.metrics.horizon import horizon
from jobs.trakt.metrics.intensity import Intensity, intensity
from jobs.trakt.metrics.parameters import Parameters
from jobs.trakt.metrics.peers import Peers, peers
from jobs.trakt.metrics.quadrant import Quadrant, quadrant
from jobs.trakt.metrics.retention import retention

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Function", "functions"]

_TYPES: Final = {"int": "BIGINT", "float": "DOUBLE", "str": "VARCHAR", "bool": "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class Function:
    """A scalar function for DuckDB.

    Attributes:
        call: the function on plain values; it returns a dict for a STRUCT.
        takes: DuckDB types of its arguments, in order.
        returns: DuckDB type of its result.
    """

    call: Callable[..., Any]
    takes: tuple[str, ...]
    returns: str


def functions(parameters: Parameters | None = None) -> dict[str, Function]:
    """Return SQL name -> function, bound to parameters (None: the defaults).

    Example:
        >>> found = functions()["trakt_retention"]
        >>> found.takes, found.returns
        (('DOUBLE[]', 'DOUBLE'), 'STRUCT(n BIGINT, value DOUBLE, low DOUBLE, high DOUBLE, reason VARCHAR)')
        >>> found.call([1.0, 2.0], 400.0)
        {'n': 2, 'value': None, 'low': None, 'high': None, 'reason': 'TOO_FEW'}
    """
    use = parameters or Parameters()
    prior = ("DOUBLE", "DOUBLE", "DOUBLE")
    return {
        # Takes the age in days.
        "trakt_age_band": Function(use.age_band, ("DOUBLE",), "VARCHAR"),
        # Takes the name of a metric; returns its parameters in one line.
        "trakt_parameters": Function(lambda metric: use.printed(metric) if metric else None, ("VARCHAR",), "VARCHAR"),
        # Of the titles of a group: commenters, comments, sums of squares of each commenter's comments minus one.
        "trakt_peers": _of(Peers, ("BIGINT[]", "BIGINT[]", "DOUBLE[]"), lambda *given: peers(*given, parameters=use)),
        # Takes commenters.
        "trakt_breadth": _of(Estimate, ("BIGINT",), lambda given: breadth(given, parameters=use)),
        # Takes commenters, comments, and of the peers: alpha, beta, dispersion.
        "trakt_intensity": _of(
            Intensity,
            ("BIGINT", "BIGINT", *prior),
            lambda people, total, *of_peers: intensity(people, total, _peers(*of_peers), parameters=use),
        ),
        # Takes commenters, comments, and of the peers: alpha, beta, dispersion, median_breadth, median_intensity, n.
        "trakt_quadrant": _of(
            Quadrant,
            ("BIGINT", "BIGINT", *prior, "DOUBLE", "DOUBLE", "BIGINT"),
            lambda people, total, *of_peers: quadrant(people, total, _peers(*of_peers), parameters=use),
        ),
        # Takes days from the start to each comment, the age, and whether the start is the first comment.
        "trakt_half_life": _of(
            HalfLife, ("DOUBLE[]", "DOUBLE", "BOOLEAN"), lambda *given: half_life(*given, parameters=use)
        ),
        # Takes days, the age, a share such as 0.5, and a horizon such as 90.
        "trakt_horizon": _of(
            Estimate, ("DOUBLE[]", "DOUBLE", "DOUBLE", "DOUBLE"), lambda *given: horizon(*given, parameters=use)
        ),
        # Takes days, ratings as first seen, whether a backfill saw them first, and the age.
        "trakt_hold_up": _of(
            HoldUp, ("DOUBLE[]", "DOUBLE[]", "BOOLEAN[]", "DOUBLE"), lambda *given: hold_up(*given, parameters=use)
        ),
        # Takes days and the age.
        "trakt_retention": _of(Estimate, ("DOUBLE[]", "DOUBLE"), lambda *given: retention(*given, parameters=use)),
    }


def _peers(alpha: Any, beta: Any, dispersion: Any, *of_medians: Any) -> Peers:
    median_breadth, median_intensity, n = of_medians or (None, None, None)
    return Peers(
        n=n or 0,
        titles=n or 0,
        alpha=alpha,
        beta=beta,
        dispersion=dispersion,
        median_breadth=median_breadth,
        median_intensity=median_intensity,
    )


def _of(result: type[Any], takes: tuple[str, ...], function: Callable[..., Any]) -> Function:
    parts = [f"{part.name} {_TYPES[str(part.type).removesuffix(' | None')]}" for part in fields(result)]

    def call(*given: Any) -> dict[str, Any]:
        return asdict(function(*given))

    # DuckDB counts the parameters of a function before it accepts its types.
    names = (Parameter(f"argument_{place}", Parameter.POSITIONAL_ONLY) for place in range(len(takes)))
    call.__signature__ = Signature(list(names))  # type: ignore[attr-defined]
    return Function(call, takes, f"STRUCT({', '.join(parts)})")
