"""The proposal of how a file is read, as a document with a published JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "PROPOSAL_VERSION",
    "Candidate",
    "ColumnProposal",
    "DateColumns",
    "FormatFit",
    "Header",
    "Proposal",
    "Question",
    "QuestionCode",
    "Warned",
    "proposal_schema",
]

PROPOSAL_VERSION: Final = "1.0"

Score = Annotated[float, Field(ge=0, le=1)]
QuestionCode = Literal[
    "HEADER",
    "FORMAT",
    "DUPLICATE",
    "FIELD",
    "UNIT",
    "CONTENT",
    "MEASURE",
    "PERIOD",
    "DATE_ORDER",
    "DECIMAL_MARK",
    "CLOCK",
]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(_Closed):
    """The header row."""

    line: Annotated[int, Field(description="Line of the file (row of the workbook) with the names, from 1.")]
    rows: Annotated[int, Field(ge=1, le=2, description="Number of header rows; the last one is `line`.")]
    confidence: Score
    reasons: list[str]


class DateColumns(_Closed):
    """The columns of a wide file: one per date, or per date and metric."""

    count: int
    first: Annotated[str, Field(description="The first date as it is in the file.")]
    last: str
    metrics: Annotated[list[str], Field(description="Names of the metrics; empty if the header has dates only.")]


class Candidate(_Closed):
    """A field that a column may hold."""

    field: str
    score: Score
    reasons: list[str]


class ColumnProposal(_Closed):
    """A column and its proposed field."""

    name: Annotated[str, Field(description="Unique name; pass it to --map.")]
    header: Annotated[str | None, Field(description="The header as it is in the file.")]
    column: Annotated[str, Field(description="Letters of the column, as spreadsheets show them.")]
    is_metric: Annotated[bool, Field(description="Represents one column per date.")]
    field: Annotated[str | None, Field(description="The proposed field; null if none is certain enough.")]
    also: Annotated[list[str], Field(description="Further fields that the format reads from the column.")]
    unit: Annotated[Literal["hours", "minutes", "seconds"] | None, Field(description="Unit of the values.")]
    score: Score
    reasons: list[str]
    candidates: Annotated[list[Candidate], Field(description="Other fields, best first.")]
    samples: list[str]
    filled: Annotated[float, Field(ge=0, le=1, description="Share of the cells that hold a value.")]


class Question(_Closed):
    """A question that the file leaves open, and the flags that settle it."""

    code: QuestionCode
    message: str
    columns: list[str]
    options: Annotated[list[str], Field(description="Values to choose from, as typed after a flag.")]
    flags: list[str]


class FormatFit(_Closed):
    """A format and how well it fits."""

    name: str
    score: Score
    reasons: list[str]


class Warned(_Closed):
    """A warning about the file."""

    code: str
    message: str
    line: int | None
    column: str | None


class Proposal(_Closed):
    """A proposal for reading a file: a format that fits, or a header row and a field for each column."""

    proposal_version: Literal["1.0"] = "1.0"
    file: Annotated[str, Field(description="Name of the file, without its folder.")]
    sheet: Annotated[str | None, Field(description="Sheet of a workbook.")]
    encoding: Annotated[str | None, Field(description="Encoding of a text file.")]
    delimiter: Annotated[str | None, Field(description="Delimiter of a text file.")]
    rows: Annotated[int, Field(description="Rows below the header, including blank ones and totals.")]
    header: Annotated[Header | None, Field(description="Null if no row looks like a header.")]
    dates: Annotated[DateColumns | None, Field(description="Null unless the file has columns per date.")]
    format: Annotated[FormatFit | None, Field(description="The format that fits; null if none, or several.")]
    closest: Annotated[list[FormatFit], Field(description="Other formats, best first, with what they lack.")]
    columns: list[ColumnProposal]
    questions: list[Question]
    notes: list[Warned]


def proposal_schema() -> dict[str, Any]:
    """Return the JSON Schema of a proposal."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Proposal.model_json_schema(mode="serialization"),
        "title": f"Proposal {PROPOSAL_VERSION} of telecine viewership formats infer",
    }
