"""Thousands of columns take work in proportion to their number, and messages about them stay short."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from jobs.viewership.errors import NeedsChoice
from jobs.viewership.uploads.formats import binding
from jobs.viewership.uploads.formats.binding import bind, columns_named
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout import head, model
from jobs.viewership.uploads.layout.columns import date_columns
from jobs.viewership.uploads.layout.find import find_layout
from tests.viewership_sheets import sheet_of

CANONICAL = shipped_formats()["canonical-1"]


def _counted(monkeypatch, module, name, calls):
    original = getattr(module, name)

    def call(text):
        calls[name] += 1
        return original(text)

    monkeypatch.setattr(module, name, call)


def test_the_columns_of_a_name_are_found_without_folding_all_names_again(monkeypatch):
    layout = find_layout(sheet_of([["Title", *["Some"] * 999], ["A", *["1"] * 999]]))
    calls = Counter()
    _counted(monkeypatch, binding, "header_key", calls)
    _counted(monkeypatch, model, "header_key", calls)
    assert [column.position for column in columns_named("title", layout)] == [0]
    assert len(columns_named("some", layout)) == 999
    assert [column.position for column in columns_named("Some (7)", layout)] == [7]
    assert [column.position for column in columns_named("some (1)", layout)] == [1]
    assert [column.position for column in columns_named("Column B", layout)] == [1]
    assert columns_named("other", layout) == ()
    assert calls["header_key"] == 6


def test_each_cell_of_the_head_is_looked_at_once(monkeypatch):
    rows = [["Title", *(f"Hours {column}" for column in range(49))]]
    rows += [[f"A {row}", *(f"{row}.{column}" for column in range(49))] for row in range(1, 61)]
    calls = Counter()
    _counted(monkeypatch, head, "is_typed", calls)
    layout = find_layout(sheet_of(rows))
    assert (layout.header_line, len(layout.columns)) == (1, 50)
    assert 0 < calls["is_typed"] <= 60 * 50


def test_rows_of_dates_are_looked_at_once(monkeypatch):
    rows = [["Title", "Hours", "Sent"]] + [
        [f"2025-07-{row % 28 + 1:02}", f"{row}/07/2025", "word"] for row in range(80)
    ]
    calls = Counter()
    _counted(monkeypatch, head, "split_date", calls)
    assert find_layout(sheet_of(rows)).header_line == 1
    assert 0 < calls["split_date"] <= 60 * 3


def test_equal_names_are_numbered_without_trying_each_number_again():
    began = time.process_time()
    columns = date_columns(dict.fromkeys(range(10000), ("2025-07-01", "Hours")), ["2025-07-01 Hours (3)"])
    assert time.process_time() - began < 3
    names = [column.name for column in columns]
    assert names[:3] == ["2025-07-01 Hours", "2025-07-01 Hours (2)", "2025-07-01 Hours (4)"]
    assert names[-1] == "2025-07-01 Hours (10001)"
    assert len(set(names)) == 10_000


def test_messages_name_the_first_of_many_columns():
    layout = find_layout(sheet_of([["Title", *["Hours"] * 999], ["A", *["1"] * 999]]))
    [note] = layout.notes
    assert note.message.endswith("'Hours (12)' (column M) and 987 more")
    with pytest.raises(NeedsChoice, match=r"'Hours \(12\)' \(column M\) and 987 more; expected one for hours") as error:
        bind(CANONICAL, layout)
    assert error.value.answers == [["--map", None]]
