"""Report of a step: its data, the sections of its page, and writing both files."""

from __future__ import annotations

from shared.failure import Failure
from shared.report.model import MAX_FAILURES, SCHEMA_VERSION, Bound, Report, StageSummary, Status
from shared.report.sections import Figure, Figures, Histogram, Link, Section, Table, Text
from shared.report.write import write

__all__ = [
    "MAX_FAILURES",
    "SCHEMA_VERSION",
    "Bound",
    "Failure",
    "Figure",
    "Figures",
    "Histogram",
    "Link",
    "Report",
    "Section",
    "StageSummary",
    "Status",
    "Table",
    "Text",
    "write",
]
