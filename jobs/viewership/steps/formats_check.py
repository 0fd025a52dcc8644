"""The formats check command: check a format's file, or show what would be read from an upload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.steps.formats import read_upload
from jobs.viewership.uploads.formats.binding import bind, parse_pairs
from jobs.viewership.uploads.formats.document import FormatInvalid
from jobs.viewership.uploads.formats.library import find_format, load_format_file, load_formats
from jobs.viewership.uploads.infer.fit import best_fit, rank_formats
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.preview import preview
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.transform import transform
from jobs.viewership.uploads.values.period import Period
from shared.errors import EXIT_DATA, UsageError
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.model import Sheet
    from jobs.viewership.settings.formats import FormatsCheckSettings
    from jobs.viewership.uploads.formats.model import Format
    from jobs.viewership.uploads.preview import Preview

__all__ = ["check"]

_SUFFIXES: Final = (".yaml", ".yml")


def check(settings: FormatsCheckSettings) -> str | tuple[str, int]:
    """Return what is wrong with a format's file, or what would be read from an upload.

    Raises:
        NeedsChoice: the file leaves a question open; the message names the flags.
        Refused: the file cannot be read.
        UsageError: a flag is wrong, or the file does not exist.
    """
    if settings.file.endswith(_SUFFIXES):
        return _check_format(settings)
    formats = load_formats(settings.formats_dir)
    chosen = find_format(settings.format, formats) if settings.format is not None else None
    sheet = read_upload(settings, chosen)
    if chosen is None:
        chosen = _fitting(sheet, formats, settings.header_line)
    layout = find_layout(sheet, chosen, header_line=settings.header_line)
    binding = bind(chosen, layout, parse_pairs(settings.map))
    units = transform(sheet, layout, binding, _choices(settings))
    shown = preview(sheet, layout, binding, units, file=Path(settings.file).name)
    return as_json(shown.model_dump(mode="json"), indent=2) if settings.json_ else _told(shown)


def _check_format(settings: FormatsCheckSettings) -> str | tuple[str, int]:
    file = Path(settings.file)
    try:
        found = load_format_file(file)
    except FormatInvalid as error:
        return str(error), EXIT_DATA
    name = one_line(file)
    if file.stem != found.full_name:
        return f"{name}: its format is {found.full_name}; expected the file name {found.full_name}.yaml", EXIT_DATA
    fields = len(found.columns) + len(found.wide.metrics if found.wide else ())
    return f"{name}: format {found.full_name} is valid; it reads {fields} fields"


def _fitting(sheet: Sheet, formats: Mapping[str, Format], header_line: int | None) -> Format:
    fits = rank_formats(sheet, formats, find_layout(sheet, header_line=header_line))
    best = best_fit(fits)
    if best is not None:
        return best.format
    rivals = [fit for fit in fits if fit.fits]
    if rivals:
        names = ", ".join(fit.format.full_name for fit in rivals)
        # What a format leaves open besides, such as two columns of one name: one answer must not lead to the next.
        further = list(dict.fromkeys(fit.question for fit in rivals if fit.question))
        raise NeedsChoice(
            f"{len(rivals)} formats fit the file about equally well; expected one of {names}; pass --format"
            + "".join(f"; also, {question}" for question in further),
            flags=["--format", *(["--map"] if further else [])],
        )
    raise NeedsChoice(
        "no format fits the file; expected one of `telecine viewership formats list`; pass --format canonical and "
        "--map, as proposed by `telecine viewership formats infer`",
        flags=["--format", "--map"],
    )


def _choices(settings: FormatsCheckSettings) -> Choices:
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


def _told(shown: Preview) -> str:
    """Return a preview for a terminal."""
    days = f", {shown.first_date} to {shown.last_date}" if shown.first_date else ""
    lines = [
        one_line(f"{shown.file}: format {shown.format}, header in line {shown.header_line}{days}"),
        "",
        text_table(
            ("field", "from", "why"),
            [
                (
                    field.field,
                    f"{field.column} ({field.kind})" if field.kind != "column" else field.column,
                    "; ".join(filter(None, (field.unit and f"in {field.unit}", field.evidence))),
                )
                for field in shown.fields
            ],
        ),
    ]
    if shown.unread:
        lines += ["", one_line(f"not read: {', '.join(shown.unread)}")]
    rows = [(sums.fate, f"{sums.units:,}", sums.hours, sums.revenue, str(sums.unparsable)) for sums in shown.totals]
    lines += ["", text_table(("fate", "units", "hours", "revenue", "unparsable"), rows)]
    if shown.left_out:
        left = [(one.fate, one.code, f"{one.units:,}", one.first) for one in shown.left_out]
        lines += ["", text_table(("left out", "code", "units", "first"), left)]
    if shown.rejects:
        rejects = [(f"{one.line:,}", one.column or "", one.code, one.raw or "") for one in shown.rejects]
        lines += ["", text_table(("line", "column", "code", "raw text"), rejects)]
    if shown.notes:
        lines += ["", *(one_line(f"note: {note.message}") for note in shown.notes)]
    return "\n".join(lines)
