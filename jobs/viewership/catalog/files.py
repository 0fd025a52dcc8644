"""Read a catalogue's files: CSV or JSON lines, each value checked and named by file, line and column."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.cells import restored
from jobs.viewership.catalog.columns import COLUMNS, MAX_CHARS, Kind, canonical, kind_of, parse_column
from jobs.viewership.keys.ids import mangled_id
from jobs.viewership.keys.numbering import whole_number
from jobs.viewership.model import SEP_LINE, is_separator
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    # A value's stored form, and what is wrong with it or an empty text.
    Check: TypeAlias = Callable[[str], tuple[str | None, str]]

__all__ = ["Bad", "Read", "Row", "read"]

_NUMBERS: Final = frozenset({"season", "episode", "target_season", "target_episode"})
_SWITCHES: Final = {
    **dict.fromkeys(("true", "yes", "1", "active"), "true"),
    **dict.fromkeys(("false", "no", "0", "inactive"), "false"),
}
_STATUSES: Final = ("active", "inactive")
_IDS: Final = frozenset({"ref_id", "content_id"})
_ANY: Final = frozenset({"domain", "partner", "channel", "territory", "platform"})
# Counted in the first line, in this order: a tie is a comma.
_DELIMITERS: Final = (",", ";", "\t", "|")
_MAX_COLUMNS: Final = 500
# ZIP (.xlsx, .ods) and OLE (.xls).
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SHOWN: Final = 60
_NAMED: Final = 20
# Words in column names: every platform's report has one of them, and no catalogue file does.
_AMOUNTS: Final = frozenset(
    {"hours", "minutes", "seconds", "revenue", "earnings", "views", "plays", "sessions", "impressions"}
)


@dataclass(frozen=True, slots=True)
class Bad:
    """A value, row or file that cannot be imported.

    Attributes:
        file: name of the file.
        line: line where the record begins, from 1; None for the whole file.
        column: the column; None for the whole row.
        message: what was found, and what is expected.
    """

    file: str
    line: int | None
    column: str | None
    message: str

    @property
    def where(self) -> str:
        """Return ``catalogue.csv line 7, column title``."""
        line = f" line {self.line}" if self.line is not None else ""
        return f"{self.file}{line}" + (f", column {self.column}" if self.column else "")

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        kind: what it describes.
        file: name of the file.
        line: line where it begins, from 1.
        values: column -> value; None if the column is there and its cell empty.
    """

    kind: Kind
    file: str
    line: int
    values: dict[str, str | None]

    def bad(self, column: str | None, message: str) -> Bad:
        """Return an error in this row."""
        return Bad(self.file, self.line, column, message)


@dataclass(slots=True)
class Read:
    """The rows of all files, and what could not be read."""

    rows: list[Row] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    def counts(self) -> dict[Kind, int]:
        """Return the number of rows of each kind."""
        return dict(Counter(row.kind for row in self.rows))


def read(files: Iterable[tuple[str, bytes]]) -> Read:
    """Read files; each one's kind follows from its columns.

    A file whose first character is ``{`` has one JSON object a line; any other is CSV in UTF-8, its delimiter a comma,
    semicolon, tab or bar, or the one of a first line ``sep=;``. All errors of all files are listed.

    Args:
        files: names and contents.
    """
    result = Read()
    for name, body in files:
        if body.startswith(_WORKBOOKS):
            message = "the file is a workbook; expected CSV or JSON lines; save the sheet as 'CSV UTF-8' and import it"
            result.bad.append(Bad(name, None, None, message))
            continue
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = body[: error.start].count(b"\n") + 1
            message = f"byte {error.start} is not UTF-8; expected a file in UTF-8, such as 'CSV UTF-8' of a spreadsheet"
            result.bad.append(Bad(name, line, None, message))
            continue
        if text.lstrip()[:1] == "{":
            _read_json(name, text, result)
        else:
            _read_csv(name, text, result)
    return result


def _read_csv(name: str, text: str, result: Read) -> None:
    records = _records(name, text, result)
    first = next(records, None)
    if first is None:
        if not any(bad.file == name for bad in result.bad):
            result.bad.append(Bad(name, None, None, "the file is empty; expected a header and rows"))
        return
    line, header = first
    names = [canonical(restored(cell)) for cell in header]
    kind = _kind(name, line, names, result)
    if kind is None:
        return
    # Most columns repeat few values.
    checks = [lru_cache(maxsize=4096)(_cell(_check(kind, column))) for column in names]
    for line, cells in records:
        if len(cells) != len(names):
            message = f"the row has {len(cells)} cells; expected {len(names)}, as the header"
            result.bad.append(Bad(name, line, None, message))
            continue
        row = Row(kind, name, line, {})
        for column, check, cell in zip(names, checks, cells, strict=True):
            value, problem = check(restored(cell))
            if problem:
                result.bad.append(row.bad(column, problem))
            row.values[column] = value
        if any(value is not None for value in row.values.values()):
            result.rows.append(row)


def _records(name: str, text: str, result: Read) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells of each record that is not empty; a line such as ``sep=;`` names the delimiter."""
    delimiter, skip = _delimiter(text)
    if delimiter is None:
        message = f"the line says {one_line(text[:skip].strip())}, which is not a delimiter; remove the line"
        result.bad.append(Bad(name, 1, None, message))
        return
    reader = csv.reader(io.StringIO(text[skip:], newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + bool(skip)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The rest of the file may belong to the cell with the open quotation mark.
            message = f"{error}; expected CSV with every quotation mark inside a cell doubled"
            result.bad.append(Bad(name, line, None, message))
            return
        if any(cells):
            yield line, cells


def _delimiter(text: str) -> tuple[str | None, int]:
    """Return the delimiter, None if the line that names it has another character, and the length of that line."""
    if match := SEP_LINE.match(text):
        return (match[1] if is_separator(match[1]) else None), match.end()
    first = text[: text.find("\n") % (len(text) + 1)]
    return max(_DELIMITERS, key=first.count), 0


def _kind(name: str, line: int, names: Sequence[str], result: Read) -> Kind | None:
    kind = kind_of(names)
    if kind is None:
        shown = ", ".join(one_line(cut(each, _SHOWN)) for each in names[:_NAMED] if each.strip())
        lists = "; ".join(f"{kind}: {', '.join(columns.names())}" for kind, columns in COLUMNS.items())
        message = f"columns {shown} match no kind of file; expected the columns of one kind ({lists}){_report(names)}"
        result.bad.append(Bad(name, line, None, message))
        return None
    unknown = list(dict.fromkeys(column for column in names if parse_column(kind, column) is None))
    wrong = [_unknown(_likeliest(kind, names), names) + _report(unknown)] if unknown else []
    wrong += [f"column {one_line(each)} appears twice" for each, count in Counter(names).items() if count > 1 and each]
    if len(names) > _MAX_COLUMNS:
        wrong = [f"{len(names)} columns; expected at most {_MAX_COLUMNS}"]
    result.bad += [Bad(name, line, None, message) for message in wrong]
    return None if wrong else kind


def _likeliest(kind: Kind, names: Sequence[str]) -> Kind:
    """Return the kind that shares the most columns with a header, which may lack the column that marks its kind."""
    known = {each: sum(parse_column(each, column) is not None for column in names) for each in COLUMNS}
    return max(COLUMNS, key=lambda each: (known[each], each == kind))


def _report(unknown: Iterable[str]) -> str:
    """Return a hint if columns are those of a platform's report: unlike catalogue files, it has amounts."""
    if not any(_AMOUNTS & set(re.split(r"[^a-z]+", column)) for column in unknown):
        return ""
    return ". This looks like a platform's report; run: telecine viewership run FILE"


def _unknown(kind: Kind, header: Sequence[str]) -> str:
    columns = COLUMNS[kind]
    unknown = list(dict.fromkeys(column for column in header if parse_column(kind, column) is None))
    titled = columns.titled
    example = "" if titled is None else f", also {titled}{'-es, ' + titled + '-es' if columns.languages else ''}.2"
    names = [f"'{one_line(cut(column, _SHOWN))}'" for column in unknown if column]
    parts = ["a column has no name"] if len(names) < len(unknown) else []
    if names:
        rest = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        one = len(names) == 1
        listed = f"{', '.join(names[:_NAMED])}{rest}"
        parts.insert(0, f"{'column' if one else 'columns'} {listed} {'is' if one else 'are'} unknown")
    if not any(parse_column(kind, column) in columns.marks for column in header):
        parts.append(f"column {' or '.join(map(repr, columns.marks))} is missing")
    shown = ", and ".join(parts)
    return f"{shown}; expected for {kind}: {', '.join(columns.names())}{example}"


def _read_json(name: str, text: str, result: Read) -> None:
    refused: set[tuple[str, ...]] = set()
    for line, raw in enumerate(text.split("\n"), 1):
        if not raw.strip():
            continue
        try:
            entry = json.loads(raw, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            result.bad.append(Bad(name, line, None, f"{error}; expected one JSON object per line"))
            continue
        if not isinstance(entry, dict):
            result.bad.append(Bad(name, line, None, "the line is not a JSON object; expected one per line"))
            continue
        cells = {canonical(key): value for key, value in entry.items()}
        if tuple(cells) in refused:  # reported once: a report has the same columns in every line
            continue
        kind = _kind(name, line, list(cells), result)
        if kind is None:
            refused.add(tuple(cells))
            continue
        row = Row(kind, name, line, {})
        for column, value in cells.items():
            text_of = _json_text(value)
            if text_of is None:
                result.bad.append(row.bad(column, f"{type(value).__name__} is not a value; expected text"))
                continue
            checked, problem = _cell(_check(kind, column))(text_of)
            if problem:
                result.bad.append(row.bad(column, problem))
            row.values[column] = checked
        result.rows.append(row)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"key {twice[0]!r} appears twice")
    return dict(pairs)


def _json_text(value: Any) -> str | None:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def _cell(check: Check) -> Check:
    """Return a check of a cell that collapses white space to single spaces; None for an empty cell."""

    def checked(cell: str) -> tuple[str | None, str]:
        value = " ".join(cell.split())
        return check(value) if value else (None, "")

    return checked


def _check(kind: Kind, column: str) -> Check:
    """Return the check of a column: a value's stored form, and what is wrong with it or an empty text."""
    base = parse_column(kind, column) or column
    limit = MAX_CHARS.get(base, 50)
    if (fixed := _CHECKS.get(base)) is not None:
        return fixed
    if base in _NUMBERS:
        return partial(_number, limit=limit)
    if base in _IDS or (base == "target" and kind is Kind.ALIASES):
        return partial(_id, limit=limit)
    if base in _ANY and kind in (Kind.DEALS, Kind.ALIASES, Kind.NUMBERS):
        return lambda value: (None, "") if value == "*" else _text(value, limit)
    return partial(_text, limit=limit)


def _text(value: str, limit: int) -> tuple[str | None, str]:
    if len(value) > limit:
        return None, f"the value has {len(value):,} characters; expected at most {limit}"
    if "\0" in value or not value.isprintable():
        match = re.search("[\0\ud800-\udfff]", value)
        if match:
            return None, f"the value holds {ascii(match[0])[1:-1]}; expected text without it"
    return value, ""


def _id(value: str, limit: int) -> tuple[str | None, str]:
    if mangled_id(value):
        shown = one_line(cut(value, _SHOWN))
        return None, f"'{shown}' is an id that a spreadsheet has rounded or replaced; expected the id as text"
    return _text(value, limit)


def _number(value: str, limit: int) -> tuple[str | None, str]:
    number = whole_number(value)
    return (str(number), "") if number is not None else _text(value, limit)


def _switch(value: str) -> tuple[str | None, str]:
    known = _SWITCHES.get(value.lower())
    return (known, "") if known else (None, f"'{one_line(cut(value, _SHOWN))}' is not valid; expected true or false")


def _status(value: str) -> tuple[str | None, str]:
    if value.lower() in _STATUSES:
        return value.lower(), ""
    return None, f"'{one_line(cut(value, _SHOWN))}' is not a status; expected active or inactive"


def _alias_kind(value: str) -> tuple[str | None, str]:
    if value.lower() in ("series", "episode"):
        return value.lower(), ""
    # The value stays, as an alias without a kind is one of an episode and its target would be sought among them.
    return value, f"'{one_line(cut(value, _SHOWN))}' is not a kind of alias; expected series or episode"


def _day(value: str) -> tuple[str | None, str]:
    try:
        return date.fromisoformat(value).isoformat(), ""
    except ValueError:
        return None, f"'{one_line(cut(value, _SHOWN))}' is not a date; expected YYYY-MM-DD"


_CHECKS: Final = {
    **dict.fromkeys(("active", "exact"), _switch),
    **dict.fromkeys(("status", "episode_status"), _status),
    **dict.fromkeys(("valid_from", "valid_to"), _day),
    "kind": _alias_kind,
}
