"""Uploads: one row per content of a file, its names, its copies and overlaps, and its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobs.viewership.tables.locks import limit_waits
from shared.errors import TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime
    from decimal import Decimal
    from typing import TypeAlias

    from shared.database.session import DatabaseSession

    # A platform and one of its months, such as 2025-07, or "none".
    Month: TypeAlias = tuple[str, str]

__all__ = [
    "ACTIVE",
    "Claim",
    "NewUpload",
    "Overlap",
    "Span",
    "Upload",
    "claim",
    "copies",
    "count",
    "find",
    "hold",
    "hold_related",
    "latest",
    "months_of",
    "overlaps",
    "unknown",
    "update",
]

ACTIVE: Final = ("read", "normalized", "matched", "loaded", "partial")
"""States of uploads whose rows count."""


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that was uploaded.

    Attributes:
        sha256: of its bytes, which are its identity.
        object_key: where the raw file is kept.
        filename: its name, which does not identify it.
        size_bytes: its size.
        choices: what the user chose, by the name of the flag.
        rereads: the stored upload with the same bytes that is read again with other choices.
    """

    sha256: str
    object_key: str
    filename: str
    size_bytes: int
    choices: dict[str, Any]
    rereads: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in the table.

    Attributes:
        upload_id: its number.
        sha256: of its bytes.
        filename: the name of its first upload.
        object_key: where the raw file is kept.
        size_bytes: its size.
        platform: its platform; None until the file was read.
        domain: such as ``Distribution Partners``; None until then.
        label: ``Viewership``, ``Revenue`` or ``Both``; None until then.
        format: name and version of the format; None until then.
        choices: what the user chose, by the name of the flag.
        status: its status.
        first_date: first day of its rows.
        last_date: last day of its rows.
        replaces: numbers of the uploads that it replaces when it is loaded.
        rereads: the upload with the same bytes that it replaces.
        units: units of the file.
        hours: sum of the file.
        revenue: sum of the file.
        created_at: when it was first uploaded.
    """

    upload_id: int
    sha256: str
    filename: str
    object_key: str
    size_bytes: int
    platform: str | None
    domain: str | None
    label: str | None
    format: str | None
    choices: dict[str, Any]
    status: str
    first_date: date | None
    last_date: date | None
    replaces: list[int]
    rereads: int | None
    units: int | None
    hours: Decimal | None
    revenue: Decimal | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """The row of an upload, and whether it already existed."""

    upload: Upload
    is_new: bool


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another upload that has rows for the same platform, channel, territory and days.

    Attributes:
        upload: the other upload.
        units: its units in the overlap.
        hours: their hours.
        revenue: their revenue.
        first: first day of the overlap.
        last: last day of the overlap.
        outside: its other rows, including those for a longer time whose first or last day the new file lacks.
        places: partner, channel and territory of the overlap.
    """

    upload: Upload
    units: int
    hours: Decimal
    revenue: Decimal
    first: date | None
    last: date | None
    outside: int
    places: list[list[str | None]]


class Span(NamedTuple):
    """Days that rows of a scope cover.

    Attributes:
        scope_id: the scope.
        topline: the rows are totals of a channel.
        first: first day; None if not even the year is known.
        last: last day.
    """

    scope_id: int
    topline: bool
    first: date | None
    last: date | None


_NAMES: Final = (
    *("upload_id", "sha256", "filename", "object_key", "size_bytes", "platform", "domain", "label", "format"),
    *("choices", "status", "first_date", "last_date", "replaces", "rereads", "units", "hours", "revenue", "created_at"),
)
_COLUMNS: Final = ", ".join(_NAMES)
_JSON: Final = frozenset({"answers", "choices", "notes", "others"})
_QUALIFIED: Final = ", ".join(f"u.{name}" for name in _NAMES)


def claim(session: DatabaseSession, new: NewUpload, run_id: str) -> Claim:
    """Insert an upload, or return the one with the same bytes; of two concurrent calls, the second waits for the first.

    Args:
        session: a transaction; its lock timeout is set to that of a phase.
        new: the file.
        run_id: the run.
    """
    limit_waits(session)
    # Look it up first: an INSERT that conflicts uses up a number of the sequence, which would leave gaps.
    found = _same_bytes(session, new)
    inserted = [] if found else _insert(session, new, run_id)
    found = found or inserted or _same_bytes(session, new)
    if not found:  # it was retracted or replaced while this transaction waited
        return claim(session, new, run_id)
    upload = Upload(*found[0])
    session.run(
        """
        INSERT INTO viewership.upload_names AS n (upload_id, filename) VALUES (:id, :filename)
        ON CONFLICT (upload_id, filename) DO UPDATE SET times = n.times + 1, last_seen = now()
        """,
        id=upload.upload_id,
        filename=new.filename,
    )
    return Claim(upload, is_new=bool(inserted))


def _insert(session: DatabaseSession, new: NewUpload, run_id: str) -> list[Any]:
    """Insert an upload and return it; return nothing if another transaction has inserted these bytes."""
    return session.rows(
        f"""
        INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, choices, status, rereads,
            pipeline_run_id)
        VALUES (:sha256, :object_key, :filename, :size, CAST(:choices AS jsonb), 'received', :rereads, :run)
        ON CONFLICT DO NOTHING
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - names of this module
        sha256=new.sha256,
        object_key=new.object_key,
        filename=new.filename,
        size=new.size_bytes,
        choices=json.dumps(new.choices, sort_keys=True),
        rereads=new.rereads,
        run=run_id,
    )


def _same_bytes(session: DatabaseSession, new: NewUpload) -> list[Any]:
    """Lock and return the upload with these bytes, if there is one."""
    return session.rows(
        f"SELECT {_COLUMNS} FROM viewership.uploads WHERE sha256 = :sha256"  # noqa: S608
        " AND status NOT IN ('replaced', 'retracted') AND rereads IS NOT DISTINCT FROM :rereads FOR UPDATE",
        sha256=new.sha256,
        rereads=new.rereads,
    )


def find(session: DatabaseSession, *, status: Iterable[str] = (), upload_ids: Iterable[int] = ()) -> list[Upload]:
    """Return uploads in these states, or with these numbers, oldest first."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM viewership.uploads WHERE status = ANY (:status)"  # noqa: S608
        " OR upload_id = ANY (CAST(:ids AS bigint[])) ORDER BY upload_id",
        status=list(status),
        ids=list(upload_ids),
    )
    return [Upload(*row) for row in rows]


def count(session: DatabaseSession) -> int:
    """Return the number of uploads."""
    return int(session.rows("SELECT count(*) FROM viewership.uploads")[0][0])


def unknown(session: DatabaseSession, upload_id: int) -> UsageError:
    """Return the error for an upload that does not exist, with the highest number that does."""
    last = session.rows("SELECT max(upload_id) FROM viewership.uploads")[0][0]
    if last is None:
        return UsageError(f"upload {upload_id} does not exist; none is stored yet; run `telecine viewership run FILE`")
    return UsageError(
        f"upload {upload_id} does not exist; expected a number up to {last}, listed by `telecine viewership uploads`"
    )


def latest(session: DatabaseSession, limit: int) -> list[Upload]:
    """Return the latest uploads, latest first."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM viewership.uploads ORDER BY upload_id DESC LIMIT :limit",  # noqa: S608
        limit=limit,
    )
    return [Upload(*row) for row in rows]


def hold(session: DatabaseSession, upload_id: int, *, months: Iterable[Month] = ()) -> Upload:
    """Lock an upload and its platform's months until the end of the transaction, and return it as it is now.

    Args:
        session: the transaction, which holds no lock of months or uploads yet.
        upload_id: the upload.
        months: more months to lock.

    Raises:
        UsageError: there is no such upload.
    """
    [upload] = _held(session, upload_id, lambda: find(session, upload_ids=[upload_id]), months)
    return upload


def hold_related(session: DatabaseSession, upload_id: int) -> Upload:
    """Lock an upload, as :func:`hold` does, and the uploads that a load or a retraction of it updates.

    These are the active ones that it replaces, and those that re-read it or one of these.

    Raises:
        UsageError: there is no such upload.
    """
    found = _held(session, upload_id, lambda: _related(session, upload_id), ())
    return next(each for each in found if each.upload_id == upload_id)


def _related(session: DatabaseSession, upload_id: int) -> list[Upload]:
    rows = session.rows(
        f"""
        WITH own AS (
            SELECT array_remove(array_append(replaces || upload_id, rereads), NULL) AS ids
            FROM viewership.uploads WHERE upload_id = :id
        )
        SELECT {_QUALIFIED} FROM viewership.uploads u CROSS JOIN own
        WHERE u.upload_id = :id OR u.status NOT IN ('replaced', 'retracted')
            AND (u.upload_id = ANY (own.ids) OR u.rereads = ANY (own.ids))
        ORDER BY u.upload_id
        """,  # noqa: S608 - names of this module
        id=upload_id,
    )
    return [Upload(*row) for row in rows]


def _held(
    session: DatabaseSession, upload_id: int, look: Callable[[], list[Upload]], months: Iterable[Month]
) -> list[Upload]:
    """Lock the months of uploads and then their rows, each in one order, which avoids deadlocks."""
    while True:
        seen = look()
        if not seen:
            raise unknown(session, upload_id)
        wanted = set(months)
        for each in seen:
            if each.platform is not None:
                wanted |= months_of(each.platform, each.first_date, each.last_date)
        session.run("SAVEPOINT held")
        for platform, month in sorted(wanted):
            session.lock(f"telecine viewership {platform} {month}")
        session.rows(
            "SELECT FROM viewership.uploads WHERE upload_id = ANY (CAST(:ids AS bigint[])) ORDER BY upload_id"
            " FOR UPDATE",
            ids=[each.upload_id for each in seen],
        )
        found = look()
        if [_place(each) for each in found] == [_place(each) for each in seen]:
            session.run("RELEASE SAVEPOINT held")
            return found
        # They have changed meanwhile; locks that were taken already would break the order of the others.
        session.run("ROLLBACK TO SAVEPOINT held")


def _place(upload: Upload) -> tuple[object, ...]:
    return (upload.upload_id, upload.platform, upload.first_date, upload.last_date)


def refuse_gone(upload: Upload) -> None:
    """Raise TransientError if an upload was retracted or replaced while its file was read: a retry claims a new one."""
    if upload.status in ("replaced", "retracted"):
        raise TransientError(
            f"upload {upload.upload_id} was {upload.status} while its file was read; retry the command"
        )


def update(session: DatabaseSession, upload_id: int, **values: Any) -> None:
    """Set columns of an upload.

    Args:
        session: the transaction.
        upload_id: the upload.
        values: column -> value.
    """
    texts = {name: json.dumps(value) if name in _JSON else value for name, value in values.items()}
    casts = {**dict.fromkeys(_JSON, "jsonb"), "replaces": "bigint[]"}
    names = ", ".join(
        f"{name} = CAST(:{name} AS {casts[name]})" if name in casts else f"{name} = :{name}" for name in texts
    )
    session.run(
        f"UPDATE viewership.uploads SET {names}, updated_at = now() WHERE upload_id = :id",  # noqa: S608
        id=upload_id,
        **texts,
    )


def free_rereads(session: DatabaseSession, upload_ids: Iterable[int]) -> None:
    """Let uploads that re-read these take over their bytes, once these are replaced or retracted."""
    session.run(
        "UPDATE viewership.uploads SET rereads = NULL WHERE rereads = ANY (CAST(:ids AS bigint[]))"
        " AND status NOT IN ('replaced', 'retracted')",
        ids=list(upload_ids),
    )


def copies(session: DatabaseSession, upload_id: int, canonical_sha256: str) -> list[Upload]:
    """Return other uploads with the same rows in other bytes, such as a second export."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM viewership.uploads WHERE canonical_sha256 = :hash"  # noqa: S608
        " AND upload_id <> :id AND status = ANY (:active) ORDER BY upload_id",
        hash=canonical_sha256,
        id=upload_id,
        active=list(ACTIVE),
    )
    return [Upload(*row) for row in rows]


_OTHERS: Final = """
    SELECT upload_id FROM viewership.uploads WHERE platform = :platform AND upload_id <> :id AND status = ANY (:active)
        AND (label = :label OR 'Both' IN (label, :label))
"""


def overlaps(
    session: DatabaseSession, upload_id: int, platform: str, label: str, spans: Iterable[Span]
) -> list[Overlap]:
    """Return other uploads with rows for the same platform, label, partner, channel, territory and days.

    A row for a week, month, quarter or year overlaps with each of its days. Totals of a channel overlap with totals
    only: they cover the same hours as the rows of its content.

    Args:
        session: a transaction.
        upload_id: the upload that is left out.
        platform: its platform.
        label: its label; ``Both`` overlaps with either.
        spans: the scopes of its rows, with the days that the rows cover.
    """
    values = {"id": upload_id, "platform": platform, "label": label, "active": list(ACTIVE)}
    if not session.rows(f"{_OTHERS} LIMIT 1", **values):
        return []
    own = list(spans)
    rows = session.rows(
        f"""
        WITH places AS (
            SELECT scope_id, date AS day, jsonb_build_array(platform_partner_name, platform_channel_name,
                platform_territory) AS place
            FROM viewership.scopes WHERE platform = :platform
        ), own AS (
            SELECT DISTINCT p.place, o.topline, o.first, o.last
            FROM unnest(CAST(:scopes AS bigint[]), CAST(:toplines AS boolean[]), CAST(:firsts AS date[]),
                CAST(:lasts AS date[])) AS o (scope_id, topline, first, last)
            JOIN places p USING (scope_id)
        ), days AS MATERIALIZED (
            SELECT DISTINCT o.place, o.topline, d::date AS day
            FROM own o CROSS JOIN LATERAL generate_series(o.first, o.last, interval '1 day') d
        ), weeks AS (  -- a week may begin on any day
            SELECT place, topline, day - g AS first, min(day) AS begins, max(day) AS ends
            FROM days CROSS JOIN generate_series(0, 6) g GROUP BY 1, 2, 3
        ), months AS (
            SELECT place, topline, date_trunc('month', day)::date AS first, min(day) AS begins, max(day) AS ends
            FROM days GROUP BY 1, 2, 3
        ), alike AS MATERIALIZED (
            SELECT t.topline, p.scope_id, p.place, p.day IS NULL AS undated, d.day IS NOT NULL AS same_day,
                w.first IS NOT NULL AS same_week, w.begins = w.first AND w.ends = w.first + 6 AS all_week,
                m.first IS NOT NULL AS same_month,
                m.begins = m.first AND m.ends = (m.first + interval '1 month -1 day')::date AS all_month
            FROM (SELECT DISTINCT place, topline FROM own) t
            JOIN places p USING (place)
            LEFT JOIN days d ON d.place = p.place AND d.topline = t.topline AND d.day = p.day
            LEFT JOIN weeks w ON w.place = p.place AND w.topline = t.topline AND w.first = p.day
            LEFT JOIN months m ON m.place = p.place AND m.topline = t.topline
                AND m.first = date_trunc('month', p.day)::date
            WHERE p.day IS NULL OR d.day IS NOT NULL OR w.first IS NOT NULL OR m.first IS NOT NULL
        ), others AS (
            {_OTHERS}
        ), undated AS MATERIALIZED (
            SELECT f.place, f.topline, f.year, f.quarter, f.first, f.last,
                f.year IS NULL OR min(o.begins) = f.first AND max(o.ends) = f.last AS whole
            FROM (
                SELECT DISTINCT a.place, a.topline, r.year, r.quarter,
                    make_date(r.year, COALESCE(3 * right(r.quarter, 1)::int - 2, 1), 1) AS first,
                    (make_date(r.year, COALESCE(3 * right(r.quarter, 1)::int, 12), 1) + interval '1 month -1 day')::date
                        AS last
                FROM viewership.platform_viewership r JOIN others USING (upload_id)
                JOIN alike a ON a.scope_id = r.scope_id AND a.topline = (r.key_id IS NULL)
                WHERE a.undated
            ) f
            JOIN (
                SELECT place, topline, first AS begins, last AS ends FROM own WHERE first IS NULL
                UNION ALL SELECT place, topline, begins, ends FROM months
            ) o ON o.place = f.place AND o.topline = f.topline
                AND (f.year IS NULL AND o.begins IS NULL OR o.begins <= f.last AND o.ends >= f.first)
            GROUP BY f.place, f.topline, f.year, f.quarter, f.first, f.last
        )
        SELECT {_QUALIFIED}, count(*), COALESCE(sum(r.tot_hov), 0), COALESCE(sum(r.revenue), 0),
            min(COALESCE(n.first, r.date)),
            max(CASE WHEN a.undated THEN n.last
                WHEN r.whole_month THEN (r.date + interval '1 month -1 day')::date
                WHEN r.whole_week THEN r.date + 6 ELSE r.date END),
            (SELECT count(*) FROM viewership.platform_viewership a WHERE a.upload_id = u.upload_id)
                - count(*) FILTER (WHERE CASE WHEN a.undated THEN n.whole WHEN r.whole_month THEN a.all_month
                    WHEN r.whole_week THEN a.all_week ELSE true END),
            array_agg(DISTINCT a.place)
        FROM others
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.platform_viewership r USING (upload_id)
        JOIN alike a ON a.scope_id = r.scope_id AND a.topline = (r.key_id IS NULL)
        LEFT JOIN undated n ON a.undated AND n.place = a.place AND n.topline = a.topline
            AND (n.year, n.quarter) IS NOT DISTINCT FROM (r.year, r.quarter)
        WHERE CASE WHEN a.undated THEN n.place IS NOT NULL WHEN r.whole_month THEN a.same_month
            WHEN r.whole_week THEN a.same_week ELSE a.same_day END
        GROUP BY u.upload_id ORDER BY u.upload_id
        """,  # noqa: S608 - names of this module
        scopes=[span.scope_id for span in own],
        toplines=[span.topline for span in own],
        firsts=[span.first for span in own],
        lasts=[span.last for span in own],
        **values,
    )
    return [Overlap(Upload(*row[:-7]), *row[-7:]) for row in rows]


def months_of(platform: str, first: date | None, last: date | None) -> set[Month]:
    """Return the months from a day to another, which :func:`hold` locks against storing and loading.

    Args:
        platform: the platform.
        first: first day; None is for rows without a date.
        last: last day.
    """
    if first is None or last is None:
        return {(platform, "none")}
    return {
        (platform, f"{month // 12}-{month % 12 + 1:02}")
        for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    }
