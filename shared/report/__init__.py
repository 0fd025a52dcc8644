"""Report of a step: its data, the sections of its page, and writing both files."""

from __future__ import annotations

from shared.failure import Failure
from shared.report.model import MAX_FAILURES, SCHEMA_VERSION, Bound, Report, StageSummary, Status
from shared.report.sections import (
    Amounts,
    Code,
    Figure,
    Figures,
    Histogram,
    Link,
    Part,
    Section,
    Shares,
    Span,
    Spans,
    Square,
    Squares,
    Table,
    Text,
    Trend,
)
from shared.report.write import write

__all__ = [
    "MAX_FAILURES",
    "SCHEMA_VERSION",
    "Amounts",
    "Bound",
    "Code",
    "Failure",
    "Figure",
    "Figures",
    "Histogram",
    "Link",
    "Part",
    "Report",
    "Section",
    "Shares",
    "Span",
    "Spans",
    "Square",
    "Squares",
    "StageSummary",
    "Status",
    "Table",
    "Text",
    "Trend",
    "write",
]
