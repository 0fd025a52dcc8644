"""Interpret a file: its table, its format, and the units that are read from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.viewership.catalog.columns import canonical, kind_of, parse_column
from jobs.viewership.errors import NeedsChoice, refuse
from jobs.viewership.phases.keeping import EXPECTED, SUFFIXES
from jobs.viewership.uploads.formats.binding import bind, check_field, parse_pairs
from jobs.viewership.uploads.formats.library import find_format, load_formats
from jobs.viewership.uploads.infer.fit import best_fit, rank_formats
from jobs.viewership.uploads.infer.unread import unread_measures
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.reading import DELIMITERS, read
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.transform import transform
from jobs.viewership.uploads.values.period import Period
from shared.errors import UsageError
from shared.storage import misnamed
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.model import Note, Sheet
    from jobs.viewership.settings.formats import InterpretationSettings, ReadingSettings
    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.formats.model import Format
    from jobs.viewership.uploads.layout.model import Layout
    from jobs.viewership.uploads.transform.units import Units

__all__ = ["Interpretation", "check_choices", "interpret", "read_upload"]


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The contents of a file.

    Attributes:
        sheet: its table.
        layout: the header and the data of the table.
        binding: the columns of the format's fields.
        units: what was read from them.
        platform: the platform of its rows.
    """

    sheet: Sheet
    layout: Layout
    binding: Binding
    units: Units
    platform: str

    @property
    def format(self) -> Format:
        """Return the format that the file was read with."""
        return self.binding.format

    @property
    def notes(self) -> tuple[Note, ...]:
        """Return all warnings."""
        return (*self.units.notes, *unread_measures(self.binding))


def interpret(file: str | os.PathLike[str], settings: InterpretationSettings, *, command: str = "") -> Interpretation:
    """Read a file with the format that fits, or with the one that was chosen.

    Args:
        file: its path.
        settings: choices for what the file leaves open.
        command: the command that reads a file, with its flags; suggested if the path is a folder.

    Raises:
        NeedsChoice: the file leaves a question open; the message names the flags.
        Refused: the file cannot be read.
        UsageError: a flag is wrong, or the file does not exist.
    """
    formats = load_formats(settings.formats_dir)
    chosen = find_format(settings.format, formats) if settings.format is not None else None
    mapping, choices = parse_pairs(settings.map), _choices(settings)
    sheet = read_upload(file, settings, chosen, command=command)
    if chosen is None and settings.delimiter is not None and sheet.cells.width == 1:
        raise NeedsChoice(
            f"split at {sheet.delimiter!r}, the file has one column; expected several; "
            "pass another --delimiter, or none",
            flags=["--delimiter"],
            answers=[["--delimiter", None]],
        )
    if chosen is None:
        chosen = _fitting(sheet, formats, settings.header_line)
    layout = find_layout(sheet, chosen, header_line=settings.header_line)
    binding = bind(chosen, layout, mapping)
    units = transform(sheet, layout, binding, choices)
    return Interpretation(sheet, layout, binding, units, settings.platform or chosen.platform)


def check_choices(settings: InterpretationSettings) -> None:
    """Check what can be checked without a file: the formats, the syntax of ``--map`` and the period.

    Args:
        settings: the choices.

    Raises:
        UsageError: a flag is wrong.
    """
    formats = load_formats(settings.formats_dir)
    if settings.format is not None:
        find_format(settings.format, formats)
    for field, column in parse_pairs(settings.map).items():
        check_field(field, column)
    _choices(settings)


def read_upload(
    file: str | os.PathLike[str], settings: ReadingSettings, chosen: Format | None = None, *, command: str = ""
) -> Sheet:
    """Return the table of a file.

    Args:
        file: its path.
        settings: flags, which override the format.
        chosen: a format, which may name the sheet and the encoding.
        command: as :func:`interpret`.

    Raises:
        UsageError: the file cannot be opened.
    """
    delimiter = DELIMITERS.get(settings.delimiter or "", settings.delimiter)
    try:
        return read(
            file,
            sheet=settings.sheet or (chosen.sheet if chosen else None),
            encoding=settings.encoding or (chosen.conventions.encoding if chosen else None),
            delimiter=delimiter,
        )
    except OSError as error:
        reason, name = (error.strerror or type(error).__name__).lower(), os.fspath(file)
        if "://" in name:
            reason = "it is not a path on this machine"
        found = misnamed(name, expected=EXPECTED, suffixes=SUFFIXES, command=command) if "://" not in name else None
        raise UsageError(found or f"'{one_line(name)}' cannot be read: {reason}; expected {EXPECTED}") from None


def _fitting(sheet: Sheet, formats: Mapping[str, Format], header_line: int | None) -> Format:
    fits = rank_formats(sheet, formats, find_layout(sheet, header_line=header_line))
    best = best_fit(fits)
    if best is not None:
        return best.format
    rivals = [fit for fit in fits if fit.fits]
    if rivals:
        names = ", ".join(fit.format.full_name for fit in rivals)
        # Also name what each format leaves open, such as two columns of the same name: ask everything at once.
        further = list(dict.fromkeys(str(fit.question) for fit in rivals if fit.question))
        raise NeedsChoice(
            f"{len(rivals)} formats fit the file about equally well; expected one of {names}; pass --format"
            + "".join(f"; also, {question}" for question in further),
            flags=["--format", *(["--map"] if further else [])],
            answers=[
                ["--format", fit.format.full_name, *answer]
                for fit in rivals
                for answer in (fit.question.answers if fit.question else None) or [[]]
            ],
        )
    if _is_of_catalogue(sheet):
        raise refuse(
            "FORMAT",
            "the file has the columns of the catalogue; expected a platform's report; "
            "run `telecine viewership catalog import FILE`",
        )
    raise NeedsChoice(
        "no format fits the file; expected one in `telecine viewership formats list`; pass --format canonical and "
        "--map, as proposed by `telecine viewership formats infer`",
        flags=["--format", "--map"],
        answers=[["--format", "canonical", "--map", None]],
    )


def _is_of_catalogue(sheet: Sheet) -> bool:
    """Return whether the first row has only columns of one kind of catalogue file."""
    names = [canonical(str(name or "")) for name in sheet.cells.row(0)]
    kind = kind_of(names)
    return kind is not None and all(parse_column(kind, name) is not None for name in names)


def _choices(settings: InterpretationSettings) -> Choices:
    try:
        period = Period.parse(settings.period) if settings.period is not None else None
    except ValueError as error:
        raise UsageError(f"--period: {one_line(error)}") from None
    return Choices(
        period=period,
        date_order=settings.date_order,
        decimal_mark=settings.decimal_mark,
        clock=settings.clock,
        round_money=settings.round_money,
    )
