"""Subtotals: rows named as the total of a group are controls if they add it up; others count, with a note."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from jobs.viewership.errors import NOTES
from jobs.viewership.model import Fate
from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from jobs.viewership.uploads.reading import read
from jobs.viewership.uploads.transform import subtotals
from jobs.viewership.uploads.transform.choices import Choices
from jobs.viewership.uploads.transform.transform import transform
from jobs.viewership.uploads.values.period import Period

if TYPE_CHECKING:
    from jobs.viewership.uploads.transform.units import Units

CANONICAL = shipped_formats()["canonical-1"]
HEAD = "Series,Season,Episode,Title,Hours,Views"
HARBOUR = ["Harbour Lights,1,1,One,1.5,2", "Harbour Lights,1,2,Two,2.25,3"]
RIVER = ["Calm River,1,1,The Storm,4,5", "Calm River,1,2,The Calm,0.5,7"]


def units(lines: list[str], head: str = HEAD) -> Units:
    sheet = read("\n".join([head, *lines, ""]).encode())
    layout = find_layout(sheet, CANONICAL)
    found = transform(sheet, layout, bind(CANONICAL, layout), Choices(period=Period.parse("2025-07")))
    found.reconcile()
    return found


def controls(found: Units) -> list[int]:
    return found.frame["control"].arg_true().to_list()


def codes(found: Units) -> list[str]:
    return [note.code for note in found.notes]


@pytest.mark.parametrize(
    "label",
    [
        *("Harbour Lights Total", "Total Harbour Lights", "TOTAL: harbour  lights", "Total for Harbour Lights"),
        *("Harbour Lights - Subtotal:", "Sub-Total Harbour Lights", "Harbour Lights (Total)", "Sum of Harbour Lights"),
        *(
            "Zwischensumme Harbour Lights",
            "Harbour Lights Gesamt",
            "Summe von Harbour Lights",
            "Total de Harbour Lights",
        ),
        *("Subtotal - Harbour Lights", "Grand Total Harbour Lights"),
    ],
)
def test_a_row_named_as_the_total_of_a_group_is_a_control(label: str) -> None:
    found = units([*HARBOUR, f",,,{label},3.75,5", *RIVER])
    assert (controls(found), codes(found)) == ([2], [])


@pytest.mark.parametrize(
    ("line", "place"),
    [("{},,,,3.75,5", 0), (",,,{},3.75,5", 3), (",,,{},3.75,", 4), ("Harbour Lights,,,{},3.75,5", 2)],
)
def test_the_total_of_a_named_group_is_a_control_wherever_it_is(line: str, place: int) -> None:
    rows, label = [*HARBOUR, *RIVER], "Harbour Lights Total"
    found = units([*rows[:place], line.format(label), *rows[place:]])
    assert (controls(found), codes(found)) == ([place], [])
    assert (found.file.hours, found.file.rows) == (Decimal("8.25"), 5)
    assert found.totals()[Fate.FILTERED].hours == 0


def test_every_group_of_a_long_file_has_its_total_and_the_file_has_one() -> None:
    found = units(
        [*HARBOUR, "Harbour Lights Total,,,,3.75,5", *RIVER, "Calm River Total,,,,4.5,12", "Total,,,,8.25,17"]
    )
    assert (controls(found), codes(found)) == ([2, 5, 6], [])
    assert found.file.hours == Decimal("8.25")


def test_a_total_of_all_without_a_label_is_found_after_named_ones() -> None:
    found = units([*HARBOUR, "Harbour Lights Total,,,,3.75,5", *RIVER, "Calm River Total,,,,4.5,12", ",,,,8.25,17"])
    assert (controls(found), codes(found)) == ([2, 5, 6], [])


def test_a_group_that_comes_twice_has_the_total_of_the_rows_next_to_it() -> None:
    head = "Channel," + HEAD
    east = [f"East,{row}" for row in HARBOUR]
    west = ["West,Harbour Lights,1,1,One,7,8", "West,Harbour Lights,1,2,Two,1,1"]
    total = ",Harbour Lights Total,,,,8,9"
    found = units([*east, ",Harbour Lights Total,,,,3.75,5", *west, total], head)
    assert (controls(found), codes(found)) == ([2, 5], [])
    found = units([*east, ",Harbour Lights Total,,,,3.75,5", *west, ",,,,Season 1 Total,8,9", total], head)
    assert (controls(found), codes(found)) == ([2, 5, 6], [])


def test_totals_of_seasons_are_in_the_total_of_their_series() -> None:
    rows = ["Harbour Lights,2,1,New,5,1"]
    found = units(
        [*HARBOUR, ",,,Season 1 Total,3.75,5", *rows, ",,,Season 2 Total,5,1", "Harbour Lights Total,,,,8.75,6"]
    )
    assert (controls(found), codes(found)) == ([2, 4, 5], [])


def test_a_group_with_a_heading_has_a_total_below_its_rows() -> None:
    found = units(["Harbour Lights,,", "One,1.5,2", "Two,2.25,3", "Total Harbour Lights,3.75,5"], "Title,Hours,Views")
    assert (controls(found), codes(found)) == ([3], [])


def test_an_episode_with_such_a_name_is_in_the_total_of_its_group() -> None:
    rows = ["Films,,,Total Recall,2,2", "Films,,,Heat,1.5,3"]
    found = units([*rows, "Films Total,,,,3.5,5", *RIVER])
    assert (controls(found), codes(found)) == ([2], ["NAMED_TOTAL"])
    assert found.file.hours == Decimal(8)


@pytest.mark.parametrize(
    "row",
    [
        "Harbour Lights Total,,,,3.85,5",  # another sum
        "Harbour Lights Total,,,,3.75,6",  # one of two measures
        "Harbour Lights Total,,,,0,0",
        "Total Recall,,,,3.75,5",  # no group
        "Calm River,,,The Harbour Lights Total,3.75,5",
        "Calm River,,,Harbour Lights Total,3.75,5",  # of another series
        "Harbour Lights,3,,Total Harbour Lights,3.75,5",  # of another season
    ],
)
def test_a_row_that_is_named_as_a_total_but_adds_up_no_group_counts_and_is_noted(row: str) -> None:
    found = units([*HARBOUR, *RIVER, row, "Total Loss,,,,1,1"])
    assert controls(found) == []
    [note] = found.notes
    assert (note.code, note.line) == ("NAMED_TOTAL", 6)
    assert note.code in NOTES
    assert "is not the sum of a group of rows (and 1 more row); it is read as content and counts" in note.message
    assert found.frame["fate"].null_count() == 6


def test_an_episode_with_a_number_or_an_id_is_no_total_whatever_its_name() -> None:
    found = units([*HARBOUR, "Harbour Lights,1,3,Harbour Lights Total,3.75,5"])
    assert (controls(found), codes(found)) == ([], [])
    found = units(["A,1,x1", "A,2,x2", "Total A,3,x3"], "Title,Hours,Content ID")
    assert (controls(found), codes(found)) == ([], [])


def test_a_total_of_viewers_who_are_not_added_up_is_a_total() -> None:
    found = units(["A,1,10", "B,2,20", "Total,3,25"], "Title,Hours,Unique Viewers")
    assert (controls(found), codes(found)) == ([2], [])


def test_words_that_only_contain_that_of_a_total_name_none() -> None:
    found = units(["A,1,1", "Summer,1,1", "Totally Spies,2,2", "Sumo,2,2", "Sum,6,6"], "Title,Hours,Views")
    assert (controls(found), codes(found)) == ([4], [])


def test_totals_beyond_the_limit_of_work_count_and_are_not_called_wrong(monkeypatch) -> None:
    lines = [*HARBOUR, ",,,Harbour Lights Total,3.75,5", *RIVER, "Subtotal,,,,4.5,12"]
    assert controls(units(lines)) == [2, 5]
    monkeypatch.setattr(subtotals, "_WORK", 1)
    found = units(lines)
    assert controls(found) == [5]
    assert "TOTAL_MISMATCH" not in codes(found)
    assert "NAMED_TOTAL" in codes(found)
