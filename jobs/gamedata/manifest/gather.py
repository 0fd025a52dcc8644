"""Collect a bucket's sessions and an error row per failed TAR; compare parts with ``.pt`` files (``pt_unrecorded``).

The ``.pt`` files are authoritative: if one was deleted, its session is left out of the manifest; if one was added by
hand, its session is included; if one was replaced, it is measured again. Nothing is written here.
"""

from __future__ import annotations

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.gamedata.errors import item_error
from jobs.gamedata.parts.current import current_rows, match_listing
from jobs.gamedata.parts.schema import IDENTITY, PART_SCHEMA
from jobs.gamedata.parts.store import broken_parts, list_pt_files, read_rows
from jobs.gamedata.pt.file import pt_key
from jobs.gamedata.pt.kind import pt_kind
from shared.errors import ItemError, ObjectMissing
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["BASE_COLUMNS", "Sessions", "gather", "read_consistently"]

BASE_COLUMNS: Final = (
    *("s3_key", "outcome", "error_code", "error_message", "error_traceback", "source_etag", "spec_digest"),
    *("stored", "pt_key", "pt_size", "pt_etag", "pt_sha256"),
    *("video_id", "video_metadata", "session_metadata", "duration_s", "sampled", "warnings"),
)
# Concurrent reads; each keeps one .pt file of about 24 MB in memory.
_READERS: Final = 4
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sessions:
    """The sessions of a bucket.

    Attributes:
        rows: part rows of the sessions that checks can run on, ordered by ``s3_key``; ``pt_key`` and ``pt_etag`` are
            those of the listing, NULL if no ``.pt`` file was stored.
        errors: ``s3_key, video_id, source_etag, spec_digest, warnings, error, error_traceback, error_code,
            error_stage`` of the other sessions.
        deleted: number of sessions whose ``.pt`` file no longer exists.
        unrecorded: number of ``.pt`` files whose present content no part records.
        broken: keys of the parts that cannot be read.
    """

    rows: pl.DataFrame
    errors: pl.DataFrame
    deleted: int
    unrecorded: int
    broken: list[str]

    def __len__(self) -> int:
        return len(self.rows) + len(self.errors)


_ERROR_SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(("s3_key", "video_id", "source_etag", "spec_digest"), pl.String),
    "warnings": pl.List(pl.String),
    **dict.fromkeys(("error", "error_traceback", "error_code", "error_stage"), pl.String),
}


def gather(store: ObjectStore, *, prefix: str = "", columns: Sequence[str] = ()) -> Sessions:
    """Return the sessions of a bucket, from the parts and the listing of ``.pt`` files.

    Args:
        store: the manifest bucket.
        prefix: only sessions whose ``s3_key`` starts with this.
        columns: part columns that checks need, in addition to :data:`BASE_COLUMNS`.
    """
    names = list(dict.fromkeys([*BASE_COLUMNS, *columns]))
    table, listing = read_consistently(store, names, prefix)
    broken = broken_parts(table)
    matching = match_listing(table, listing.values())
    rows = _frame(table, names)
    ok = (rows["outcome"] == "ok").to_numpy()
    stored = rows["stored"].to_numpy()
    current = ok & (~stored | matching)
    claimed = set(rows.filter(pl.Series(matching))["pt_key"].to_list())
    unclaimed = [info for key, info in listing.items() if key not in claimed]
    failed = rows.filter(pl.Series(~ok))
    measured, refused, unchanged, unrecorded = _read_unclaimed(store, unclaimed, rows, prefix=prefix, names=names)
    if unchanged:
        current[list(unchanged)] = True
        etags = rows["pt_etag"].to_numpy(writable=True)
        etags[list(unchanged)] = [unchanged[position] for position in unchanged]
        rows = rows.with_columns(pl.Series("pt_etag", etags, dtype=pl.String))
    measured_keys = set(measured["s3_key"].to_list())
    recorded = rows.filter(pl.Series(current)).filter(~pl.col("s3_key").is_in(list(measured_keys)))
    errors = pl.concat(
        [
            _extraction_errors(failed.filter(~pl.col("s3_key").is_in(list(measured_keys)))),
            # The error of a TAR explains more than the error of an old .pt file of the same session.
            refused.filter(~pl.col("s3_key").is_in([*failed["s3_key"], *recorded["s3_key"]])),
        ]
    )
    unmatched = rows.filter(pl.Series(ok & stored & ~matching))["pt_key"].to_list()
    deleted = sum(1 for key in unmatched if key not in listing)
    if deleted:
        _log.warning("%d sessions are omitted: their .pt files no longer exist in %s", deleted, store.uri)
    complete = pl.concat([recorded, measured]).sort("s3_key")
    return Sessions(complete, errors.sort("s3_key"), deleted, unrecorded, broken)


def read_consistently(store: ObjectStore, names: Sequence[str], prefix: str) -> tuple[pa.Table, dict[str, ObjectInfo]]:
    """Return the current row of each TAR and the listing of ``.pt`` files, consistent with each other.

    A concurrent extract changes both. A row may be newer than the listing, so its file is not missing; a file may be
    newer than the rows, and then it is ignored until the next manifest.

    Args:
        store: the manifest bucket.
        names: part columns to read; must include those that :func:`~jobs.gamedata.parts.current.match_listing` needs.
        prefix: only sessions whose ``s3_key`` starts with this.
    """
    pt_prefix = _before_suffix(prefix)
    listing = list_pt_files(store, pt_prefix)
    all_rows = read_rows(store, list(dict.fromkeys([*names, *IDENTITY])))
    table = current_rows(all_rows, listing, prefix)
    if np.all(match_listing(table, listing.values()) | ~table["stored"].to_numpy()):
        return table, listing
    relisted = list_pt_files(store, pt_prefix)
    committed = set(all_rows.filter(pa.array(match_listing(all_rows, relisted.values())))["pt_key"].to_pylist())
    listing = {key: relisted[key] if key in committed else info for key, info in listing.items() if key in relisted}
    listing |= {key: relisted[key] for key in committed}
    return current_rows(all_rows, listing, prefix), listing


def _before_suffix(prefix: str) -> str:
    # The prefix `a/v.ta` matches the TAR `a/v.tar`, whose .pt is `a/v.pt`.
    stem, dot, suffix = prefix.rpartition(".")
    return stem if dot and "tar".startswith(suffix) else prefix


def _frame(table: Any, names: Sequence[str]) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.select(names)


def _extraction_errors(failed: pl.DataFrame) -> pl.DataFrame:
    return failed.select(
        *("s3_key", "video_id", "source_etag", "spec_digest", "warnings"),
        pl.col("error_message").fill_null(pl.col("error_code")).alias("error"),
        "error_traceback",
        "error_code",
        pl.lit("extraction").alias("error_stage"),
    ).cast(pl.Schema(_ERROR_SCHEMA))


def _read_unclaimed(
    store: ObjectStore, unclaimed: Sequence[ObjectInfo], rows: pl.DataFrame, *, prefix: str, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame, dict[int, str], int]:
    """Read the ``.pt`` files without a current row.

    Returns:
        Part rows of measured files; errors of unreadable files; the position and present ETag of rows whose file has
        the recorded content after all; and the number of files read.
    """
    empty = _frame(PART_SCHEMA.empty_table(), names)
    if not unclaimed:
        return empty, pl.DataFrame(schema=_ERROR_SCHEMA), {}, 0
    recorded = rows.with_row_index("position").filter(pl.col("stored").fill_null(value=False))
    positions = dict(zip(recorded["pt_key"].to_list(), recorded["position"].to_list(), strict=True))
    digests = dict(zip(recorded["pt_key"].to_list(), recorded["pt_sha256"].to_list(), strict=True))
    measured: list[Mapping[str, Any]] = []
    refused: list[Mapping[str, Any]] = []
    unchanged: dict[int, str] = {}  # position -> present ETag
    unrecorded = 0
    other_keys = set(rows["s3_key"].to_list()) - set(
        rows.filter(pl.col("pt_key").is_in(list(positions)))["s3_key"].to_list()
    )
    with ThreadPoolExecutor(_READERS) as pool:
        for info, result in zip(
            unclaimed, pool.map(lambda pt_info: _measure(store, pt_info, digests), unclaimed), strict=True
        ):
            if result is None:
                continue
            unrecorded += 1
            if result == "same":
                unchanged[positions[info.key]] = info.etag
            elif isinstance(result, ItemError):
                refused.append(_refusal(info.key, result))
            elif pt_key(result["s3_key"]) != info.key and result["s3_key"] in other_keys:
                _log.warning("%s/%s is a copy of session %s: left out", store.uri, info.key, result["s3_key"])
            else:
                other_keys.add(result["s3_key"])
                measured.append(result)
    schema = empty.schema
    measured_rows = pl.DataFrame([{name: row.get(name) for name in names} for row in measured], schema=schema)
    refused_rows = pl.DataFrame(refused, schema=_ERROR_SCHEMA)
    return (
        measured_rows.filter(pl.col("s3_key").str.starts_with(prefix)),
        refused_rows.filter(pl.col("s3_key").str.starts_with(prefix)),
        unchanged,
        unrecorded,
    )


def _refusal(key: str, error: ItemError) -> dict[str, Any]:
    return {
        "s3_key": f"{key.removesuffix('.pt')}.tar",
        "error": clean_text(error.message),
        "error_code": error.code,
        "error_stage": "manifest",
    }


def _measure(store: ObjectStore, info: ObjectInfo, digests: Mapping[str, str | None]) -> Any:
    """Return ``same``, a part row, an ItemError, or None if the file no longer exists."""
    try:
        body = store.read(info.key)
    except ObjectMissing:
        return None
    if digests.get(info.key) == hashlib.sha256(body).hexdigest():
        return "same"  # the bucket was copied: different ETags, same bytes
    name = f"{store.uri}/{info.key}"
    try:
        return measure_pt(body, name) | {"stored": True, "pt_key": info.key, "pt_etag": info.etag}
    except ItemError as error:
        return error
    except MemoryError:
        # A small file may name each of its frames any number of times.
        return item_error("decode_memory", f"the frames of {name} do not fit into this machine's memory")


def measure_pt(body: bytes, name: str) -> dict[str, Any]:
    """Return a part row measured from the frames of a ``.pt`` file.

    Raises:
        ItemError: ``pt_legacy``, ``pt_invalid``, or ``pt_unrecorded`` if torch is not installed to read it.
    """
    from jobs.gamedata.pt.file import loads
    from jobs.gamedata.pt.measure import distinct_frames, duration_of, measure_frames
    from jobs.gamedata.session.child import decode_packets

    try:
        data = loads(body, name=name, decode=decode_packets)
    except ImportError as error:
        if pt_kind(body) == "legacy":
            raise item_error(
                "pt_legacy", f"{name} is a pickle of the original pipeline; run: telecine gamedata extract"
            ) from error
        raise item_error(
            "pt_unrecorded",
            f"{name} is not the file recorded in its part, and reading it requires torch; run: "
            "pip install 'telecine[gamedata]', or `telecine gamedata verify` and then extract",
        ) from error
    times, frames = distinct_frames(data)
    statistics = measure_frames(times, frames)
    lists = {
        f"frame_{name}": getattr(statistics, name).tolist()
        for name in statistics.__dataclass_fields__
        if name != "signature"
    }
    return {
        "s3_key": _text(data.s3_key),
        "outcome": "ok",
        "source_etag": _text(data.source_etag),
        "spec_digest": _text(data.spec_digest),
        "video_id": _text(data.video_id),
        "video_metadata": _text(json.dumps(data.video_metadata, ensure_ascii=False)),
        "session_metadata": _text(json.dumps(data.session_metadata, ensure_ascii=False)),
        "duration_s": duration_of(data),
        "sampled": sum(len(times) for times in data.sampled_times_s.values()),
        "warnings": [
            "no part records this .pt file: its frames were measured for the manifest, its inputs are unknown"
        ],
        "frame_signature": statistics.signature.tobytes(),
        **lists,
    }


def _text(value: str) -> str:
    # As in parts: a name in a TAR may be bytes that are not text.
    return value.encode("utf-8", "replace").decode()
