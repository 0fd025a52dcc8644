"""`make demo-trakt`: a storm, an ingest that is killed and resumed, models, publication, and the service levels.

With `--into-default`, as in `make demo-console`, it is one calm run into the database that the console shows.
Everything runs on this machine, without a network: the replayer stands in for Trakt. No process is left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

# The ingest needs about 100 requests.
_KILLED_AFTER: Final = 60
_TITLES: Final = 24
_PATIENCE_S: Final = 60.0
_TELECINE: Final = (sys.executable, "-c", "from jobs.cli import main; main()", "trakt")
_COLUMNS: Final = ("title", "quadrant", "reason", "commenters", "P(broad)", "intensity", "P(intense)")
_QUADRANTS: Final = """
    SELECT t.title, q.quadrant, q.reason, q.breadth::bigint, round(q.p_breadth_high::numeric, 2),
        round(q.intensity::numeric, 2), round(q.p_intensity_high::numeric, 2)
    FROM gold.trakt_quadrants_daily q JOIN gold.trakt_titles t USING (title_kind, title_id_trakt)
    WHERE q.period = 'all' AND q.as_of = (SELECT max(as_of) FROM gold.trakt_quadrants_daily)
    ORDER BY q.quadrant IN ('borderline', 'insufficient'), q.quadrant, q.breadth DESC, t.title LIMIT 12
"""


def main(folder: Path) -> None:
    """Run the demo in a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _say("replayer: a site with 24 titles, scenario storm: 15 % of requests get 429, 5xx or no answer")
    with _replayer() as url:
        watch_list = folder / "titles.txt"
        watch_list.write_text("".join(f"{name}\n" for name in _titles(url)))
        _set_environment(folder, url)
        arguments = ("--watch-list", str(watch_list))
        _say(f"ingest, killed by SIGKILL after {_KILLED_AFTER} requests")
        _kill_ingest(url, *arguments)
        _say("ingest again: keeps the stored pages, and requests only the rest")
        _run("ingest", *arguments)
        _say("model, publish: dbt builds silver and gold, and gold is copied to PostgreSQL")
        _run("model")
        _run("publish")
        _say("a day later, everything with one command: reads the feed, and the titles that it names")
        _get(f"{url}/_replayer/advance?seconds=86400", method="POST")
        _run("run", *arguments, "--report-dir", str(folder / "report"))
        _say("verify: computes every layer again from the one before")
        _run("verify")
    _say("quadrants: named only if a title is probably (0.8) on that side of both medians of its peers")
    _show_quadrants()
    later = datetime.combine(datetime.now(UTC) + timedelta(days=2), clock(16), UTC)
    _say(f"service levels on {later:%Y-%m-%d}, if no ingest runs until then")
    os.environ["TELECINE_TRAKT_NOW"] = later.isoformat()
    _run("slo", "--report-dir", str(folder / "service-levels"), "--shown", "3")
    _say(f"pages: {folder}/service-levels/report.html; all stages: {folder}/report/report.html")
    _say(f'database: psql "$({Path(sys.executable).parent}/telecine db url --state-dir {folder.resolve()}/state)"')
    _say(f'notebook: TELECINE_TRAKT_BUCKET="{folder.resolve()}/bucket" jupyter lab docs/notebooks/trakt.ipynb')


def fill(folder: Path) -> None:
    """Run the pipeline once, with its bucket in a folder and the tables in this user's database."""
    folder.mkdir(parents=True, exist_ok=True)
    with _replayer("calm") as url:
        watch_list = folder / "titles.txt"
        watch_list.write_text("".join(f"{name}\n" for name in _titles(url)))
        os.environ |= _variables(folder, url)
        _run("run", "--watch-list", str(watch_list))


def _set_environment(folder: Path, url: str) -> None:
    """Set the variables of the demo, and unset telecine's others, which may name a database or channels in use."""
    kept = ("TELECINE_LOG_", "TELECINE_TRAKT_DBT_PYTHON")
    for name in list(os.environ):
        if name.startswith(("TELECINE_", "TRAKT_", "TMDB_")) and not name.startswith(kept):
            del os.environ[name]
    os.environ |= {"TELECINE_STATE_DIR": str(folder / "state"), **_variables(folder, url)}


def _variables(folder: Path, url: str) -> dict[str, str]:
    return {
        "TELECINE_TRAKT_BUCKET": str(folder / "bucket"),
        "TELECINE_TRAKT_USER_SALT": "a salt for the demo only",
        "TRAKT_BASE_URL": url,
        "SOURCE_SYSTEM": "replay",
        # The replayer's clock moves in place of waiting, so that a Retry-After of a minute takes no time.
        "TELECINE_TRAKT_REQUEST_QUOTA": "0",
        "TELECINE_TRAKT_ADVANCE_REPLAYER": "true",
    }


@contextmanager
def _replayer(scenario: str = "storm") -> Iterator[str]:
    command = [*_TELECINE, "replayer", "--scenario", scenario, "--seed", "7", "--port", "0", "--log-level", "WARNING"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("http://"):
                raise SystemExit("the replayer did not start")
            yield line.split()[0]
        finally:
            process.kill()


def _titles(url: str) -> list[str]:
    """Return the titles of the site as lines of a watch list."""
    titles = _get(f"{url}/_replayer/truth")["titles"][:_TITLES]
    # A slug that is a number could be another title's id.
    return [
        f"{each['kind']}:{'id:' + str(each['trakt']) if each['slug'].isdecimal() else each['slug']}" for each in titles
    ]


def _kill_ingest(url: str, *arguments: str) -> None:
    process = subprocess.Popen([*_TELECINE, "ingest", *arguments, "--connections", "1"])  # noqa: S603
    until = time.monotonic() + _PATIENCE_S
    try:
        while process.poll() is None and time.monotonic() < until:
            if _get(f"{url}/_replayer/status")["requests"] >= _KILLED_AFTER:
                break
            time.sleep(0.02)
    finally:
        process.kill()
        status = process.wait()
    if status != -signal.SIGKILL:
        raise SystemExit(f"the ingest ended with {status} before it could be killed")
    sys.stdout.write(f"killed after {_get(f'{url}/_replayer/status')['requests']} requests\n")


def _run(*arguments: str) -> None:
    process = subprocess.Popen([*_TELECINE, *arguments])  # noqa: S603
    try:
        status = process.wait()
    finally:
        process.terminate()
        process.wait()
    if status:
        raise SystemExit(f"telecine trakt {arguments[0]} ended with {status}")


def _show_quadrants() -> None:
    from shared.database.session import transaction
    from shared.report.terminal import open_console, print_table
    from shared.settings import StepSettings

    with transaction(StepSettings()) as session:
        rows = session.rows(_QUADRANTS)
    print_table(open_console(), list(_COLUMNS), [list(row) for row in rows], right=set(_COLUMNS[3:]))


def _get(url: str, method: str = "GET") -> Any:
    # The address is the replayer's, on this machine: no proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, method=method), timeout=_PATIENCE_S) as answer:  # noqa: S310
        return json.load(answer)


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


def _stop(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _stop)
    (fill if sys.argv[2:] == ["--into-default"] else main)(Path(sys.argv[1]))
