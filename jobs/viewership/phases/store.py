"""Store the units of an upload: rows, rows set aside, and the sums that they must add up to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from jobs.viewership.model import FIELDS, Fate
from jobs.viewership.phases.canonical import canonical_sha256
from jobs.viewership.phases.overlap import find_others, shown, span_months, told
from jobs.viewership.tables.keys import distinct_keys
from jobs.viewership.tables.rows import with_scopes, write_rows, write_set_aside
from jobs.viewership.tables.uploads import ACTIVE, find, hold, refuse_gone, update
from shared.errors import IntegrityError
from shared.text import clean_data, clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.viewership.model import Note
    from jobs.viewership.phases.overlap import Other
    from jobs.viewership.phases.reading import Interpretation
    from shared.database.session import DatabaseSession

__all__ = ["Stored", "facts", "set_aside_rows", "store"]

_RAW_CHARS: Final = 4000
_MESSAGE_CHARS: Final = 2000
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of :func:`store`.

    Attributes:
        outcome: ``stored``, ``linked``, ``copy``, ``overlap`` or ``skipped``.
        code: code of an outcome that waits for an answer.
        message: what was found, for such an outcome.
        written: rows written.
        set_aside: rows rejected or filtered.
    """

    outcome: str
    code: str | None = None
    message: str = ""
    written: int = 0
    set_aside: int = 0


def facts(read: Interpretation) -> pl.DataFrame:
    """Return the units with the columns that the tables have.

    Args:
        read: the interpretation of a file.
    """
    frame = read.units.frame
    return frame.with_columns(
        _positions(frame["line"]),
        (pl.col("fate") == str(Fate.TOPLINE)).fill_null(value=False).alias("topline"),
        (pl.col("date_grain") == "week").fill_null(value=False).alias("whole_week"),
        (pl.col("date_grain") == "month").fill_null(value=False).alias("whole_month"),
        pl.when(pl.col("year").is_not_null() & pl.col("month").is_not_null())
        .then(pl.format("{}{}01", pl.col("year"), pl.col("month").cast(pl.String).str.zfill(2)))
        .alias("year_month_day"),
    )


def _positions(lines: pl.Series) -> pl.Expr:
    """Return the place of each unit among those of its line."""
    # Without wide columns, each line has one unit; checking for that takes a tenth of the time of grouping.
    if lines.n_unique() == len(lines):
        return pl.lit(0, dtype=pl.Int64).alias("position")
    return pl.int_range(pl.len()).over("line").alias("position")


def store(
    session: DatabaseSession, upload_id: int, read: Interpretation, *, domain: str, on_overlap: str, run_id: str
) -> Stored:
    """Write the rows of an upload in one transaction, unless its bytes are already stored or it waits for an answer.

    Args:
        session: the transaction.
        upload_id: the upload, already claimed.
        read: the contents of its file.
        domain: the domain of its rows.
        on_overlap: ``ask``, ``skip``, ``replace`` or ``append``.
        run_id: the run.

    Raises:
        IntegrityError: the rows written do not add up to the file.
    """
    chosen, units = read.format, facts(read)
    platform, label = read.platform, chosen.label
    first, last = cast("date | None", units["date"].min()), cast("date | None", units["date"].max())
    upload = hold(session, upload_id, months=span_months(platform, units))
    if upload.status in ACTIVE:
        return Stored("linked")
    refuse_gone(upload)
    goes_on = pl.col("fate").is_null() | pl.col("topline")
    rows = with_scopes(session, platform, domain, units.filter(goes_on))
    aside = units.filter(~goes_on)
    with ThreadPoolExecutor(1, thread_name_prefix="canonical") as pool:
        hashed = pool.submit(canonical_sha256, platform, label, rows, tuple(FIELDS))
        keys = distinct_keys(platform, rows.filter(~pl.col("topline")))
        canonical = hashed.result()
    others = find_others(session, upload, platform, label, canonical, rows=rows)
    listed, left_out = shown(others)
    file = read.units.file
    fields = {
        "answers": [],
        "platform": platform,
        "domain": domain,
        "label": label,
        "format": chosen.full_name,
        "canonical_sha256": canonical,
        "units": file.rows,
        "hours": file.hours,
        "revenue": file.revenue,
        "unparsable": file.unparsable,
        "notes": [_note(note) for note in read.notes],
        "others": listed,
        "others_left_out": left_out,
        "first_date": first,
        "last_date": last,
        "pipeline_run_id": run_id,
    }
    waiting = _waiting(others, on_overlap)
    if waiting is not None:
        status, code, message = waiting
        update(session, upload_id, status=status, code=code, message=message, **fields)
        return Stored(status, code, message)
    replaces = _with_replaced(session, others) if on_overlap == "replace" else []
    set_aside = write_set_aside(session, upload_id, set_aside_rows(aside))
    written = write_rows(session, upload_id, rows, keys)
    update(session, upload_id, status="read", code=None, message=None, replaces=replaces, **fields)
    _check(session, upload_id, read)
    return Stored("stored", written=written, set_aside=set_aside)


def _with_replaced(session: DatabaseSession, others: Sequence[Other]) -> list[int]:
    """Return the uploads to replace, and those that they have replaced: decisions on any of them carry over."""
    found = find(session, upload_ids=[other.upload_id for other in others])
    return sorted({number for each in found for number in (each.upload_id, *each.replaces)})


def _note(note: Note) -> dict[str, object]:
    return dict(clean_data({"code": note.code, "message": note.message, "line": note.line, "column": note.column}))


def _waiting(others: Sequence[Other], on_overlap: str) -> tuple[str, str, str] | None:
    """Return status, code and message of an upload that is not stored because of others."""
    if not others or on_overlap == "append":
        return None
    kind = "copy" if any(other.kind == "copy" for other in others) else "overlap"
    if on_overlap == "skip":
        return "skipped", kind.upper(), clean_text(f"skipped: {told(others)}", _MESSAGE_CHARS)
    if on_overlap == "replace":
        # A file with only hours must not remove the revenue of one with both.
        partial = [
            other
            for other in others
            if other.outside or (other.revenue and not other.has_revenue) or (other.hours and not other.has_hours)
        ]
        if not partial:
            return None
        advice = (
            "the file lacks rows or amounts of the uploads that it would replace; expected all of them; "
            "retract those uploads, or pass --on-overlap append"
        )
        return kind, "REPLACE_PARTIAL", clean_text(f"{advice}: {told(partial)}", _MESSAGE_CHARS)
    # The advice comes first, since notices and reports cut off the end.
    found = "the same rows" if kind == "copy" else "rows for the same days"
    advice = f"{found} are already stored; pass --on-overlap skip, replace or append"
    return kind, kind.upper(), clean_text(f"{advice}: {told(others)}", _MESSAGE_CHARS)


def _stored(name: str) -> pl.Expr:
    """Return texts of a file as the table takes them: without NUL, of limited length."""
    return pl.col(name).str.replace_all("\0", "", literal=True).str.slice(0, _RAW_CHARS)


def set_aside_rows(units: pl.DataFrame) -> pl.DataFrame:
    """Return the rejected and filtered ones of some units, as the table has them."""
    # The hours of a control total belong to other rows.
    amount = pl.when(~pl.col("control"))
    return units.filter(pl.col("fate").is_not_null() & ~pl.col("topline")).select(
        "line",
        "position",
        "fate",
        "code",
        _stored("column").alias("column_name"),
        _stored("raw"),
        _stored("reason").fill_null("").alias("message"),
        amount.then("hours").alias("hours"),
        amount.then("revenue").alias("revenue"),
        amount.then("unparsable").otherwise(0).alias("unparsable"),
    )


def _check(session: DatabaseSession, upload_id: int, read: Interpretation) -> None:
    """Compare what the tables hold with the sums of the file, which were taken before any unit had a fate."""
    found = session.rows(
        """
        SELECT count(*), COALESCE(sum(hours), 0), COALESCE(sum(revenue), 0) FROM (
            SELECT tot_hov AS hours, revenue FROM viewership.platform_viewership WHERE upload_id = :id
            UNION ALL
            SELECT hours, revenue FROM viewership.set_aside_rows WHERE upload_id = :id
        ) rows
        """,
        id=upload_id,
    )[0]
    file = read.units.file
    if tuple(found) != (file.rows, file.hours, file.revenue):
        raise IntegrityError(
            f"upload {upload_id}: the tables hold {found[0]} rows, {found[1]} hours and {found[2]} revenue; expected "
            f"those of the file: {file.rows} rows, {file.hours} hours and {file.revenue} revenue. Nothing was stored"
        )
