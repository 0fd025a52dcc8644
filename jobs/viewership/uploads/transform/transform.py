"""Read the units of a sheet: parse every field, find totals, filter rows, and reject what cannot be read."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.viewership.errors import FILTERS, REJECTS, refuse
from jobs.viewership.model import FIELDS, Fate, FieldKind, exact_sum
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.controls import additive, find_controls
from jobs.viewership.uploads.transform.dated import add_dates, note_no_date
from jobs.viewership.uploads.transform.fields import CONTENT, dtype_of, parse_field
from jobs.viewership.uploads.transform.gathered import constant_rule, gather
from jobs.viewership.uploads.transform.source import Source
from jobs.viewership.uploads.transform.suspects import mangled_ids, textual_numbers
from jobs.viewership.uploads.transform.units import Sums, Units
from jobs.viewership.uploads.values.column import DECIMAL, Cells, State
from shared.text import cut

if TYPE_CHECKING:
    from jobs.viewership.model import Sheet
    from jobs.viewership.uploads.formats.binding import Binding
    from jobs.viewership.uploads.formats.model import Filter, Format
    from jobs.viewership.uploads.layout.model import Layout
    from jobs.viewership.uploads.transform.controls import Controls
    from jobs.viewership.uploads.transform.gathered import Gathered

__all__ = ["transform"]

_SIXTY: Final = pl.Series([Decimal(60)], dtype=DECIMAL)
_MEASURES: Final = ("hours", "minutes", "revenue")
_RAW_SHOWN: Final = 80
# Cells beyond the last name, in fewer rows than this, are what a stray delimiter has shifted.
_SHIFTED_SHARE: Final = 0.5


def transform(sheet: Sheet, layout: Layout, binding: Binding, choices: Choices | None = None) -> Units:
    """Read the units of a sheet: its rows, or its pairs of row and date if it is wide.

    Args:
        sheet: the table.
        layout: its header and data.
        binding: the columns of the format's fields.
        choices: answers of the user.

    Raises:
        NeedsChoice: the values leave a question open; the message names the flags.
        Refused: ``EMPTY`` if no row of data has a value.
    """
    choices = choices or Choices()
    source = Source.of(sheet, layout, binding)
    if not source.rows:
        raise refuse("EMPTY", "the file has no row of data with a value; expected at least one")
    gathered = gather(source, binding, choices)
    if not len(gathered.row):
        raise refuse("EMPTY", "no row of the file has a value for any date; expected at least one")
    controls = find_controls(source, binding, _row_sums(gathered))
    frame = _frame(gathered, binding.format, choices)
    frame = add_dates(frame, gathered, choices.period)
    undated = note_no_date(frame, gathered, choices.period)
    frame = _with_measures(frame, gathered)
    frame = _with_fates(frame, gathered, binding, controls)
    mangled, note = mangled_ids(frame, gathered)
    frame = frame.with_columns(mangled.alias("mangled_id"))
    notes = [*sheet.notes, *layout.notes, *gathered.notes, *undated, *controls.notes, *([note] if note else [])]
    notes += textual_numbers(frame, gathered)
    evidence = {}
    for field in gathered.fields.values():
        notes.extend(field.parsed.notes)
        if field.parsed.evidence:
            evidence[field.cells.column] = field.parsed.evidence
    return Units(
        frame=frame.select(*_FIRST, *FIELDS, *_LAST),
        file=_file_sums(gathered, controls),
        empty_rows=source.empty_rows,
        notes=tuple(notes),
        evidence=evidence,
    )


_FIRST: Final = ("line", "column")
_LAST: Final = (*("date_grain", "week", "day", "mangled_id", "fate", "code", "reason", "raw", "control", "unparsable"),)


def _row_sums(gathered: Gathered) -> dict[str, pl.Series]:
    """Return the values that a total adds up, one per row."""
    rows, sums = gathered.source.rows, {}
    for name, field in gathered.fields.items():
        values = field.parsed.values
        if not additive(name):
            continue
        if field.paired:
            frame = pl.DataFrame({"value": values}).with_columns(row=pl.int_range(len(values)) % rows)
            found = frame.drop_nulls().group_by("row").agg(pl.col("value").sum())
            values = pl.DataFrame({"row": range(rows)}).join(found, on="row", how="left", maintain_order="left")[
                "value"
            ]
        sums[name] = values
    return sums


def _frame(gathered: Gathered, chosen: Format, choices: Choices) -> pl.DataFrame:
    """Return a column per field, with defaults for blanks."""
    source = gathered.source
    columns = {"line": source.sheet.lines if not source.dates else source.sheet.lines.gather(gathered.row)}
    missing = []
    for name in FIELDS:
        values = gathered.values(name)
        if values is None:
            missing.append(pl.lit(None, dtype=pl.String if name == "quarter" else dtype_of(name)).alias(name))
        elif name not in ("month", "quarter"):
            columns[name] = values
    date = gathered.fields.get("date")
    if date is not None and date.parsed.detail is not None:
        columns["date_grain"] = gathered.at(date, date.parsed.detail)
    else:
        missing.append(pl.lit(None, dtype=pl.String).alias("date_grain"))
    frame = pl.DataFrame(columns).with_columns(missing)
    defaults = dict(chosen.defaults)
    if chosen.partner is not None:
        defaults.setdefault("partner", chosen.partner)
    for name, text in defaults.items():
        cells = Cells(pl.Series([text], dtype=pl.String), column=f"default {name}")
        [value] = parse_field(constant_rule(name), cells, chosen.conventions, choices).values
        frame = frame.with_columns(pl.col(name).fill_null(pl.lit(value, dtype=dtype_of(name))))
    return frame.with_columns(_currency(gathered, chosen))


def _currency(gathered: Gathered, chosen: Format) -> pl.Expr:
    """Return the currency: of its column, else the one written with the amount, else that of the format."""
    ways = [pl.col("currency")]
    revenue = gathered.fields.get("revenue")
    if revenue is not None and revenue.parsed.detail is not None:
        ways.append(pl.lit(gathered.at(revenue, revenue.parsed.detail)))
    pinned = pl.lit(chosen.conventions.currency, dtype=pl.String)
    # "$" is shared by many currencies; the format knows which one its platform pays in.
    found = pl.coalesce(ways)
    vague = found.is_null() | found.is_in(["$", "kr", "Rs", "\N{YEN SIGN}"])
    return (
        pl.when(vague & pinned.is_not_null() & pl.col("revenue").is_not_null())
        .then(pinned)
        .otherwise(found)
        .alias("currency")
    )


def _minutes_as_hours(minutes: pl.Series) -> pl.Series:
    return minutes / _SIXTY


def _hours_as_minutes(hours: pl.Series) -> pl.Series:
    """Return minutes to 8 places: 37:44 in hours, rounded to 10 places, is 2e-9 minutes off."""
    return (hours * _SIXTY).round(8).cast(DECIMAL)


def _with_measures(frame: pl.DataFrame, gathered: Gathered) -> pl.DataFrame:
    """Fill hours from minutes, and minutes from hours; count the measures of each unit that cannot be read."""
    hours, minutes = frame["hours"], frame["minutes"]
    if "minutes" in gathered.fields:
        frame = frame.with_columns(hours.zip_with(hours.is_not_null(), _minutes_as_hours(minutes)).alias("hours"))
    if "hours" in gathered.fields:
        frame = frame.with_columns(minutes.zip_with(minutes.is_not_null(), _hours_as_minutes(hours)).alias("minutes"))
    failed = pl.repeat(0, len(frame), dtype=pl.Int64, eager=True)
    for name in _MEASURES:
        if field := gathered.fields.get(name):
            failed += (gathered.at(field, field.parsed.state) == State.UNPARSABLE).cast(pl.Int64)
    return frame.with_columns(failed.alias("unparsable"))


def _file_sums(gathered: Gathered, controls: Controls) -> Sums:
    """Sum the columns of the file, independently of its units."""
    source = gathered.source
    measures = {name: field for name in _MEASURES if (field := gathered.fields.get(name))}
    counted = ~controls.rows
    dates = max(1, len(source.dates))
    cells = {
        name: (field.parsed, pl.concat([counted] * (dates if field.paired else 1))) for name, field in measures.items()
    }

    def total(values: pl.Series) -> Decimal:
        return Decimal(0) if values.dtype == pl.Null else Decimal(values.sum() or 0)

    hours = revenue = Decimal(0)
    unparsable = 0
    for parsed, mask in cells.values():
        unparsable += int((parsed.state.filter(mask) == State.UNPARSABLE).sum())
    if "revenue" in cells:
        parsed, mask = cells["revenue"]
        revenue = total(parsed.values.filter(mask))
    if "hours" in cells:
        parsed, mask = cells["hours"]
        hours = total(parsed.values.filter(mask))
    if "minutes" in cells:
        parsed, mask = cells["minutes"]
        if "hours" in cells:
            mask &= cells["hours"][0].values.is_null()
        hours = exact_sum((hours, total(_minutes_as_hours(parsed.values.filter(mask)))))
    rows = source.rows
    metrics = {name: field.parsed.state for name, field in gathered.fields.items() if field.paired and name != "date"}
    if metrics:
        rows = pl.DataFrame(metrics).select(pl.any_horizontal(pl.all() != State.BLANK).sum()).item()
    return Sums(rows, hours, revenue, unparsable)


def _with_fates(frame: pl.DataFrame, gathered: Gathered, binding: Binding, controls: Controls) -> pl.DataFrame:
    """Give each unit its fate: a total, rejected, filtered by the format, topline, or none yet."""
    source = gathered.source
    frame = _rejects(frame, gathered, binding)
    row = gathered.row
    control = controls.rows if not source.dates else controls.rows.gather(row)
    frame = frame.with_columns(control.alias("control"))
    filters = [pl.when("control").then(pl.lit("TOTAL"))]
    for code, mask in (("HEADER", _repeated_header(source, binding)), ("NO_VALUES", _without_values(gathered))):
        if mask.any():
            units = mask if not source.dates else mask.gather(row)
            frame = frame.with_columns(units.alias(f"is_{code}"))
            filters.append(pl.when(f"is_{code}").then(pl.lit(code)))
    frame = frame.with_columns(pl.coalesce(filters).alias("filter"))
    rejected = pl.col("filter").is_null() & pl.col("code").is_not_null()
    reasons = pl.col("filter").replace_strict(FILTERS, default=None, return_dtype=pl.String)
    frame = frame.with_columns(
        fate=pl.when(pl.col("filter").is_not_null())
        .then(pl.lit(str(Fate.FILTERED)))
        .when(rejected)
        .then(pl.lit(str(Fate.REJECTED))),
        code=pl.coalesce("filter", "code"),
        reason=pl.when(pl.col("filter").is_not_null()).then(reasons).otherwise("reason"),
        raw=pl.when(rejected).then("raw"),
    )
    for rule in binding.format.filters:
        matches = pl.col("fate").is_null() & _matches(rule)
        frame = frame.with_columns(
            fate=pl.when(matches).then(pl.lit(str(Fate.FILTERED))).otherwise("fate"),
            code=pl.when(matches).then(pl.lit("FILTER")).otherwise("code"),
            reason=pl.when(matches).then(pl.lit(rule.reason)).otherwise("reason"),
        )
    if binding.format.level == "channel" or not set(CONTENT) & gathered.fields.keys():
        frame = frame.with_columns(fate=pl.coalesce("fate", pl.lit(str(Fate.TOPLINE))))
    return frame


def _matches(rule: Filter) -> pl.Expr:
    column = pl.col(rule.field)
    if rule.when == "equals":
        wanted = [value.strip().lower() for value in rule.values]
        return column.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(wanted).fill_null(value=False)
    is_zero = (column == 0).fill_null(value=False) if FIELDS[rule.field] in _NUMERIC else pl.lit(value=False)
    if rule.when == "zero":
        return is_zero
    return column.is_null() if rule.when == "blank" else column.is_null() | is_zero


_NUMERIC: Final = frozenset(
    {FieldKind.COUNT, FieldKind.DECIMAL, FieldKind.MONEY, FieldKind.HOURS, FieldKind.MINUTES, FieldKind.DURATION}
)


def _rejects(frame: pl.DataFrame, gathered: Gathered, binding: Binding) -> pl.DataFrame:
    """Name the first cell of each unit that cannot be read."""
    source, size = gathered.source, len(frame)
    nothing = pl.repeat(None, size, dtype=pl.String, eager=True)
    code, raw, place, column = nothing, nothing, nothing, nothing
    metric = next((field for field in gathered.fields.values() if field.paired and field.field != "date"), None)
    if metric is not None:
        column = gathered.names(metric)
    for field in gathered.fields.values():
        if not field.parsed.code.count():
            continue
        found = gathered.at(field, field.parsed.code)
        first = code.is_null() & found.is_not_null()
        kept = ~first
        code = code.zip_with(kept, found)
        raw = raw.zip_with(kept, gathered.at(field, field.cells.texts))
        column = column.zip_with(kept, gathered.names(field))
        place = place.zip_with(kept, gathered.places(field))
    shifted = _shifted(source, binding)
    if shifted is not None:
        mask, position = shifted
        kept = code.is_not_null() | ~(mask if not source.dates else mask.gather(gathered.row))
        texts = source.sheet.cells.to_series(position)
        code = code.zip_with(kept, pl.repeat("RAGGED", size, dtype=pl.String, eager=True))
        raw = raw.zip_with(kept, texts if not source.dates else texts.gather(gathered.row))
    frame = frame.with_columns(code.alias("code"), raw.alias("raw"), column.alias("column"), place.alias("place"))
    meaning = pl.col("code").replace_strict(REJECTS, default=None, return_dtype=pl.String)
    text = pl.col("raw").replace(_shortened(frame["raw"]))
    where = pl.format("line {}, column '{}'", "line", "column")
    if source.sheet.kinds is not None:
        where = pl.format("cell {}{}", "place", "line")
    said = pl.when(text.is_not_null()).then(pl.format("{}: '{}': {}", where, text, meaning))
    return frame.with_columns(
        reason=pl.when(pl.col("code").is_not_null()).then(said.otherwise(pl.format("{}: {}", where, meaning)))
    )


def _shortened(texts: pl.Series) -> dict[str, str]:
    """Return texts that are too long to be shown -> their beginnings."""
    long = texts.filter(texts.str.len_chars() > _RAW_SHOWN).unique()
    return {text: cut(text, _RAW_SHOWN) for text in long}


def _shifted(source: Source, binding: Binding) -> tuple[pl.Series, int] | None:
    """Return the rows with more cells than the header has names, shifted by a delimiter inside a text."""
    if source.sheet.kinds is not None:
        return None
    named = [column.position for column in source.layout.columns if column.raw]
    named += [column.position for column in source.layout.dates] + [bound.column.position for bound in binding.columns]
    beyond = max(named, default=0) + 1
    masks = [
        (source.sheet.cells.to_series(position).str.contains(r"\S").fill_null(value=False), position)
        for position in range(beyond, source.sheet.cells.width)
    ]
    masks = [(mask, position) for mask, position in masks if 0 < mask.sum() < _SHIFTED_SHARE * len(mask)]
    if not masks:
        return None
    mask, position = masks[0]
    for other, _ in masks[1:]:
        mask |= other
    return mask, position


def _repeated_header(source: Source, binding: Binding) -> pl.Series:
    """Return the rows that repeat the header, as exports joined together do."""
    mask = pl.repeat(True, source.rows, dtype=pl.Boolean, eager=True)
    columns = [bound.column for bound in binding.columns if bound.column.raw]
    for column in columns:
        text = (column.raw or "").strip()
        mask &= (source.sheet.cells.to_series(column.position).str.strip_chars() == text).fill_null(value=False)
        if not mask.any():
            break
    return mask & pl.repeat(len(columns) > 1, source.rows, dtype=pl.Boolean, eager=True)


def _without_values(gathered: Gathered) -> pl.Series:
    """Return the rows whose cells are all in columns that are not read."""
    source = gathered.source
    mask = pl.repeat(not source.dates, source.rows, dtype=pl.Boolean, eager=True)
    for field in gathered.fields.values():
        if not field.paired and field.positions[0] >= 0:
            mask &= field.parsed.state == State.BLANK
    return mask
