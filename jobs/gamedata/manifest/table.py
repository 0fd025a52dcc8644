"""Assemble the manifest from sessions, error rows and checks (``check_failed``); write the file's own metadata."""

from __future__ import annotations

import functools
import io
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs.gamedata.manifest.schema import MANIFEST_VERSION, manifest_schema
from jobs.gamedata.revision import revision, version
from shared.failure import Failure
from shared.scrub import scrub

if TYPE_CHECKING:
    from jobs.gamedata.checks import Registry
    from jobs.gamedata.checks.load import CheckFile
    from jobs.gamedata.checks.run import CheckError, Columns
    from jobs.gamedata.manifest.gather import Sessions

__all__ = [
    "Manifest",
    "assemble",
    "count_flags",
    "flag_columns",
    "flag_name",
    "flagged",
    "rejects_of",
    "retryable_keys",
    "unusable_checks",
]

# A frame of a traceback: file and line.
_PLACE: Final = re.compile(r'^  File "(.+)", line ([0-9]+)', re.MULTILINE)


# Short names of flags; a flag of a user's check keeps the name of its column.
_FLAG_NAMES: Final = {
    "is_video_mostly_dark": "dark",
    "is_dpi_scale_issue": "bars",
    "is_video_mostly_menu": "menu",
    "is_session_empty": "empty",
    "has_unusable_timestamps": "timestamps",
}


@dataclass(slots=True)
class Manifest:
    """A manifest before it is written.

    Attributes:
        table: rows ordered by ``s3_key``, in the published schema.
        sessions: the sessions that the manifest was built from.
        registry: the checks that ran.
        durations: duration of each phase in seconds.
        retryable: ``s3_key`` of the sessions that failed for a transient reason.
        unusable: the checks that raised on every session.
        workers: kind of the workers of frames checks -> their number.
    """

    table: pa.Table
    sessions: Sessions
    registry: Registry
    durations: dict[str, float]
    retryable: frozenset[str] = frozenset()
    unusable: tuple[Failure, ...] = ()
    workers: dict[str, int] = field(default_factory=dict)

    def parquet(self) -> memoryview:
        """Return the file's bytes."""
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        pq.write_table(self.table, stream, compression="zstd", row_group_size=1 << 16)
        return stream.getbuffer()


def assemble(sessions: Sessions, results: Columns, registry: Registry, files: tuple[CheckFile, ...]) -> pa.Table:
    """Return the manifest's rows ordered by ``s3_key``, in the published schema.

    Args:
        sessions: the sessions that checks ran on, and those that they could not.
        results: the results of the checks.
        registry: the checks.
        files: the user's check files.
    """
    errors = {row: list(of_row) for row, of_row in results.errors.items() if of_row}
    size = len(sessions.rows)
    texts: dict[str, list[Any]] = {
        name: [None] * size for name in ("error", "error_traceback", "error_code", "error_stage", "check_errors")
    }
    # A check that fails for all sessions raises only a few distinct messages.
    hidden = functools.lru_cache(4096)(scrub)
    for row, of_row in errors.items():
        texts["check_errors"][row] = [hidden(error.message) for error in of_row]
        texts["error"][row] = "; ".join(texts["check_errors"][row])
        texts["error_traceback"][row] = "\n".join(hidden(error.traceback) for error in of_row)
        texts["error_code"][row], texts["error_stage"][row] = "check_failed", "manifest"
    judged = sessions.rows.select(
        *("s3_key", "video_id", "video_metadata", "session_metadata", "duration_s", "sampled"),
        *("source_etag", "spec_digest", "warnings"),
    ).with_columns(
        *(pl.Series(name, texts.pop(name), dtype=pl.String) for name in list(texts)[:4]),
        pl.Series("check_errors", texts["check_errors"], dtype=pl.List(pl.String)),
        *(series.alias(name) for name, series in results.values.items()),
    )
    digests = ",".join(file.digest for file in files) or None
    complete = pl.concat([judged, sessions.errors], how="diagonal").sort("s3_key")
    complete = complete.with_columns(
        pl.lit(datetime.now(UTC)).dt.cast_time_unit("us").alias("processed_time"),
        pl.lit(revision(), dtype=pl.String).alias("commit_hash"),
        pl.lit(MANIFEST_VERSION, dtype=pl.Int32).alias("schema_version"),
        pl.lit(digests, dtype=pl.String).alias("checks_sha256"),
        pl.when(pl.col("warnings").list.len() > 0).then(pl.col("warnings")).otherwise(None).alias("warnings"),
    )
    metadata = {
        "version": version(),
        "checks": [{"file": file.path, "sha256": file.digest} for file in files],
        "columns": {column: check.name for check in registry for column in check.columns},
    }
    schema = manifest_schema(registry, metadata)
    return complete.select(schema.names).to_arrow().cast(schema)


def retryable_keys(sessions: Sessions, results: Columns) -> frozenset[str]:
    """Return the keys of the sessions whose failed checks may all succeed on a retry."""
    keys = sessions.rows["s3_key"]
    return frozenset(
        keys[row] for row, errors in results.errors.items() if errors and all(error.retryable for error in errors)
    )


def unusable_checks(count: int, results: Columns) -> tuple[Failure, ...]:
    """Return the checks that raised on every session, each with its first error and the line that raised it.

    Args:
        count: number of sessions.
        results: results of all checks.
    """
    raised: dict[str, list[CheckError]] = defaultdict(list)
    for row in sorted(results.errors):
        for error in results.errors[row]:
            # Errors of the store or of a .pt file do not start with the check's name.
            if error.message.startswith(f"{error.check}: "):
                raised[error.check].append(error)
    return tuple(
        Failure(
            f"check {name}",
            "check_failed",
            f"raised on {count:,} of {count:,} {'session' if count == 1 else 'sessions'}:"
            f" {errors[0].message.removeprefix(f'{name}: ')}{_place(errors[0])}",
            retryable=all(error.retryable for error in errors),
        )
        for name, errors in raised.items()
        if len(errors) >= count
    )


def _place(error: CheckError) -> str:
    """Return the last line of the traceback as ``(mine.py:7)``; empty without a traceback."""
    places = _PLACE.findall(error.traceback)
    return f" ({Path(places[-1][0]).name}:{places[-1][1]})" if places else ""


def count_flags(table: pa.Table) -> dict[str, int]:
    """Return the number of sessions for which each boolean column is true."""
    flags = [field.name for field in table.schema if pa.types.is_boolean(field.type)]
    return {name: pc.sum(table[name]).as_py() or 0 for name in flags}


def rejects_of(table: pa.Table) -> dict[str, int]:
    """Return the number of rows by error code."""
    codes = Counter(code for code in table["error_code"].to_pylist() if code is not None)
    return dict(sorted(codes.items()))


def flag_name(column: str) -> str:
    """Return a flag's short name: ``is_video_mostly_dark`` -> ``dark``."""
    return _FLAG_NAMES.get(column, column)


def flagged(table: pa.Table) -> list[int]:
    """Return the rows for which a boolean column is true."""
    columns = [table[name].to_pylist() for name in flag_columns(table)]
    return [row for row, values in enumerate(zip(*columns, strict=True)) if any(values)]


def flag_columns(table: pa.Table) -> list[str]:
    """Return the names of the boolean columns."""
    return [field.name for field in table.schema if pa.types.is_boolean(field.type)]
