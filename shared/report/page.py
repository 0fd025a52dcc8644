"""Render report.html: one static page with embedded images and styles and no scripts."""

from __future__ import annotations

import base64
import math
import re
import struct
from decimal import Decimal
from functools import cache
from itertools import groupby
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.failure import Failure
from shared.report.chart import number
from shared.report.charts import FILTERS, loader
from shared.report.format import blocks, duration, label
from shared.report.sections import (
    Amounts,
    Code,
    Figure,
    Figures,
    Histogram,
    Link,
    Shares,
    Spans,
    Squares,
    Table,
    Text,
    Trend,
)
from shared.report.style import STYLE
from shared.report.twin import twin
from shared.scrub import scrub
from shared.text import as_json, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Template
    from markupsafe import Markup

    from shared.report.model import Report

__all__ = ["render"]

_MAGIC: Final = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
# A relative path or a web page; `javascript:` and the like do not become links.
_SAFE_HREF: Final = re.compile(r"https?://|[^:]*(?:/|$)")
_PERCENT: Final = re.compile(r"(-?[\d.,]+) ?%")
# Figures at least this many times as wide as high are strips.
_STRIP: Final = 2.5
# Failed items shown at once; the rest can be unfolded.
_FIRST_FAILURES: Final = 8
# On a phone, rows become cards in tables with more columns, and in tables with this many if one has long text.
_MOST_COLUMNS: Final = 3
_LONG_TEXT: Final = 24
# Tables with more columns have a smaller font.
_DENSE: Final = 9


def render(report: Report) -> str:
    """Return a report as an HTML page.

    Args:
        report: the report, with its sections in the order of the page.
    """
    failures = _unexplained(report)
    found = blocks(report)
    return _template().render(
        report=report,
        failures=failures,
        unlisted=list(_unlisted(report, failures)),
        groups=[(is_chart, list(members)) for is_chart, members in groupby(report.sections, _is_chart)],
        blocks=found,
        hidden_counts=0 if report.tiles is None else sum(name not in report.tiles for name in report.counts),
        first_failures=_FIRST_FAILURES,
        total_seconds=max([*report.durations.values(), 0.0]),
    )


def _unexplained(report: Report) -> list[Failure]:
    """Return the failures that no table explains."""
    explained = {
        # A failure cleans the name of its item.
        (Failure(item, code, "").item, code)
        for section in report.sections
        if isinstance(section, Table)
        for item, code in section.explains
    }
    return [failure for failure in report.failures if (failure.item, failure.code) not in explained]


def _unlisted(report: Report, failures: list[Failure]) -> Iterator[tuple[str, str]]:
    """Yield sentences about failures that the page's list of failures omits, each with a command or an empty text."""
    if report.rejects and not report.failures:
        yield "Counted by code; the sections below list the items.", ""
    total = len(report.failures) + report.failures_truncated
    explained = len(report.failures) - len(failures)
    if explained:
        titles = [each.title for each in report.sections if isinstance(each, Table) and each.explains]
        names = " and ".join(f"'{title}'" for title in titles)
        yield (f"{explained:,} more below, under {names}." if failures else f"Listed below, under {names}."), ""
    if report.failures_truncated and failures:
        command = report.show_command or f"telecine runs show {report.run_id}"
        yield f"{len(failures):,} of {total:,} shown; to print all, run:", command


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        loader=loader(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        FILTERS,
        breakable=_breakable,
        cell=_cell,
        data_uri=_data_uri,
        duration=duration,
        is_wide=_is_wide,
        kind=_kind,
        label=label,
        note=_note,
        number=number,
        numeric_columns=_numeric_columns,
        paragraphs=lambda text: [part.strip() for part in text.split("\n\n") if part.strip()],
        parameter=_parameter,
        spaced=lambda text: _PERCENT.sub(r"\1 %", text),
        table_class=_table_class,
        twin=twin,
    )
    environment.tests.update(
        code=lambda value: isinstance(value, Code),
        link=lambda value: isinstance(value, Link),
        safe_link=lambda value: _SAFE_HREF.match(value.href) is not None,
    )
    environment.globals["css"] = STYLE + (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2")


def _finalize(value: Any) -> Any:
    """Hide secrets and show control and bidirectional characters in every value that is not HTML of ours."""
    return printable(scrub(value)) if type(value) is str else value


def _is_chart(section: object) -> bool:
    """Return whether two of these sections stand next to each other on a wide page."""
    return isinstance(section, Histogram | Trend | Shares | Amounts | Spans)


def _kind(section: object) -> str:
    kinds = (Table, Histogram, Trend, Shares, Amounts, Spans, Squares, Figures, Text)
    return next(kind.__name__ for kind in kinds if isinstance(section, kind))


def _data_uri(figure: Figure) -> Markup:
    from markupsafe import Markup

    kind = next((name for magic, name in _MAGIC if figure.png.startswith(magic)), "png")
    # Markup, since pixels contain no secrets.
    return Markup(f"data:image/{kind};base64,{base64.b64encode(figure.png).decode()}")  # noqa: S704 - letters of base64


def _is_wide(section: Figures) -> bool:
    """Return whether the figures are strips, which need more width; a PNG's size is in its first 24 bytes."""
    sizes = [struct.unpack(">II", figure.png[16:24]) for figure in section.items if figure.png[:4] == b"\x89PNG"]
    return any(width > _STRIP * height for width, height in sizes)


def _is_number(value: object) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, Decimal):
        # Show all digits: a sum that is off in the last digit must be visible.
        text = f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if _is_number(value):
        return number(value)
    return str(value)


def _breakable(name: str) -> Markup:
    """Allow line breaks after underscores: the column name ``is_video_mostly_dark`` is wider than its values."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in printable(scrub(name)).split("_"))


def _numeric_columns(table: Table) -> set[int]:
    """Return the columns with only numbers (or ``12.5 %``) and empty cells, which are aligned right."""
    found: set[int] = set()
    for index in range(len(table.columns)):
        values = [row[index] for row in table.rows if row[index] is not None]
        if values and all(_is_number(value) or _PERCENT.fullmatch(str(value)) for value in values):
            found.add(index)
    return found


def _table_class(table: Table) -> str:
    """Return the CSS classes of a table: cards on a phone, and a smaller font for many columns."""
    classes = ["dense"] if len(table.columns) > _DENSE else []
    values = [value for row in table.rows for value in row]
    if len(table.columns) > _MOST_COLUMNS or any(
        isinstance(value, Code)
        or (len(table.columns) == _MOST_COLUMNS and isinstance(value, str) and len(value) > _LONG_TEXT)
        for value in values
    ):
        classes.append("stack")
    return " ".join(classes)


def _note(section: Any) -> str:
    """Return the text below a section: first what it leaves out, then its note."""
    return " ".join(filter(None, (getattr(section, "left_out", ""), getattr(section, "note", ""))))


def _parameter(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return value if isinstance(value, str) else as_json(value)
