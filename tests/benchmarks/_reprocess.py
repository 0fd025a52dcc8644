"""Reprocess after one new episode: 1M loaded rows, 143,000 keys, 100,000 episodes; against matching and loading all.

Times are wall-clock seconds on an embedded PostgreSQL with fsync; ratios count.
"""

from __future__ import annotations

import csv
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.phases.load import load
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.phases.reprocess import Selection, reprocess
from jobs.viewership.phases.upload import take
from jobs.viewership.settings.uploads import UploadSettings
from shared.database.session import transaction
from tests.benchmarks._matching import keys_of_platforms, server
from tests.benchmarks._table import print_table, progress
from tests.matching.catalogue import write
from tests.matching.world import world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.viewership.matching.prepare import MatchKey
    from jobs.viewership.phases.reprocess import Reprocessed
    from shared.settings import StepSettings
    from tests.matching.catalogue import Catalogue, Episode

__all__ = ["DEAL", "import_text", "reprocessing", "write_rows"]

_ROWS = 1_000_000
_KEYS = 143_056
DEAL = b"platform,partner,deal_parent,internal_channel,internal_territory\ncanonical,Acme,1,Main,US\n"


def write_rows(place: Path, keys: Sequence[MatchKey], count: int) -> None:
    first = date(2025, 7, 1)
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["Date", "Partner", "Channel", "Territory", "Series", "Season", "Episode", "Title", "Content ID", "Hours"]
        )
        for number in range(count):
            key = keys[number % len(keys)]
            writer.writerow(
                [
                    *((first + timedelta(days=number // len(keys))).isoformat(), "Acme", "Main", "US"),
                    *(key.series, key.season, key.episode, key.content_name, key.content_id),
                    f"{number % 997}.{number % 89:02}",
                ]
            )


def _taken_out(catalogue: Catalogue, keys: Sequence[MatchKey]) -> Episode:
    """Take out an episode that keys name by its id, so that its import is the change."""
    named = {key.content_id for key in keys}
    found = next(one for one in catalogue.episodes[len(catalogue.episodes) // 2 :] if one.ref in named and one.titles)
    catalogue.episodes.remove(found)
    catalogue.aliases = [alias for alias in catalogue.aliases if alias.episode != found.id]
    return found


def import_text(settings: StepSettings, name: str, body: bytes) -> None:
    with transaction(settings) as session:
        done = import_files(session, [(name, body)], source="test", by="bench", overwrite=True)
    if done.plan.bad or not done.written:
        raise ValueError([str(each) for each in done.plan.bad] or f"{name} changed nothing")


def _episode(catalogue: Catalogue, one: Episode) -> bytes:
    code = next(each.code for each in catalogue.series if each.id == one.series)
    lines: list[list[Any]] = [
        ["ref_id", "series_code", "season", "episode", "title"],
        [one.ref, code, one.season, one.episode, one.titles[0]],
    ]
    return "\n".join(
        ",".join('"' + str(cell or "").replace('"', '""') + '"' for cell in line) for line in lines
    ).encode()


def reprocessing(*, quick: bool = False) -> None:
    """Print seconds of reprocessing one new episode, and the ratios to matching and loading everything."""
    made = world(7, series=280 if quick else 2900)
    keys = keys_of_platforms(made, _KEYS // 10 if quick else _KEYS)
    count = _ROWS // 10 if quick else _ROWS
    new = _taken_out(made.catalogue, keys)
    rows: list[list[str]] = []

    def timed(name: str, call: Callable[[], Any]) -> Any:
        progress(name)
        start = time.monotonic()
        result = call()
        rows.append([name, f"{time.monotonic() - start:.2f}"])
        return result

    with server() as settings, TemporaryDirectory() as folder:
        with transaction(settings) as session:
            write(session, made.catalogue)
        import_text(settings, "deals.csv", DEAL)
        place = Path(folder) / "rows.csv"
        write_rows(place, keys, count)
        upload = UploadSettings(
            database_url=settings.database_url, bucket=f"file://{folder}/bucket", format="canonical"
        )
        taken = timed("upload", lambda: take(upload, str(place), "bench"))
        for name, phase in (("normalize", normalize), ("match", match), ("load", load)):
            timed(name, lambda phase=phase: phase(settings, taken.upload_id, "bench", by="bench"))
        loaded = sum(float(row[1]) for row in rows)
        import_text(settings, "episodes.csv", _episode(made.catalogue, new))
        one: Reprocessed = timed(
            "reprocess, one new episode", lambda: reprocess(settings, Selection(), "bench", by="bench")
        )
        again: Reprocessed = timed(
            "reprocess, nothing new", lambda: reprocess(settings, Selection(), "bench", by="bench")
        )
        full: Reprocessed = timed(
            "reprocess --all", lambda: reprocess(settings, Selection(everything=True), "bench", by="bench")
        )
    if again.total.looked_at or full.total.changed:
        raise ValueError("a second run found keys that the first one should have changed")
    taken_s = {row[0]: float(row[1]) for row in rows}
    best = taken_s["reprocess, one new episode"]
    title = f"viewership: {count:,} rows, {full.keys:,} keys, {len(made.catalogue.episodes):,} episodes"
    print_table(title, ["step", "seconds", "x reprocess"], [[*row, f"{float(row[1]) / best:.1f}"] for row in rows])
    print(
        f"one new episode: {one.total.looked_at} keys looked at, {one.total.changed} changed, {one.total.entered} final"
        f" rows entered; upload to load takes {loaded / best:.1f} times as long"
    )
    parts = [[name, *(f"{each.seconds[name]:.2f}" for each in (one, again, full))] for name in one.seconds]
    print_table("reprocess: seconds of its parts", ["part", "one episode", "nothing", "all"], parts)
