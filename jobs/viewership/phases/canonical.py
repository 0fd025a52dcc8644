"""The hash of an upload's rows in a canonical order: two exports of the same report have the same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

__all__ = ["FIELD", "NULL", "canonical_sha256", "hash_rows"]

# Characters that no cell of a report contains, so fields cannot run into each other.
FIELD: Final = "\x1f"
NULL: Final = "\x1e"
_BLOCK: Final = 100_000


def canonical_sha256(platform: str, label: str, units: pl.DataFrame, columns: tuple[str, ...]) -> str:
    """Return the SHA-256 of the distinct facts of some units, whatever their order, file format or file name.

    Args:
        platform: the platform.
        label: the label: the same rows as viewership and as revenue are different facts.
        units: parsed units.
        columns: the columns that count; their order in the file does not.
    """
    import polars as pl

    used = [name for name in sorted(columns) if name in units.columns and units[name].null_count() < units.height]
    rows = pl.Series([], dtype=pl.String)
    if used:
        values = [pl.col(name).cast(pl.String).fill_null(NULL) for name in used]
        rows = units.select(pl.concat_str(values, separator=FIELD).alias("row"))["row"].sort()
    blocks = (rows.slice(start, _BLOCK).str.join("\n").item() for start in range(0, len(rows), _BLOCK))
    return hash_rows(platform, label, used, blocks)


def hash_rows(platform: str, label: str, columns: Sequence[str], blocks: Iterable[str]) -> str:
    """Return the SHA-256 of rows that are sorted already.

    Args:
        platform: the platform.
        label: the label.
        columns: columns with a value, in the order of their names.
        blocks: one or more rows each, joined by line feeds, in the order of their UTF-8 bytes. A row joins the columns
            with :data:`FIELD`, and has :data:`NULL` for a missing value.
    """
    digest = hashlib.sha256(FIELD.join(("1", platform, label, *columns)).encode())
    for block in blocks:
        digest.update(block.encode())
        digest.update(b"\n")
    return digest.hexdigest()
