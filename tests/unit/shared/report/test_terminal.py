from __future__ import annotations

import io

import pytest
from rich.console import Console

from shared.report import Histogram, Report, Table
from shared.report.terminal import ROWS, Styled, counted, find_table, print_line, print_rest, print_table, safe_text


def printed(write, width=60):
    stream = io.StringIO()
    write(Console(file=stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", ""),
        (1.25, "1.25"),
        (3, "3"),
        ("a\x1b[31mb\n", r"a\x1b[31mb\n"),
        ("[red]", "[red]"),
        ("\u202e", r"\u202e"),
        ("postgresql://u:a-password@h/d", "postgresql://u:***@h/d"),
    ],
)
def test_text_from_outside_is_printable(value, text):
    assert safe_text(value) == text


def test_markup_and_escapes_in_cells_and_lines_are_text():
    hostile = "[bold]x[/] \x1b]0;title\x07 :skull: [link=http://x]y"
    table = printed(lambda console: print_table(console, ["a"], [[hostile]]))
    line = printed(lambda console: print_line(console, hostile))
    for shown in (table, line):
        assert r"[bold]x[/] \x1b]0;title\x07 :skull: [link=http://x]y" in shown
        assert "\x1b" not in shown


def test_numbers_are_aligned_right_and_styled_text_stays():
    shown = printed(
        lambda console: print_table(console, ["a", "n"], [["x", 5], [Styled("y", "red"), 1000]], right=("n",))
    )
    assert [line.rstrip() for line in shown.splitlines()] == ["a     n", "x     5", "y  1000"]


def test_long_tables_are_cut_and_say_so():
    shown = printed(lambda console: print_table(console, ["n"], [[n] for n in range(ROWS + 5)]))
    assert len(shown.splitlines()) == ROWS + 1
    assert printed(lambda console: print_rest(console, ROWS, " in x")) == ""
    assert printed(lambda console: print_rest(console, ROWS + 2000, " in x")) == "… and 2,000 more in x\n"


def test_a_table_is_found_by_its_title():
    first, second = Table("A", ["x"], []), Table("B", ["x"], [])
    report = Report(sections=[Histogram("A", "s", [0, 1], [1]), first, second])
    assert find_table(report) is first
    assert find_table(report, "B") is second
    assert find_table(report, "C") is None


def test_counts_have_their_noun():
    assert [counted(n, "TAR", "TARs") for n in (0, 1, 2000)] == ["0 TARs", "1 TAR", "2,000 TARs"]
