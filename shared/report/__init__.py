"""Report of a step: its data, the sections of its page, and writing both files."""

from __future__ import annotations

from shared.failure import Failure
from shared.report.model import MAX_FAILURES, SCHEMA_VERSION, Bound, Report, StageSummary, Status
from shared.report.sections import (
    Code,
    Figure,
    Figures,
    Histogram,
    Link,
    Part,
    Section,
    Shares,
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
    "Square",
    "Squares",
    "StageSummary",
    "Status",
    "Table",
    "Text",
    "Trend",
    "write",
]
