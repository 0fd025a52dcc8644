"""The formats check command: check a format's file, or show what would be read from an upload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.viewership.model import FIELDS
from jobs.viewership.phases.reading import interpret
from jobs.viewership.settings.formats import FormatsCheckSettings
from jobs.viewership.uploads.formats.document import FormatInvalid
from jobs.viewership.uploads.formats.library import load_format_file
from jobs.viewership.uploads.preview import preview
from shared.errors import EXIT_DATA
from shared.settings.next_command import next_command
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
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
    command = next_command("viewership formats check", model=FormatsCheckSettings, settings=settings)
    found = interpret(settings.file, settings, command=command)
    shown = preview(
        found.sheet,
        found.layout,
        found.binding,
        found.units,
        file=Path(settings.file).name,
        show_rows=settings.show_rows,
    )
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
    if shown.units:
        fields = [field for field in FIELDS if any(field in unit.values for unit in shown.units)]
        units = [
            (f"{unit.line:,}", unit.fate, *(unit.values.get(field, "") for field in fields)) for unit in shown.units
        ]
        lines += ["", text_table(("line", "fate", *fields), units)]
    if shown.notes:
        lines += ["", *(one_line(f"note: {note.message}") for note in shown.notes)]
    return "\n".join(lines)
