"""Propose how a file is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import FIELDS, FieldKind
from jobs.viewership.uploads.formats.binding import (
    NOT_READ,
    bind,
    check_field,
    columns_named,
    typed_column,
    unknown_column,
)
from jobs.viewership.uploads.infer.columns import Guess, accept, guess_fields
from jobs.viewership.uploads.infer.fit import best_fit, rank_formats
from jobs.viewership.uploads.infer.profile import Profile, profile_column
from jobs.viewership.uploads.infer.proposal import (
    Candidate,
    ColumnProposal,
    DateColumns,
    FormatFit,
    Header,
    Proposal,
    Question,
    Warned,
)
from jobs.viewership.uploads.infer.questions import (
    ask_contested,
    ask_duplicates,
    ask_missing,
    ask_territory,
    ask_unit,
    ask_values,
)
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.layout.names import clean_header, header_key
from jobs.viewership.uploads.letters import column_letters
from jobs.viewership.uploads.values.column import Cells
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.viewership.model import Note, Sheet
    from jobs.viewership.uploads.formats.model import Format, Unit
    from jobs.viewership.uploads.infer.fit import Fit
    from jobs.viewership.uploads.layout.model import Layout

__all__ = ["infer"]

_CLOSEST: Final = 3
# Minimum share of dates in a column of dates; its other cells may be notes or totals.
_MOST_ARE_DATES: Final = 0.9
_CANDIDATES: Final = 3
_LEAST_CONFIDENCE: Final = 0.6
_SAMPLE_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class _Read:
    """A column to profile: the date columns of one metric count as one."""

    key: int
    name: str
    label: str
    raw: str | None
    position: int
    positions: tuple[int, ...]
    is_metric: bool


def infer(
    sheet: Sheet,
    formats: Mapping[str, Format],
    *,
    file: str,
    header_line: int | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Proposal:
    """Propose how a file is read: a format that fits, else a header row and a field for each column.

    Args:
        sheet: the table.
        formats: by full name.
        file: name of the file, for the document.
        header_line: line with the names, from 1, chosen by the user.
        mapping: field -> name of its column, chosen by the user with ``--map``.

    Raises:
        Refused: ``EMPTY`` if there is no row below the header.
        UsageError: the mapping names a field or column that does not exist.
    """
    try:
        layout = find_layout(sheet, header_line=header_line)
    except NeedsChoice as error:
        question = Question(code="HEADER", message=str(error), columns=[], options=[], flags=["--header-line"])
        return _proposal(sheet, file, None, questions=[question])
    fits = rank_formats(sheet, formats, layout)
    best = best_fit(fits)
    mapping = mapping or {}
    if best is not None and mapping:
        best = replace(best, binding=bind(best.format, layout, mapping))
    reads = _reads(layout)
    profiles = {read.key: profile_column(_texts(sheet, layout, read)) for read in reads}
    questions = _ask_header(layout) + _ask_format(fits, best)
    if layout.is_wide and (asked_dates := _ask_dates(layout, best)):
        questions.append(asked_dates)
    if best is not None and best.binding is not None:
        columns = _bound_columns(best, reads, profiles)
        questions += _ask_bound(sheet, layout, best, reads, columns)
    else:
        columns, asked = _guessed_columns(sheet, layout, reads, profiles, mapping)
        questions += asked
    return _proposal(sheet, file, layout, fits=fits, best=best, columns=columns, questions=questions)


def _reads(layout: Layout) -> list[_Read]:
    reads = [
        _Read(
            column.position,
            column.name,
            clean_header(column.raw),
            column.raw,
            column.position,
            (column.position,),
            False,
        )
        for column in layout.columns
    ]
    metrics = {date.key: [other for other in layout.dates if other.key == date.key] for date in layout.dates}
    for dates in metrics.values():
        first = dates[0]
        name = first.metric or "(dates)"
        positions = tuple(date.position for date in dates)
        reads.append(_Read(first.position, name, first.metric, first.metric or None, first.position, positions, True))
    return reads


def _texts(sheet: Sheet, layout: Layout, read: _Read) -> pl.Series:
    data = sheet.cells.slice(layout.first_row)
    if not read.is_metric:
        return data.select(pl.nth(read.position)).to_series()
    # A sample of date columns represents all: their first rows, one column after another.
    step = max(1, len(read.positions) // 20)
    return pl.concat([data.head(100).select(pl.nth(at)).to_series().alias("") for at in read.positions[::step]])


def _bound_columns(best: Fit, reads: Sequence[_Read], profiles: Mapping[int, Profile]) -> list[ColumnProposal]:
    assert best.binding is not None
    rules: dict[int, list[tuple[str, Unit | None]]] = {}
    for bound in best.binding.columns:
        rules.setdefault(bound.column.position, []).append((bound.field, bound.rule.unit))
    for metric in best.binding.metrics:
        rules.setdefault(metric.columns[0].position, []).append((metric.field, metric.rule.unit))
    columns = []
    for read in reads:
        found = rules.get(read.key, [])
        reasons = (
            [f"format {best.format.full_name} reads it as {' and '.join(field for field, _ in found)}"] if found else []
        )
        columns.append(
            _column(
                read,
                profiles[read.key],
                field=found[0][0] if found else None,
                also=[field for field, _ in found[1:]],
                unit=found[0][1] if found else None,
                score=1.0 if found else 0.0,
                reasons=reasons,
            )
        )
    return columns


def _guessed_columns(
    sheet: Sheet,
    layout: Layout,
    reads: Sequence[_Read],
    profiles: Mapping[int, Profile],
    mapping: Mapping[str, str],
) -> tuple[list[ColumnProposal], list[Question]]:
    guesses = {read.key: guess_fields(read.label, profiles[read.key]) if read.label else [] for read in reads}
    chosen_by_user = _mapped(layout, reads, mapping)
    for key, found in guesses.items():
        field = chosen_by_user.get(key)
        guesses[key] = (
            [Guess(field, 1.0, ("chosen with --map",), "seconds" if FIELDS[field] is FieldKind.DURATION else None)]
            if field is not None
            else [guess for guess in found if guess.field not in mapping]
        )
    accepted, contested = accept(guesses)
    names = {read.key: read.name for read in reads}
    typed = {**{read.name: read.name for read in reads}, **{one.name: typed_column(one) for one in layout.columns}}
    columns, questions = [], []
    for read in reads:
        guess = accepted.get(read.key)
        if guess is not None and guess.asks_unit:
            questions.append(ask_unit(read.name, guess, typed[read.name]))
        is_open = guess is not None and guess.asks_unit
        others = [other for other in guesses[read.key] if guess is None or is_open or other.field != guess.field]
        shown = [Candidate(field=one.field, score=one.score, reasons=list(one.reasons)) for one in others[:_CANDIDATES]]
        chosen = guess if not is_open else None
        columns.append(
            _column(
                read,
                profiles[read.key],
                field=chosen.field if chosen else None,
                unit=chosen.unit if chosen else None,
                score=chosen.score if chosen else 0.0,
                reasons=list(chosen.reasons) if chosen else [],
                candidates=shown,
            )
        )
    open_names = [names[key] for key, found in guesses.items() if found and key not in chosen_by_user]
    questions += ask_duplicates(layout, open_names)
    duplicated = {name for question in questions for name in question.columns}
    open_fields = {field: [names[key] for key in keys] for field, keys in contested.items()}
    questions += ask_contested(
        {field: found for field, found in open_fields.items() if not {f"{found[0]} (1)", found[0]} & duplicated},
        typed,
    )
    if "territory" not in {*contested, *mapping, *(column.field for column in columns)}:
        places = [key for key, found in guesses.items() if any(one.field == "territory" for one in found)]
        questions += ask_territory([names[key] for key in places if key not in chosen_by_user], typed)
    fields = {column.field for column in columns if column.field} | ({"date"} if layout.is_wide else set())
    asked = {guess.field for guess in accepted.values() if guess.asks_unit}
    dates = {
        read.name: typed[read.name]
        for read, column in zip(reads, columns, strict=True)
        if column.field is None and profiles[read.key].dates >= _MOST_ARE_DATES
    }
    questions += ask_missing(fields, {*open_fields, *asked}, dates)
    for read, column in zip(reads, columns, strict=True):
        if column.field and (question := ask_values(column.field, _cells(sheet, layout, read), None)):
            questions.append(question)
    return columns, questions


def _mapped(layout: Layout, reads: Sequence[_Read], mapping: Mapping[str, str]) -> dict[int, str]:
    """Return key of a column -> the field that the user reads from it."""
    found: dict[int, str] = {}
    for field, name in mapping.items():
        check_field(field, name)
        if name == NOT_READ:
            continue
        positions = {column.position for column in columns_named(name, layout)[:1]}
        key = next(
            (
                read.key
                for read in reads
                if (header_key(read.name) == header_key(name) if read.is_metric else read.position in positions)
            ),
            None,
        )
        if key is None:
            raise unknown_column(field, name, [read.name for read in reads])
        found[key] = field
    return found


def _ask_bound(
    sheet: Sheet, layout: Layout, best: Fit, reads: Sequence[_Read], columns: Sequence[ColumnProposal]
) -> list[Question]:
    questions = []
    found = best.format
    fields = {*found.constants, *(best.binding.fields if best.binding else ()), *({"date"} if layout.is_wide else ())}
    for read, column in zip(reads, columns, strict=True):
        if column.field and (question := ask_values(column.field, _cells(sheet, layout, read), found.conventions)):
            questions.append(question)
    return questions + ask_missing(fields, ())


def _cells(sheet: Sheet, layout: Layout, read: _Read) -> Cells:
    if read.is_metric:
        return Cells(_texts(sheet, layout, read), column=read.name)
    kinds = (
        None if sheet.kinds is None else sheet.kinds.slice(layout.first_row).select(pl.nth(read.position)).to_series()
    )
    lines = sheet.lines.slice(layout.first_row)
    return Cells(_texts(sheet, layout, read), kinds, lines, read.name)


def _ask_header(layout: Layout) -> list[Question]:
    if layout.confidence >= _LEAST_CONFIDENCE:
        return []
    message = f"line {layout.header_line} looks like the header, with a confidence of {layout.confidence}; is it?"
    return [Question(code="HEADER", message=message, columns=[], options=[], flags=["--header-line"])]


def _ask_dates(layout: Layout, best: Fit | None) -> Question | None:
    texts = pl.Series([date.date_text for date in layout.dates], dtype=pl.String)
    lines = pl.Series([layout.header_line] * len(texts), dtype=pl.UInt32)
    return ask_values("date", Cells(texts, None, lines, "(dates)"), best.format.conventions if best else None)


def _ask_format(fits: Sequence[Fit], best: Fit | None) -> list[Question]:
    rivals = [fit.format.full_name for fit in fits if fit.fits]
    if best is not None or not rivals:
        return []
    message = f"{len(rivals)} formats fit the file about equally well; which one is it?"
    return [Question(code="FORMAT", message=message, columns=[], options=rivals, flags=["--format"])]


def _column(
    read: _Read,
    profile: Profile,
    *,
    field: str | None,
    unit: Unit | None,
    score: float,
    reasons: list[str],
    also: Sequence[str] = (),
    candidates: Sequence[Candidate] = (),
) -> ColumnProposal:
    return ColumnProposal(
        name=read.name,
        header=read.raw,
        column=column_letters(read.position),
        is_metric=read.is_metric,
        field=field,
        also=list(also),
        unit=unit,
        score=score,
        reasons=reasons,
        candidates=list(candidates),
        samples=[cut(sample, _SAMPLE_CHARS) for sample in profile.samples],
        filled=round(profile.filled, 4),
    )


def _proposal(
    sheet: Sheet,
    file: str,
    layout: Layout | None,
    *,
    fits: Sequence[Fit] = (),
    best: Fit | None = None,
    columns: Sequence[ColumnProposal] = (),
    questions: Sequence[Question] = (),
) -> Proposal:
    notes = (*sheet.notes, *(layout.notes if layout else ()))
    return Proposal(
        file=file,
        sheet=sheet.name,
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        rows=sheet.cells.height - (layout.first_row if layout else 0),
        header=_header(layout) if layout else None,
        dates=_dates(layout) if layout and layout.is_wide else None,
        format=_fit(best) if best else None,
        closest=[_fit(fit) for fit in fits if fit is not best and fit.score > 0][:_CLOSEST],
        columns=list(columns),
        questions=list(questions),
        notes=[_warned(note) for note in notes],
    )


def _header(layout: Layout) -> Header:
    return Header(
        line=layout.header_line,
        rows=len(layout.header_rows),
        confidence=layout.confidence,
        reasons=list(layout.reasons),
    )


def _dates(layout: Layout) -> DateColumns:
    metrics = list(dict.fromkeys(date.metric for date in layout.dates if date.metric))
    texts = [date.date_text for date in layout.dates]
    return DateColumns(count=len(texts), first=texts[0], last=texts[-1], metrics=metrics)


def _fit(fit: Fit) -> FormatFit:
    return FormatFit(name=fit.format.full_name, score=min(1.0, fit.score), reasons=list(fit.reasons))


def _warned(note: Note) -> Warned:
    return Warned(code=note.code, message=note.message, line=note.line, column=note.column)
