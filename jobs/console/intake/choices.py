"""Choices of how a file is read: those of a user, and the flags that they become."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from jobs.console.errors import BadQuery
from jobs.console.intake.library import CANONICAL
from shared.settings.base import join_list
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.console.intake.library import Library

__all__ = [
    "FURTHER",
    "MOST_COLUMNS",
    "OF_FILE",
    "OF_VALUES",
    "SETS",
    "chosen",
    "column_name",
    "flags",
    "listed",
    "parameters",
    "suggested",
]

OF_FILE: Final = ("platform", "sheet", "encoding", "delimiter", "header-line")
"""Flags of the file itself; `formats infer` has only these."""
OF_VALUES: Final = ("format", "period", "date-order", "decimal-mark", "clock")
"""Flags of its values."""
SETS: Final = {
    "delimiter": ("comma", "semicolon", "tab", "pipe"),
    "date-order": ("dmy", "mdy", "ymd"),
    "decimal-mark": (".", ","),
    "clock": ("hh:mm", "mm:ss"),
}
"""Flag -> its values, for flags with few values."""

MOST_COLUMNS: Final = 200
"""Columns that the page lists. Further ones are listed only if they are read; others are chosen by name."""
FURTHER: Final = "further"
"""Suffix of the fields for a column that the page does not list: ``column-further`` and ``map-further``."""

# The column in `--map` of a field that is not read.
_NOT_READ: Final = "(none)"

_MOST_CHARS: Final = 100
_PLATFORM: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PLATFORM_CHARS: Final = 60
# A form invents no keys: they would stay with the file, and grow with each form.
_KEY: Final = re.compile(r"[0-9a-f]{12}")
_MOST_LINE: Final = 9_999_999
_NATURAL: Final = {"hours": "hours", "minutes": "minutes"}


def chosen(
    form: Mapping[str, str], before: Mapping[str, Any], columns: list[Mapping[str, Any]], known: Library
) -> dict[str, Any]:
    """Return the choices of a form.

    Args:
        form: names and values of its fields; those of columns are ``map-D`` for column D.
        before: the choices with which the form was shown.
        columns: of the proposal that was shown.
        known: formats and fields to choose from.

    Raises:
        BadQuery: a value is not valid; all problems at once.
    """
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name in (*OF_FILE, *OF_VALUES):
        value = form.get(name, "").strip()
        if value and (problem := _problem(name, value, known)):
            problems.append(problem)
        elif value:
            found[name] = value
    mapped, doubtful = _mapping(form, before, columns, known)
    problems += doubtful
    if mapped:
        found["map"] = mapped
    dismissed = sorted({value for name, value in form.items() if name.startswith("dismiss-") and value})
    if not all(map(_KEY.fullmatch, dismissed)):
        problems.append("a dismissed question is not valid; expected one of the page")
    elif dismissed:
        found["dismissed"] = dismissed
    if problems:
        raise BadQuery(problems)
    return found


def _problem(name: str, value: str, known: Library) -> str | None:
    shown = repr(one_line(value[:_MOST_CHARS]))
    if len(value) > _MOST_CHARS or one_line(value) != value:
        return f"{name} is {shown}; expected at most {_MOST_CHARS} characters without control characters"
    if name in SETS and value not in SETS[name]:
        return f"{name} is {shown}; expected one of {' '.join(SETS[name])}"
    if name == "platform" and not (_PLATFORM.fullmatch(value) and len(value) <= _PLATFORM_CHARS):
        return f"platform is {shown}; expected up to 60 lower-case letters, digits and hyphens, such as orbit-tv"
    if name == "format" and known.formats and value not in known.formats:
        return f"format is {shown}; expected one of {', '.join(known.formats)}"
    if name == "header-line" and not (value.isascii() and value.isdigit() and 0 < int(value) <= _MOST_LINE):
        return f"header-line is {shown}; expected the number of a line"
    return None


def _mapping(
    form: Mapping[str, str], before: Mapping[str, Any], columns: list[Mapping[str, Any]], known: Library
) -> tuple[dict[str, str], list[str]]:
    """Return field -> column of the columns whose field was chosen, and what is wrong with them.

    A column that stays as the form showed it counts as chosen only if it was chosen before; otherwise a format reads it
    without a flag. If a column changes, its former fields are not read, unless another column has them.
    """
    earlier: Mapping[str, str] = before.get("map", {})
    shown = listed(columns)
    fields = {str(column["column"]): form.get(f"map-{column['column']}", "") for column in shown}
    problems = []
    wanted = form.get(f"column-{FURTHER}", "").strip()
    if wanted and (further := _named(wanted, columns)) is not None:
        if further not in shown:
            shown = [*shown, further]
        fields[str(further["column"])] = form.get(f"map-{FURTHER}", "")
    elif wanted:
        problems.append(f"{one_line(wanted[:_MOST_CHARS])!r} is not a column of the file; expected a name or letters")
    names = {column_name(column) for column in shown}
    kept = {field: name for field, name in earlier.items() if name not in names}
    found: dict[str, str] = {}
    for column in shown:
        field, name, was = fields[str(column["column"])], column_name(column), column.get("shown") or ""
        if field == was:
            kept |= {other: held for other, held in earlier.items() if held == name}
            continue
        kept |= dict.fromkeys(filter(None, (was, *column.get("also_shown", ()))), _NOT_READ)
        if field and known.fields and field not in known.fields:
            problems.append(f"column {column['column']} is {one_line(field[:_MOST_CHARS])!r}; expected a field")
        elif field in found:
            problems.append(f"several columns are {field}: {found[field]} and {name}; expected one")
        elif field:
            found[field] = name
    return {**kept, **found}, problems


def listed(columns: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the columns that the page lists: the first ones, and all that are read.

    If there are too many, columns that stand for the date columns of a wide file come first.
    """
    if len(columns) <= MOST_COLUMNS:
        return columns
    ordered = sorted(columns, key=lambda column: not column.get("is_metric"))
    return [*ordered[:MOST_COLUMNS], *(column for column in ordered[MOST_COLUMNS:] if column.get("shown"))]


def _named(text: str, columns: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the column with this name or these letters, ignoring case; None if there is none."""
    wanted = text.casefold()
    of_name = (column for column in columns if str(column["name"]).casefold() == wanted)
    letters = wanted.removeprefix("column ")
    of_letters = (column for column in columns if str(column["column"]).casefold() == letters)
    return next(of_name, None) or next(of_letters, None)


def column_name(column: Mapping[str, Any]) -> str:
    """Return how ``--map`` names a column: by letters, because several may have one name."""
    return str(column["name"]) if column.get("is_metric") else f"Column {column['column']}"


def suggested(proposal: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices, completed by a proposal: without a format, the canonical one with the proposed columns."""
    if "format" in choices or proposal["format"] is not None:
        return dict(choices)
    if any(question["code"] in ("FORMAT", "HEADER") and not proposal["columns"] for question in proposal["questions"]):
        return dict(choices)
    if any(question["code"] == "FORMAT" for question in proposal["questions"]):
        return dict(choices)
    mapped = {
        str(column["field"]): column_name(column)
        for column in proposal["columns"]
        if column["field"] and not _has_other_unit(column)
    }
    return {**choices, "format": f"{CANONICAL}-1", "map": {**mapped, **choices.get("map", {})}}


def _has_other_unit(column: Mapping[str, Any]) -> bool:
    """Return whether a column has a unit that ``--map`` cannot name, such as seconds of watch time."""
    return column["unit"] not in (None, _NATURAL.get(str(column["field"]), "seconds"))


def flags(choices: Mapping[str, Any], *, infer: bool) -> list[str]:
    """Return choices as arguments of `formats infer` or `formats check`."""
    names = OF_FILE if infer else (*OF_FILE, *OF_VALUES)
    found = parameters(choices)
    return [f"--{name}={found[name]}" for name in (*names, "map") if name in found]


def parameters(choices: Mapping[str, Any]) -> dict[str, str]:
    """Return choices as parameters of a run: flag without dashes -> its text."""
    found = {name: str(choices[name]) for name in (*OF_FILE, *OF_VALUES) if name in choices}
    if choices.get("map"):
        found["map"] = join_list(f"{field}={column}" for field, column in choices["map"].items())
    return found
