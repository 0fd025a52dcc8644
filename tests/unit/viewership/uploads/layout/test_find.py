from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from tests.viewership_sheets import sheet_of, table


def _layout(text, **kwargs):
    return find_layout(sheet_of(table(text)), **kwargs)


def _names(layout):
    return [column.name for column in layout.columns]


def test_a_header_in_the_first_line():
    layout = _layout("Title|Hours|Date\nThe Storm|10|2025-07-01")
    assert (layout.header_rows, layout.header_line, layout.first_row) == ((0,), 1, 1)
    assert _names(layout) == ["Title", "Hours", "Date"]
    assert layout.confidence > 0.9
    assert not layout.is_wide


def test_the_data_begins_below_the_first_of_two_equal_headers():
    layout = _layout("Title|Hours|Note\nA|1.5|x\nAA|1.5|x\nTitle|Hours|Note\nB|2|\n||see below")
    assert (layout.header_line, layout.first_row) == (1, 1)


def test_banners_blank_lines_and_an_empty_first_column_are_skipped():
    layout = _layout(
        "|||\n|NORTHSTAR TV - CONTENT PARTNER REPORT||\n|Period: July 2025||\n|||\n"
        "|Series Name|Sessions| Net Revenue \n|Harbour Lights|18,306|$ 712.04\n|Harbour Lights|1,204|$ -"
    )
    assert (layout.header_line, layout.first_row) == (5, 5)
    assert _names(layout) == ["Series Name", "Sessions", "Net Revenue"]
    assert [column.position for column in layout.columns] == [1, 2, 3]
    assert layout.banners == ((2, "NORTHSTAR TV - CONTENT PARTNER REPORT"), (3, "Period: July 2025"))


def test_the_line_of_the_header_is_that_of_the_file():
    sheet = sheet_of(table("Title|Hours\nA|1"), first_line=7)
    assert find_layout(sheet).header_line == 7


@pytest.mark.parametrize(
    "banner",
    [
        "Generated:|2025-07-31||",
        "Period|2025-07-01|2025-07-31|",
        "Views of the week|12|13|14",
        "A report of title, hours and views for the partner, which is longer than any name of a column|||",
        "Report|for Lantern||",
    ],
)
@pytest.mark.parametrize("blank", ["", "|||\n"])
def test_a_banner_is_not_taken_for_the_header(banner, blank):
    layout = _layout(f"{banner}\n{blank}Title|Hours|Views|Date\nA|3|1|2025-01-01\nB|4|2|2025-01-02")
    assert _names(layout) == ["Title", "Hours", "Views", "Date"]
    assert not layout.is_wide


def test_a_merged_banner_is_not_a_row_of_groups():
    sheet = sheet_of(table("Lantern Report|||\nTitle|Hours|Views|Date\nA|3|1|2025-01-01"), [(0, 0, 0, 3)])
    layout = find_layout(sheet)
    assert layout.header_rows == (1,)
    assert layout.banners == ((1, "Lantern Report"),)


def test_names_in_an_unknown_language_are_found_by_the_values_below():
    layout = _layout("Titre|Série|Heures|Recette\nLa tempête|Phare|1|2\nLe calme|Phare|3|4")
    assert layout.header_line == 1
    assert _names(layout) == ["Titre", "Série", "Heures", "Recette"]


def test_a_banner_with_words_of_headers_is_not_preferred_to_unknown_names():
    layout = _layout("Viewership report|\nTitre|Heures\nLe calme|3\nLa nuit|5")
    assert layout.header_line == 2


def test_a_file_without_a_header_is_asked_about():
    with pytest.raises(NeedsChoice, match=r"no row looks like a header.*--header-line") as error:
        _layout("Harbour Lights|The Storm|1|2.5\nHarbour Lights|The Calm|3|4.5")
    assert error.value.data["flags"] == ["--header-line"]


def test_the_line_of_the_header_can_be_chosen():
    layout = _layout("Harbour|Storm|1\nTitle|Hours|Views\nA|1|2", header_line=1)
    assert (layout.header_line, _names(layout)) == (1, ["Harbour", "Storm", "1"])


@pytest.mark.parametrize("line", [2, 9])
def test_a_chosen_line_without_names_is_an_error(line):
    with pytest.raises(NeedsChoice, match=f"--header-line {line} is not a row with names"):
        _layout("Title|Hours\n|\nA|1", header_line=line)


@pytest.mark.parametrize("rows", ["Title|Hours|Date", "Title|Hours|Date\n||\n | |", "Lantern||\nTitle|Hours|Date"])
def test_a_header_without_rows_is_refused(rows):
    with pytest.raises(Refused, match="no row of data below its header") as error:
        _layout(rows)
    assert error.value.code == "EMPTY"


def test_a_blank_sheet_is_refused():
    with pytest.raises(Refused) as error:
        _layout("||\n | |")
    assert error.value.code == "EMPTY"


def test_the_names_of_a_format_find_its_header():
    text = (
        "Date|Title|Hours|Views|Notes|Total\nwatched_at_est|show_title|minutes_watched|2024|2025|2026\n"
        "01-07-2025|A|1|2|3|4"
    )
    assert _layout(text).header_line == 1
    assert _layout(text, chosen=shipped_formats()["philo-1"]).header_line == 2


def test_two_columns_of_a_name_are_marked_and_none_is_lost():
    layout = _layout("Title|Hours|Hours|Date\nThe Storm|10|600|2025-07-01")
    assert _names(layout) == ["Title", "Hours", "Hours (2)", "Date"]
    assert [(c.occurrence, c.occurrences) for c in layout.by_key("hours")] == [(1, 2), (2, 2)]
    [note] = layout.notes
    assert note.code == "DUPLICATE_COLUMN"
    assert note.message == "2 columns are named 'Hours'; they are read as 'Hours' (column B), 'Hours (2)' (column C)"


def test_names_that_differ_in_case_only_are_numbered():
    assert _names(_layout("Hours|HOURS|Title\n1|2|A")) == ["Hours", "HOURS (2)", "Title"]


def test_a_name_made_unique_never_meets_another():
    layout = _layout("Hours|Hours (2)|hours|Title\n1|2|3|A")
    assert len(set(_names(layout))) == 4


def test_a_column_without_a_name_is_called_by_its_letters():
    layout = _layout("channel|title|total_time||revenue\nOne|A|1174:47:24|1,174.79|$48.19\n|||1,210.79|$49.69")
    assert _names(layout) == ["channel", "title", "total_time", "Column D", "revenue"]
    assert layout.columns[3].raw is None


def test_a_column_without_name_and_values_is_dropped():
    assert _names(_layout("Title||Hours\nA| |1\nB||2")) == ["Title", "Hours"]


def test_a_value_far_below_keeps_a_column_without_a_name():
    rows = [["Title", "", "Hours"], *[["A", "", "1"]] * 500, ["B", "x", "2"]]
    assert _names(find_layout(sheet_of(rows))) == ["Title", "Column B", "Hours"]


def test_groups_in_merged_cells_tell_names_apart():
    rows = table("||Mobile||TV|\nTitle|Series|Sessions|Hours|Sessions|Hours\nA|B|1|2|3|4")
    layout = find_layout(sheet_of(rows, [(0, 2, 0, 3), (0, 4, 0, 5)]))
    assert (layout.header_rows, layout.header_line, layout.first_row) == ((0, 1), 2, 2)
    assert _names(layout) == ["Title", "Series", "Mobile Sessions", "Mobile Hours", "TV Sessions", "TV Hours"]
    assert layout.columns[3].group == "Mobile"


def test_groups_exported_as_text_are_the_same():
    rows = table("Title|Series|Mobile||TV|\n||Sessions|Hours|Sessions|Hours\nA|B|1|2|3|4")
    assert _names(find_layout(sheet_of(rows))) == [
        *("Title", "Series", "Mobile Sessions", "Mobile Hours", "TV Sessions", "TV Hours")
    ]


def test_names_merged_over_both_rows_are_found():
    rows = table("Title|Viewing||Revenue\n|Sessions|Hours|\nA|1|2|3")
    layout = find_layout(sheet_of(rows, [(0, 0, 1, 0), (0, 1, 0, 2), (0, 3, 1, 3)]))
    assert _names(layout) == ["Title", "Sessions", "Hours", "Revenue"]


_WORDS = ["Title", "Series", "Season", "Episode", "Hours", "Views", "Revenue", "Territory", "Channel", "Content ID"]


@settings(deadline=None, max_examples=150)
@given(
    names=st.lists(st.sampled_from(_WORDS), min_size=3, max_size=8, unique=True).filter(lambda names: "Hours" in names),
    banners=st.lists(
        st.sampled_from([[], ["Lantern Report"], ["", "Period: July 2025"], ["From", "2025-07-01"]]), max_size=6
    ),
    count=st.integers(1, 12),
    before=st.integers(0, 2),
    space=st.sampled_from(["", " ", "\xa0", "\ufeff", "\u200b"]),
)
def test_a_header_is_found_below_any_banners(names, banners, count, before, space):
    values = {"Hours": "12.5", "Views": "1,204", "Revenue": "$3.10", "Season": "2", "Episode": "14"}
    head = [[*[""] * before, *banner] for banner in banners] + [[*[""] * before, *(space + name for name in names)]]
    body = [[*[""] * before, *(values.get(name, f"{name} of row {row}") for name in names)] for row in range(count)]
    layout = find_layout(sheet_of([*head, *body]))
    assert layout.header_line == len(banners) + 1
    assert _names(layout) == names
    assert [column.position for column in layout.columns] == list(range(before, before + len(names)))
