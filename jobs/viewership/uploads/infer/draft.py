"""Draft a format from a proposal, and derive the flags that read the file as proposed without a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.model import FIELDS, MEASURES, FieldKind
from jobs.viewership.uploads.formats.binding import ALL_DATES, typed_name
from jobs.viewership.uploads.formats.document import parse_format
from jobs.viewership.uploads.formats.library import CANONICAL, find_format, shipped_formats
from jobs.viewership.uploads.formats.model import Format
from jobs.viewership.uploads.layout.names import header_key
from jobs.viewership.uploads.letters import column_number
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.uploads.infer.proposal import ColumnProposal, Proposal

__all__ = ["draft_format", "has_other_units", "map_options"]

_CONTENT: Final = ("content_name", "content_id", "series")
_TITLE_CHARS: Final = 80
# Limits of the model on one name, and on names that are not read.
_NAME_CHARS: Final = 200
_MOST_IGNORED: Final = 500
# Questions that prevent a format: without an answer, it would read nothing.
_NEEDED: Final = ("FIELD", "DUPLICATE", "UNIT", "CONTENT", "MEASURE")


def draft_format(
    proposal: Proposal, full_name: str, known: Mapping[str, Format], *, hints: Mapping[str, Any] | None = None
) -> str:
    """Return the YAML text of a format that reads a file as proposed.

    If a known format fits, the draft is a copy of it under the new name.

    Args:
        proposal: of the file.
        full_name: name and version, such as ``lantern-1``.
        known: all formats, by full name.
        hints: further keys, such as ``header`` and ``sheet``, that the user chose.

    Raises:
        NeedsChoice: the proposal leaves open which column holds the content or the hours.
    """
    platform, _, version = full_name.rpartition("-")
    fitting = known[proposal.format.name] if proposal.format else None
    names = {
        "platform": platform,
        "version": int(version),
        "title": one_line(cut(f"Columns as in {proposal.file}", _TITLE_CHARS)),
    }
    body = _document(proposal) if fitting is None else _copy(fitting)
    document = names | body | dict(hints or {})
    try:
        valid = Format.model_validate(document)
    except ValidationError as error:
        asked = [question for question in proposal.questions if question.code in _NEEDED]
        if not asked:
            raise
        flags = list(dict.fromkeys(flag for question in asked for flag in question.flags))
        said = "; ".join(one_line(question.message) for question in asked)
        raise NeedsChoice(
            f"the proposal is not complete: {said}; pass {' and '.join(flags)}",
            flags=flags,
            answers=[[word for flag in flags for word in (flag, None)]],
        ) from error
    plain = valid.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    if parse_format(text, source=full_name) != valid:
        raise AssertionError(f"{full_name} reads back differently")
    return text


def _copy(fitting: Format) -> dict[str, Any]:
    document = fitting.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    note = f"Copied from {fitting.full_name}. {fitting.note}"
    return {key: value for key, value in document.items() if key not in ("platform", "variant", "version")} | {
        "note": cut(note, 500)
    }


def _document(proposal: Proposal) -> dict[str, Any]:
    read = [column for column in proposal.columns if column.field]
    fields = {str(column.field) for column in read}
    times = any(FIELDS[field] in MEASURES and FIELDS[field] is not FieldKind.MONEY for field in fields)
    money = any(FIELDS[field] is FieldKind.MONEY for field in fields)
    document: dict[str, Any] = {
        "evidence": "real",
        "note": "Proposed by telecine viewership formats infer from a file with these columns.",
        "label": "Both" if times and money else "Revenue" if money else "Viewership",
        "columns": [_rule(column, proposal) for column in read if not column.is_metric],
    }
    if not set(_CONTENT) & fields and "channel" in fields:
        document["level"] = "channel"
    if metrics := [_rule(column, proposal) for column in read if column.is_metric]:
        document["wide"] = {"metrics": metrics}
    # A column that may hold a field stays unread and visible; the others are known, which identifies the report.
    ignored = [one.name for one in proposal.columns if not one.field and one.header and not one.candidates]
    if not proposal.dates:
        document["ignore"] = [name for name in ignored if len(name) <= _NAME_CHARS][:_MOST_IGNORED]
    return document


def _rule(column: ColumnProposal, proposal: Proposal) -> dict[str, Any]:
    rule: dict[str, Any] = {"field": column.field}
    if column.name != ALL_DATES:
        twice = not column.is_metric and _is_first_of_several(column, proposal)
        name = f"{column.name} (1)" if twice else column.name
        rule["from"] = [name if len(name) <= _NAME_CHARS or column.is_metric else f"Column {column.column}"]
    if column.unit:
        rule["unit"] = column.unit
    return rule


def has_other_units(proposal: Proposal) -> bool:
    """Return whether a column has a unit that ``--map`` cannot name, such as seconds of watch time."""
    return any(column.field and column.unit not in (None, _unit(column.field)) for column in proposal.columns)


def map_options(proposal: Proposal) -> list[str]:
    """Return the values of ``--map`` with which the canonical format reads a file as proposed."""
    canonical = find_format(CANONICAL, shipped_formats())
    there = {header_key(column.header or column.name) for column in proposal.columns}
    # The format reads the first of its names that the file has.
    found = {
        rule.field: next((key for key in map(header_key, rule.sources) if key in there), "")
        for rule in canonical.columns
    }
    options = []
    for column in (column for column in proposal.columns if column.field):
        twice = _is_first_of_several(column, proposal)
        name = column.name if column.is_metric else typed_name(column.name, column_number(column.column), twice=twice)
        if column.is_metric or header_key(name) != found[str(column.field)]:
            options.append(f"{column.field}={name}")
    return options


def _is_first_of_several(column: ColumnProposal, proposal: Proposal) -> bool:
    key = header_key(column.header)
    same = [other for other in proposal.columns if not other.is_metric and header_key(other.header) == key]
    return bool(key) and len(same) > 1 and header_key(column.name) == key


def _unit(field: str) -> str:
    return {FieldKind.HOURS: "hours", FieldKind.MINUTES: "minutes"}.get(FIELDS[field], "seconds")
