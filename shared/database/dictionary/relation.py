"""A table or view, and words that several of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["INSERTED", "PIPELINE_RUN", "Relation"]


class Relation(NamedTuple):
    """A table or view: what one row is, and its columns with their meanings, in the catalog's order."""

    row: str
    columns: Mapping[str, str]


PIPELINE_RUN: Final = "`run_id` in `pipeline.runs` of the run that wrote the row"
INSERTED: Final = "when it was inserted"
