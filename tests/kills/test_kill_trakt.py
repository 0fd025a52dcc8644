"""SIGKILL during an ingest of Trakt, and two of them at once: nothing is lost, nothing is committed twice."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.forks import Forks
from tests.postgres_server import database, postgres, until  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forks import Forked
    from tests.trakt_ingest import TraktPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

ROOT = Path(__file__).parents[2]
KEY = "3f9c" * 16
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
PROGRAM = "import sys; from jobs.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    # With pandas, which pyarrow looks for.
    with Forks.started("jobs.cli", "jobs.trakt.commands", "jobs.trakt.steps.ingest", "pandas", "deltalake") as started:
        yield started


def start(forks: Forks, place: TraktPlace, *flags: str, slowly: bool = True) -> Forked:
    """Start an ingest of its own process group."""
    # Retries of a slow replayer would be requests that no test expects.
    argv = ["trakt", "ingest", "--base-url", place.served.url]
    argv += ["--source-system", "replay", "--request-quota", "0", "--bucket", f"file://{place.folder}/bucket"]
    argv += ["--watch-list", place.watch_list(), "--state-dir", str(place.folder / "state"), *flags]
    argv += ["--connections", "1"] if slowly else []
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TELECINE_DATABASE_URL": place.database.url}
    return forks.start(PROGRAM, *argv, env=env, cwd=place.folder)


def kill(child: Forked, place: TraktPlace) -> None:
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # On a busy machine, the server notices a little later, and until then the process counts as alive.
    until(lambda: place.rows(SESSIONS) == [(0,)], 30)


def doubled(place: TraktPlace) -> int:
    """Return the rows of bronze that say the same of the same comment at the same time."""
    from deltalake import DeltaTable

    table = DeltaTable(str(place.folder / "bucket" / "bronze" / "trakt")).to_pyarrow_table(
        columns=["resource_kind", "comment_id", "payload_sha256", "page_key", "item_index"]
    )
    rows = [tuple(row.values()) for row in table.to_pylist() if row["resource_kind"] == "comment"]
    return len(rows) - len(set(rows))


def test_an_ingest_that_is_killed_again_and_again_ends_as_an_undisturbed_one(trakt, forks):
    with trakt("calm") as place:
        draw = random.Random(7)
        for number in range(2):
            before = place.site.journal.requests
            child = start(forks, place, "--run-id", f"killed-{number}", "--commit-pages", "12")
            wanted = before + draw.randint(12, 26)
            until(lambda: place.site.journal.requests >= wanted or child.poll() is not None, 120)  # noqa: B023
            kill(child, place)
        killed = place.site.journal.requests
        report = place.ingest(watch_list=place.watch_list())
        assert (report.status, report.counts["failed"]) == ("success", 0)
        truth, bronze = place.truth(), place.bronze()
        assert sum(len(truth[key] ^ bronze.get(key, set())) for key in truth) == 0
        assert doubled(place) == 0
        assert place.rows("SELECT count(*) FROM trakt.pages WHERE status = 'planned'") == [(0,)]
        assert place.rows("SELECT count(*) FROM trakt.sweeps WHERE ended_at IS NULL") == [(0,)]
        assert place.rows("SELECT count(*) FROM trakt.loads WHERE committed_at IS NULL") == [(0,)]
        # Every page that was skipped says why.
        reasons = place.rows("SELECT DISTINCT reason FROM trakt.pages WHERE status = 'skipped'")
        assert {reason for (reason,) in reasons} <= {"INTERRUPTED", "ABANDONED"}
        # Undisturbed, it takes 83 requests. Each kill costs a feed, a border, and what was under way.
        assert killed > 24
        assert place.site.journal.requests <= 83 + 2 * 4
        rated = "SELECT count(DISTINCT (kind, trakt_id)) FROM trakt.pages WHERE resource = 'rating' AND status = 'good'"
        assert place.rows(rated) == [(24,)]


def test_a_sweep_that_was_killed_resumes_at_the_page_after_its_last(trakt, forks):
    with trakt("big") as place:
        child = start(forks, place, "--titles", "movie:the-hollow-2015")
        path = "/movies/1001/comments/oldest"
        until(lambda: place.asked()[path] >= 12 or child.poll() is not None, 120)
        kill(child, place)
        asked = place.asked()[path]
        report = place.ingest(titles=("movie:the-hollow-2015",))
        assert (report.status, report.counts["complete"]) == ("success", 1)
        expected = place.rows("SELECT pages_expected FROM trakt.sweeps WHERE complete AND resource = 'comments'")[0][0]
        assert asked >= 12
        # The border, and the request that was under way.
        assert place.asked()[path] <= expected + 2
        title = place.titles()[0]
        assert len(place.bronze()["movie", 1001]) == title["comments"]
        assert place.rows("SELECT count(*) FROM trakt.sweeps WHERE resource = 'comments'") == [(1,)]


def test_an_ingest_that_is_terminated_ends_soon_and_the_next_one_asks_for_no_page_again(trakt, forks, monkeypatch):
    monkeypatch.setenv("TRAKT_CLIENT_ID", KEY)
    with trakt("calm") as place:
        child = start(forks, place, "--run-id", "stopped", "--request-quota", "400")
        until(lambda: place.site.journal.requests >= 30 or child.poll() is not None, 120)
        began = time.monotonic()
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(30) == 143
        assert time.monotonic() - began < 10
        log = child.said()
        assert "stopped by SIGTERM" in log
        assert "run the command again: it continues" in log
        assert not [text for text in ("Traceback", "never retrieved", "Exception in", KEY) if text in log]
        assert place.rows("SELECT status, exit_code FROM pipeline.run_stages") == [("interrupted", 143)]
        found = place.rows("SELECT DISTINCT status, reason FROM trakt.pages WHERE status NOT LIKE 'good%'")
        assert found == [("skipped", "INTERRUPTED")]
        # Reservations that were not used were returned; those of requests count until their window has passed.
        assert place.rows("SELECT count(*) FROM trakt.request_clients") == [(0,)]
        sent = place.site.journal.requests
        assert sent <= place.rows("SELECT count(*) FROM trakt.request_reservations")[0][0] <= sent + 1

        report = place.ingest(watch_list=place.watch_list())
        # The ended process is not taken for another ingest.
        assert (report.status, report.counts["failed"], report.counts["busy"]) == ("success", 0, 0)
        assert place.bronze() == place.truth()
        assert doubled(place) == 0
        # Undisturbed, it takes 83 requests. The stop costs a feed, a border, and what was under way.
        assert 30 <= sent < 60
        assert place.site.journal.requests <= 83 + 4
        assert place.rows("SELECT count(*) FROM trakt.pages WHERE status = 'planned'") == [(0,)]
        assert place.rows("SELECT count(*) FROM trakt.loads WHERE committed_at IS NULL") == [(0,)]


def test_two_ingests_at_once_read_each_title_once(trakt):
    with trakt("calm") as place:
        watch_list = place.watch_list()
        place.number = 10
        reports = []
        threads = [
            threading.Thread(target=lambda: reports.append(place.ingest(watch_list=watch_list))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [report.status for report in reports] == ["success", "success"]
        assert place.bronze() == place.truth()
        assert doubled(place) == 0
        assert place.rows(
            "SELECT count(*), count(DISTINCT (kind, trakt_id)) FROM trakt.sweeps WHERE resource = 'comments'"
        ) == [(24, 24)]
        assert sum(report.counts["swept"] for report in reports) == 24
        assert place.rows("SELECT DISTINCT status FROM trakt.pages WHERE status NOT LIKE 'good%'") in (
            [],
            [("skipped",)],
        )
