"""Rows of page objects into Delta: a load of bronze, plain lines of JSON, and one call of write_deltalake."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks._table import machine, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bronze"]

_PAGES: Final = 4_000
_QUICK: Final = 100
_PAGE: Final = 250
_TITLES: Final = 40


def bronze(*, quick: bool = False) -> None:
    """Print rows per second and peak memory of each way to store a million comments, each in a process of its own."""
    pages = _QUICK if quick else _PAGES
    rows = []
    with TemporaryDirectory() as folder:
        _run("fill", folder, pages)
        for way in _WAYS:
            if way != "fill":
                done = _run(way, folder, pages)
                rows.append(done)
    print(machine())
    print_table(
        f"{pages * _PAGE:,} comments in {pages:,} page objects into a table (process CPU; peak memory of the process)",
        ["way", "rows per CPU s", "CPU s", "wall s", "peak MB", "stored MB"],
        [
            [
                _NAMES[one["way"]],
                f"{one['rows'] / one['cpu_s']:,.0f}",
                f"{one['cpu_s']:.1f}",
                f"{one['wall_s']:.1f}",
                f"{one['peak_mb']:.0f}",
                f"{one['stored_mb']:.0f}",
            ]
            for one in rows
        ],
    )


def _run(way: str, folder: str, pages: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.benchmarks._trakt_bronze", way, folder, str(pages)]
    # A child's peak memory counts from its fork: this process is small.
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env={**os.environ, "MALLOC_ARENA_MAX": "2"})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _fill(folder: Path, pages: int) -> int:
    from jobs.trakt.model import TitleRef
    from tests.benchmarks._trakt_contract import page
    from tests.trakt_bronze import comments_page, plain_place

    place = plain_place(folder / "trakt")
    # Texts repeat after 50,000 comments: drawing a million takes a minute, and no way stores equal texts only once.
    drawn = [page(number) for number in range(min(pages, _QUICK))]
    for load, changed in (("load-1", 0), ("load-2", 10)):
        for number in range(pages):
            first = number * _PAGE + 1
            items = [{**item, "id": first + at} for at, item in enumerate(drawn[number % len(drawn)])]
            for item in items[:: 100 // changed] if changed else []:
                item["likes"] += 1
            title = TitleRef("movie", 1 + number % _TITLES)
            made = comments_page(load, items, page=1 + number // _TITLES, title=title, minutes=changed)
            place.pages.put(made)
    return 0


def _load(load_id: str) -> Callable[[Path, int], int]:
    def load(folder: Path, _: int) -> int:
        from jobs.trakt.bronze.commit import commit_load
        from tests.trakt_bronze import plain_place

        return commit_load(plain_place(folder / "trakt"), load_id).items

    return load


def _lines(folder: Path, _: int) -> int:
    """Write each item as a line of JSON: neither checked, hashed, deduplicated nor committed."""
    from tests.trakt_bronze import plain_place

    place = plain_place(folder / "trakt")
    count = 0
    with (folder / "lines.jsonl").open("w") as out:
        for key in place.pages.keys("load-1"):
            for item in json.loads(place.pages.get(key).body):
                out.write(json.dumps(item) + "\n")
                count += 1
    return count


def _at_once(folder: Path, _: int) -> int:
    """Collect all rows of the same columns, and hand them to write_deltalake."""
    import pyarrow as pa
    from deltalake import write_deltalake

    from jobs.trakt.bronze.batches import KindRows
    from jobs.trakt.bronze.data_files import FILE_SCHEMA
    from jobs.trakt.bronze.rows import read_page
    from tests.trakt_bronze import plain_place

    batches: list[pa.RecordBatch] = []

    class _Memory:
        kind = "comment"
        add = staticmethod(batches.append)

    place = plain_place(folder / "trakt")
    rows = KindRows(_Memory())  # type: ignore[arg-type]
    for key in place.pages.keys("load-1"):
        page = place.pages.get(key)
        rows.add(page, read_page(page).observations)
    rows.flush()
    table = pa.Table.from_batches(batches, FILE_SCHEMA)
    write_deltalake(str(folder / "at-once"), table)
    return table.num_rows


_WAYS: Final[dict[str, Callable[[Path, int], int]]] = {
    "fill": _fill,
    "load": _load("load-1"),
    "again": _load("load-2"),
    "lines": _lines,
    "at-once": _at_once,
}
_NAMES: Final = {
    "load": "a load of bronze, all new",
    "again": "a second load, 10 % changed",
    "lines": "json.dumps lines: no check, no commit",
    "at-once": "check, then one write_deltalake of everything",
}


def _stored(folder: Path, way: str) -> int:
    part = {"load": "trakt/bronze", "again": "trakt/bronze", "lines": "lines.jsonl", "at-once": "at-once"}.get(way, "x")
    files = [folder / part] if (folder / part).is_file() else (folder / part).rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def main(way: str, folder: str, pages: str) -> None:
    """Run one way in this process, and print what it took as JSON."""
    began, cpu = time.perf_counter(), time.process_time()
    rows = _WAYS[way](Path(folder), int(pages))
    print(
        json.dumps(
            {
                "way": way,
                "rows": rows,
                "cpu_s": time.process_time() - cpu,
                "wall_s": time.perf_counter() - began,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "stored_mb": _stored(Path(folder), way) / 1e6,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
