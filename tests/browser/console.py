"""The console with seeded tables, and a headless Chromium that lends pages: one for all tests of this folder.

Not for the session: playwright's loop runs in the main thread while it is open, and other tests call `asyncio.run`.
The rows are: each module has a copy of one database. :mod:`tests.browser.conftest` has the fixtures.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from playwright.sync_api import sync_playwright

from jobs.console.access import sessions, tokens
from jobs.console.app import create
from jobs.console.intake import library, reading
from jobs.console.settings import ConsoleSettings
from jobs.console.steps import serve
from shared.database.session import transaction
from tests.browser import seed_intake, seed_matching, seed_review, seed_screen, seed_slos, seed_titles, seed_uploads
from tests.browser.seed import seed
from tests.console_reader import run
from tests.postgres_server import made_database

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Request, StorageState

    from tests.postgres_server import Database

__all__ = ["PAGES", "PROBLEMS", "Seeded", "Site", "Visit", "Visits", "chromium", "seeded", "serving"]

# Each page once; a new page needs a line here, and rows in seed.py.
PAGES = (
    "/",
    # axe takes seconds for the 50 rows of a usual page.
    "/runs?limit=10",
    "/runs?status=failed&q=run-1&pipeline=gamedata&limit=3",
    "/runs?q=nothing-matches",
    "/runs/run-101",
    "/runs/run-101/errors",
    "/errors?retryable=true",
    "/search?q=run-10",
    "/sessions",
    *seed_uploads.PAGES,
    *seed_matching.PAGES,
    *seed_review.PAGES,
    *seed_slos.PAGES,
    *seed_screen.PAGES,
    *seed_intake.PAGES,
    *seed_titles.PAGES,
)
PROBLEMS = ("/runs?colour=red", "/runs/run-0", "/nowhere")
_WINDOW = {"width": 1280, "height": 720}
# Scripts of pages that are open for a second: compiling them to faster code takes a seventh of a page's time.
_FLAGS = ("--no-sandbox", "--disable-gpu", "--in-process-gpu", "--js-flags=--no-opt --no-maglev")
# Chromium without its own windows takes a third less processor time for these tests: 139 s instead of 203 s.
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# Before any script of a page: CSP violations, layout shifts, and the states of aria-busy.
_WATCH = """
window.seen = {violations: [], shift: 0, busy: []};
document.addEventListener("securitypolicyviolation", (event) =>
  seen.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
new MutationObserver((changes) => {
  for (const change of changes) seen.busy.push(change.target.getAttribute("aria-busy"));
}).observe(document, {attributeFilter: ["aria-busy"], subtree: true});
"""

# What polls, or has not come: it would count as a request of the next test.
_BUSY = "document.querySelector('[hx-trigger^=every], [aria-busy=true]') !== null"
_PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(frozen=True)
class Seeded:
    """A database to copy, and a token and a browser session of a reviewer in it."""

    database: Database
    token: str
    cookie: str


@dataclass
class Site:
    """A console in the mode `token`, its database, and a browser session of a reviewer."""

    origin: str
    database: Database
    token: str
    state: StorageState


@dataclass
class Visit:
    """A page, and what it did."""

    page: Page
    site: Site
    said: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    has_script: bool = True

    @cached_property
    def _heard(self) -> dict[str, Callable[[Any], None]]:
        return {
            "console": lambda message: self.said.append(message.text),
            "pageerror": lambda error: self.said.append(str(error)),
            "request": lambda request: self.requests.append(request),  # noqa: PLW0108 - a test sets another list
        }

    def listen(self) -> None:
        for name, heard in self._heard.items():
            self.page.on(name, heard)  # type: ignore[call-overload]

    def deafen(self) -> None:
        for name, heard in self._heard.items():
            self.page.remove_listener(name, heard)

    def open(self, path: str) -> Page:
        self.page.goto(self.site.origin + path, wait_until="load")
        if self.has_script:
            # Chromium drops keys that are pressed before a page's first frame.
            self.page.evaluate(_PAINTED)
        return self.page

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.site.origin)

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("window.seen")
        return found


class Visits:
    """Lend pages; those with the same options share a context, and a page that was given back is lent again.

    A new context takes 0.3 s of processor time, and a new page as much: it has a process of its own.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: dict[str, BrowserContext] = {}
        self._free: dict[BrowserContext, list[Page]] = {}

    def start(self, site: Site, *, anonymous: bool = False, **options: Any) -> Visit:
        """Lend a page; `anonymous` has no session, and shares with nobody; other options are playwright's."""
        # A phone's scale is of its context; a width alone is set on the page.
        viewport = _WINDOW if "is_mobile" in options else options.pop("viewport", _WINDOW)
        context = self._context(options) if anonymous else self._shared({"storage_state": site.state, **options})
        free = self._free.get(context)
        page = free.pop() if free else context.new_page()
        if "is_mobile" not in options and page.viewport_size != viewport:
            page.set_viewport_size(viewport)
        made = Visit(page, site, has_script=options.get("java_script_enabled", True))
        made.listen()
        return made

    def end(self, seen: Visit) -> None:
        """Take a page back: what it asks for and what a test hears of it ends."""
        if seen.page.context not in self._free:
            seen.page.context.close()
            return
        if seen.has_script and seen.page.evaluate(_BUSY):
            seen.page.goto(f"{seen.site.origin}/static/icon.svg")
        seen.page.unroute_all()
        seen.deafen()
        self._free[seen.page.context].append(seen.page)

    def _shared(self, options: dict[str, Any]) -> BrowserContext:
        name = repr(sorted(options.items()))
        if name not in self._contexts:
            self._contexts[name] = self._context(options)
            self._free[self._contexts[name]] = []
        return self._contexts[name]

    def _context(self, options: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(**{"viewport": _WINDOW, **options})
        context.add_init_script(_WATCH)
        # Spent only by a test that fails; others take seconds where all cores are busy.
        context.set_default_timeout(30_000)
        return context


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield opened
        opened.close()


@contextmanager
def seeded(server: str) -> Iterator[Seeded]:
    """Make the database that each module copies."""
    with made_database(server) as database:
        seed(database)
        with transaction(database.settings()) as session:
            token = tokens.issue(session, "Dana", "reviewer", 1)
            cookie = sessions.start(session, tokens.digest(token))
        yield Seeded(database, token, cookie)


@contextmanager
def serving(template: Seeded, server: str, folder: Path, shared: socket.socket) -> Iterator[Site]:
    """Serve a copy of a database in a thread; :mod:`tests.integration.test_console_server` starts the process.

    Args:
        shared: the socket of all modules. A page that goes to another port gets a process of its own.
    """
    listener = shared.dup()
    # A host name that browsers take Secure cookies from without TLS.
    origin = f"http://localhost:{listener.getsockname()[1]}"
    reads = patch.object(reading, "run", run), patch.object(library, "run", run)
    with listener, reads[0], reads[1], made_database(server, template.database) as database:
        settings = ConsoleSettings(
            database_url=database.url,
            access="token",
            public_url=origin,
            # Requested runs are not started: they would change what other tests see.
            launch="off",
            state_dir=str(folder / "state"),
            viewership_bucket=f"file://{folder}/viewership",
        )
        console = serve.server(create(settings), settings)
        thread = threading.Thread(target=lambda: asyncio.run(console.serve(sockets=[listener])))
        thread.start()
        try:
            cookie = {"name": sessions.COOKIE, "value": template.cookie, "domain": "localhost", "path": "/"}
            kept = {**cookie, "expires": -1, "httpOnly": True, "secure": True, "sameSite": "Lax"}
            yield Site(origin, database, template.token, {"cookies": [kept], "origins": []})  # type: ignore[list-item]
        finally:
            console.should_exit = True
            thread.join()
