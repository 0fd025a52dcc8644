"""Show what would be read from an upload, as a document with a published JSON Schema."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from jobs.viewership.model import FIELDS, Fate, plain
from jobs.viewership.uploads.infer.unread import unread_measures
from jobs.viewership.uploads.transform.units import CONTINUES, Sums
from shared.text import cut

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.formats.model import Rule
    from jobs.viewership.uploads.layout.model import Layout
    from jobs.viewership.uploads.transform.units import Units

__all__ = ["PREVIEW_VERSION", "Preview", "preview", "preview_schema"]

PREVIEW_VERSION: Final = "1.0"

_REJECTS: Final = 20
_REASON_CHARS: Final = 300
_VALUE_CHARS: Final = 200


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRead(_Closed):
    """A field and where its values come from."""

    field: str
    column: Annotated[str, Field(description="Name of the column, or the constant value.")]
    kind: Literal["column", "dates", "constant", "default"]
    unit: Literal["hours", "minutes", "seconds"] | None
    evidence: Annotated[str | None, Field(description="The value that decided how the column is read.")]


class FateSums(_Closed):
    """The units of one fate; `matching` are those that continue to matching."""

    fate: Literal["matching", "rejected", "filtered", "topline", "file"]
    units: int
    hours: Annotated[str, Field(description="A decimal number.")]
    revenue: Annotated[str, Field(description="A decimal number.")]
    unparsable: Annotated[int, Field(description="Hours and revenues that cannot be read.")]


class LeftOut(_Closed):
    """Units that are rejected or filtered for one reason."""

    fate: Literal["rejected", "filtered"]
    code: str
    units: int
    first: Annotated[str, Field(description="The first of them: line, column, raw text and reason.")]


class Reject(_Closed):
    """A unit that is rejected."""

    line: int
    column: str | None
    code: str
    raw: str | None
    reason: str


class Noted(_Closed):
    """A warning about the file."""

    code: str
    message: str
    line: int | None
    column: str | None


class UnitRead(_Closed):
    """A unit as it would be read."""

    line: Annotated[int, Field(description="Line of the file, or row of the workbook.")]
    column: Annotated[str | None, Field(description="The date column of a wide file, or the rejected cell's column.")]
    fate: Literal["matching", "rejected", "filtered", "topline"]
    code: str | None
    reason: Annotated[str | None, Field(description="Why it is rejected or filtered.")]
    values: Annotated[dict[str, str], Field(description="Field to its value; fields without a value are left out.")]


class Preview(_Closed):
    """A preview of an upload. Nothing is stored."""

    preview_version: Literal["1.0"] = "1.0"
    file: Annotated[str, Field(description="Name of the file, without its folder.")]
    sheet: str | None
    encoding: str | None
    delimiter: str | None
    header_line: int
    format: str
    label: Literal["Viewership", "Revenue", "Both"]
    fields: list[FieldRead]
    unread: Annotated[list[str], Field(description="Columns that no field is read from.")]
    totals: Annotated[list[FateSums], Field(description="Sums by fate, and of the file, to which they add up.")]
    empty_rows: int
    first_date: Annotated[str | None, Field(description="ISO 8601.")]
    last_date: str | None
    rejected_share: Annotated[float, Field(ge=0, le=1)]
    left_out: list[LeftOut]
    rejects: Annotated[list[Reject], Field(description="The first 20.")]
    units: Annotated[list[UnitRead], Field(description="The first units, as many as --show-rows asks for.")]
    notes: list[Noted]


def preview(sheet: Sheet, layout: Layout, binding: Binding, units: Units, *, file: str, show_rows: int = 0) -> Preview:
    """Describe what was read.

    Args:
        sheet: the table.
        layout: its header and data.
        binding: the columns of the format's fields.
        units: what was read from them.
        file: name of the file.
        show_rows: number of units to describe one by one.

    Raises:
        IntegrityError: the fates do not add up to the file.
    """
    found = binding.format
    frame = units.frame
    dates = frame["date"].drop_nulls()
    return Preview(
        file=file,
        sheet=sheet.name,
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        header_line=layout.header_line,
        format=found.full_name,
        label=found.label,
        fields=_fields(binding, units),
        unread=list(dict.fromkeys(getattr(column, "metric", "") or column.name for column in binding.unread)),
        totals=_totals(units),
        empty_rows=units.empty_rows,
        first_date=str(dates.min()) if len(dates) else None,
        last_date=str(dates.max()) if len(dates) else None,
        rejected_share=round(units.rejected_share(), 6),
        left_out=_left_out(frame),
        rejects=[Reject(**row) for row in _rejects(frame)],
        units=[_unit(row) for row in frame.head(show_rows).iter_rows(named=True)],
        notes=[
            Noted(code=note.code, message=note.message, line=note.line, column=note.column)
            for note in (*units.notes, *unread_measures(binding))
        ],
    )


def preview_schema() -> dict[str, Any]:
    """Return the JSON Schema of a preview."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Preview.model_json_schema(mode="serialization"),
        "title": f"Preview {PREVIEW_VERSION} of telecine viewership formats check",
    }


def _fields(binding: Binding, units: Units) -> list[FieldRead]:
    def read(rule: Rule, column: str, kind: Literal["column", "dates"]) -> FieldRead:
        evidence = units.evidence.get(column)
        return FieldRead(field=rule.field, column=column, kind=kind, unit=rule.unit, evidence=evidence)

    found = binding.format
    fields = [read(bound.rule, bound.column.name, "column") for bound in binding.columns]
    fields += [read(bound.rule, bound.columns[0].metric or "(dates)", "dates") for bound in binding.metrics]
    if binding.metrics:
        fields.append(FieldRead(field="date", column="(dates)", kind="dates", unit=None, evidence=None))
    fixed: tuple[tuple[Any, dict[str, str]], ...] = (("constant", found.constants), ("default", found.defaults))
    for kind, values in fixed:
        fields += [
            FieldRead(field=name, column=value, kind=kind, unit=None, evidence=None) for name, value in values.items()
        ]
    return fields


def _totals(units: Units) -> list[FateSums]:
    sums = units.reconcile()
    named: list[tuple[Any, Sums]] = [("matching" if fate == CONTINUES else fate, found) for fate, found in sums.items()]
    named.append(("file", units.file))
    return [
        FateSums(
            fate=fate,
            units=found.rows,
            hours=plain(found.hours),
            revenue=plain(found.revenue),
            unparsable=found.unparsable,
        )
        for fate, found in named
        if found != Sums()
    ]


def _left_out(frame: pl.DataFrame) -> list[LeftOut]:
    fates = [str(Fate.REJECTED), str(Fate.FILTERED)]
    groups = (
        frame.filter(pl.col("fate").is_in(fates))
        .group_by("fate", "code", maintain_order=True)
        .agg(pl.len().alias("units"), pl.col("line").first(), pl.col("reason").first())
    )
    return [
        LeftOut(
            fate=row["fate"],
            code=row["code"],
            units=row["units"],
            first=row["reason"] if row["fate"] == Fate.REJECTED else f"line {row['line']}: {row['reason']}",
        )
        for row in groups.iter_rows(named=True)
    ]


def _rejects(frame: pl.DataFrame) -> list[dict[str, Any]]:
    found = frame.filter(pl.col("fate") == str(Fate.REJECTED)).head(_REJECTS)
    rows = found.select("line", "column", "code", "raw", "reason").to_dicts()
    return [{**row, "reason": cut(row["reason"], _REASON_CHARS)} for row in rows]


def _unit(row: dict[str, Any]) -> UnitRead:
    values = {field: row[field] for field in FIELDS if row.get(field) is not None}
    return UnitRead(
        line=row["line"],
        column=row["column"],
        fate=row["fate"] or "matching",
        code=row["code"],
        reason=None if row["reason"] is None else cut(row["reason"], _REASON_CHARS),
        values={
            field: plain(value) if isinstance(value, Decimal) else cut(str(value), _VALUE_CHARS)
            for field, value in values.items()
        },
    )
