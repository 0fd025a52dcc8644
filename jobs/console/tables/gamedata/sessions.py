"""Game sessions and their frames, as `telecine gamedata publish` writes them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.database.session import DatabaseSession

__all__ = [
    "ANY_FLAG",
    "CONTAINING",
    "FLAGS",
    "KEY",
    "SESSIONS",
    "Flag",
    "Frames",
    "TooLarge",
    "attention",
    "containing",
    "counts",
    "error_counts",
    "exists",
    "finite",
    "flag_counts",
    "frames",
    "json_value",
    "pattern",
    "session",
    "sprite_key",
]

SESSIONS: Final = "gold.gamedata_sessions"
# Byte order, as in the index, regardless of the database's collation.
KEY: Final = 's.s3_key COLLATE "C"'
# Maximum number of values of a facet.
_MOST_CODES: Final = 40
# Longer metadata is not parsed. ffprobe writes a few kB, but `metadata.json` comes from users.
_JSON_BYTES: Final = 256 * 1024
_JSON_SHOWN: Final = 2_000


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a session.

    Attributes:
        name: its value in URLs.
        column: the column of the table.
        label: its text on pages.
    """

    name: str
    column: str
    label: str


FLAGS: Final = (
    Flag("dark", "is_video_mostly_dark", "mostly dark"),
    Flag("menu", "is_video_mostly_menu", "mostly menus"),
    Flag("dpi_scale", "is_dpi_scale_issue", "DPI scale"),
    Flag("empty", "is_session_empty", "empty"),
    Flag("timestamps", "has_unusable_timestamps", "timestamps unusable"),
)

ANY_FLAG: Final = " OR ".join(f"s.{flag.column}" for flag in FLAGS)
"""SQL: the session has a flag."""


# A search scans the index: 35 ms for 200,000 keys with LIKE, 70 to 90 ms with strpos. It stops at this many hits.
_MOST_FOUND: Final = 1_000
CONTAINING: Final = f"""
    SELECT s.s3_key FROM {SESSIONS} s WHERE {KEY} LIKE :q ORDER BY {KEY} LIMIT {_MOST_FOUND}
"""  # noqa: S608
"""SQL: the first 1,000 keys that match ``:q``, a pattern returned by :func:`pattern`."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """JSON too large to show as a tree.

    Attributes:
        bytes: its size.
        beginning: its first 2,000 characters.
    """

    bytes: int
    beginning: str


@dataclass(frozen=True, slots=True)
class Frames:
    """The sampled frames of a session in order of time; non-finite values are None.

    Attributes:
        time_s: seconds from the first displayed frame.
        luma_mean: mean luma, 0 to 255; ``luma_p01`` and ``luma_p99`` are its percentiles.
        border_top: height of the black bar at the top as a share of the picture; the other borders likewise.
        static_share: share of the picture that is unchanged in the most similar other frame.
        is_corrupt: the decoder concealed errors.
        is_menu: the frame is a menu; None if results per frame are not stored.
    """

    time_s: list[float]
    luma_mean: list[float | None]
    luma_p01: list[float | None]
    luma_p99: list[float | None]
    border_top: list[float | None]
    border_bottom: list[float | None]
    border_left: list[float | None]
    border_right: list[float | None]
    static_share: list[float | None]
    is_corrupt: list[bool]
    is_menu: list[bool | None] | None


def session(database: DatabaseSession, s3_key: str) -> Any | None:
    """Return a session, or None; metadata columns are JSON text, cut above 256 kB, with their sizes."""
    metadata = ", ".join(
        f"CASE WHEN octet_length({name}::text) <= {_JSON_BYTES} THEN {name}::text"
        f" ELSE left({name}::text, {_JSON_SHOWN}) END AS {name}, octet_length({name}::text) AS {name}_bytes"
        for name in ("video_metadata", "session_metadata", "further_checks")
    )
    flags = ", ".join(flag.column for flag in FLAGS)
    rows = database.rows(
        f"SELECT s3_key, video_id, duration_s, sampled, {flags}, dark_frame_share, black_bar_share,"  # noqa: S608
        " menu_share, menu_method, input_device_class, empty_reason, timestamps_reason, frames_state,"
        " inputs_state, error_stage, error_code, left(error, 4000) AS error, check_errors[1:50] AS check_errors,"
        " warnings[1:50] AS warnings, cardinality(check_errors) AS check_errors_total,"
        f" cardinality(warnings) AS warnings_total, {metadata}, source_etag, spec_digest, content_hash, run_id,"
        " published_at, pt_key, sprite_key, sprite_tile_width, sprite_tile_height, sprite_columns, sprite_tiles,"
        " sprite_times_s, sprite_error, input_events, input_keyboard, input_mouse, input_gamepad, input_first_s,"
        " input_last_s, input_unordered, input_invalid, input_desk_s, input_gamepad_s,"
        f" EXISTS (SELECT FROM pipeline.runs r WHERE r.run_id = s.run_id) AS has_run FROM {SESSIONS} s"
        " WHERE s3_key = :s3_key",
        s3_key=s3_key,
    )
    return rows[0] if rows else None


def frames(database: DatabaseSession, s3_key: str) -> Frames | None:
    """Return the frames of a session, or None."""
    rows = database.rows(
        "SELECT time_s, luma_mean, luma_p01, luma_p99, border_top, border_bottom, border_left, border_right,"
        " static_share, is_corrupt, is_menu FROM gold.gamedata_frames WHERE s3_key = :s3_key",
        s3_key=s3_key,
    )
    if not rows:
        return None
    row = rows[0]._asdict()
    kept = [index for index, time in enumerate(row["time_s"]) if time is not None and math.isfinite(time)]

    def of(name: str) -> list[Any]:
        return [finite(row[name][index]) for index in kept]

    values: dict[str, Any] = {name: None if row[name] is None else of(name) for name in row}
    return Frames(**values)


def finite(value: Any) -> Any:
    """Return a value; None for a non-finite number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sprite_key(database: DatabaseSession, s3_key: str) -> str | None:
    """Return the key of a session's sprite in the manifest bucket, or None."""
    rows = database.rows(f"SELECT sprite_key FROM {SESSIONS} WHERE s3_key = :s3_key", s3_key=s3_key)  # noqa: S608
    return rows[0].sprite_key if rows else None


def pattern(text: str) -> str:
    r"""Return a LIKE pattern that matches texts containing this text.

    >>> pattern("50%_a")
    '%50\\%\\_a%'
    """
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def containing(database: DatabaseSession, text: str) -> list[str]:
    """Return the first 1,000 keys that contain a text, in order."""
    return [row.s3_key for row in database.rows(CONTAINING, q=pattern(text))]


def exists(database: DatabaseSession) -> bool:
    """Return whether any sessions are published."""
    (row,) = database.rows(f"SELECT EXISTS (SELECT FROM {SESSIONS}) AS found")  # noqa: S608
    return bool(row.found)


def attention(database: DatabaseSession, cap: int) -> tuple[int, int]:
    """Count the sessions with an error and those with a flag, up to a cap; a count above it means more."""
    # Each flag has an index with the keys; a condition on all flags would read rows.
    flagged = " UNION ".join(
        f'(SELECT s3_key COLLATE "C" FROM {SESSIONS} WHERE {flag.column} LIMIT :most)'  # noqa: S608
        for flag in FLAGS
    )
    (row,) = database.rows(
        f"SELECT (SELECT count(*) FROM (SELECT FROM {SESSIONS} WHERE error_code IS NOT NULL LIMIT :most) AS found)"  # noqa: S608
        f" AS failed, (SELECT count(*) FROM ({flagged} LIMIT :most) AS found) AS flagged",
        most=cap + 1,
    )
    return int(row.failed), int(row.flagged)


def flag_counts(database: DatabaseSession, cap: int) -> list[tuple[str, str, int]]:
    """Return each flag's name, label and number of sessions; flags without sessions are left out.

    Args:
        database: an open transaction.
        cap: limit of the count; a result above it means more.
    """
    counted = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM {SESSIONS} s WHERE s.{flag.column} LIMIT :most) AS found) AS {flag.name}"  # noqa: S608
        for flag in FLAGS
    )
    (row,) = database.rows(f"SELECT {counted}", most=cap + 1)
    found = [(flag.name, flag.label, int(getattr(row, flag.name))) for flag in FLAGS]
    return sorted((each for each in found if each[2]), key=lambda each: -each[2])


def error_counts(database: DatabaseSession, cap: int) -> list[tuple[str, int]]:
    """Return error codes with their number of sessions, counted up to a cap."""
    rows = database.rows(
        # One index lookup per code, instead of a scan of all failed sessions.
        f"""
        WITH RECURSIVE codes(code, number) AS (
            (SELECT error_code, 1 FROM {SESSIONS} WHERE error_code IS NOT NULL ORDER BY error_code LIMIT 1)
            UNION ALL
            SELECT (SELECT s.error_code FROM {SESSIONS} s WHERE s.error_code > c.code ORDER BY s.error_code LIMIT 1),
                c.number + 1
            FROM codes c WHERE c.code IS NOT NULL AND c.number < :codes
        )
        SELECT c.code, f.number FROM codes c
        CROSS JOIN LATERAL (
            SELECT count(*) AS number FROM (SELECT FROM {SESSIONS} s WHERE s.error_code = c.code LIMIT :most) AS found
        ) AS f
        WHERE c.code IS NOT NULL ORDER BY f.number DESC, c.code
        """,  # noqa: S608
        most=cap + 1,
        codes=_MOST_CODES,
    )
    return [(row.code, row.number) for row in rows]


def counts(
    database: DatabaseSession, where: str, values: Mapping[str, Any], cap: int
) -> tuple[list[tuple[str, str, int]], list[tuple[str, int]], bool]:
    """Count flags and error codes over the first matching rows, in one pass.

    Returns:
        Flags and codes as :func:`flag_counts` and :func:`error_counts` return them, and whether more rows match.
    """
    columns = ", ".join(f"s.{flag.column}" for flag in FLAGS)
    flagged = ", ".join(f"count(*) FILTER (WHERE {flag.column}) AS {flag.name}" for flag in FLAGS)
    rows = database.rows(
        f"SELECT error_code, count(*) AS number, {flagged}"  # noqa: S608
        f" FROM (SELECT s.error_code, {columns} FROM {SESSIONS} s {where} LIMIT :most) AS found GROUP BY error_code",
        **values,
        most=cap + 1,
    )
    flags = [(flag.name, flag.label, sum(int(getattr(row, flag.name)) for row in rows)) for flag in FLAGS]
    codes = [(row.error_code, int(row.number)) for row in rows if row.error_code is not None]
    return (
        sorted((each for each in flags if each[2]), key=lambda each: -each[2]),
        sorted(codes, key=lambda each: (-each[1], each[0])),
        sum(row.number for row in rows) > cap,
    )


def json_value(text: str | None, size: int | None) -> Any:
    """Parse JSON text; return :class:`TooLarge` if it is too long or too deeply nested."""
    if text is None:
        return None
    if (size or 0) <= _JSON_BYTES:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return TooLarge(size or 0, text[:_JSON_SHOWN])
