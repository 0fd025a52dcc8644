from __future__ import annotations

import io

from rich.console import Console

from jobs.viewership.steps._view import show_uploads
from shared.report import Failure, Report, Table


def shown(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    show_uploads(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_first_failures_are_listed_and_the_rest_counted():
    failures = [Failure(f"x.csv:{line}", "DATE", "bad") for line in range(50)]
    text = shown(Report(headline="1 file: 1 refused", failures=failures, failures_truncated=2000))
    assert "x.csv:7" in text
    assert "x.csv:8" not in text
    assert "… and 2,042 more; see the report" in text
    assert text.endswith("1 file: 1 refused\n")


def test_files_are_listed_with_their_outcome():
    columns = ["upload", "file", "outcome", "rows", "rejected", "what to know"]
    files = Table("Files", columns, [[1, "a.csv", "stored", 3, 0, None], [2, "b.csv", "linked", None, 0, "the same"]])
    text = shown(Report(headline="1 file: 1 stored", sections=[files]))
    assert "more" not in text
    assert text.splitlines()[1].split() == ["a.csv", "stored", "3", "0"]
    # Only files with something to know are in the second table.
    assert [line.split() for line in text.splitlines()[3:5]] == [
        ["file", "what", "to", "know"],
        ["b.csv", "the", "same"],
    ]
