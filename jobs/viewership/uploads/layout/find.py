"""Find the layout of a sheet: its header below banners, with one row or two, and where its data begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice, refuse
from jobs.viewership.uploads.layout.columns import Header, date_columns, duplicate_notes, plain_columns
from jobs.viewership.uploads.layout.head import has_value, read_head
from jobs.viewership.uploads.layout.model import Layout
from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.layout.score import BEST_SCORE, LEAST_SCORE, Wanted, score_row
from jobs.viewership.uploads.layout.texts import is_typed
from jobs.viewership.uploads.layout.wide import find_wide
from shared.text import cut

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.formats.model import Format
    from jobs.viewership.uploads.layout.head import Head
    from jobs.viewership.uploads.layout.score import Score
    from jobs.viewership.uploads.layout.wide import WideHeader

__all__ = ["find_layout"]

_MOST_BANNERS: Final = 20
_BANNER_CHARS: Final = 500
_SHOWN: Final = 4


def find_layout(sheet: Sheet, chosen: Format | None = None, *, header_line: int | None = None) -> Layout:
    """Find the header rows, the columns with unique names, and where the data begins.

    Args:
        sheet: the table.
        chosen: a format, whose column names and hints help to find the header.
        header_line: line of the row with the names, from 1, chosen by the user; it overrides the format's hint.

    Raises:
        NeedsChoice: no row looks like a header; ``--header-line`` settles it.
        Refused: ``EMPTY`` if there is no row below the header.
    """
    head = read_head(sheet)
    filled = [row for row in range(len(head.rows)) if head.filled(row)]
    if not filled:
        raise refuse("EMPTY", "the file has no row of data; expected a header and at least one row")
    hint = header_line if header_line is not None else chosen.header.line if chosen is not None else None
    score: Score | None = None
    if hint is not None:
        row = _row_of_line(head, hint, "--header-line" if header_line is not None else "the format's header line")
        wide = next((found for at in (row - 1, row) if (found := find_wide(head, at)) and row in found.rows), None)
    else:
        wide = next((found for row in filled if (found := find_wide(head, row)) is not None), None)
        if wide is None:
            wanted = _wanted(chosen)
            score = max((score_row(head, row, wanted) for row in filled), key=lambda one: (one.total, -one.row))
            # A header that is repeated below scores by what follows each copy; the data begins below the first.
            first = next(row for row in filled if _names_of(head, row) == _names_of(head, score.row))
            if first != score.row:
                score = score_row(head, first, wanted)
            _check(head, score, filled)
            row = score.row
        else:
            row = wide.rows[-1]
    return _layout(sheet, head, wide.rows if wide else _header_rows(head, row), wide, score)


def _names_of(head: Head, row: int) -> list[str]:
    return [header_key(text) for text in head.filled(row).values()]


def _wanted(chosen: Format | None) -> list[Wanted]:
    if chosen is None:
        return []
    return [Wanted(frozenset(map(header_key, rule.sources)), rule.required) for rule in chosen.columns]


def _row_of_line(head: Head, line: int, source: str) -> int:
    if line not in head.lines or not head.filled(head.lines.index(line)):
        raise NeedsChoice(
            f"{source} {line} is not a row with names; expected one of the first {len(head.lines)} rows of the file",
            flags=["--header-line"],
            answers=[["--header-line", None]],
        )
    return head.lines.index(line)


def _check(head: Head, score: Score, filled: list[int]) -> None:
    if head.is_whole and score.row == filled[-1] and not any(map(is_typed, head.filled(score.row).values())):
        raise _empty(head, score.row)
    if score.total < LEAST_SCORE:
        texts = ", ".join(repr(clean_header(text)) for text in [*head.filled(filled[0]).values()][:_SHOWN])
        raise NeedsChoice(
            f"no row looks like a header (line {head.lines[filled[0]]} has {texts}); expected a row with the names of "
            "the columns; pass --header-line LINE",
            flags=["--header-line"],
            answers=[["--header-line", None]],
        )


def _empty(head: Head, row: int) -> Exception:
    return refuse(
        "EMPTY", f"the file has no row of data below its header in line {head.lines[row]}; expected at least one"
    )


def _header_rows(head: Head, row: int) -> tuple[int, ...]:
    """Return the header rows of a sheet that is not wide: two if the row above or below belongs to the names."""
    upper = next((at for at in (row - 1, row) if at >= 0 and _is_upper(head, at)), None)
    return (row,) if upper is None else (upper, upper + 1)


def _is_upper(head: Head, row: int) -> bool:
    """Return whether a row is the upper one of two header rows: its names are groups of names in the row below."""
    if row + 1 >= len(head.rows):
        return False
    upper, lower = head.filled(row), head.filled(row + 1)
    if len(upper) < 2 or len(lower) < 2 or any(map(is_typed, (*upper.values(), *lower.values()))):  # noqa: PLR2004
        return False
    groups = [
        range(left, right + 1)
        for top, left, bottom, right in head.ranges
        if top == bottom == row and right > left and not upper.keys() <= set(range(left, right + 1))
    ]
    if groups and all(position in lower for group in groups for position in group):
        return True
    # Exported as text, a group is a name followed by blanks, and a name that spans both rows has a blank below it.
    body = {position for record in head.body(row + 1) for position in record}
    only_upper = {position for position in upper if position not in lower or (row + 1, position) in head.merged}
    return bool(only_upper & body) and bool((lower.keys() - upper.keys()) & body)


def _layout(sheet: Sheet, head: Head, header: tuple[int, ...], wide: WideHeader | None, score: Score | None) -> Layout:
    first = header[-1] + 1
    data = sheet.cells.slice(first)
    if not has_value(data):
        raise _empty(head, header[-1])
    dates = wide.dates if wide else {}
    headers = [one for one in _headers(head, header) if one.position not in dates]
    used = {at for at in (one.position for one in headers if one.name is None) if has_value(data.select(pl.nth(at)))}
    headers = [one for one in headers if one.name is not None or one.position in used]
    columns = plain_columns(headers, is_wide=bool(dates))
    line = head.lines[header[-1]]
    return Layout(
        header_rows=header,
        header_line=line,
        first_row=first,
        columns=columns,
        dates=date_columns(dates, [column.name for column in columns]),
        banners=_banners(head, header[0]),
        confidence=1.0 if score is None else max(0.0, min(1.0, round(score.total / BEST_SCORE, 2))),
        reasons=_reasons(wide, score),
        notes=duplicate_notes(columns, line),
    )


def _headers(head: Head, header: tuple[int, ...]) -> list[Header]:
    """Return the name and group of each column; a group without merged cells is continued over blanks to its right."""
    names = head.rows[header[-1]]
    if len(header) == 1:
        return [Header(position, name, None) for position, name in enumerate(names)]
    found = []
    group: str | None = None
    for position, (name, above) in enumerate(zip(names, head.rows[header[0]], strict=True)):
        if name is None or (header[-1], position) in head.merged:
            found.append(Header(position, above, None))
            group = None
            continue
        group = above or group
        found.append(Header(position, name, group))
    return found


def _reasons(wide: WideHeader | None, score: Score | None) -> tuple[str, ...]:
    if score is not None:
        return score.reasons
    if wide is None:
        return ("its line was given",)
    per = "date and metric" if any(metric for _, metric in wide.dates.values()) else "date"
    return (f"it has {len(wide.dates)} columns, one per {per}",)


def _banners(head: Head, header: int) -> tuple[tuple[int, str], ...]:
    found = []
    for row in range(header):
        texts = [clean_header(text) for at, text in head.filled(row).items() if (row, at) not in head.merged]
        if texts:
            found.append((head.lines[row], cut(" ".join(texts), _BANNER_CHARS)))
    return tuple(found[:_MOST_BANNERS])
