"""The console with seeded tables, and a headless Chromium: one of each for a module of tests.

Not for the session: playwright's loop runs in the main thread while it is open, and other tests call `asyncio.run`.
The rows are: each module has a copy of one database. :mod:`tests.browser.conftest` has the fixtures.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    from collections.abc import Iterator
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
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

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
    """Open pages; those with the same options share a context: a new one takes 0.3 s of processor time."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._contexts: dict[str, BrowserContext] = {}

    def start(self, *, anonymous: bool = False, **options: Any) -> Visit:
        """Open a page; `anonymous` has no session, and shares with nobody; other options are playwright's."""
        if anonymous:
            context = self._context(options)
        else:
            name = repr(sorted(options.items()))
            if name not in self._contexts:
                self._contexts[name] = self._context({"storage_state": self._site.state, **options})
            context = self._contexts[name]
        page = context.new_page()
        made = Visit(page, self._site, has_script=options.get("java_script_enabled", True))
        page.add_init_script(_WATCH)
        page.on("console", lambda message: made.said.append(message.text))
        page.on("pageerror", lambda error: made.said.append(str(error)))
        page.on("request", lambda request: made.requests.append(request))  # noqa: PLW0108 - it sets an attribute
        return made

    def _context(self, options: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(**options)
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
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
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
def serving(template: Seeded, server: str, folder: Path) -> Iterator[Site]:
    """Serve a copy of a database in a thread; :mod:`tests.integration.test_console_server` starts the process."""
    listener = serve.listen("127.0.0.1", 0)
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
