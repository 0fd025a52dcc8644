"""Ask what a file leaves open: dates, decimal marks, missing content, measures and periods, naming the flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import FIELDS, MEASURES, FieldKind
from jobs.viewership.uploads.formats.binding import map_option
from jobs.viewership.uploads.formats.model import Conventions
from jobs.viewership.uploads.infer.proposal import Question, QuestionCode
from jobs.viewership.uploads.layout.names import clean_header
from jobs.viewership.uploads.values.dates import parse_dates
from jobs.viewership.uploads.values.durations import parse_durations
from jobs.viewership.uploads.values.numbers import AMOUNT, COUNT, MONEY, parse_numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobs.viewership.uploads.infer.columns import Guess
    from jobs.viewership.uploads.layout.model import Layout
    from jobs.viewership.uploads.values.column import Cells

__all__ = ["ask_contested", "ask_duplicates", "ask_missing", "ask_territory", "ask_unit", "ask_values"]

_NUMBERS: Final = {FieldKind.COUNT: COUNT, FieldKind.DECIMAL: AMOUNT, FieldKind.MONEY: MONEY}
_DATED: Final = (FieldKind.DATE, FieldKind.MONTH)
_TIMES: Final = (FieldKind.HOURS, FieldKind.MINUTES, FieldKind.DURATION)

# Flag -> the code of its question, and the values to choose from.
_ASKED: Final[dict[str, tuple[QuestionCode, list[str]]]] = {
    "--date-order": ("DATE_ORDER", ["dmy", "mdy"]),
    "--decimal-mark": ("DECIMAL_MARK", [".", ","]),
    "--clock": ("CLOCK", ["hh:mm", "mm:ss"]),
    "--period": ("PERIOD", []),
}


def ask_values(field: str, cells: Cells, conventions: Conventions | None) -> Question | None:
    """Return the question that the values of a column leave open, such as the order of day and month.

    Args:
        field: the field of the column.
        cells: the column.
        conventions: of the format, which settle questions; None without one.
    """
    kind = FIELDS[field]
    pinned = conventions or Conventions()
    try:
        if kind in _DATED:
            parse_dates(cells, order=pinned.date_order, months=kind is FieldKind.MONTH)
        elif kind in _NUMBERS:
            parse_numbers(cells, _NUMBERS[kind], pinned.decimal_mark)
        elif kind in _TIMES:
            parse_durations(cells, "hours", mark=pinned.decimal_mark, clock=pinned.clock)
    except NeedsChoice as error:
        flags = [str(flag) for flag in error.data.get("flags", [])]
        code, options = next(known for flag, known in _ASKED.items() if flag in flags)
        return Question(code=code, message=str(error), columns=[cells.column], options=options, flags=flags)
    return None


def ask_duplicates(layout: Layout, relevant: Collection[str]) -> list[Question]:
    """Return a question for each name that several columns have, if one of them may hold a field.

    Args:
        layout: of the file.
        relevant: names of the columns that may hold a field.
    """
    questions = []
    for first in (column for column in layout.columns if column.occurrences > 1 and column.occurrence == 1):
        same = [column for column in layout.columns if column.key == first.key]
        if not {column.name for column in same} & set(relevant):
            continue
        names = [column.name if column.name != clean_header(column.raw) else f"{column.name} (1)" for column in same]
        questions.append(
            Question(
                code="DUPLICATE",
                message=f"{len(same)} columns are named {clean_header(first.raw)!r}; which one holds the field?",
                columns=names,
                options=names,
                flags=["--map"],
            )
        )
    return questions


def ask_contested(contested: Mapping[str, Sequence[str]], typed: Mapping[str, str]) -> list[Question]:
    """Return a question for each field that several columns may hold.

    Args:
        contested: field -> names of the columns.
        typed: name of a column -> how it is typed after ``--map``.
    """
    return [
        Question(
            code="FIELD",
            message=f"{len(names)} columns may hold {field}: {', '.join(map(repr, names))}; which one does?",
            columns=list(names),
            options=[map_option(field, typed[name]) for name in names],
            flags=["--map"],
        )
        for field, names in contested.items()
    ]


def ask_territory(names: Sequence[str], typed: Mapping[str, str]) -> list[Question]:
    """Ask whether a column is the territory, if no column is read as it but some may be.

    A column named Country is read as the viewer's country, which no deal depends on.

    Args:
        names: the columns that may be the territory.
        typed: name of a column -> how it is typed after ``--map``.
    """
    if not names:
        return []
    shown = " or ".join(map(repr, names))
    message = f"no column is read as the territory, which deals may depend on; is it {shown}?"
    options = [map_option("territory", typed[name]) for name in names]
    return [Question(code="FIELD", message=message, columns=list(names), options=options, flags=["--map"])]


def ask_unit(name: str, guess: Guess, typed: str) -> Question:
    """Return the question for the unit of a column of times.

    Args:
        name: of the column.
        guess: its field.
        typed: how the column is typed after ``--map``.
    """
    return Question(
        code="UNIT",
        message=f"the column {name!r} holds times as plain numbers; are they hours or minutes?",
        columns=[name],
        options=[map_option(field, typed) for field in dict.fromkeys((guess.field, "hours", "minutes"))],
        flags=["--map"],
    )


def ask_missing(
    fields: Collection[str], open_fields: Collection[str], dates: Mapping[str, str] | None = None
) -> list[Question]:
    """Return a question for each required item that no column holds.

    Args:
        fields: fields that are proposed or constant.
        open_fields: fields that other questions are about.
        dates: name of a column that is not read although its values are dates -> how it is typed after ``--map``.
    """
    found = {*fields, *open_fields}
    questions = []
    if not {"content_name", "content_id", "series", "channel"} & found:
        message = "no column names the content; which one holds the title, the series or an id?"
        options = ["content_name=COLUMN", "series=COLUMN", "content_id=COLUMN"]
        questions.append(Question(code="CONTENT", message=message, columns=[], options=options, flags=["--map"]))
    if not any(FIELDS[field] in MEASURES for field in found):
        message = "no column holds hours, minutes or revenue; which one does?"
        options = ["hours=COLUMN", "minutes=COLUMN", "revenue=COLUMN"]
        questions.append(Question(code="MEASURE", message=message, columns=[], options=options, flags=["--map"]))
    if dates and not any(FIELDS[field] in _DATED for field in found):
        message = f"no column has the name of a date, but {' and '.join(map(repr, dates))} holds dates; is it the date?"
        options = [map_option("date", typed) for typed in dates.values()]
        questions.append(Question(code="FIELD", message=message, columns=list(dates), options=options, flags=["--map"]))
    elif not any(FIELDS[field] in _DATED for field in found):
        message = "no column holds a date; which days or which month is the file about?"
        options = ["2025-07", "2025-07-01..2025-07-31"]
        questions.append(Question(code="PERIOD", message=message, columns=[], options=options, flags=["--period"]))
    return questions
