"""The import of a catalogue, and the way without COPY: one upsert per row, in one transaction.

Both run on the same file and the same server, in turns. The upserts write no keys, no sources and no history.
"""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Final

import psycopg
from sqlalchemy import make_url

from jobs.viewership.catalog.import_ import import_files
from shared.database import embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.database.session import transaction
from shared.settings import StepSettings
from tests.benchmarks._table import print_table
from tests.postgres_server import reachable_folder

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["catalog", "episodes", "import_it", "upsert_it"]

_EPISODES: Final = 100_000
_PER_SERIES: Final = 50
_SERIES: Final = (
    "INSERT INTO catalog.series (id, code, code_key, content_provider, source) VALUES (%s, %s, %s, %s, 'a')"
    " ON CONFLICT (id) DO UPDATE SET content_provider = excluded.content_provider"
)
_EPISODE: Final = (
    "INSERT INTO catalog.episodes (id, ref_id, ref_key, series_id, season, episode, source)"
    " VALUES (%s, %s, %s, %s, %s, %s, 'a') ON CONFLICT (ref_key) DO UPDATE SET season = excluded.season"
)
_TITLE: Final = (
    "INSERT INTO catalog.episode_titles (episode_id, title, title_key, source) VALUES (%s, %s, %s, 'a')"
    " ON CONFLICT (episode_id, language, position) DO UPDATE SET title = excluded.title"
)


def episodes(count: int) -> bytes:
    """Return a catalogue file with this many episodes, 50 per series."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["ref_id", "series", "series_code", "content_provider", "status", "season", "episode", "title"])
    for number in range(count):
        series, place = divmod(number, _PER_SERIES)
        title = f"The Storm of {number}, Part {number % 4 + 1}"
        numbers = (place // 10 + 1, place % 10 + 1)
        row = (f"S{series}-{place:04}", f"Tales of Harbour {series}", f"S{series}", "Alder", "active")
        writer.writerow([*row, *numbers, title])
    return stream.getvalue().encode()


def import_it(settings: StepSettings, body: bytes) -> None:
    """Import the file."""
    with transaction(settings) as session:
        import_files(session, [("catalogue.csv", body)], source="a", by="bench")


def upsert_it(settings: StepSettings, body: bytes) -> None:
    """Write the same rows with one upsert each, as ORMs and hand-written scripts do."""
    if settings.database_url is None:
        raise ValueError("no database")
    url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        seen: dict[str, int] = {}
        for number, row in enumerate(csv.DictReader(io.StringIO(body.decode())), 1):
            code = row["series_code"]
            seen.setdefault(code, len(seen) + 1)
            connection.execute(_SERIES, (seen[code], code, code.lower(), row["content_provider"]))
            values = (number, row["ref_id"], row["ref_id"].lower(), seen[code], row["season"], row["episode"])
            connection.execute(_EPISODE, values)
            connection.execute(_TITLE, (number, row["title"], row["title"].lower()))


def catalog(*, quick: bool = False) -> None:
    """Print the table; ``quick`` takes a tenth of the episodes."""
    count = (_EPISODES // 10) if quick else _EPISODES
    body = episodes(count)
    with reachable_folder() as folder:
        server = embedded.ensure(folder, {"max_connections": "20"})
        try:
            settings = StepSettings(database_url=server)
            upgrade(settings)
            rows = [
                ["import (COPY, keys, sources, history)", *_timed(settings, body, import_it)],
                ["the same file again", *_timed(settings, body, import_it, keep=True)],
                ["one upsert per row", *_timed(settings, body, upsert_it)],
            ]
        finally:
            dispose()
            embedded.release(folder)
    best = rows[0][1]
    print_table(
        f"{count:,} episodes of {count // _PER_SERIES:,} series, {len(body) / 1e6:.1f} MB",
        ["way", "s", "CPU s of the client", "rows/s", "x import"],
        [
            [name, f"{seconds:.1f}", f"{cpu:.1f}", f"{count / seconds:,.0f}", f"{seconds / best:.1f}"]
            for name, seconds, cpu in rows
        ],
    )


def _timed(
    settings: StepSettings, body: bytes, way: Callable[[StepSettings, bytes], None], *, keep: bool = False
) -> tuple[float, float]:
    if not keep:
        with transaction(settings) as session:
            session.run("TRUNCATE catalog.versions, catalog.series CASCADE")
    began, cpu = time.perf_counter(), time.process_time()
    way(settings, body)
    return time.perf_counter() - began, time.process_time() - cpu
