"""The manifest's columns: the original's first, under their names, then new ones, then each check's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.gamedata.checks import Registry

__all__ = ["MANIFEST_VERSION", "TYPES", "manifest_schema"]

# Rises when a built-in column changes its name, type or meaning; new columns at the end do not count.
MANIFEST_VERSION: Final = 1

TYPES: Final[Mapping[type, pa.DataType]] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}

_ORIGINAL: Final = (
    pa.field("s3_key", pa.string(), nullable=False),
    pa.field("video_id", pa.string()),
    pa.field("video_metadata", pa.string()),  # JSON text
    pa.field("session_metadata", pa.string()),  # JSON text
    pa.field("is_video_mostly_dark", pa.bool_()),
    pa.field("is_dpi_scale_issue", pa.bool_()),
    pa.field("video_menu_percent", pa.float64()),  # a fraction, 0 to 1, in spite of its name
    pa.field("menu_flag_threshold", pa.float64()),
    pa.field("is_video_mostly_menu", pa.bool_()),
    pa.field("error", pa.string()),
    pa.field("error_traceback", pa.string()),
    pa.field("processed_time", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("commit_hash", pa.string()),
)

_ADDED: Final = (
    pa.field("schema_version", pa.int32(), nullable=False),
    pa.field("error_code", pa.string()),
    pa.field("error_stage", pa.string()),  # extraction | manifest
    pa.field("check_errors", pa.list_(pa.string())),  # one text a check that raised
    pa.field("warnings", pa.list_(pa.string())),
    pa.field("duration_s", pa.float64()),
    pa.field("sampled", pa.int64()),
    pa.field("source_etag", pa.string()),
    pa.field("spec_digest", pa.string()),
    pa.field("checks_sha256", pa.string()),  # of the files given with --checks, joined by commas
)


def manifest_schema(registry: Registry, metadata: Mapping[str, object] | None = None) -> pa.Schema:
    """Return the schema of a manifest with these checks.

    Args:
        registry: the checks; a column that the original had stands at its place, others follow in order.
        metadata: written into the Parquet file under ``telecine.<name>``, as JSON.
    """
    fields = [*_ORIGINAL, *_ADDED]
    names = {field.name for field in fields}
    fields += [
        pa.field(column, TYPES[kind])
        for check in registry
        for column, kind in check.columns.items()
        if column not in names
    ]
    texts = {"schema_version": MANIFEST_VERSION, **(metadata or {})}
    return pa.schema(fields, {f"telecine.{name}": json.dumps(value, sort_keys=True) for name, value in texts.items()})
