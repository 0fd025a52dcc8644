"""A million comments from the API to gold, each command in a process of its own, then 100,000 that have changed.

The replayer answers in another process on the same machine, without a quota; PostgreSQL is embedded, the bucket a
folder. The limits: the same pages fetched by a loop that only writes them to a file, and that file read by DuckDB.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.modelling.environment import dbt_python
from jobs.trakt.settings import ModelSettings
from shared.errors import ConfigurationError
from tests.benchmarks._process import Measured, measured
from tests.benchmarks._table import machine, print_table, progress
from tests.benchmarks._trakt_site import Served, needed, served

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["STAGES", "counts", "environment", "telecine", "whole"]

# 1,270,000 comments of all kinds of subjects are 1,010,000 visible ones of movies and shows.
_COMMENTS: Final = 1_270_000
_TITLES: Final = 300
_CHANGED: Final = 100_000
STAGES: Final = ("ingest", "model", "publish")
_FETCH: Final = """
import asyncio, json, sys
import httpx

async def main(url, path, names):
    left = [name.replace(':id:', 's/') for name in reversed(names)]
    limits = httpx.Limits(max_connections=4)
    headers = {'trakt-api-key': 'limit', 'Cache-Control': 'no-cache'}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=30) as client:
        with open(path, 'wb') as out:
            out.write(b'[')
            async def work():
                while left:
                    title, page, pages = left.pop(), 1, 1
                    while page <= pages:
                        answer = await client.get(f'/{title}/comments/oldest?limit=250&page={page}')
                        pages = int(answer.headers['X-Pagination-Page-Count'])
                        items = answer.content[1:-1]
                        if items:
                            out.write(items if out.tell() == 1 else b',' + items)
                        page += 1
            await asyncio.gather(*(work() for _ in range(4)))
            out.write(b']')
            print(out.tell())

asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
"""
# A hash of whole rows makes DuckDB parse every field.
_READ: Final = """
import duckdb, sys
duckdb.execute('SET threads = 2')
query = f"SELECT count(*), bit_xor(hash(t)) FROM read_json('{sys.argv[1]}', format = 'array') t"
print(*duckdb.sql(query).fetchall()[0])
"""


def whole(*, quick: bool = False) -> None:
    """Print time and memory of each command for all comments and for those that changed, and the limits."""
    try:
        dbt = dbt_python(ModelSettings())
    except ConfigurationError as error:
        print(f"\ntrakt:whole is left out: {error}")
        return
    parts = 20 if quick else 1
    world = {"comments": _COMMENTS // parts, "titles": _TITLES // parts}
    changed = _CHANGED // parts
    print(machine())
    with TemporaryDirectory(prefix="telecine-bench-") as name:
        folder = Path(name)
        with served("big", **world) as site:
            first = {stage: _stage(stage, folder, site) for stage in STAGES}
            requests, minimum = site.status()["requests"], needed(site.titles_now())
            progress("limits")
            limits = _limits(folder, site, dbt)
        cpu_s = site.cpu_s
        progress(f"{changed:,} changed comments")
        with served("big", **world, changed=changed) as site:
            before = site.status()["requests"]
            again = {stage: _stage(stage, folder, site) for stage in STAGES}
            more = site.status()["requests"] - before
    comments = counts(first["ingest"])["comments"]
    _print(f"{comments:,} comments of {world['titles']} titles to gold", first, comments)
    print(f"\n{requests:,} requests, {requests / minimum:.3f} x the {minimum:,} needed")
    rows = counts(again["ingest"])["rows"]
    _print(f"then {changed:,} comments edited or written ({rows:,} rows committed, {more:,} requests)", again, rows)
    fetch, read = limits
    size = int(fetch.out) / 1e6
    reading = first["ingest"].s, first["model"].s
    print_table(
        f"Limits: the same {size:,.0f} MB (the replayer itself: {cpu_s:.1f} CPU s for both readers together)",
        ["way", "s", "CPU s", "ratio"],
        [
            ["pages fetched and written to a file", *_times(fetch), f"ingest {reading[0] / fetch.s:.1f} x"],
            ["DuckDB read_json of the file", *_times(read), f"model {reading[1] / read.s:.1f} x"],
        ],
    )


def environment(url: str) -> dict[str, str]:
    """Return the environment of the commands: those of this process, with the replayer and a folder as bucket."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELECINE_", "TRAKT_"))}
    return kept | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TRAKT_BASE_URL": url,
        "SOURCE_SYSTEM": "replay",
        "TELECINE_TRAKT_BUCKET": "./bucket",
        "TELECINE_TRAKT_USER_SALT": "0123456789abcdef",
    }


def telecine(arguments: Sequence[str], folder: Path, url: str) -> Measured:
    """Run a command of the pipeline in a folder, whose bucket and database it uses."""
    program = "import sys; from jobs.cli import run; sys.exit(run(sys.argv[1:]))"
    return measured([sys.executable, "-c", program, "trakt", *arguments], folder, environment(url))


def counts(done: Measured) -> dict[str, Any]:
    """Return the counts of a command's last log line."""
    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    found: dict[str, Any] = next((line["counts"] for line in reversed(lines) if "counts" in line), {})
    return found


def _stage(stage: str, folder: Path, site: Served) -> Measured:
    progress(stage)
    arguments = [stage]
    if stage == "ingest":
        (folder / "titles.txt").write_text("\n".join(site.titles))
        arguments += ["--watch-list", "titles.txt", "--request-quota", "0", "--advance-replayer"]
    done = telecine(arguments, folder, site.url)
    if done.code:
        raise RuntimeError(f"{stage} ended with {done.code}: {done.err[-1000:]}")
    return done


def _limits(folder: Path, site: Served, dbt: Path) -> tuple[Measured, Measured]:
    path = folder / "comments.json"
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    fetch = measured([sys.executable, "-c", _FETCH, site.url, str(path), json.dumps(site.titles)], folder, plain)
    read = measured([str(dbt), "-c", _READ, str(path)], folder, plain)
    for done in (fetch, read):
        if done.code:
            raise RuntimeError(done.err[-1000:])
    return fetch, read


def _print(title: str, stages: dict[str, Measured], rows: int) -> None:
    total = sum(done.s for done in stages.values())
    print_table(
        title,
        ["command", "s", "CPU s", "peak MB, largest process", "peak MB, all processes"],
        [
            *(
                [name, *_times(done), f"{done.largest_mb:,.0f}", f"{done.together_mb:,.0f}"]
                for name, done in stages.items()
            ),
            [
                f"all: {rows / total:,.0f} rows/s",
                f"{total:.1f}",
                f"{sum(done.cpu_s for done in stages.values()):.1f}",
                f"{max(done.largest_mb for done in stages.values()):,.0f}",
                f"{max(done.together_mb for done in stages.values()):,.0f}",
            ],
        ],
    )


def _times(done: Measured) -> list[str]:
    return [f"{done.s:.1f}", f"{done.cpu_s:.1f}"]
