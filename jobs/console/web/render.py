"""Templates: autoescaped, strict about undefined names, and with the formats of reports."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.responses import HTMLResponse

from jobs.console.tables.trakt.budget import share_of_budget
from jobs.console.web.flags import with_fields
from shared.report.charts import FILTERS, loader
from shared.report.format import duration, number, size
from shared.report.rates import percent
from shared.scrub import scrub
from shared.text import as_json, printable

if TYPE_CHECKING:
    from fastapi import Request

    from jobs.console.settings import ConsoleSettings
    from jobs.console.web.assets import Assets

__all__ = ["Pages"]

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


class Pages:
    """Renders pages.

    Args:
        settings: the console's settings.
        assets: static files, for their URLs.
    """

    def __init__(self, settings: ConsoleSettings, assets: Assets) -> None:
        self.environment = Environment(
            # Charts use the macros of reports, `report/charts.html.j2`.
            loader=ChoiceLoader([PackageLoader("jobs.console", "templates"), PrefixLoader({"report": loader()})]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters.update(
            FILTERS,
            ago=ago,
            as_json=lambda value: as_json(value, indent=2),
            bytes=lambda value: size(float(value)),
            compact_json=lambda value: json.dumps(value, ensure_ascii=False, default=str),
            duration=_duration,
            exact=exact,
            moment=moment,
            number=_number,
            percent=percent,
            of_budget=share_of_budget,
            share=_share,
            with_fields=with_fields,
        )
        self.environment.globals.update(
            asset=assets.url,
            has_asset=assets.has,
            badge=settings.database_environment,
            docs_link=(settings.docs_link or "").rstrip("/"),
            mode=settings.mode,
            nav=(),
        )

    def render(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """Return a page.

        Args:
            request: the request; its user is shown if there is one.
            template: file name below templates/.
            status: HTTP status.
            context: values of the template.
        """
        return HTMLResponse(self.fragment(request, template, **context), status)

    def fragment(self, request: Request, template: str, **context: Any) -> str:
        """Render a template to text.

        Args:
            request: the request; its user is shown if there is one.
            template: file name below templates/.
            context: values of the template.
        """
        return self.environment.get_template(template).render(
            principal=getattr(request.state, "principal", None),
            path=request.url.path,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            now=datetime.now(UTC),
            **context,
        )


def _finalize(value: Any) -> Any:
    """Mask secrets and make control and bidirectional characters visible, except in our own markup."""
    return printable(scrub(value)) if type(value) is str else value


def moment(value: datetime | None) -> str:
    """Format a time in UTC to the second."""
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def ago(value: datetime | None, now: datetime) -> str:
    """Format the age of a time in its largest unit."""
    if value is None:
        return ""
    seconds = max(0.0, (now - value).total_seconds())
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def _duration(value: float | timedelta | None) -> str:
    if value is None:
        return ""
    return duration(value.total_seconds() if isinstance(value, timedelta) else float(value))


def _number(value: Any) -> str:
    return "" if value is None else number(float(value))


def exact(value: Decimal | int | None) -> str:
    """Format a sum with two decimals at most; one that would then be 0 in full, so that no difference is hidden.

    Example:
        >>> exact(Decimal("1234.5000000000")), exact(Decimal("0.0000000001")), exact(None)
        ('1,234.5', '0.0000000001', '')
    """
    if value is None:
        return ""
    whole = Decimal(value)
    shown = round(whole, 2) or whole
    return f"{shown.normalize():,f}"


def _share(value: Any) -> str:
    return "" if value is None or not math.isfinite(float(value)) else f"{100 * float(value):.0f} %"
