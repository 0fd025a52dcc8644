"""Make the pictures of the console's guide: `python -m docs.console_pictures`, after `make demo-console`.

It starts a console on the demo's database, which it changes: it uploads reports as a user would, and replaces the rows
of Trakt by more titles and a month of service levels. Run it on a new demo; a second time, the bytes of the reports are
known.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
from PIL import Image
from playwright.sync_api import sync_playwright
from sqlalchemy import make_url

from tests.browser import seed_slos, seed_titles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

_TELECINE: Final = (sys.executable, "-c", "from jobs.cli import main; main()")
_IMAGES: Final = Path(__file__).parent / "images"
_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
_WIDTH: Final = 1280
# README and console.md show this picture at half its width, so its text has to be larger.
_NARROW: Final = 1060
_MOST_BYTES: Final = 120_000
_COLOURS: Final = (256, 128, 64, 32)
_PATIENCE_MS: Final = 60_000
_FIRST: Final = ("Night", "Paper", "Harbour", "Silver", "Winter", "Northern", "Glass", "Borrowed", "Last", "Quiet")
_SECOND: Final = ("Ferry", "Lanterns", "Road", "Orchard", "Letters", "Station", "Garden", "Witness", "Tide", "Summer")


def main(demo: Path) -> None:
    """Make the pictures from the demo in a folder.

    Args:
        demo: the folder that `make demo-console` fills.
    """
    reports = demo / "viewership" / "uploads"
    _seed()
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    with _console(demo) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900}, base_url=origin, color_scheme="light")
        page.set_default_timeout(_PATIENCE_MS)
        _upload(page, reports / "day-or-month.csv")
        _shot(page, "upload", 840)
        _start(page, reports / "canonical-2025-07.csv", platform="canonical")
        _shot(page, "reconciliation", 900)
        page.goto("/review?platform=youtube")
        page.keyboard.press("1")
        _shot(page, "review", 900)
        page.goto("/matching")
        _shot(page, "matching", 700)
        _start(page, reports / "roku-2025-q3.csv")
        _start(page, reports / "roku-2025-q3.xlsx")
        _shot(page, "overlap", 720)
        page.goto("/titles?kind=movie&age=90-365&window=all")
        _shot(page, "titles", 800)
        page.set_viewport_size({"width": _NARROW, "height": 780})
        page.goto("/sessions")
        _shot(page, "", 780)
        browser.close()


def _seed() -> None:
    """Replace titles, quadrants and service levels, under names that a reader expects."""
    url = subprocess.run([*_TELECINE, "db", "url"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(format('%I.%I', schemaname, tablename), ', ')"
            " FROM pg_tables WHERE schemaname = 'gold' AND tablename LIKE 'trakt%'); END $$"
        )
        seed_titles.seed(connection)
        seed_slos.seed(connection)
        connection.execute(
            "UPDATE gold.trakt_titles SET title = (%s::text[])[1 + title_id_trakt %% 10] || ' ' ||"
            " (%s::text[])[1 + title_id_trakt / 10 %% 10]",
            (list(_FIRST), list(_SECOND)),
        )


@contextmanager
def _console(demo: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = demo.resolve()
    buckets = ("--manifest-bucket", f"{here}/game-data-manifest", "--viewership-bucket", f"{here}/viewership")
    command = [*_TELECINE, "console", "--port", str(port), *buckets]
    # The user's name is on every page.
    environment = os.environ | {"LOGNAME": "ann"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _upload(page: Page, report: Path) -> None:
    page.goto("/uploads/new")
    page.locator("#file").set_input_files(report)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/uploads/files/*")
    page.locator("#columns").wait_for()


def _start(page: Page, report: Path, platform: str = "") -> None:
    """Upload a report, answer its question, start its run, and wait until that ends."""
    _upload(page, report)
    if platform:
        page.get_by_label("Platform").fill(platform)
        page.get_by_role("button", name="Read again with these choices").click()
        page.locator("#questions").wait_for(state="detached")
        page.locator("#rows").wait_for()
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(lambda url: "/files/" not in url)
    page.locator("#live:not([hx-trigger])").wait_for()
    page.reload()


def _shot(page: Page, name: str, height: int) -> None:
    page.wait_for_load_state("networkidle")
    width = page.viewport_size["width"] if page.viewport_size else _WIDTH
    page.set_viewport_size({"width": width, "height": height})
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = _IMAGES / ("-".join(filter(None, ("console", name))) + ".png")
    for colours in _COLOURS:
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _MOST_BYTES:
            break
    sys.stdout.write(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or ("./.telecine/demo/console",)))
