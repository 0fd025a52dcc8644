"""The hash of an upload's rows in a canonical order: two exports of the same report have the same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

__all__ = ["canonical_sha256"]

# Characters that a cell of a report does not hold: fields cannot run into each other.
_FIELD: Final = "\x1f"
_NULL: Final = "\x1e"
_BLOCK: Final = 100_000


def canonical_sha256(platform: str, label: str, units: pl.DataFrame, columns: tuple[str, ...]) -> str:
    """Return the SHA-256 of the distinct facts of some units, whatever their order, file format or file name.

    Args:
        platform: the platform.
        label: the label: the same rows as viewership and as revenue are different facts.
        units: parsed units.
        columns: the columns that count; where they stand in the file does not.
    """
    import polars as pl

    used = [name for name in sorted(columns) if name in units.columns and units[name].null_count() < units.height]
    digest = hashlib.sha256(_FIELD.join(("1", platform, label, *used)).encode())
    if used:
        rows = units.select(
            pl.concat_str(
                [pl.col(name).cast(pl.String).fill_null(_NULL) for name in used],
                separator=_FIELD,
            ).alias("row")
        )["row"].sort()
        for start in range(0, len(rows), _BLOCK):
            digest.update("\n".join(rows.slice(start, _BLOCK).to_list()).encode())
            digest.update(b"\n")
    return digest.hexdigest()
