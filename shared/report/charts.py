"""Filters for the charts of charts.html.j2, and a loader of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.report.chart import chart
from shared.report.trend import drawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jinja2 import BaseLoader

__all__ = ["FILTERS", "loader"]

FILTERS: Final[dict[str, Callable[..., Any]]] = {"chart": chart, "drawn": drawn}
"""Filters of the macros, besides ``number``."""


def loader() -> BaseLoader:
    """Return a loader of this package's templates."""
    from jinja2 import PackageLoader

    return PackageLoader("shared.report", ".")
