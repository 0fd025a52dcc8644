"""A parsed column: values, the state of every cell, and the convention with the value that decides it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.model import CellKind, Note
from jobs.viewership.uploads.values.fold import fold
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DECIMAL", "SCALE", "WHOLE_DIGITS", "Cells", "Distinct", "ParsedColumn", "State", "fold_series"]

SCALE: Final = 10
"""Digits after the decimal mark that are stored."""

WHOLE_DIGITS: Final = 18
"""Digits before the decimal mark: any amount fits, an Int64 does too, and 10^9 rows add up within 28 digits."""

DECIMAL: Final = pl.Decimal(38, SCALE)
"""Hours, minutes and money."""


class State(IntEnum):
    """The state of a cell."""

    VALUE = 0
    BLANK = 1
    UNPARSABLE = 2


_SAMPLE: Final = 20_000
_MOSTLY: Final = 0.5
# Characters of a value in a message.
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class ParsedColumn:
    """The values of a column.

    Attributes:
        values: Decimal, Date, Int64 or String; null unless the state is VALUE.
        state: UInt8 values of :class:`State`.
        code: String, one of :data:`jobs.viewership.errors.REJECTS` where the state is UNPARSABLE, else null.
        convention: what was decided, such as ``.`` (decimal mark) or ``dmy``; None if nothing had to be decided.
        evidence: a sentence with the deciding value and its line; None if nothing had to be decided.
        notes: warnings.
        detail: the currency of each number, or the grain of each date (``day``, ``week``, ``month``); may be None.
    """

    values: pl.Series
    state: pl.Series
    code: pl.Series
    convention: str | None = None
    evidence: str | None = None
    notes: tuple[Note, ...] = ()
    detail: pl.Series | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a column, with what is needed to name one of them.

    Attributes:
        texts: String; null for an empty cell.
        kinds: UInt8 values of :class:`~jobs.viewership.model.CellKind`; None if all are TEXT.
        lines: UInt32 line of each cell, from 1; None counts the cells from 1.
        column: name of the column in the file, for messages.
    """

    texts: pl.Series
    kinds: pl.Series | None = None
    lines: pl.Series | None = None
    column: str = ""

    def line(self, row: int) -> int:
        """Return the line of a cell."""
        return row + 1 if self.lines is None else int(self.lines[row])

    def named(self) -> str:
        """Return "column 'Hours'", or "the column" if it has no name."""
        return f"column {self.column!r}" if self.column else "the column"


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct texts of a column, in order of appearance; a text may come twice if few texts repeat.

    Attributes:
        cells: the column.
        texts: raw distinct texts, without null.
        folded: the same, folded; see :func:`~jobs.viewership.uploads.values.fold.fold`.
        kinds: the kind of each; None if all are TEXT.
        rows: UInt32, the first cell with each text.
        codes: UInt32, for every cell of the column the position of its text here; null for an empty cell.
    """

    cells: Cells
    texts: pl.Series
    folded: pl.Series
    kinds: pl.Series | None
    rows: pl.Series
    codes: pl.Series

    @classmethod
    def of(cls, cells: Cells) -> Distinct:
        """Find the distinct texts; cells of different kinds are never one."""
        texts = cells.texts
        if (kinds := cells.kinds) is not None:
            # A formula without a value has no text either, but is not an empty cell.
            failed = kinds.is_in([int(CellKind.ERROR), int(CellKind.FORMULA)])
            texts = texts.zip_with(texts.is_not_null() | ~failed, pl.repeat("", len(texts), eager=True))
            cells = replace(cells, texts=texts)
            texts = pl.select(pl.concat_str(kinds.cast(pl.String), texts)).to_series()
        if _repeats(texts):
            # A Categorical of its own numbers texts 0, 1, 2... in order of appearance: one pass of hashing, no join.
            codes = texts.cast(pl.Categorical(pl.Categories.random())).to_physical()
            rows = codes.arg_unique()
            rows = rows.filter(codes.gather(rows).is_not_null())
        else:
            filled = texts.is_not_null()
            rows = filled.arg_true()
            codes = (filled.cum_sum() - 1).cast(pl.UInt32).zip_with(filled, pl.Series([None], dtype=pl.UInt32))
        raw = cells.texts.gather(rows)
        return cls(cells, raw, fold_series(raw), None if kinds is None else kinds.gather(rows), rows, codes)

    def only(self, places: pl.Series) -> Distinct:
        """Return some of the distinct texts; their codes no longer fit the column."""
        kinds = None if self.kinds is None else self.kinds.gather(places)
        return replace(
            self,
            texts=self.texts.gather(places),
            folded=self.folded.gather(places),
            kinds=kinds,
            rows=self.rows.gather(places),
        )

    def named(self, position: int) -> str:
        """Return "'1,234' in line 7" for a distinct text."""
        return f"{_shown(self.texts[position])} in line {self.cells.line(int(self.rows[position]))}"

    def spread(self, values: pl.Series) -> pl.Series:
        """Return the values of the distinct texts for every cell; null for an empty cell."""
        return values if len(self.rows) == len(self.codes) else values.gather(self.codes)

    def parsed(
        self,
        values: pl.Series,
        codes: pl.Series,
        *,
        convention: str | None = None,
        evidence: str | None = None,
        notes: Sequence[Note] = (),
        detail: pl.Series | None = None,
    ) -> ParsedColumn:
        """Expand values and codes to every cell; a text with neither is blank."""
        frame = pl.DataFrame({"value": values, "code": codes})
        states = frame.select(
            pl.when(pl.col("code").is_not_null())
            .then(State.UNPARSABLE)
            .when(pl.col("value").is_null())
            .then(State.BLANK)
            .otherwise(State.VALUE)
            .cast(pl.UInt8)
        ).to_series()
        return ParsedColumn(
            values=self.spread(values),
            state=self.spread(states).fill_null(State.BLANK),
            code=self.spread(codes),
            convention=convention,
            evidence=evidence,
            notes=tuple(notes),
            detail=None if detail is None else self.spread(detail),
        )

    def of_kinds(self, *kinds: CellKind) -> pl.Series:
        """Return a mask of the distinct texts whose cells are of some kinds."""
        if self.kinds is None:
            return pl.repeat(CellKind.TEXT in kinds, len(self.texts), eager=True)
        return self.kinds.is_in([int(kind) for kind in kinds])


def _repeats(texts: pl.Series) -> bool:
    """Return False if so few texts repeat that finding the distinct ones costs more than it saves."""
    sample = texts.head(_SAMPLE)
    return len(sample) < _SAMPLE or sample.n_unique() < _SAMPLE * _MOSTLY


def fold_series(texts: pl.Series) -> pl.Series:
    """Fold every text; ASCII takes a fast path with the same result."""
    stripped = texts.str.strip_chars(" ")
    odd = stripped.str.contains(r"[^\x20-\x7e]").fill_null(value=False)
    if not odd.any():
        return stripped
    folded = [fold(text) for text in texts.filter(odd)]
    return stripped.scatter(odd.arg_true(), folded)


def _shown(text: str) -> str:
    """Quote a value for a message, cut if it is long."""
    return repr(text if len(text) <= _SHOWN else cut(text, _SHOWN - 1) + "\N{HORIZONTAL ELLIPSIS}")
