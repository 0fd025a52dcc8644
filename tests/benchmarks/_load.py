"""viewership, a file to final rows: a million rows, a wide file, a workbook; and the original's way in the same run.

The phases run in a process of their own, whose peak of memory is printed. Times are wall-clock seconds on an embedded
PostgreSQL with fsync; ratios count. The original's way: rows as literals of INSERT statements, and UPDATEs of the rows
in place.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter

from jobs.viewership.matching.model import BUCKETS
from jobs.viewership.phases.load import load as load_rows
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.phases.upload import take
from jobs.viewership.settings.uploads import UploadSettings
from shared.database.session import transaction
from shared.settings import StepSettings
from tests.benchmarks._matching import keys_of_platforms, server
from tests.benchmarks._reprocess import DEAL, import_text, write_rows
from tests.benchmarks._table import print_table, progress
from tests.benchmarks._uploads import wide_file
from tests.matching.catalogue import write
from tests.matching.world import world

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["loading"]

_ROWS: Final = 1_000_000
_KEYS: Final = 143_056
_PART: Final = 20
_STATEMENT_ROWS: Final = 1000
# What the original updates in the rows: deal, channel, territory, hours, dates, and the episode.
_UPDATES: Final = (
    "UPDATE bench_literals SET deal_parent = '1'",
    "UPDATE bench_literals SET channel = 'Main', territory = 'US'",
    "UPDATE bench_literals SET minutes = hours * 60",
    "UPDATE bench_literals SET week = date_trunc('week', date)::date",
    "UPDATE bench_literals SET ref_id = content_id",
    "UPDATE bench_literals SET status = 'processed'",
)
_COLUMNS: Final = (
    *("platform_content_name", "platform_series", "season_number", "episode_number", "platform_content_id"),
    *("tot_hov", "date"),
)
_TARGETS: Final = ("name", "series", "season", "episode", "content_id", "hours", "date")


def loading(*, quick: bool = False) -> None:
    """Print seconds and memory from files to final rows, and the ratios to the original's way."""
    made = world(7, series=280 if quick else 2900)
    keys = keys_of_platforms(made, _KEYS // 10 if quick else _KEYS)
    count = _ROWS // 20 if quick else _ROWS
    with server() as settings, TemporaryDirectory() as name:
        folder = Path(name)
        with transaction(settings) as session:
            write(session, made.catalogue)
        import_text(settings, "deals.csv", DEAL)
        progress("writing files")
        write_rows(folder / "rows.csv", keys, count)
        (folder / "wide.csv").write_bytes(wide_file(200 if quick else 2000, 368))
        _workbook(folder / "rows.xlsx", 10_000 if quick else 100_000)
        progress("a file to final rows")
        whole = _measured(settings, folder, "rows.csv")
        progress("a wide file")
        wide = _measured(settings, folder, "wide.csv")
        progress("a workbook")
        workbook = _measured(settings, folder, "rows.xlsx")
        progress("the original's way")
        with transaction(settings) as session:
            original = _original(session, count)
            session.run("ROLLBACK")
    _print(count, whole, original)
    further = [
        [name, f"{one['rows']:,}", f"{one['seconds']['upload']:.2f}", f"{sum(one['seconds'].values()):.2f}", _mb(one)]
        for name, one in (("wide, 368 days", wide), ("workbook, 7 columns", workbook))
    ]
    print_table("viewership: other files", ["file", "units", "stored s", "final s", "peak MB"], further)
    buckets = sum(seconds for name, _, _, seconds, _ in whole["steps"] if name in BUCKETS)
    matched = sum(found for _, _, found, _, _ in whole["steps"])
    open_keys = whole["keys"] - matched
    print(f"\nsix buckets: {buckets:.2f} s for {whole['keys']:,} keys; {open_keys:,} keys were left to similar titles")


def _print(count: int, whole: dict[str, Any], original: tuple[float, float, float]) -> None:
    copied, literals, updates = original
    seconds = whole["seconds"]
    rows = [[name, f"{taken:.2f}", "", ""] for name, taken in seconds.items()]
    rows.append(["all phases", f"{sum(seconds.values()):.2f}", "", _mb(whole)])
    rows.append(["COPY of the rows", f"{copied:.2f}", "", ""])
    rows.append(["original: rows as literals", f"{literals:.2f}", f"{literals / copied:.1f} x COPY", ""])
    updating = f"{updates / seconds['normalize']:.1f} x normalize"
    rows.append(["original: UPDATEs in place", f"{updates:.2f}", updating, ""])
    title = f"viewership: {count:,} rows, {whole['keys']:,} keys, {whole['final']:,} final rows"
    print_table(title, ["step", "seconds", "ratio", "peak MB"], rows)


def _mb(one: dict[str, Any]) -> str:
    return f"{one['mb']:.0f}"


def _workbook(file: Path, rows: int) -> None:
    chance = random.Random(3)
    book = xlsxwriter.Workbook(str(file), {"constant_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["Date", "Partner", "Channel", "Territory", "Series", "Title", "Hours"])
    for row in range(1, rows + 1):
        names = ["Acme", "Other", "US", f"Series {row % 200}", f"Title {row % 20_000}"]
        sheet.write_row(row, 0, [f"2026-01-{1 + row % 28:02}", *names, round(chance.random() * 100, 3)])
    book.close()


def _measured(settings: StepSettings, folder: Path, name: str) -> dict[str, Any]:
    """Run all phases over a file in another process."""
    if settings.database_url is None:
        raise ValueError("no database")
    words = [sys.executable, "-m", "tests.benchmarks._load", str(folder), name]
    env = {**os.environ, "TELECINE_DATABASE_URL": settings.database_url.get_secret_value()}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=env)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _phases(folder: str, name: str) -> dict[str, Any]:
    settings = StepSettings()
    upload = UploadSettings(bucket=f"file://{folder}/bucket", format="canonical", on_overlap="append")
    if name == "wide.csv":
        upload = upload.model_copy(update={"map": ("hours=Hours",)})
    seconds: dict[str, float] = {}
    start = time.monotonic()
    taken = take(upload, f"{folder}/{name}", "bench")
    seconds["upload"] = time.monotonic() - start
    if taken.outcome != "stored":
        raise ValueError(taken.message)
    results = {}
    for phase in (normalize, match, load_rows):
        start = time.monotonic()
        results[phase.__name__] = phase(settings, taken.upload_id, "bench", by="bench")
        seconds[phase.__name__] = time.monotonic() - start
    matched, loaded = results["match"], results["load"]
    if matched is None or loaded is None:
        raise ValueError(f"upload {taken.upload_id} was not loaded")
    status = Path("/proc/self/status").read_text()
    return {
        "seconds": seconds,
        "rows": loaded.expected[0],
        "final": loaded.counts["final"],
        "keys": matched.counts["keys"],
        "steps": matched.detail["steps"],
        "mb": int(status.split("VmHWM:")[1].split()[0]) / 1024,
    }


def _original(session: DatabaseSession, count: int) -> tuple[float, float, float]:
    """Return the seconds of COPY, of literals and of six UPDATEs in place: of a part of the rows, scaled to all."""
    part = max(_STATEMENT_ROWS, count // _PART)
    session.run(
        "CREATE TABLE public.bench_literals (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text,"
        " series text, season text, episode text, content_id text, hours numeric(28, 10), date date,"
        " deal_parent text, channel text, territory text, minutes numeric(28, 10), week date, ref_id text, status text)"
    )
    names = ", ".join(_COLUMNS)
    rows = session.rows(f"SELECT {names} FROM viewership.platform_viewership ORDER BY id LIMIT :part", part=part)
    start = time.monotonic()
    session.copy("public.bench_literals", _TARGETS, rows)
    copied = time.monotonic() - start
    session.run("TRUNCATE public.bench_literals")
    start = time.monotonic()
    for first in range(0, len(rows), _STATEMENT_ROWS):
        values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows[first : first + _STATEMENT_ROWS])
        session.run(f"INSERT INTO public.bench_literals ({', '.join(_TARGETS)}) VALUES {values}".replace(":", r"\:"))
    literals = time.monotonic() - start
    start = time.monotonic()
    for statement in _UPDATES:
        session.run(statement)
    updates = time.monotonic() - start
    scale = count / len(rows)
    return copied * scale, literals * scale, updates * scale


def _literal(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


if __name__ == "__main__":
    print(json.dumps(_phases(*sys.argv[1:]), default=float))
