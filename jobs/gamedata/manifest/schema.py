"""The manifest's columns: those of the original pipeline under their old names, then new ones, then those of checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.gamedata.checks import Registry

__all__ = ["COLUMNS", "MANIFEST_VERSION", "TYPES", "Column", "manifest_schema"]

# Increase it when a built-in column changes its name, type or meaning, but not for new columns at the end.
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
    pa.field("video_menu_percent", pa.float64()),  # a fraction, 0 to 1, despite its name; menu_share is the same
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
    pa.field("check_errors", pa.list_(pa.string())),  # one message per check that raised
    pa.field("warnings", pa.list_(pa.string())),
    pa.field("duration_s", pa.float64()),
    pa.field("sampled", pa.int64()),
    pa.field("source_etag", pa.string()),
    pa.field("spec_digest", pa.string()),
    pa.field("checks_sha256", pa.string()),  # of the files given with --checks, joined by commas
)


class Column(NamedTuple):
    """Documentation of one column: docs/manifest.md is generated from it; the Parquet file does not contain it.

    Attributes:
        meaning: meaning of the value.
        unit: unit or format of the value; empty if the meaning is enough.
        null: when the value is NULL; empty if never.
    """

    meaning: str
    unit: str = ""
    null: str = ""


_FAILED: Final = "extraction failed"
_NO_FRAMES: Final = "extraction failed, or no undamaged frame was sampled (`frames_state`)"
_NO_MENUS: Final = (
    "extraction failed, or fewer than two undamaged frames were sampled (none with `--menu-references`; `frames_state`)"
)
_NO_INPUTS: Final = (
    "extraction failed, `inputs.csv` is missing or invalid, or some rows are unreadable and none is a device event "
    "(`inputs_state`)"
)
_NO_EVENTS: Final = "extraction failed, or `inputs.csv` is missing or has no rows (`inputs_state`)"

# Includes the columns of built-in checks; docs/generate.py fails if a column is missing here.
COLUMNS: Final[Mapping[str, Column]] = {
    "s3_key": Column("the TAR's key in the source bucket; unique in a manifest"),
    "video_id": Column("the video's file name without its suffix", null=_FAILED),
    "video_metadata": Column("`format` and `streams` as ffprobe prints them", "JSON text", _FAILED),
    "session_metadata": Column("the contents of `metadata.json`", "JSON text", _FAILED),
    "is_video_mostly_dark": Column("`dark_frame_share` exceeds `dark_share_threshold`", null=_NO_FRAMES),
    "is_dpi_scale_issue": Column("two opposite sides are black bars", null=_NO_FRAMES),
    "video_menu_percent": Column(
        "the same as `menu_share`, under the name that the original pipeline used; a fraction, not a percentage",
        "0 to 1",
        _NO_MENUS,
    ),
    "menu_flag_threshold": Column("`--menu-threshold` of this manifest", "0 to 1", _FAILED),
    "is_video_mostly_menu": Column("`menu_share` exceeds `menu_flag_threshold`", null="`menu_share` is NULL"),
    "error": Column("error message; several failed checks are separated by `; `", null="no error"),
    "error_traceback": Column("Python traceback of the error", null="no error, or a `.pt` file that could not be read"),
    "processed_time": Column("when this manifest was built", "UTC"),
    "commit_hash": Column("git commit of the telecine that built the manifest", null="the build does not record it"),
    "schema_version": Column("version of the built-in columns; changes with a column's name, type or meaning"),
    "error_code": Column("[error code](gamedata.md#error-codes); `check_failed` if a check raised", null="no error"),
    "error_stage": Column("`extraction`, or `manifest` for a check or a `.pt` file that failed", null="no error"),
    "check_errors": Column("one message per check that raised; its columns are NULL", null="no check raised"),
    "warnings": Column("oddities of the input that were tolerated", null="no warnings"),
    "duration_s": Column(
        "duration of the video stream", "seconds", "extraction failed, or the container does not record it"
    ),
    "sampled": Column("samples over all strides, repeated frames included", "frames", _FAILED),
    "source_etag": Column("ETag of the TAR that was read", null="the `.pt` file could not be read"),
    "spec_digest": Column(
        "hash of the sampling settings; equal hashes mean equal settings", null="the `.pt` file could not be read"
    ),
    "checks_sha256": Column("SHA-256 of the `--checks` files, comma-separated", "hex", "no `--checks`"),
    "dark_frame_share": Column(
        "share of the time that is dark; not a share of frames, despite its name", "0 to 1", _NO_FRAMES
    ),
    "dark_luma_threshold": Column("`--dark-luma` of this manifest", "luma, 0 to 255", _FAILED),
    "dark_share_threshold": Column("`--dark-share` of this manifest", "0 to 1", _FAILED),
    "black_bar_share": Column("share of the picture covered by black bars; 0 without bars", "0 to 1", _NO_FRAMES),
    "menu_method": Column("how menus were found: `static`, `references` or `model`", null="`menu_share` is NULL"),
    "input_device_class": Column(
        "`keyboard_mouse`, `gamepad`, `mixed`, or `none` without device events", null=_NO_INPUTS
    ),
    "is_session_empty": Column(
        "the session contains nothing usable", null="extraction failed, or all frames are damaged (`frames_state`)"
    ),
    "empty_reason": Column("`no_frames`, `black` or `no_inputs`", null="the session is not known to be empty"),
    "has_unusable_timestamps": Column("the inputs cannot be aligned with the video", null=_NO_EVENTS),
    "timestamps_reason": Column(
        "`invalid`, `integer`, `unordered` or `span`", null="the timestamps are not known to be unusable"
    ),
    "frames_state": Column(
        "`ok`, `partly_damaged` (only undamaged frames count), `damaged` (all frames), `single` (one frame) or `none`",
        null=_FAILED,
    ),
    "inputs_state": Column(
        "`ok`, `partly_invalid` (some rows cannot be read), `invalid` (more than a third, or 0 bytes), `no_rows`, "
        "`missing` (no `inputs.csv`) or `not_recorded` (no part records the `.pt` file)",
        null=_FAILED,
    ),
    "menu_share": Column("share of the time that shows menus", "0 to 1", _NO_MENUS),
}


def manifest_schema(registry: Registry, metadata: Mapping[str, object] | None = None) -> pa.Schema:
    """Return the schema of a manifest with the given checks.

    Args:
        registry: the checks. Columns of the original pipeline keep their place; others follow in the registry's order.
        metadata: entries for the Parquet file's metadata, stored as JSON under ``telecine.<name>``.
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
