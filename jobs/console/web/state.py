"""Components of the application that pages use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from fastapi import Request

    from jobs.console.access.modes import Access
    from jobs.console.settings import ConsoleSettings
    from jobs.console.tables.database import Database
    from jobs.console.tables.snapshots import Snapshots
    from jobs.console.web.assets import Assets
    from jobs.console.web.gauges import Gauges
    from jobs.console.web.metrics import Metrics
    from jobs.console.web.render import Pages

__all__ = ["Console", "console"]


@dataclass(frozen=True, slots=True)
class Console:
    """The components of the application."""

    settings: ConsoleSettings
    database: Database
    access: Access
    assets: Assets
    metrics: Metrics
    gauges: Gauges
    pages: Pages
    snapshots: Snapshots


def console(request: Request) -> Console:
    """Return the application's components."""
    return cast("Console", request.app.state.console)
