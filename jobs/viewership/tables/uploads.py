"""Uploads: one row per content of a file, its names, its copies and overlaps, and its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.errors import TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime
    from decimal import Decimal

    from shared.database.session import DatabaseSession

__all__ = [
    "ACTIVE",
    "Claim",
    "NewUpload",
    "Overlap",
    "Upload",
    "claim",
    "copies",
    "count",
    "find",
    "hold",
    "latest",
    "lock_period",
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
        outside: its other rows.
        scopes: the scopes that both have.
    """

    upload: Upload
    units: int
    hours: Decimal
    revenue: Decimal
    first: date | None
    last: date | None
    outside: int
    scopes: list[int]


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
        session: a transaction.
        new: the file.
        run_id: the run.
    """
    # Looked up first, since an INSERT that conflicts takes a number of the sequence: the numbers would have gaps.
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
    """Return the error for an upload that does not exist, with the numbers that do."""
    last = session.rows("SELECT max(upload_id) FROM viewership.uploads")[0][0]
    if last is None:
        return UsageError(f"upload {upload_id} does not exist; expected a file first: `telecine viewership run FILE`")
    return UsageError(
        f"upload {upload_id} does not exist; expected a number up to {last}, as in `telecine viewership uploads`"
    )


def latest(session: DatabaseSession, limit: int) -> list[Upload]:
    """Return the latest uploads, latest first."""
    rows = session.rows(
        f"SELECT {_COLUMNS} FROM viewership.uploads ORDER BY upload_id DESC LIMIT :limit",  # noqa: S608
        limit=limit,
    )
    return [Upload(*row) for row in rows]


def hold(session: DatabaseSession, upload_id: int) -> Upload:
    """Lock an upload and its platform's months until the end of the transaction, and return it as it is now.

    Every transaction locks the months before the row, which avoids deadlocks.

    Args:
        session: the transaction.
        upload_id: the upload.

    Raises:
        UsageError: there is no such upload.
    """
    while True:
        found = find(session, upload_ids=[upload_id])
        if not found:
            raise unknown(session, upload_id)
        seen = found[0]
        if seen.platform is not None:
            lock_period(session, seen.platform, seen.first_date, seen.last_date)
        rows = session.rows(
            f"SELECT {_COLUMNS} FROM viewership.uploads WHERE upload_id = :id FOR UPDATE",  # noqa: S608
            id=upload_id,
        )
        upload = Upload(*rows[0])
        if (upload.platform, upload.first_date, upload.last_date) == (seen.platform, seen.first_date, seen.last_date):
            return upload


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


def overlaps(
    session: DatabaseSession,
    upload_id: int,
    platform: str,
    label: str,
    scopes: Mapping[bool, list[int]],
    *,
    whole: Iterable[int] = (),
    undated: Iterable[str] = (),
) -> list[Overlap]:
    """Return other uploads with rows for the same platform, label, partner, channel, territory and days.

    Totals of a channel overlap with totals only: they cover the same hours as the rows of its content.

    Args:
        session: a transaction.
        upload_id: the upload that is left out.
        platform: its platform.
        label: its label; ``Both`` overlaps with either.
        scopes: whether rows are totals of a channel -> the scopes of these rows.
        whole: scopes of rows that stand for a whole month, which overlap with each of its days.
        undated: year and quarter of the rows without a date, such as ``2025 q3``.
    """
    rows = session.rows(
        f"""
        WITH places AS (
            SELECT scope_id, platform, COALESCE(date::text, '') AS day, jsonb_build_array(platform_partner_name,
                platform_channel_name, platform_territory, to_char(date, 'YYYY-MM')) AS place
            FROM viewership.scopes WHERE platform = :platform
        ), own AS (
            SELECT p.place, p.scope_id = ANY (CAST(:totals AS bigint[])) AS topline, array_agg(p.day) AS days,
                bool_or(p.scope_id = ANY (CAST(:whole AS bigint[]))) AS whole
            FROM places p WHERE p.scope_id = ANY (CAST(:scopes AS bigint[]) || CAST(:totals AS bigint[]))
            GROUP BY 1, 2
        ), alike AS MATERIALIZED (
            SELECT o.topline, p.scope_id, o.whole OR p.day = ANY (o.days) AS same
            FROM own o JOIN places p ON p.place = o.place
        )
        SELECT {_QUALIFIED}, count(*), COALESCE(sum(r.tot_hov), 0), COALESCE(sum(r.revenue), 0), min(r.date),
            max(r.date), (SELECT count(*) FROM viewership.platform_viewership a WHERE a.upload_id = u.upload_id)
                - count(*), array_agg(DISTINCT r.scope_id)
        FROM viewership.uploads u
        JOIN viewership.platform_viewership r USING (upload_id)
        JOIN alike a ON a.scope_id = r.scope_id AND a.topline = (r.key_id IS NULL)
        WHERE u.platform = :platform AND u.upload_id <> :id AND u.status = ANY (:active)
            AND (u.label = :label OR 'Both' IN (u.label, :label)) AND (a.same OR r.whole_month)
            AND (r.date IS NOT NULL OR concat_ws(' ', r.year, r.quarter) = ANY (CAST(:undated AS text[])))
        GROUP BY u.upload_id ORDER BY u.upload_id
        """,  # noqa: S608 - names of this module
        id=upload_id,
        platform=platform,
        label=label,
        scopes=scopes.get(False, []),
        totals=scopes.get(True, []),
        whole=list(whole),
        undated=list(undated),
        active=list(ACTIVE),
    )
    return [Overlap(Upload(*row[:-7]), *row[-7:]) for row in rows]


def lock_period(session: DatabaseSession, platform: str, first: date | None, last: date | None) -> None:
    """Lock the rows of this platform for these months against storing and loading.

    Args:
        session: the transaction; its end releases the locks.
        platform: the platform.
        first: first day; None locks rows without a date.
        last: last day.
    """
    months = ["none"]
    if first is not None and last is not None:
        months = [
            f"{month // 12}-{month % 12 + 1:02}"
            for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
        ]
    for month in months:
        session.lock(f"telecine viewership {platform} {month}")
