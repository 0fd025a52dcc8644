"""Run statistics checks; if one raises or returns a wrong type, record ``check_failed``; bisect vectorised ones."""

from __future__ import annotations

import traceback
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from jobs.gamedata.checks.session import SessionStatistics
from shared.errors import Stopped
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.gamedata.checks.registry import Check
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["POLARS_TYPES", "SIGNALS", "CheckError", "Columns", "call", "coerce", "run_statistics"]

# The only exceptions that end the step, because a signal causes them. All others are blamed on the check, including
# those that do not derive from Exception, such as SystemExit and polars panics.
SIGNALS: Final = (KeyboardInterrupt, Stopped)

POLARS_TYPES: Final[dict[type, type[pl.DataType]]] = {
    bool: pl.Boolean,
    int: pl.Int64,
    float: pl.Float64,
    str: pl.String,
}
# Maximum calls to find the rows that make a vectorised check raise. After that, every row of the slice counts as
# failed.
_BISECTIONS: Final = 512
# Maximum characters in a message or a traceback.
_MESSAGE_MAX: Final = 8000


@dataclass(frozen=True, slots=True)
class CheckError:
    """A check that raised on a session.

    Attributes:
        check: its name.
        message: ``name: Type: text``.
        traceback: the traceback, starting in the check.
        retryable: whether another try may succeed.
    """

    check: str
    message: str
    traceback: str
    retryable: bool = False

    @classmethod
    def of(cls, check: str, error: BaseException) -> CheckError:
        """Describe an exception; the traceback starts in the check, not in this module."""
        frames = traceback.extract_tb(error.__traceback__)
        shown = [frame for frame in frames if frame.filename != __file__] or frames
        text = "".join([*traceback.format_list(shown), *traceback.format_exception_only(error)])
        return cls(check, _storable(f"{check}: {type(error).__name__}: {_text(error)}"), _storable(text))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - user code: the method of its exception class
        return "its message cannot be shown"


def _storable(text: str) -> str:
    # Parquet stores no lone surrogates, and the message of one check must not make the manifest larger than the rest.
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= _MESSAGE_MAX else f"{cut(whole, _MESSAGE_MAX - 1)}…"


@dataclass(slots=True)
class Columns:
    """The results of checks for S sessions.

    Attributes:
        values: column -> Series of length S, in the order of registration.
        errors: row -> the checks that raised on it.
    """

    values: dict[str, pl.Series] = field(default_factory=dict)
    errors: dict[int, list[CheckError]] = field(default_factory=lambda: defaultdict(list))


def run_statistics(checks: Sequence[Check], table: pl.DataFrame, settings: ManifestSettings) -> Columns:
    """Run statistics checks over part rows, one per session, and return their columns and errors.

    A vectorised check also receives the columns of the vectorised checks before it. An exception in a check is caught:
    its columns are NULL in the rows that it fails on.
    """
    results = Columns()
    for check in checks:
        errors: list[tuple[slice, CheckError]] = []
        values = (
            _vectorised(check, table, settings, errors) if check.vectorised else _rows(check, table, settings, errors)
        )
        results.values.update(values)
        for rows, error in errors:
            for row in range(rows.start, rows.stop):
                results.errors[row].append(error)
        if check.vectorised:
            table = table.with_columns(series.alias(name) for name, series in values.items())
    return results


def call(check: Check, subject: object, settings: ManifestSettings) -> dict[str, Any]:
    """Call a check for one session and return its columns' values, checked against their types.

    Raises:
        TypeError: a value of the wrong type, or a column that was not declared.
        Exception: whatever the check raises.
    """
    returned = check.function(subject, settings)
    if len(check.columns) > 1 and returned is not None:
        if not hasattr(returned, "keys"):
            raise TypeError(f"returned {type(returned).__name__}; expected a mapping of {', '.join(check.columns)}")
        unknown = sorted(set(returned) - set(check.columns))
        if unknown:
            raise TypeError(f"returned the undeclared column {unknown[0]!r}; expected {', '.join(check.columns)}")
        values = dict(returned)
    else:
        values = {check.name: returned}
    return {column: coerce(column, kind, values.get(column)) for column, kind in check.columns.items()}


def coerce(column: str, kind: type, value: object) -> object:
    """Return a check's value as a column of the type stores it.

    Raises:
        TypeError, OverflowError: the value has another type, or does not fit.
    """
    if value is None:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        return None if number != number else number  # noqa: PLR0124 - NaN means unknown
    if kind is str and isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        if not -(1 << 63) <= value < 1 << 63:
            raise OverflowError(f"column {column}: {value} does not fit in 64 bits")
        return value
    if kind is bool and isinstance(value, bool):
        return value
    raise TypeError(f"column {column} is {kind.__name__}; the check returned {type(value).__name__}")


def _rows(
    check: Check, table: pl.DataFrame, settings: ManifestSettings, errors: list[tuple[slice, CheckError]]
) -> dict[str, pl.Series]:
    values: dict[str, list[object]] = {column: [] for column in check.columns}
    for index, row in enumerate(table.iter_rows(named=True)):
        try:
            row_values: Mapping[str, object] = call(check, SessionStatistics(row), settings)
        except SIGNALS:
            raise
        except BaseException as error:  # noqa: BLE001 - user code: its row records what it raised
            errors.append((slice(index, index + 1), CheckError.of(check.name, error)))
            row_values = {}
        for column, column_values in values.items():
            column_values.append(row_values.get(column))
    return {
        column: pl.Series(column, values[column], dtype=POLARS_TYPES[kind]) for column, kind in check.columns.items()
    }


def _vectorised(
    check: Check, table: pl.DataFrame, settings: ManifestSettings, errors: list[tuple[slice, CheckError]]
) -> dict[str, pl.Series]:
    budget = _BISECTIONS
    pieces: list[dict[str, pl.Series]] = []

    def visit(start: int, stop: int) -> None:
        nonlocal budget
        budget -= 1
        try:
            pieces.append(_series(check, table.slice(start, stop - start), settings))
        except SIGNALS:
            raise
        except BaseException as error:  # noqa: BLE001 - as in _rows; bisection finds the row that raised
            if stop - start > 1 and budget > 0:
                middle = (start + stop) // 2
                visit(start, middle)
                visit(middle, stop)
                return
            errors.append((slice(start, stop), CheckError.of(check.name, error)))
            pieces.append(
                {
                    column: pl.repeat(None, stop - start, dtype=POLARS_TYPES[kind], eager=True)
                    for column, kind in check.columns.items()
                }
            )

    visit(0, len(table))
    return {column: pl.concat([piece[column] for piece in pieces]).alias(column) for column in check.columns}


def _series(check: Check, table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:
    returned = check.function(table, settings)
    if isinstance(returned, pl.DataFrame):
        returned = returned.to_dict()
    elif not hasattr(returned, "keys"):
        returned = {check.name: returned}
    unknown = sorted(set(returned) - set(check.columns))
    if unknown:
        raise TypeError(f"returned the undeclared column {unknown[0]!r}; expected {', '.join(check.columns)}")
    result = {}
    for column, kind in check.columns.items():
        series = pl.Series(column, returned[column]) if column in returned else pl.Series(column, [None] * len(table))
        if len(series) != len(table):
            raise ValueError(f"column {column} has {len(series)} values for {len(table)} sessions")
        if series.dtype != pl.Null and _family(series.dtype) != _family(POLARS_TYPES[kind]()):
            raise TypeError(f"column {column} is {kind.__name__}; the check returned {series.dtype}")
        cast = series.cast(POLARS_TYPES[kind])
        result[column] = cast.fill_nan(None) if kind is float else cast
    return result


def _family(dtype: pl.DataType) -> str:
    return "number" if dtype.is_numeric() else str(dtype)
