"""The console with seeded tables, and a headless Chromium: one of each for a module of tests.

    from tests.browser.console import browser, postgres, site, visit  # fixtures

Not for the session: playwright's loop runs in the main thread while it is open, and other tests call `asyncio.run`.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import seed_intake, seed_matching, seed_review, seed_screen, seed_slos, seed_titles, seed_uploads
from tests.browser.seed import seed
from tests.cli import ROOT, telecine
from tests.postgres_server import Database, made_database, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Request, StorageState

__all__ = ["PAGES", "PROBLEMS", "Site", "Visit", "browser", "postgres", "site", "visit"]

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


@dataclass
class Site:
    """A console in the mode `token`, its database, and a browser session of a reviewer."""

    origin: str
    database: Database
    token: str
    state: StorageState = field(default_factory=dict)


@dataclass
class Visit:
    """A page of a new browser context, and what it did."""

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(browser: Browser, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("console")
    with made_database(postgres) as database:
        seed(database)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
        environment |= {"TELECINE_DATABASE_URL": database.url}
        issued = subprocess.run(
            telecine(["console", "token", "issue", "Dana", "--role", "reviewer"]),
            cwd=folder, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        with _server(folder, environment) as origin:
            made = Site(origin, database, issued.stdout.split()[0])
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"{origin}/login")
            page.get_by_label("Token").fill(made.token)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{origin}/")
            made.state = context.storage_state()
            context.close()
            yield made


@contextmanager
def _server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A host name that browsers take Secure cookies from without TLS.
    origin = f"http://localhost:{port}"
    # Requested runs are not started: they would change what other tests see.
    command = ["console", "--port", str(port), "--access", "token", "--public-url", origin, "--launch", "off"]
    with (
        (folder / "log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            telecine(command), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 60)
            said = process.stdout.readline() if ready else ""
            assert origin in said, (folder / "log").read_text(encoding="utf-8")
            yield origin
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a context; `anonymous` has no session, other options are playwright's."""
    contexts: list[BrowserContext] = []

    def start(*, anonymous: bool = False, **options: Any) -> Visit:
        if not anonymous:
            options["storage_state"] = site.state
        context = browser.new_context(**options)
        # Spent only by a test that fails; others take seconds where all cores are busy.
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        made = Visit(page, site, has_script=options.get("java_script_enabled", True))
        page.add_init_script(_WATCH)
        page.on("console", lambda message: made.said.append(message.text))
        page.on("pageerror", lambda error: made.said.append(str(error)))
        page.on("request", lambda request: made.requests.append(request))  # noqa: PLW0108 - it sets an attribute
        return made

    yield start
    for context in contexts:
        context.close()
