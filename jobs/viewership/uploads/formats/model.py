"""The model of a format: which columns of a platform's report become which fields, and how their values are read."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from jobs.viewership.model import FIELDS, MEASURES, METRICS, FieldKind
from jobs.viewership.uploads.reading.encoding import ENCODINGS

__all__ = [
    "CODE",
    "ColumnRule",
    "Condition",
    "Conventions",
    "Extract",
    "Filter",
    "Format",
    "HeaderHint",
    "Metric",
    "Rule",
    "Split",
    "Step",
    "Unit",
    "Wide",
    "near_miss",
]

CODE: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
"""Platform and variant: lower-case words with hyphens."""

Unit = Literal["hours", "minutes", "seconds"]
Label = Literal["Viewership", "Revenue", "Both"]
Level = Literal["content", "channel"]
Evidence = Literal["real", "documented", "assumed"]
Domain = Literal["Distribution Partners", "Owned and Operated"]

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Code = Annotated[str, StringConstraints(pattern=rf"^{CODE}$", max_length=60)]
_UNITS: Final[dict[FieldKind, tuple[str, ...]]] = {
    FieldKind.HOURS: ("hours", "minutes", "seconds"),
    FieldKind.MINUTES: ("minutes", "seconds"),
    FieldKind.DURATION: ("hours", "minutes", "seconds"),
}


def near_miss(word: str, known: Any) -> str:
    """Return "; did you mean 'x'?" for a known word that is close, else an empty text."""
    close = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _field(value: str) -> str:
    if value not in FIELDS:
        raise ValueError(f"expected a field such as series, content_name or hours{near_miss(value, FIELDS)}")
    return value


_FieldName = Annotated[str, AfterValidator(_field)]


def _pattern(value: str) -> str:
    import polars as pl

    try:
        pl.select(pl.lit("").str.extract(value, 0))
    except pl.exceptions.ComputeError as error:
        reasons = re.findall(r"error: (.*)", str(error))
        raise ValueError(f"expected a regular expression: {reasons[-1] if reasons else 'invalid'}") from None
    return value


# Polars matches with Rust's regex crate: its time is linear in the text, and its patterns are limited in size.
_Pattern = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_pattern)]


def _encoding(value: str) -> str:
    if value not in ENCODINGS:
        raise ValueError(f"expected one of {', '.join(ENCODINGS)}{near_miss(value, ENCODINGS)}")
    return value


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Split(_Closed):
    """Split the text and take one part.

    Attributes:
        separator: the text between two parts.
        index: the part, from 0; negative counts from the end. A text without it becomes blank.
    """

    separator: Annotated[str, StringConstraints(min_length=1, max_length=8)]
    index: Annotated[StrictInt, Field(ge=-20, le=20)]


class Extract(_Closed):
    """Take what a regular expression matches; a text without a match becomes blank.

    Attributes:
        pattern: the regular expression, matched anywhere in the text.
        group: number of the group to take; 0 is the whole match.
    """

    pattern: _Pattern
    group: Annotated[StrictInt, Field(ge=0, le=9)] = 1

    @model_validator(mode="after")
    def _has_group(self) -> Extract:
        import polars as pl

        # Python's re has another syntax: it knows neither \p{L} nor (?<name>...).
        groups = pl.select(pl.lit("").str.extract_groups(self.pattern)).to_series().struct.fields
        if self.group > len(groups):
            raise ValueError(f"expected a pattern with a group {self.group}, or `group: 0` for the whole match")
        return self


class Step(_Closed):
    """One transformation of a column's text; exactly one of its attributes is set.

    Attributes:
        split: split the text and take one part.
        extract: take what a regular expression matches.
        remove_prefix: remove this text from the beginning, if it is there; case is ignored.
        values: replace whole values, ignoring case; other values stay.
    """

    split: Split | None = None
    extract: Extract | None = None
    remove_prefix: _Name | None = None
    values: Annotated[dict[_Name, str], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Step:
        if len([name for name in type(self).model_fields if getattr(self, name) is not None]) != 1:
            raise ValueError("expected exactly one of split, extract, remove_prefix, values in a step")
        return self


class Rule(_Closed):
    """The reading of one field from a column.

    Attributes:
        field: the field, one of :data:`jobs.viewership.model.FIELDS`.
        sources: names of the column, in order of preference; compared without case, quotes and repeated spaces.
        unit: unit of hours, minutes or a duration, unless the value itself says it (1174:47:24).
        steps: transformations of the text, in order.
        evidence: evidence of this column, if it differs from the format's.
    """

    field: _FieldName
    sources: Annotated[tuple[_Name, ...], Field(alias="from", max_length=50)]
    unit: Unit | None = None
    steps: Annotated[tuple[Step, ...], Field(max_length=10)] = ()
    evidence: Evidence | None = None

    @property
    def kind(self) -> FieldKind:
        """Return how the field's values are read."""
        return FIELDS[self.field]

    @model_validator(mode="after")
    def _unit_fits(self) -> Rule:
        units = _UNITS.get(self.kind)
        if self.unit is not None and (units is None or self.unit not in units):
            expected = f"one of {', '.join(units)}" if units else "no unit"
            raise ValueError(f"unit {self.unit} does not fit the field '{self.field}'; expected {expected}")
        if self.kind is FieldKind.DURATION and self.unit is None:
            raise ValueError(f"the field '{self.field}' needs a unit; expected one of hours, minutes, seconds")
        return self


class ColumnRule(Rule):
    """A rule for a column of its own.

    Attributes:
        required: a file without the column is not of this format.
    """

    required: bool = False

    @model_validator(mode="after")
    def _has_source(self) -> ColumnRule:
        if not self.sources:
            raise ValueError(f"the field '{self.field}' has no column; expected at least one name in `from`")
        return self


class Metric(Rule):
    """A rule for a metric that has one column per date; without a source, for date columns that name no metric."""

    sources: Annotated[tuple[_Name, ...], Field(alias="from", max_length=50)] = ()

    @model_validator(mode="after")
    def _is_metric(self) -> Metric:
        if self.kind not in METRICS:
            raise ValueError(f"the field '{self.field}' is not a metric; expected one such as hours, views or revenue")
        return self


class Wide(_Closed):
    """A file with one column per date and metric.

    Attributes:
        metrics: the metrics of each date.
    """

    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _one_without_source(self) -> Wide:
        if len(self.metrics) > 1 and any(not metric.sources for metric in self.metrics):
            raise ValueError("a metric without `from` has to be the only one; name the columns of each metric")
        return self


class HeaderHint(_Closed):
    """The place of the header, if it cannot be detected from its names.

    Attributes:
        line: line of the row with the column names, from 1.
        rows: number of header rows; 2 if a row of dates or groups is above the names.
    """

    line: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    rows: Literal[1, 2] | None = None


class Condition(_Closed):
    """A condition on a column that tells formats with the same columns apart.

    Attributes:
        sources: names of the column.
        pattern: a regular expression that every value of the column has to match.
    """

    sources: Annotated[tuple[_Name, ...], Field(alias="from", min_length=1, max_length=50)]
    pattern: _Pattern


class Conventions(_Closed):
    """Conventions that the platform always follows; whatever is not pinned is decided per column, from its values.

    Attributes:
        decimal_mark: ``.`` or ``,``.
        date_order: order of day, month and year.
        clock: form of durations with two numbers, such as 37:44.
        encoding: encoding of the text file; a byte-order mark overrides it.
        currency: currency of amounts without one, as three letters.
    """

    decimal_mark: Literal[".", ","] | None = None
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    clock: Literal["hh:mm", "mm:ss"] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class Filter(_Closed):
    """Rows that are left out, with the reason.

    Attributes:
        field: the field that decides.
        when: ``zero``, ``blank``, ``zero_or_blank``, or ``equals`` one of ``values``, ignoring case.
        values: the values of ``equals``.
        reason: a sentence that the report shows.
    """

    field: _FieldName
    when: Literal["zero", "blank", "zero_or_blank", "equals"]
    values: Annotated[tuple[_Name, ...], Field(max_length=100)] = ()
    reason: _Text

    @model_validator(mode="after")
    def _has_values(self) -> Filter:
        if (self.when == "equals") != bool(self.values):
            raise ValueError("expected `values` with `when: equals`, and only there")
        return self


class Format(_Closed):
    """A version of a platform's report.

    Attributes:
        platform: the platform, such as ``samsung-tv-plus``.
        variant: tells reports of one platform apart, such as ``linear``.
        version: number of the version; a newer one is preferred if both fit.
        title: what the report is, in a few words.
        partner: partner of rows that name none; such as the platform itself.
        evidence: ``real`` if columns are those of a file, ``documented`` if the platform or users of its reports
            describe them, ``assumed`` if nobody has confirmed them.
        note: where the columns come from, and what is uncertain.
        label: what a row counts.
        level: ``channel`` if rows are totals of a channel, without content: they are kept as topline.
        domain: whose content the report is about.
        sheet: name of the workbook's sheet, if there are several.
        header: where the header is.
        identify: conditions that tell formats with the same columns apart.
        columns: how fields are read from columns; two rules may read one column.
        wide: metrics with one column per date.
        ignore: columns that the report is known to have and that are not read.
        constants: fields with the same value in every row.
        defaults: values of fields that are blank in a row or have no column.
        conventions: what the platform always does.
        filters: rows that are left out.
    """

    platform: _Code
    variant: _Code | None = None
    version: Annotated[StrictInt, Field(ge=1, le=9999)]
    title: _Text
    partner: _Name | None = None
    evidence: Evidence
    note: _Text
    label: Label
    level: Level = "content"
    domain: Domain = "Distribution Partners"
    sheet: _Name | None = None
    header: HeaderHint = HeaderHint()
    identify: Annotated[tuple[Condition, ...], Field(max_length=10)] = ()
    columns: Annotated[tuple[ColumnRule, ...], Field(min_length=1, max_length=200)]
    wide: Wide | None = None
    ignore: Annotated[tuple[_Name, ...], Field(max_length=500)] = ()
    constants: dict[_FieldName, _Text] = Field(default_factory=dict)
    defaults: dict[_FieldName, _Text] = Field(default_factory=dict)
    conventions: Conventions = Conventions()
    filters: Annotated[tuple[Filter, ...], Field(max_length=20)] = ()

    @property
    def name(self) -> str:
        """Return the name without version, such as ``freevee-linear``."""
        return f"{self.platform}-{self.variant}" if self.variant else self.platform

    @property
    def full_name(self) -> str:
        """Return the name with the version, such as ``freevee-linear-1``: the name of its file."""
        return f"{self.name}-{self.version}"

    @model_validator(mode="after")
    def _fields_once(self) -> Format:
        seen = [rule.field for rule in (*self.columns, *(self.wide.metrics if self.wide else ()))] + [*self.constants]
        twice = sorted({field for field in seen if seen.count(field) > 1})
        if twice:
            raise ValueError(f"the field '{twice[0]}' is set twice; expected one column or constant per field")
        if not any(FIELDS[field] in MEASURES for field in seen):
            raise ValueError("the format reads neither hours, minutes nor revenue; expected one of them in `columns`")
        if self.level == "content" and not {"content_name", "content_id", "series"} & set(seen):
            raise ValueError(
                "the format reads no content; expected content_name, content_id, series or `level: channel`"
            )
        return self
