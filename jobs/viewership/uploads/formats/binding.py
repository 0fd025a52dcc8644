"""Bind a format to a layout: find the column of each field, and ask about columns that have the same name."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import NeedsChoice, answers_to_all, refuse
from jobs.viewership.model import FIELDS, MEASURES, METRICS, FieldKind
from jobs.viewership.uploads.formats.model import ColumnRule, Metric, near_miss
from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.letters import column_letters
from shared.errors import UsageError
from shared.settings.base import join_list
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.viewership.uploads.formats.model import Format, Rule
    from jobs.viewership.uploads.layout.model import Column, DateColumn, Layout

__all__ = [
    "ALL_DATES",
    "NOT_READ",
    "Binding",
    "BoundColumn",
    "BoundMetric",
    "bind",
    "check_field",
    "columns_named",
    "map_option",
    "parse_pairs",
    "typed_column",
    "typed_name",
    "unknown_column",
]

ALL_DATES: Final = "(dates)"
"""In a mapping, the name for all date columns of a wide sheet whose header has dates only."""
NOT_READ: Final = "(none)"
"""In a mapping, the column of a field that is left unread, even if the format has a column for it."""

_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A field and the column that it is read from."""

    rule: Rule
    column: Column

    @property
    def field(self) -> str:
        """Return the field."""
        return self.rule.field


@dataclass(frozen=True, slots=True)
class BoundMetric:
    """A metric of a wide sheet and its columns, one per date."""

    rule: Rule
    columns: tuple[DateColumn, ...]

    @property
    def field(self) -> str:
        """Return the field."""
        return self.rule.field


@dataclass(frozen=True, slots=True)
class Binding:
    """The columns of a sheet and the fields that they become.

    Attributes:
        format: the format.
        columns: fields that are read from a column.
        metrics: fields that are read from date columns; empty unless the sheet is wide.
        absent: rules whose column the sheet lacks; none of them is required.
        unread: columns that no rule reads, except those that the format ignores.
    """

    format: Format
    columns: tuple[BoundColumn, ...]
    metrics: tuple[BoundMetric, ...] = ()
    absent: tuple[Rule, ...] = ()
    unread: tuple[Column | DateColumn, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields that have a column."""
        return (*(bound.field for bound in self.columns), *(bound.field for bound in self.metrics))

    def column(self, field: str) -> Column | None:
        """Return the column of a field, or None."""
        return next((bound.column for bound in self.columns if bound.field == field), None)


def bind(chosen: Format, layout: Layout, mapping: Mapping[str, str] | None = None) -> Binding:
    """Find the column of each field.

    In a wide sheet, a metric that has date columns is read from those, not from a column of totals.

    Args:
        chosen: the format.
        layout: of the sheet.
        mapping: field -> name of its column, chosen by the user with ``--map``; it overrides the format's names.

    Raises:
        NeedsChoice: the column of a field occurs twice; ``--map`` settles it.
        Refused: ``COLUMNS`` if the sheet lacks a column that the format requires.
        UsageError: the mapping names a field or column that does not exist.
    """
    rules = _with_mapping(chosen, layout, mapping or {})
    columns: list[BoundColumn] = []
    metrics: list[BoundMetric] = []
    absent: list[Rule] = []
    questions: list[NeedsChoice] = []
    for rule in rules:
        dates = _date_columns(rule, layout)
        try:
            column = None if dates else _column(rule, layout)
        except NeedsChoice as error:
            questions.append(error.with_traceback(None))
            continue
        if dates:
            metrics.append(BoundMetric(rule, dates))
        elif column is not None:
            columns.append(BoundColumn(rule, column))
        else:
            absent.append(rule)
    if questions:
        # Ask all of them at once: one answer must not lead to the next question.
        raise NeedsChoice(
            "; also, ".join(map(str, questions)),
            flags=["--map"],
            answers=answers_to_all(question.answers for question in questions),
        )
    _check(chosen, layout, columns, metrics, absent)
    read = {bound.column.position for bound in columns} | {date.position for bound in metrics for date in bound.columns}
    ignored = set(map(header_key, chosen.ignore))
    every: tuple[Column | DateColumn, ...] = (*layout.columns, *layout.dates)
    unread = tuple(
        column
        for column in every
        if column.position not in read and not {column.key, header_key(column.name)} & ignored
    )
    return Binding(chosen, tuple(columns), tuple(metrics), tuple(absent), unread)


def _with_mapping(chosen: Format, layout: Layout, mapping: Mapping[str, str]) -> list[Rule]:
    """Return the format's rules, with the columns that the user chose."""
    rules: list[Rule] = [*chosen.columns, *(chosen.wide.metrics if chosen.wide else ())]
    known = [column.name for column in layout.columns]
    dated = {date.metric for date in layout.dates}
    for field, name in mapping.items():
        check_field(field, name)
        if name == NOT_READ:
            rules = [one for one in rules if one.field != field]
            continue
        if name == ALL_DATES:
            rules = [*(one for one in rules if one.field != field), Metric(field=field)]
            continue
        if not columns_named(name, layout) and header_key(name) not in map(header_key, dated):
            raise unknown_column(field, name, [*known, *dated])
        unit = "seconds" if FIELDS[field] is FieldKind.DURATION else None
        earlier = next((rule for rule in rules if rule.field == field), None)
        rule = ColumnRule(field=field, sources=(name,), unit=earlier.unit if earlier else unit, required=True)
        rules = [*(one for one in rules if one.field != field), rule]
    return rules


def check_field(field: str, column: str) -> None:
    """Check the field of a ``--map``.

    Raises:
        UsageError: there is no such field.
    """
    if field in FIELDS:
        return
    refused = f"--map {field}={column}: '{field}' is not a field"
    if column in FIELDS:
        # Quoted for the shell: the column may contain a space.
        raise UsageError(f"{refused}, but '{column}' is one; write {map_option(column, field)}")
    near = near_miss(field, FIELDS)
    raise UsageError(f"{refused}{near}{' Fields:' if near else '; expected one of:'} {', '.join(FIELDS)}")


def unknown_column(field: str, column: str, known: Iterable[str]) -> UsageError:
    """Return the error for a ``--map`` whose column the file lacks."""
    return UsageError(f"--map {field}={column}: the file has no column '{column}'{near_miss(column, known)}")


def _date_columns(rule: Rule, layout: Layout) -> tuple[DateColumn, ...]:
    if not layout.is_wide or FIELDS[rule.field] not in METRICS:
        return ()
    if isinstance(rule, Metric) and not rule.sources:
        return _each_once(tuple(date for date in layout.dates if not date.key), "several columns")
    for source in rule.sources:
        found = tuple(date for date in layout.dates if date.key and date.key == header_key(source))
        if found:
            return _each_once(found, f"several columns {clean_header(source)!r}")
    return ()


def _each_once(dates: tuple[DateColumn, ...], several: str) -> tuple[DateColumn, ...]:
    """Return date columns, and refuse two for one date: neither may be left out silently."""
    texts = Counter(date.date_text for date in dates)
    twice = next((date for date in dates if texts[date.date_text] > 1), None)
    if twice is not None:
        raise NeedsChoice(f"{twice.date_text!r} has {several}; expected one; rename the others", flags=[])
    return dates


def columns_named(name: str, layout: Layout) -> tuple[Column, ...]:
    """Return the columns of a name: all with this header, else the one with this unique name or these letters."""
    return layout.called(name)


def _column(rule: Rule, layout: Layout) -> Column | None:
    for source in rule.sources:
        columns = columns_named(source, layout)
        if len(columns) > 1:
            places = ", ".join(
                f"{typed_column(column)!r} (column {column_letters(column.position)})" for column in columns[:_SHOWN]
            )
            places += f" and {len(columns) - _SHOWN:,} more" if len(columns) > _SHOWN else ""
            option = map_option(rule.field, typed_column(columns[0]))
            raise NeedsChoice(
                f"{len(columns)} columns are named {clean_header(columns[0].raw)!r}: {places}; "
                f"expected one for {rule.field}; pass --map {option} or another of them",
                flags=["--map"],
                answers=[["--map", f"{rule.field}={typed_column(column)}"] for column in columns]
                if len(columns) <= _SHOWN
                else [["--map", None]],
            )
        if columns:
            return columns[0]
    return None


def typed_column(column: Column) -> str:
    """Return a column of a sheet as typed after ``--map``, so that it means this column only."""
    return typed_name(
        column.name, column.position, twice=header_key(column.name) == column.key and column.occurrences > 1
    )


def typed_name(name: str, position: int, *, twice: bool) -> str:
    """Return a column as typed after ``--map``: its name, `Hours (1)` for the first of two, or its letters.

    Args:
        name: unique name of the column.
        position: of the column, from 0.
        twice: it is the first of several columns whose header is this name.
    """
    shown = f"{name} (1)" if twice else name
    # A comma needs a backslash before it; a control character cannot be typed.
    return f"Column {column_letters(position)}" if "," in shown or one_line(shown) != shown else shown


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Return field -> column of the values of ``--map``; :data:`NOT_READ` for a field that is not read.

    Raises:
        UsageError: a field is named twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, _, column = pair.partition("=")
        if field.strip() in mapping:
            raise UsageError(f"--map names the field '{one_line(field.strip())}' twice; expected one column per field")
        mapping[field.strip()] = column.strip()
    return mapping


def map_option(field: str, column: str) -> str:
    """Return a value of ``--map`` as typed in a shell."""
    return shlex.quote(one_line(join_list((f"{field}={column}",))))


def _check(
    chosen: Format, layout: Layout, columns: list[BoundColumn], metrics: list[BoundMetric], absent: list[Rule]
) -> None:
    """Refuse a sheet that lacks a required column, or all columns with a measure."""
    names = [column.name for column in layout.columns] + sorted({date.metric for date in layout.dates if date.metric})
    header = f"its header in line {layout.header_line} has {', '.join(map(repr, names[:_SHOWN]))}"
    header += ", …" if len(names) > _SHOWN else ""
    for rule in absent:
        if isinstance(rule, ColumnRule) and rule.required:
            wanted = rule.sources[0]
            raise refuse(
                "COLUMNS",
                f"the file has no column {wanted!r}, which format {chosen.full_name} requires for {rule.field}"
                f"{near_miss(wanted, names)}; {header}; pass another --format, or --map '{rule.field}=COLUMN'",
            )
    bound = {column.field for column in columns} | {metric.field for metric in metrics} | chosen.constants.keys()
    if any(FIELDS[field] in MEASURES for field in bound):
        return
    if layout.is_wide and not any(date.key for date in layout.dates):
        raise NeedsChoice(
            f"the columns with dates, such as {layout.dates[0].name!r}, do not name what they count; pass "
            f"--map 'hours={ALL_DATES}', or another field",
            flags=["--map"],
            answers=[["--map", f"hours={ALL_DATES}"], ["--map", None]],
        )
    raise refuse(
        "COLUMNS",
        f"the file has no column with hours, minutes or revenue that format {chosen.full_name} knows; {header}; pass "
        "another --format, or --map 'hours=COLUMN'",
    )
