"""Print the number of blocks that ran, one line per page, at the end of a test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["PROPERTY", "write_summary"]

# Property that a page's test records: (page, number of blocks that ran, number of blocks marked as not run).
PROPERTY = "docs blocks"


def write_summary(reporter: TerminalReporter) -> None:
    """Print the counts if any page was tested."""
    reports = [*reporter.stats.get("passed", []), *reporter.stats.get("failed", [])]
    counts = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    if not counts:
        return
    ran, marked = sum(count for _, count, _ in counts), sum(count for _, _, count in counts)
    reporter.section(f"blocks of the docs: {ran} run, {marked} marked as not run")
    for page, of_page, not_run in sorted(counts):
        reporter.write_line(f"{page}: {of_page} run" + (f", {not_run} not run" if not_run else ""))
