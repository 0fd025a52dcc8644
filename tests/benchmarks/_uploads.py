"""viewership uploads: a file read to units, against a loop over its rows and against reading its bytes alone.

CPU seconds, since Polars uses all cores and others may use them too; ratios count.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import random
import resource
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

import polars as pl
from dateutil import parser as dates  # type: ignore[import-untyped,unused-ignore]

from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.reading import read
from jobs.viewership.uploads.transform.transform import transform
from tests.benchmarks._table import measure, ratios

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.viewership.uploads.transform.units import Units

__all__ = ["loop_rows", "loop_wide", "rows_file", "to_units", "units", "wide", "wide_file"]

_DISTINCT: Final = 143_056
_HEADER: Final = (
    *("date", "series", "season", "episode", "content_name", "content_id", "channel", "territory"),
    *("hours", "views", "revenue", "device_type", "sessions"),
)
_PART: Final = 10
_TENTH: Final = Decimal("1e-10")


def _table(rows: Iterator[Sequence[object]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


def rows_file(rows: int) -> bytes:
    """Return a CSV file with a row per day, episode and channel, amounts grouped and with currencies."""
    chance = random.Random(15)

    def records() -> Iterator[Sequence[object]]:
        yield _HEADER
        for _ in range(rows):
            key = chance.randrange(_DISTINCT)
            day = f"{chance.randrange(1, 29):02}/07/2025"
            content = (f"Series {key % 2000}", key % 12, key % 30, f"The title of the episode {key}", f"MS-{key:06}")
            hours, revenue = f"{chance.random() * 1000:.4f}", f"${chance.random() * 2000:,.2f}"
            yield (day, *content, "Nosey", "US", hours, chance.randrange(10**5), revenue, "tv", chance.randrange(10**3))

    return _table(records())


def wide_file(rows: int, days: int) -> bytes:
    """Return a CSV file with a column per day and half of the pairs empty."""
    chance = random.Random(15)

    def records() -> Iterator[Sequence[object]]:
        first = date(2025, 1, 1)
        header = [f"{(first + timedelta(days=day)):%d-%m-%Y} Hours" for day in range(days)]
        yield ("Series", "Title", *header)
        for row in range(rows):
            hours = [f"{chance.random() * 100:.3f}" if chance.random() < 0.5 else "" for _ in range(days)]
            yield (f"Series {row % 200}", f"Title {row}", *hours)

    return _table(records())


def to_units(data: bytes) -> Units:
    """Read a file to units the way telecine does, sums compared."""
    chosen = shipped_formats()["canonical-1"]
    sheet = read(data)
    layout = find_layout(sheet, chosen)
    found = transform(sheet, layout, bind(chosen, layout))
    found.reconcile()
    return found


def _number(text: str) -> Decimal | None:
    plain = text.replace("$", "").replace(",", "").strip()
    return Decimal(plain) if plain else None


def loop_rows(data: bytes) -> list[dict[str, object]]:
    """Read a file row by row, with the csv module, dateutil and decimals; nothing is checked or decided."""
    found = []
    for row in csv.DictReader(io.StringIO(data.decode())):
        day = dates.parse(row["date"], dayfirst=True).date()
        hours = _number(row["hours"])
        found.append(
            {
                **row,
                "date": day,
                "week": day - timedelta(days=day.weekday()),
                "hours": hours,
                "minutes": None if hours is None else hours * 60,
                "views": int(row["views"]),
                "sessions": int(row["sessions"]),
                "revenue": _number(row["revenue"]),
            }
        )
    return found


def loop_wide(data: bytes) -> list[dict[str, object]]:
    """Turn a wide file into a row per pair, pair by pair."""
    found = []
    for row in csv.DictReader(io.StringIO(data.decode())):
        for name, text in row.items():
            if not name.endswith(" Hours") or not text:
                continue
            day = dates.parse(name.removesuffix(" Hours"), dayfirst=True).date()
            hours = Decimal(text).quantize(_TENTH, rounding=ROUND_HALF_EVEN)
            found.append({"series": row["Series"], "title": row["Title"], "date": day, "hours": hours})
    return found


def units(*, quick: bool = False) -> None:
    """Print what a file of a million rows costs from bytes to units."""
    rows = 100_000 if quick else 1_000_000
    data = rows_file(rows)
    lines = data.splitlines(keepends=True)
    part = b"".join(lines[: rows // _PART + 1])
    del lines
    ways = {
        "telecine: read, layout, units, sums": functools.partial(_run, to_units, data),
        "a loop over rows: csv, dateutil, Decimal": functools.partial(_run, loop_rows, part, times=_PART),
        "limit: Polars reads the columns as text": functools.partial(_run, _all_text, data),
        "limit: sha256 of the bytes": functools.partial(_run, hashlib.sha256, data),
    }
    rounds = 1 if quick else 3
    found = measure(ways, rounds=rounds, once=["a loop over rows: csv, dateutil, Decimal"])
    title = f"{rows:,} rows, {len(data) / 1e6:.0f} MB, to units"
    ratios(title, found, ["telecine: read, layout, units, sums", "limit: sha256 of the bytes"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\npeak of this process, the file and the loop's rows included: {peak:.2f} GB")


def wide(*, quick: bool = False) -> None:
    """Print what a wide file of 2,000 titles and 368 days costs."""
    rows, days = (200, 368) if quick else (2000, 368)
    data = wide_file(rows, days)
    ways = {
        "telecine: read, layout, units, sums": functools.partial(_run, to_units, data),
        "a loop over pairs: csv, dateutil, Decimal": functools.partial(_run, loop_wide, data),
        "limit: Polars reads and unpivots text": functools.partial(_run, _unpivoted, data),
        "limit: sha256 of the bytes": functools.partial(_run, hashlib.sha256, data),
    }
    found = measure(ways, rounds=1 if quick else 3, once=["a loop over pairs: csv, dateutil, Decimal"])
    title = f"{rows:,} x {days} pairs, half of them empty, {len(data) / 1e6:.1f} MB, to units"
    ratios(title, found, ["telecine: read, layout, units, sums", "limit: Polars reads and unpivots text"])


def _run(way: object, data: bytes, *, times: float = 1.0) -> float:
    assert callable(way)
    way(data)
    return times


def _all_text(data: bytes) -> pl.DataFrame:
    return pl.read_csv(data, infer_schema=False)


def _unpivoted(data: bytes) -> pl.DataFrame:
    return _all_text(data).unpivot(index=["Series", "Title"]).drop_nulls("value")
