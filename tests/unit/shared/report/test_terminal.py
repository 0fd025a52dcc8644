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


WORDS = "artifact 'screentime' of the run, which is the only one of its episode: upload it again"
COMMAND = f"telecine screenalytics replay r1 --bucket {'/a/long/folder' * 8}/runs"
ROWS_OF_WORDS = [["duplicate-person", "DUPLICATE_PERSON", WORDS, 7], ["r2", "KEY_ESCAPE", None, 1_000_000]]
HEADS = ["not ingested", "code", "what happened and what to do", "persons"]


@pytest.mark.parametrize("width", [*range(20, 125, 5), 124, 200])
def test_no_width_breaks_a_word(width):
    shown = printed(lambda console: print_table(console, HEADS, ROWS_OF_WORDS, right=("persons",)), width)
    words = shown.split()
    assert all(word in words for word in WORDS.split())
    assert all(word in words for word in ("duplicate-person", "DUPLICATE_PERSON", "KEY_ESCAPE", "1000000"))
    assert "…" not in shown
    longest = max(len(line.rstrip()) for line in shown.splitlines())
    assert longest <= max(width, len("  code: DUPLICATE_PERSON"))


def test_a_table_that_fits_has_one_line_per_row():
    shown = printed(lambda console: print_table(console, HEADS, ROWS_OF_WORDS, right=("persons",)), 150)
    assert [line.split()[0] for line in shown.splitlines()] == ["not", "duplicate-person", "r2"]


def test_at_80_columns_the_text_gets_what_the_others_leave():
    shown = printed(lambda console: print_table(console, HEADS, ROWS_OF_WORDS, right=("persons",)), 80)
    assert [line.rstrip() for line in shown.splitlines()] == [
        "not ingested      code              what happened and what to do         persons",
        "duplicate-person  DUPLICATE_PERSON  artifact 'screentime' of the run,          7",
        "                                    which is the only one of its",
        "                                    episode: upload it again",
        "r2                KEY_ESCAPE        -                                    1000000",
    ]


def test_a_command_longer_than_the_terminal_stays_whole():
    rows = [["r1", f"It failed. Run: {COMMAND}", "x"], ["r2", None, "y"]]
    shown = printed(lambda console: print_table(console, ["run", "why", "n"], rows), 60)
    assert shown.splitlines() == [
        "r1",
        "  why: It failed. Run: telecine screenalytics replay r1",
        "  --bucket",
        f"  {COMMAND.rpartition(' ')[2]}",
        "  n: x",
        "r2",
        "  n: y",
    ]


def test_a_style_is_kept_below_one_another():
    stream = io.StringIO()
    console = Console(file=stream, width=10, force_terminal=True, color_system="standard")
    print_table(console, ["a", "b"], [[Styled("x" * 20, "red"), Styled("y" * 20, "green")]])
    assert f"\x1b[31m{'x' * 20}\x1b[0m" in stream.getvalue()
    assert f"{'y' * 20}\x1b[0m" in stream.getvalue()
