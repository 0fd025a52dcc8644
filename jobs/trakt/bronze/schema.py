"""The columns of the bronze table: the payload, its source, and facts of the API's answer."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

__all__ = ["PARTITION", "SCHEMA", "SCHEMA_VERSION"]

SCHEMA_VERSION: Final = 1

PARTITION: Final = "resource_kind"
"""Partition column: a reader of comments opens no file of pages."""

_TIME: Final = pa.timestamp("us", tz="UTC")

SCHEMA: Final = pa.schema(
    [
        pa.field("resource_kind", pa.string(), nullable=False),
        pa.field("title_kind", pa.string()),
        pa.field("title_id_trakt", pa.int64()),
        pa.field("page", pa.int32()),
        pa.field("fetched_at", _TIME, nullable=False),
        pa.field("payload", pa.string()),
        pa.field("observed_at", _TIME, nullable=False),
        pa.field("comment_id", pa.int64()),
        pa.field("payload_sha256", pa.string()),
        pa.field("title_slug", pa.string()),
        pa.field("season", pa.int32()),
        pa.field("episode", pa.int32()),
        pa.field("sort", pa.string()),
        pa.field("item_index", pa.int32()),
        pa.field("page_limit", pa.int32()),
        pa.field("page_count", pa.int32()),
        pa.field("item_count_header", pa.int64()),
        pa.field("server_header", pa.string()),
        pa.field("http_status", pa.int32(), nullable=False),
        pa.field("etag", pa.string()),
        pa.field("page_key", pa.string(), nullable=False),
        pa.field("load_id", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("source_system", pa.string(), nullable=False),
        pa.field("is_synthetic", pa.bool_(), nullable=False),
        pa.field("schema_version", pa.int32(), nullable=False),
    ]
)
"""One row is one item of an answer, one answer, or one page, depending on ``resource_kind``. ``observed_at`` is the
answer's Date minus its Age: when the server was in this state. A comment read under a season or an episode has the
number of that season or episode. ``source_system`` is trakt or replay."""
