"""Convert rows of the manifest to rows of ``gold.gamedata_sessions``: values that PostgreSQL accepts, without times."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from jobs.gamedata.checks.registry import Registry
from jobs.gamedata.manifest.schema import manifest_schema
from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

__all__ = ["COLUMNS", "TABLE", "clean", "gold_rows", "read_text"]

TABLE: Final = "gold.gamedata_sessions"
# Columns with the same name in the manifest: scalars and lists of text.
_PLAIN: Final = (
    *("s3_key", "video_id", "duration_s", "sampled", "is_video_mostly_dark", "dark_frame_share", "is_dpi_scale_issue"),
    *("black_bar_share", "is_video_mostly_menu", "video_menu_percent", "menu_method", "input_device_class"),
    *("is_session_empty", "empty_reason", "has_unusable_timestamps", "timestamps_reason", "error_stage", "error_code"),
    *("error", "check_errors", "warnings", "source_etag", "spec_digest"),
)
# Newer columns of the manifest; NULL in older manifests.
_ADDED: Final = ("frames_state", "inputs_state")
_JSON: Final = ("video_metadata", "session_metadata")
_FURTHER: Final = "further_checks"
COLUMNS: Final = (*_PLAIN, *_ADDED, *_JSON, _FURTHER)

# In the manifest but not published: build time and version, thresholds, tracebacks; and menu_share, which the database
# copies from video_menu_percent, so that manifests of earlier versions have it too.
_LEFT_OUT: Final = frozenset({"dark_luma_threshold", "dark_share_threshold", "menu_share"})
_AT_ONCE: Final = 4096
# Other programs may write text or empty columns with other types; all other columns are text.
_TYPES: Final[dict[str, pa.DataType]] = {
    **dict.fromkeys(("duration_s", "dark_frame_share", "black_bar_share", "video_menu_percent"), pa.float64()),
    **dict.fromkeys(("is_video_mostly_dark", "is_dpi_scale_issue", "is_video_mostly_menu"), pa.bool_()),
    **dict.fromkeys(("is_session_empty", "has_unusable_timestamps"), pa.bool_()),
    **dict.fromkeys(("check_errors", "warnings"), pa.list_(pa.string())),
    "sampled": pa.int64(),
}


def gold_rows(
    file: pq.ParquetFile, *, name: str, prefix: str, rebuild: str = "telecine gamedata manifest"
) -> Iterator[dict[str, Any]]:
    """Return the rows for the table, reading the manifest a few thousand rows at a time.

    Args:
        file: the manifest.
        name: used in messages.
        prefix: the prefix that every session's key must start with.
        rebuild: the command that builds the manifest, for messages.

    Raises:
        DataError: a column is missing; while rows are read: a session's key does not start with the prefix, or a value
            has another type than its column.
    """
    names = file.schema_arrow.names
    if missing := [column for column in (*_PLAIN, *_JSON) if column not in names]:
        raise DataError(
            f"--manifest {name} is not a manifest of this version: it lacks {', '.join(missing)}. Build it again:"
            f" {rebuild}",
            code="manifest_invalid",
        )
    return _rows(file, name, prefix, rebuild)


def read_text(file: pq.ParquetFile, *columns: str) -> pa.Table:
    """Read columns of a manifest as text; a value that is not text becomes NULL, and so does its whole column.

    :func:`gold_rows` reports what is wrong with a manifest; the rows of a faulty one match no results.
    """
    arrays = {}
    for column in columns:
        try:
            arrays[column] = file.read([column])[column].cast(pa.string())
        except (pa.ArrowException, OSError, ValueError, KeyError):
            arrays[column] = pa.nulls(file.metadata.num_rows, pa.string())
    return pa.table(arrays)


def _rows(file: pq.ParquetFile, name: str, prefix: str, rebuild: str) -> Iterator[dict[str, Any]]:
    names = file.schema_arrow.names
    built_in = {*manifest_schema(Registry()).names, *_PLAIN, *_ADDED, *_LEFT_OUT}
    further = [column for column in names if column not in built_in]
    for rows in _batches(file, name, rebuild, further):
        for row in rows:
            if not row["s3_key"].startswith(prefix):
                raise DataError(
                    f"--manifest {name} contains '{row['s3_key']}', which does not start with --prefix '{prefix}'; pass"
                    " the prefix that the manifest was built with",
                    code="manifest_prefix",
                )
            yield {
                **{column: clean(row[column]) for column in _PLAIN},
                **{column: clean(row.get(column)) for column in _ADDED},
                **{column: _json(row[column]) for column in _JSON},
                _FURTHER: _dump({column: row[column] for column in further}) if further else None,
            }


def _batches(file: pq.ParquetFile, name: str, rebuild: str, further: list[str]) -> Iterator[list[dict[str, Any]]]:
    added = [column for column in _ADDED if column in file.schema_arrow.names]
    own = (*_PLAIN, *added, *_JSON)
    try:
        for batch in file.iter_batches(_AT_ONCE, columns=[*own, *further]):
            columns = {column: batch[column].cast(_TYPES.get(column, pa.string())) for column in own}
            fields = [pa.field(column, array.type, column != "s3_key") for column, array in columns.items()]
            columns |= {column: batch[column] for column in further}
            fields += [batch.schema.field(column) for column in further]
            rows: list[dict[str, Any]] = pa.table(columns).cast(pa.schema(fields)).to_pylist()
            yield rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"--manifest {name} is not a manifest: {error}. Build it again: {rebuild}",
            code="manifest_invalid",
        ) from error


def _json(text: str | None) -> str | None:
    """Return JSON text that ``jsonb`` accepts; None if it cannot be parsed. Metadata comes from users' files."""
    if text is None:
        return None
    try:
        return _dump(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _dump(value: Any) -> str:
    return json.dumps(clean(value), ensure_ascii=False, sort_keys=True, default=str)


def clean(value: Any) -> Any:
    """Remove what PostgreSQL rejects from a value: NUL and lone surrogates in text, NaN and infinity in JSON."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [clean(member) for member in value]
    if isinstance(value, dict):
        return {clean(str(key)): clean(member) for key, member in value.items()}
    return value
