"""The formats commands: list and show formats, and propose how a file is read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.phases.reading import read_upload
from jobs.viewership.settings.formats import FormatsCheckSettings, FormatsInferSettings
from jobs.viewership.uploads.formats.binding import NOT_READ, parse_pairs
from jobs.viewership.uploads.formats.library import find_format, load_format_file, load_formats, shipped_formats
from jobs.viewership.uploads.infer.draft import draft_format, has_other_units, map_options
from jobs.viewership.uploads.infer.infer import infer
from shared.errors import UsageError
from shared.settings.base import join_list
from shared.settings.next_command import next_command
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.settings.formats import (
        FormatsListSettings,
        FormatsShowSettings,
    )
    from jobs.viewership.uploads.formats.model import Format, Rule
    from jobs.viewership.uploads.infer.proposal import FormatFit, Proposal
    from shared.settings import Settings

__all__ = ["infer_file", "list_formats", "show_format"]

_STEM_CHARS: Final = 40
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def list_formats(settings: FormatsListSettings) -> str:
    """Return the formats, one per line, or as JSON."""
    formats = load_formats(settings.formats_dir)
    if settings.json_:
        return as_json({"formats": [_document(found) for found in formats.values()]}, indent=2)
    rows = [
        (found.full_name, found.label, found.level, found.evidence, _origin(found), found.title)
        for found in sorted(formats.values(), key=lambda one: (one.name, -one.version))
    ]
    return text_table(("format", "label", "level", "evidence", "from", "title"), rows)


def show_format(settings: FormatsShowSettings) -> str:
    """Return a format's columns, fields and conventions, or its document as JSON."""
    found = find_format(settings.format, load_formats(settings.formats_dir))
    if settings.json_:
        return as_json(_document(found), indent=2)
    lines = [
        f"{found.full_name}: {found.title}",
        f"{found.label}, {found.level} level, {found.domain.lower()}",
        f"evidence: {found.evidence}; from: {_origin(found)}",
        found.note,
    ]
    metrics = found.wide.metrics if found.wide else ()
    rows = [(rule.field, " | ".join(rule.sources), _reading(rule, found)) for rule in found.columns]
    rows += [(rule.field, " | ".join(rule.sources) or "(dates)", _per_date(rule, found)) for rule in metrics]
    return "\n".join([*map(one_line, lines), "", text_table(("field", "column", "how"), rows), *_rest(found)])


def infer_file(settings: FormatsInferSettings) -> str:
    """Return a proposal for how a file is read, as text or as JSON."""
    formats = load_formats(settings.formats_dir)
    command = next_command("viewership formats infer", model=FormatsInferSettings, settings=settings)
    sheet = read_upload(settings.file, settings, command=command)
    proposal = infer(
        sheet,
        formats,
        file=Path(settings.file).name,
        header_line=settings.header_line,
        mapping=parse_pairs(settings.map),
    )
    if settings.output is not None:
        _write_format(Path(settings.output), proposal, formats, settings)
    if settings.json_:
        return as_json(proposal.model_dump(mode="json"), indent=2)
    return "\n".join([_told(proposal), "", *_next(proposal, settings)])


def _write_format(
    file: Path, proposal: Proposal, formats: Mapping[str, Format], settings: FormatsInferSettings
) -> None:
    """Write a proposal as a format, and read it again."""
    name = one_line(file)
    if file.stem in formats:
        raise UsageError(f"--output: the format {file.stem} exists; expected another name or version")
    hints: dict[str, Any] = {}
    if settings.header_line is not None and proposal.header is not None:
        hints["header"] = {"line": proposal.header.line, "rows": proposal.header.rows}
    if settings.sheet is not None:
        hints["sheet"] = settings.sheet
    if settings.encoding is not None:
        hints["conventions"] = {"encoding": settings.encoding}
    text = draft_format(proposal, file.stem, formats, hints=hints)
    if os.path.lexists(file):
        raise UsageError(f"--output: {name} exists; expected a new file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The next command reads every format of the folder.
        load_formats(str(file.parent))
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"--output: {name} cannot be written: {reason}; expected a file in a folder") from None
    load_format_file(file)


def _next(proposal: Proposal, settings: FormatsInferSettings) -> list[str]:
    """Return the command that reads the file as proposed, in lines for a terminal."""
    file = f"./{settings.file}" if settings.file.startswith("-") else settings.file
    command = "viewership formats check"
    model: type[Settings] = FormatsCheckSettings
    lines = []
    if settings.output is not None:
        output = Path(settings.output)
        lines.append(one_line(f"Written: {output}"))
        lines += _deal(load_format_file(output).platform)
        words = [file, "--formats-dir", str(output.parent), "--format", output.stem]
        # The format has these answers.
        settings = settings.model_copy().with_typed(
            {name: text for name, text in settings.typed.items() if name != "map" and text is not None}
        )
    elif proposal.format is not None:
        words = [file, "--format", proposal.format.name]
    elif any(question.code == "FORMAT" for question in proposal.questions):
        words = [file]
    elif has_other_units(proposal):
        stem = "-".join(re.findall(r"[a-z]+", Path(file).stem.lower()))[:_STEM_CHARS].strip("-") or "report"
        command, model, words = "viewership formats infer", FormatsInferSettings, [file, "--output", f"{stem}-1.yaml"]
    else:
        words = [file, "--format", "canonical"]
        not_read = [f"{field}={name}" for field, name in parse_pairs(settings.map).items() if name == NOT_READ]
        for option in (*map_options(proposal), *not_read):
            words += ["--map", join_list((option,))]
    if model is FormatsCheckSettings and any(question.code == "PERIOD" for question in proposal.questions):
        words += ["--period", "PERIOD"]
    shown = next_command(command, *words, model=model, settings=settings)
    lines.append("Next, with the flags that answer the questions:" if proposal.questions else "Next:")
    return [*lines, f"  {shown}"]


def _deal(platform: str) -> list[str]:
    """Return lines on how to add a deal for a platform: without one, all of its rows are held."""
    return [
        f"Rows of platform {platform} are held until it has a deal. If it has none, complete and import deals.csv:",
        "  platform,deal_parent,internal_partner,internal_channel,internal_territory",
        f"  {platform},DEAL,PARTNER,CHANNEL,TERRITORY",
        "  telecine viewership catalog import deals.csv",
    ]


def _document(found: Format) -> dict[str, Any]:
    return found.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def _origin(found: Format) -> str:
    return "telecine" if shipped_formats().get(found.full_name) == found else "folder"


def _reading(rule: Rule, found: Format) -> str:
    said = ["required"] if getattr(rule, "required", False) else []
    if rule.unit:
        said.append(f"in {rule.unit}")
    for step in rule.steps:
        if step.split is not None:
            said.append(f"part {step.split.index} of a split at {step.split.separator!r}")
        elif step.extract is not None:
            said.append(f"group {step.extract.group} of {step.extract.pattern}")
        elif step.remove_prefix is not None:
            said.append(f"without the prefix {step.remove_prefix!r}")
        elif step.values is not None:
            said.append(f"{len(step.values)} values replaced")
    if rule.evidence and rule.evidence != found.evidence:
        said.append(rule.evidence)
    return ", ".join(said)


def _per_date(rule: Rule, found: Format) -> str:
    return ", ".join(filter(None, ("one column per date", _reading(rule, found))))


def _rest(found: Format) -> list[str]:
    """Return the lines below the table of columns."""
    conventions = found.conventions.model_dump(exclude_none=True)
    header = found.header.model_dump(exclude_none=True)
    lines = [
        ("partner", found.partner or ""),
        ("constants", ", ".join(f"{field} = {value}" for field, value in found.constants.items())),
        ("if blank", ", ".join(f"{field} = {value}" for field, value in found.defaults.items())),
        ("always", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in conventions.items())),
        ("header", ", ".join(f"{name} {value}" for name, value in header.items())),
        ("sheet", found.sheet or ""),
        ("identified", "; ".join(f"{one.sources[0]} matches {one.pattern}" for one in found.identify)),
        ("left out", "; ".join(f"{one.field} {one.when}: {one.reason}" for one in found.filters)),
        ("not read", ", ".join(found.ignore)),
    ]
    shown = [f"{name:<11} {one_line(text)}" for name, text in lines if text]
    return ["", *shown] if shown else []


def _told(proposal: Proposal) -> str:
    """Return a proposal for a terminal."""
    delimiter = proposal.delimiter and _DELIMITERS.get(proposal.delimiter, repr(proposal.delimiter))
    source = ", ".join(filter(None, (proposal.sheet and f"sheet {proposal.sheet!r}", proposal.encoding, delimiter)))
    noun = "row" if proposal.rows == 1 else "rows"
    lines = [one_line(f"{proposal.file}: {source}; {proposal.rows:,} {noun} below the header")]
    if proposal.header:
        header = proposal.header
        line = f"line {header.line} (with the line above)" if header.rows > 1 else f"line {header.line}"
        lines.append(one_line(f"header     {line}, confidence {header.confidence}: {header.reasons[0]}"))
    if proposal.dates:
        dates = proposal.dates
        metrics = f", each with {', '.join(dates.metrics)}" if dates.metrics else ""
        lines.append(one_line(f"dates      {dates.count} columns from {dates.first} to {dates.last}{metrics}"))
    asked = any(question.code == "FORMAT" for question in proposal.questions)
    lines.append(f"format     {_fitted(proposal.format) if proposal.format else 'undecided' if asked else 'none fits'}")
    lines += [f"{'closest' if not at else '':<10} {_fitted(fit)}" for at, fit in enumerate(proposal.closest)]
    lines += [f"{'note' if not at else '':<10} {one_line(note.message)}" for at, note in enumerate(proposal.notes)]
    if proposal.columns:
        rows = [
            (
                column.column,
                column.name,
                " + ".join(filter(None, (column.field, *column.also))) or "-",
                f"{column.score:.2f}" if column.field else "",
                "; ".join(column.reasons) or _others(column.candidates),
            )
            for column in proposal.columns
        ]
        lines += ["", text_table(("", "column", "field", "score", "why"), rows)]
    if proposal.questions:
        lines += ["", "Questions"]
        for number, question in enumerate(proposal.questions, 1):
            lines.append(f"{number}. {one_line(question.message)}")
            if question.options:
                lines.append(f"   {' or '.join(question.flags)}: {one_line(', '.join(question.options))}")
    return "\n".join(lines)


def _fitted(fit: FormatFit) -> str:
    return one_line(f"{fit.name}, {fit.score:.2f}: {'; '.join(fit.reasons)}")


def _others(candidates: Any) -> str:
    return ", ".join(f"maybe {one.field} ({one.score:.2f})" for one in candidates)
