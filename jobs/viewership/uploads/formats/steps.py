"""Apply the transformations of a format to a column of texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.viewership.uploads.formats.model import Step

__all__ = ["apply_steps"]


def apply_steps(texts: pl.Series, steps: Iterable[Step]) -> pl.Series:
    """Return the transformed texts; null for a text that has no such part, and for null.

    Args:
        texts: String.
        steps: in order.
    """
    column = pl.col("text")
    for step in steps:
        if step.split is not None:
            column = column.str.split(step.split.separator, literal=True).list.get(step.split.index, null_on_oob=True)
        elif step.extract is not None:
            column = column.str.extract(step.extract.pattern, step.extract.group)
        elif step.remove_prefix is not None:
            column = column.str.replace(f"^(?i:{re.escape(step.remove_prefix)})", "")
        elif step.values is not None:
            folded = {key.strip().casefold(): value for key, value in step.values.items()}
            column = pl.coalesce(
                column.str.strip_chars().str.to_lowercase().replace_strict(folded, default=None), column
            )
        column = column.str.strip_chars()
    return pl.DataFrame({"text": texts}).select(pl.when(column != "").then(column)).to_series().rename(texts.name)
