"""Filters for the charts of charts.html.j2, and a loader of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.report._shares import divided, scaled
from shared.report.chart import chart
from shared.report.columns import stacked
from shared.report.format import duration
from shared.report.rates import rate_lines
from shared.report.timeline import spans
from shared.report.trend import drawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jinja2 import BaseLoader

__all__ = ["FILTERS", "loader"]

FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "chart": chart,
    "divided": divided,
    "drawn": drawn,
    "duration": duration,
    "rate_lines": rate_lines,
    "scaled": scaled,
    "spans": spans,
    "stacked": stacked,
}
"""Filters of the macros, besides ``number``."""


def loader() -> BaseLoader:
    """Return a loader of this package's templates."""
    from jinja2 import PackageLoader

    return PackageLoader("shared.report", ".")
