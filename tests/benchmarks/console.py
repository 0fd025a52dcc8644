"""The console under load: latency and size of pages on many rows, against their bare queries, and memory."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import httpx
import psutil
import psycopg
from sqlalchemy import make_url

from shared.database import embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.database.session import transaction
from shared.settings import StepSettings
from tests.benchmarks import _console_matching, _console_screen, _console_slos, _console_titles, _console_uploads
from tests.benchmarks import _console_review as review
from tests.benchmarks._console_intake import measure_uploads
from tests.benchmarks._console_seed import Sizes, seed
from tests.benchmarks._table import machine, print_table, progress
from tests.postgres_server import reachable_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.database.session import DatabaseSession

__all__ = ["main"]

_SEED: Final = 20261130
_REQUESTS: Final = 60
_CLIENTS: Final = 50
_QUICK: Final = Sizes(runs=5_000, errors=50_000, sessions=10_000, frames=1_000, episodes=1_000, titles=2_000)
_WHOLE: Final = Sizes(runs=100_000, errors=1_000_000, sessions=200_000, frames=20_000, episodes=20_000, titles=20_000)
_LIST_MS: Final = 150
# By the start of a page's name. The page of verification queries runs the original's over 20,000 rows.
_SLOWER_MS: Final = {"quadrants": 300, "one quadrant": 300, "verification queries": 600}
_UPLOADS: Final = 200
_DECISION_MS: Final = 100
_PAGE_KB: Final = 60
_RSS_MB: Final = 250
_ACCEPT: Final = {"Accept": "text/html", "Accept-Encoding": "gzip"}

# A page: its URL from a random draw, and the query without which it could not be: the rows of its first page.
_Way = tuple["Callable[[random.Random], str]", str]
_RUNS: Final = "SELECT * FROM pipeline.runs ORDER BY created_at DESC, run_id DESC LIMIT 51"
_ERRORS: Final = "SELECT * FROM pipeline.item_errors ORDER BY at DESC LIMIT 51"
_SESSIONS: Final = 'SELECT * FROM gold.gamedata_sessions ORDER BY s3_key COLLATE "C" LIMIT 51'


def main(part: str = "", *, quick: bool = False) -> None:
    """Print latency, size and memory; ``part`` is empty."""
    del part
    sizes = _QUICK if quick else _WHOLE
    keys = 2_500 if quick else 50_000
    with reachable_folder() as folder:
        url = embedded.ensure(folder, {})
        try:
            with _seeded(url, lambda session: _seed(session, sizes, keys, quick=quick)) as (address, process, settings):
                ways = _ways(sizes) | review.ways()
                timed = {name: _time(address, settings, *way) for name, way in ways.items()}
                decided = review.decide(address, _REQUESTS)
                memory = _crowd(address, process, sizes)
            # In a database of its own: the rows of 10,000 uploads are not rows of the keys in review.
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("CREATE DATABASE uploads")
            other = make_url(url).set(database="uploads").render_as_string(hide_password=False)
            with _seeded(other, lambda session: _console_uploads.seed(session, quick=quick)) as (address, _, settings):
                timed |= {name: _time(address, settings, *way) for name, way in _console_uploads.ways().items()}
            measure_uploads(other, quick=quick)
        finally:
            dispose()
            embedded.release(folder)
    print(machine())
    print_table(
        f"{sizes.runs:,} runs, {sizes.errors:,} item errors, {sizes.sessions:,} sessions,"
        f" {sizes.episodes:,} episodes of {_console_screen.PERSONS} persons, {sizes.titles:,} titles;"
        f" {_REQUESTS} requests a page with seed {_SEED}",
        ["page", "p50 ms", "p95 ms", "budget ms", "bare query ms", "x", "kB gz"],
        [_row(name, *figures) for name, figures in timed.items()],
    )
    print_table(
        f"{keys:,} review keys, {len(decided)} decisions, each with its redirect and the next card",
        ["p50 ms", "p95 ms", f"below {_DECISION_MS} ms"],
        [
            [
                f"{statistics.median(decided):.1f}",
                f"{_p95(decided):.1f}",
                "yes" if _p95(decided) <= _DECISION_MS else "NO",
            ]
        ],
    )
    rate, p95, resident = memory
    print_table(
        f"{_CLIENTS} clients at once",
        ["requests/s", "p95 ms", "resident MB", f"below {_RSS_MB} MB"],
        [[f"{rate:.0f}", f"{p95:.0f}", f"{resident:.0f}", "yes" if resident < _RSS_MB else "NO"]],
    )


def _seed(session: DatabaseSession, sizes: Sizes, keys: int, *, quick: bool) -> None:
    seed(session, sizes)
    review.seed(session, keys)
    _console_matching.seed(session, _UPLOADS, keys)
    _console_titles.seed(session, sizes.titles, 5 if quick else _console_titles.DAYS)
    _console_slos.seed(session, 1_000 if quick else 20_000)
    _console_screen.seed(session, sizes.episodes)


@contextlib.contextmanager
def _seeded(url: str, write: Callable[[DatabaseSession], None]) -> Iterator[tuple[str, psutil.Process, StepSettings]]:
    """Migrate a database, write its rows, and serve it."""
    settings = StepSettings(database_url=url)
    progress("seed")
    upgrade(settings)
    with transaction(settings) as session:
        write(session)
    # As autovacuum does within a minute: facets are counted by index alone.
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    with _served(url) as (address, process):
        yield address, process, settings


def _ways(sizes: Sizes) -> dict[str, _Way]:
    def run(draw: random.Random) -> str:
        return f"run-{draw.randint(1, sizes.runs):08}"

    def day(draw: random.Random) -> int:
        return draw.randrange(400)

    statuses, codes = ("failed", "partial", "interrupted", "success"), [f"code_{n}" for n in range(12)]
    flags = ("dark", "menu", "dpi_scale", "empty", "timestamps")
    return {
        "home": (lambda _: "/", _RUNS),
        "runs": (lambda _: "/runs", _RUNS),
        "runs by status": (lambda draw: f"/runs?status={draw.choice(statuses)}", _RUNS),
        "runs by code": (lambda draw: f"/runs?code={draw.choice(codes)}", _RUNS),
        "runs by item": (lambda draw: f"/runs?item=day%3D{day(draw)}/", _RUNS),
        "a run": (lambda draw: f"/runs/{run(draw)}", _RUNS),
        "errors": (lambda _: "/errors", _ERRORS),
        "errors by code": (lambda draw: f"/errors?code={draw.choice(codes)}", _ERRORS),
        "errors by item": (lambda draw: f"/errors?item=day%3D{day(draw)}/session-", _ERRORS),
        "sessions": (lambda _: "/sessions", _SESSIONS),
        "sessions by flag": (lambda draw: f"/sessions?flag={draw.choice(flags)}&view=table", _SESSIONS),
        "sessions by error": (lambda draw: f"/sessions?error={draw.choice(codes)}", _SESSIONS),
        "sessions by prefix": (lambda draw: f"/sessions?prefix=day%3D{day(draw)}/&view=table", _SESSIONS),
        "sessions by run": (lambda draw: f"/sessions?run={run(draw)}", _SESSIONS),
        **_console_matching.ways(_UPLOADS),
        **_console_slos.ways(),
        **_console_screen.ways(sizes.episodes),
        "next pages of runs": (lambda _: "/runs.json?after=NEXT", _RUNS),
        "next pages of sessions": (lambda _: "/sessions.json?after=NEXT", _SESSIONS),
        **_console_titles.ways(sizes.titles),
    }


@contextlib.contextmanager
def _served(url: str) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the console from a process of its own, as users do."""
    command = [sys.executable, "-m", "jobs", "console", "--port", "0", "--log-level", "WARNING"]
    command[1:3] = ["-c", "from jobs.cli import main; main()"]
    environment = os.environ | {"TELECINE_DATABASE_URL": url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield address[0], psutil.Process(process.pid)
        finally:
            process.terminate()


def _time(
    address: str, settings: StepSettings, url_of: Callable[[random.Random], str], bare: str
) -> tuple[list[float], list[float], float]:
    """Return the milliseconds of a page's requests and of its bare query, in turns, and the page's compressed kB."""
    draw = random.Random(_SEED)
    pages: list[float] = []
    queries: list[float] = []
    size = 0.0
    following: str | None = None
    with httpx.Client(base_url=address, headers=_ACCEPT, timeout=60) as client:
        for number in range(_REQUESTS + 3):
            url = url_of(draw)
            if url.endswith("?after=NEXT"):
                url = following or url.removesuffix("?after=NEXT")
            began = time.perf_counter()
            answer = client.get(url)
            took = 1000 * (time.perf_counter() - began)
            # 303: a search found one thing.
            assert answer.status_code in {200, 303}, f"{url}: {answer.status_code} {answer.text[:500]}"
            if url.startswith(("/runs.json", "/sessions.json", "/titles.json")):
                following = answer.json()["next"]
            began = time.perf_counter()
            with transaction(settings) as session:
                session.rows(bare)
            if number >= 3:
                pages.append(took)
                queries.append(1000 * (time.perf_counter() - began))
                size = max(size, len(gzip.compress(answer.content, 6)) / 1000)
    return pages, queries, size


def _row(name: str, pages: list[float], queries: list[float], size: float) -> list[Any]:
    p95, bare = _p95(pages), statistics.median(queries)
    most = next((each for opening, each in _SLOWER_MS.items() if name.startswith(opening)), _LIST_MS)
    return [
        name,
        f"{statistics.median(pages):.1f}",
        f"{p95:.1f}",
        f"{most}{'' if p95 <= most else ' (exceeded)'}",
        f"{bare:.1f}",
        f"{statistics.median(pages) / bare:.1f}",
        f"{size:.1f}{'' if size <= _PAGE_KB else ' (too much)'}",
    ]


def _crowd(address: str, process: psutil.Process, sizes: Sizes) -> tuple[float, float, float]:
    """Return requests per second, p95 in ms and resident MB while many clients read pages."""
    ways = [way[0] for name, way in _ways(sizes).items() if not name.startswith("next")]
    stop = time.monotonic() + 15
    most = 0.0

    def client(number: int) -> list[float]:
        draw = random.Random(_SEED + number)
        found = []
        with httpx.Client(base_url=address, headers=_ACCEPT, timeout=60) as session:
            while time.monotonic() < stop:
                began = time.perf_counter()
                answer = session.get(draw.choice(ways)(draw))
                assert answer.status_code in {200, 303}, f"{answer.url}: {answer.status_code}"
                found.append(1000 * (time.perf_counter() - began))
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        futures = [pool.submit(client, number) for number in range(_CLIENTS)]
        while not all(future.done() for future in futures):
            most = max(most, process.memory_info().rss / 1e6)
            time.sleep(0.2)
    times = [each for future in futures for each in future.result()]
    return len(times) / (time.monotonic() - began), _p95(times), most


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]
