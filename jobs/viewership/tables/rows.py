"""Rows of uploads: units that continue, written once by COPY, and units that were set aside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.tables.keys import KEY_FIELDS, SCOPE_FIELDS, key_ids, scope_ids
from shared.threads import frequent_switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from jobs.viewership.tables.keys import DistinctKeys
    from shared.database.session import DatabaseSession

__all__ = ["COLUMNS", "as_csv", "with_scopes", "write_rows", "write_set_aside"]

COLUMNS: Final[dict[str, str]] = {
    "upload_id": "upload_id",
    "line": "line",
    "position": "position",
    "scope_id": "scope_id",
    "key_id": "key_id",
    "platform_content_name": "content_name",
    "platform_content_name_2": "content_name_2",
    "platform_content_id": "content_id",
    "platform_series": "series",
    "season_number": "season",
    "episode_number": "episode",
    "language": "language",
    "viewership_type": "viewership_type",
    "tot_hov": "hours",
    "tot_mov": "minutes",
    "duration": "duration",
    "avg_duration_per_session": "avg_duration_per_session",
    "avg_duration_per_viewer": "avg_duration_per_viewer",
    "avg_session_count": "avg_session_count",
    "views": "views",
    "sessions": "sessions",
    "unique_viewers": "unique_viewers",
    "tot_completions": "completions",
    "impressions": "impressions",
    "channel_adpool_impressions": "channel_adpool_impressions",
    "channel_adpool_revenue": "channel_adpool_revenue",
    "revenue": "revenue",
    "currency": "currency",
    "city": "city",
    "country": "country",
    "device_id": "device_id",
    "device_name": "device_name",
    "device_type": "device_type",
    "date": "date",
    "start_time": "start_time",
    "end_time": "end_time",
    "week": "week",
    "day": "day",
    "month": "month",
    "quarter": "quarter",
    "year": "year",
    "year_month_day": "year_month_day",
    "whole_week": "whole_week",
    "whole_month": "whole_month",
}
"""Column of viewership.platform_viewership -> column of the units."""

_DEFAULTS: Final = {"position": 0, "whole_week": False, "whole_month": False}
"""Column of the units -> default of its column in the table; the default of all others is null."""

# Rows whose CSV is held in memory at a time: about 20 MB.
_BLOCK: Final = 100_000


def with_scopes(session: DatabaseSession, platform: str, domain: str, units: pl.DataFrame) -> pl.DataFrame:
    """Return units with the numbers of their scopes, ``scope_id``; fields of a scope or key that are absent are null.

    Args:
        session: the transaction.
        platform: the platform.
        domain: the domain.
        units: parsed units.
    """
    import polars as pl

    absent = [name for name in (*KEY_FIELDS, *SCOPE_FIELDS) if name not in units.columns and name != "date"]
    units = units.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    scopes = scope_ids(session, platform, domain, units)
    return units.join(scopes, on=SCOPE_FIELDS, how="left", nulls_equal=True, maintain_order="left")


def write_rows(session: DatabaseSession, upload_id: int, units: pl.DataFrame, distinct: DistinctKeys) -> int:
    """Write the units of an upload that continue or are topline, and return their number.

    Args:
        session: the transaction that holds the upload.
        upload_id: the upload.
        units: of :func:`with_scopes`, with the columns of :data:`COLUMNS` and ``topline``; absent ones are null.
        distinct: the keys of those that are not topline.
    """
    import polars as pl

    if units.is_empty():
        return 0
    with frequent_switches(), ThreadPoolExecutor(1, thread_name_prefix="keys") as pool:
        keys = key_ids(session, distinct, pool)
        rows = units.join(
            keys.numbers, on=KEY_FIELDS, how="left", nulls_equal=True, maintain_order="left"
        ).with_columns(pl.lit(upload_id).alias("upload_id"), pl.when(~pl.col("topline")).then("key_id").alias("key_id"))
        # Each column takes a twentieth of a row's time. The index on keys is built fastest in key order.
        names = [column for column, field in COLUMNS.items() if field in rows.columns and not _is_default(rows[field])]
        chosen = rows.sort("key_id", maintain_order=True).select(pl.col(COLUMNS[name]).alias(name) for name in names)
        written = session.copy_bytes("viewership.platform_viewership", names, as_csv(chosen))
        keys.write(session)
    return written


def _is_default(values: pl.Series) -> bool:
    """Return whether all values of a column equal the table's default."""
    if values.name in _DEFAULTS:
        return values.null_count() == 0 and bool((values == _DEFAULTS[values.name]).all())
    return values.null_count() == len(values)


def as_csv(frame: pl.DataFrame) -> Iterator[bytes]:
    """Yield the rows of a frame as CSV for COPY, some at a time; the next ones are encoded meanwhile."""

    def block(start: int) -> bytes:
        buffer = BytesIO()
        frame.slice(start, _BLOCK).write_csv(buffer, include_header=False)
        return buffer.getvalue()

    with ThreadPoolExecutor(1, thread_name_prefix="csv") as pool:
        following = pool.submit(block, 0)
        for start in range(0, frame.height, _BLOCK):
            current = following.result()
            if start + _BLOCK < frame.height:
                following = pool.submit(block, start + _BLOCK)
            yield current


def write_set_aside(session: DatabaseSession, upload_id: int, units: pl.DataFrame) -> int:
    """Write the units of an upload that were rejected or filtered, and return their number.

    Those of an earlier attempt are replaced.

    Args:
        session: the transaction that holds the upload.
        upload_id: the upload.
        units: ``line``, ``position``, ``fate``, ``code``, ``column_name``, ``raw``, ``message``, ``hours``,
            ``revenue`` and ``unparsable``, the number of hours and revenues that cannot be read.
    """
    names = ("line", "position", "fate", "code", "column_name", "raw", "message", "hours", "revenue", "unparsable")
    session.run("DELETE FROM viewership.set_aside_rows WHERE upload_id = :id", id=upload_id)
    values: Any = ((upload_id, *row) for row in units.select(names).iter_rows())
    return session.copy("viewership.set_aside_rows", ("upload_id", *names), values)
