"""The ASGI application: guarded pages, wrapped in the gate."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from jobs.console.access.guard import check_routes
from jobs.console.access.modes import Access
from jobs.console.intake.receive import FORM_BYTES, too_large
from jobs.console.launch import background
from jobs.console.pages import home, login, operations, search
from jobs.console.pages.gamedata import session, sessions, sprites
from jobs.console.pages.runs import errors, run, runs
from jobs.console.pages.screenalytics import episode, episodes, not_ingested, person, persons
from jobs.console.pages.trakt import postmortem, slo, slo_days, slos, title, titles
from jobs.console.pages.viewership import (
    again,
    changes,
    checks,
    decided,
    matching,
    rejects,
    review,
    upload,
    upload_file,
    upload_new,
    uploads,
)
from jobs.console.tables.database import Database
from jobs.console.tables.snapshots import Snapshots
from jobs.console.web import problems
from jobs.console.web.assets import Assets
from jobs.console.web.gate import Body, Gate
from jobs.console.web.gauges import Gauges
from jobs.console.web.metrics import Metrics
from jobs.console.web.render import Pages
from jobs.console.web.state import Console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from jobs.console.settings import ConsoleSettings

__all__ = ["NAVIGATION", "create"]

_PAGES: Final = (
    *(home,),
    *(upload_new, upload_file, uploads, upload, rejects, changes, again),
    *(review, decided),
    *(matching, checks),
    *(runs, errors, run),
    *(sessions, session, sprites),
    *(episodes, episode, not_ingested, persons, person),
    *(titles, title),
    *(slos, slo, slo_days, postmortem),
    *(search, login, operations),
)

NAVIGATION: Final = (
    ("/", "Home"),
    ("/uploads", "Uploads"),
    ("/review", "Review"),
    ("/matching", "Matching"),
    ("/runs", "Runs"),
    ("/errors", "Failed items"),
    ("/sessions", "Sessions"),
    ("/episodes", "Episodes"),
    ("/titles", "Titles"),
    ("/slos", "SLOs"),
)
"""Navigation entries: path and label."""


def create(settings: ConsoleSettings) -> ASGIApp:
    """Build the application.

    Args:
        settings: the console's settings.

    Raises:
        ConfigurationError: the access mode would not protect the console, or is not set in a pod; or runs cannot be
            started as set.
        TypeError: a route declares no role.
    """
    settings.check_access()
    _ = settings.launch_mode
    database = Database(settings)
    assets = Assets()
    # Redirects of `/runs/` would contain the scheme of the request: plain HTTP behind a TLS proxy.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_threads, redirect_slashes=False)
    pages = Pages(settings, assets)
    pages.environment.globals["nav"] = NAVIGATION
    metrics = Metrics()
    gauges = Gauges(database, metrics)
    state = Console(settings, database, Access(settings, database), assets, metrics, gauges, pages, Snapshots(database))
    app.state.console = state
    for page in _PAGES:
        app.include_router(page.router)
    check_routes(app.router)
    problems.install(app)
    # Safe from compression attacks (BREACH): pages contain no secrets.
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=6)
    # The largest file and its form. A body is read only after the user is known.
    report = Body(settings.max_upload_bytes + FORM_BYTES, lambda: too_large(settings))
    return Gate(app, state, {upload_new.PATH: report})


@asynccontextmanager
async def _threads(app: FastAPI) -> AsyncIterator[None]:
    console = app.state.console
    # More threads than connections would only wait for one.
    anyio.to_thread.current_default_thread_limiter().total_tokens = console.settings.threads
    with background.running(console):
        yield
    console.snapshots.wait()
