"""The metrics as DuckDB scalar functions: names, argument types and result types as SQL text.

Importable without DuckDB. Register with ``null_handling="special"``: a function is called for NULL too, and answers
with a reason.
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
        call: the function on plain values; returns a dict for a STRUCT.
        takes: DuckDB types of its arguments, in order.
        returns: DuckDB type of its result.
    """

    call: Callable[..., Any]
    takes: tuple[str, ...]
    returns: str


def functions(parameters: Parameters | None = None) -> dict[str, Function]:
    """Return SQL name -> function, bound to parameters; None takes the defaults.

    Example:
        >>> found = functions()["trakt_retention"]
        >>> found.takes, found.returns
        (('DOUBLE[]', 'DOUBLE'), 'STRUCT(n BIGINT, value DOUBLE, low DOUBLE, high DOUBLE, reason VARCHAR)')
        >>> found.call([1.0, 2.0], 400.0)
        {'n': 2, 'value': None, 'low': None, 'high': None, 'reason': 'TOO_FEW'}
    """
    use = parameters or Parameters()
    counts = ("BIGINT[]", "BIGINT[]", "DOUBLE[]")
    prior = ("DOUBLE", "DOUBLE", "DOUBLE")
    return {
        # (age in days)
        "trakt_age_band": Function(use.age_band, ("DOUBLE",), "VARCHAR"),
        # (metric): its parameters in one line
        "trakt_parameters": Function(lambda metric: use.beside(metric) if metric else None, ("VARCHAR",), "VARCHAR"),
        # Of a peer group, one entry per title: (commenters, comments, sums of squares of comments - 1 per commenter)
        "trakt_peers": _of(Peers, counts, lambda *given: peers(*given, parameters=use)),
        # (commenters)
        "trakt_breadth": _of(Estimate, ("BIGINT",), lambda given: breadth(given, parameters=use)),
        # (commenters, comments, and of the peers: alpha, beta, dispersion)
        "trakt_intensity": _of(
            Intensity, ("BIGINT", "BIGINT", *prior), lambda *given: intensity(*given, parameters=use)
        ),
        # (commenters, comments, and of the peers: alpha, beta, dispersion, median_breadth, median_intensity, n)
        "trakt_quadrant": _of(
            Quadrant,
            ("BIGINT", "BIGINT", *prior, "DOUBLE", "DOUBLE", "BIGINT"),
            lambda *given: quadrant(*given, parameters=use),
        ),
        # (days from the release or the first comment, age in days, counted from the first comment)
        "trakt_half_life": _of(
            HalfLife, ("DOUBLE[]", "DOUBLE", "BOOLEAN"), lambda *given: half_life(*given, parameters=use)
        ),
        # (days, age, share such as 0.5, horizon such as 90)
        "trakt_horizon": _of(
            Estimate, ("DOUBLE[]", "DOUBLE", "DOUBLE", "DOUBLE"), lambda *given: horizon(*given, parameters=use)
        ),
        # (days, ratings as first seen, first seen by a backfill, age)
        "trakt_hold_up": _of(
            HoldUp, ("DOUBLE[]", "DOUBLE[]", "BOOLEAN[]", "DOUBLE"), lambda *given: hold_up(*given, parameters=use)
        ),
        # (days, age)
        "trakt_retention": _of(Estimate, ("DOUBLE[]", "DOUBLE"), lambda *given: retention(*given, parameters=use)),
    }


def _of(result: type[Any], takes: tuple[str, ...], function: Callable[..., Any]) -> Function:
    parts = [f"{part.name} {_TYPES[str(part.type).removesuffix(' | None')]}" for part in fields(result)]

    def call(*given: Any) -> dict[str, Any]:
        return asdict(function(*given))

    # DuckDB counts the parameters of a function before it accepts its types.
    names = (Parameter(f"argument_{place}", Parameter.POSITIONAL_ONLY) for place in range(len(takes)))
    call.__signature__ = Signature(list(names))  # type: ignore[attr-defined]
    return Function(call, takes, f"STRUCT({', '.join(parts)})")
