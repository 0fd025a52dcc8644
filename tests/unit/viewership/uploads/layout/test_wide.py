from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.errors import Refused
from jobs.viewership.uploads.layout.find import find_layout
from tests.viewership_sheets import sheet_of, table


def _find(text, merged=()):
    return find_layout(sheet_of(table(text), merged))


def _dates(layout):
    return [(date.position, date.date_text, date.metric) for date in layout.dates]


def _names(layout):
    return [column.name for column in layout.columns]


_TWO_ROWS = (
    "Series|Title|2025-07-01||2025-07-02|\n||Starts|Hours|Starts|Hours\n"
    "Harbour|Storm|10|2.5|4|1.25\nHarbour|Calm|||2|0.5"
)
_EXPECTED = [
    *((2, "2025-07-01", "Starts"), (3, "2025-07-01", "Hours")),
    *((4, "2025-07-02", "Starts"), (5, "2025-07-02", "Hours")),
]


def test_dates_in_merged_cells_belong_to_the_metrics_below():
    layout = _find(_TWO_ROWS, [(0, 2, 0, 3), (0, 4, 0, 5)])
    assert _dates(layout) == _EXPECTED
    assert _names(layout) == ["Series", "Title"]
    assert (layout.header_rows, layout.header_line, layout.first_row) == ((0, 1), 2, 2)
    assert layout.dates[1].name == "2025-07-01 Hours"


def test_one_date_merged_over_its_metrics_makes_a_wide_file():
    layout = _find("Series|2025-07-01|\n|Starts|Hours\nHarbour|10|2.5", [(0, 1, 0, 2)])
    assert _dates(layout) == [(1, "2025-07-01", "Starts"), (2, "2025-07-01", "Hours")]


def test_a_wide_header_without_rows_is_refused():
    with pytest.raises(Refused) as error:
        _find("Series|2025-07-01||2025-07-02|\n|Starts|Hours|Starts|Hours")
    assert error.value.code == "EMPTY"


def test_dates_of_a_workbook_exported_as_text_go_on_over_blanks():
    assert _dates(_find(_TWO_ROWS)) == _EXPECTED


def test_dates_repeated_in_every_column_are_the_same():
    text = _TWO_ROWS.replace("2025-07-01|", "2025-07-01|2025-07-01").replace("2025-07-02|", "2025-07-02|2025-07-02")
    assert _dates(_find(text)) == _EXPECTED


def test_names_above_the_dates_row_and_totals_at_the_right_are_no_dates():
    layout = _find(
        "Date Dim|||01-07-2025|01-07-2025|02-07-2025|02-07-2025|Total|\n"
        "Movie/Series Title|Content Title|Season|Starts|Hours|Starts|Hours|Starts|Hours\nA|B|1|1,34,896|2|3|4|134899|6"
    )
    assert _names(layout) == ["Movie/Series Title", "Content Title", "Season", "Total Starts", "Total Hours"]
    assert len(layout.dates) == 4


def test_one_column_per_date():
    layout = _find("Title|Series|2025-07-01|2025-07-02|Total\nA|B|1|2|3\nC|B|1||1")
    assert _dates(layout) == [(2, "2025-07-01", ""), (3, "2025-07-02", "")]
    assert _names(layout) == ["Title", "Series", "Total"]


def test_the_date_and_the_metric_in_one_name():
    layout = _find("Title|Hours 2025-07-01|2025-07-02 (Hours)|Views - Jul 3, 2025\nA|1|2|3")
    assert _dates(layout) == [(1, "2025-07-01", "Hours"), (2, "2025-07-02", "Hours"), (3, "Jul 3, 2025", "Views")]


def test_metrics_above_the_dates():
    layout = _find("||Hours||Views|\nTitle|Series|2025-07-01|2025-07-02|2025-07-01|2025-07-02\nA|B|1|2|3|4")
    assert _dates(layout) == [
        *((2, "2025-07-01", "Hours"), (3, "2025-07-02", "Hours")),
        *((4, "2025-07-01", "Views"), (5, "2025-07-02", "Views")),
    ]


@pytest.mark.parametrize(
    "form",
    [
        "2025-07-0{}",
        "0{}-07-2025",
        "07/0{}/2025",
        "{} Jul 2025",
        "Jul {}, 2025",
        "2025070{}",
        "2025-0{}",
        "2025-W0{}",
        "2025-07-0{}T00:00:00",
    ],
)
def test_every_form_of_a_date_is_one(form):
    layout = _find(f"Title|{form.format(1)}|{form.format(2)}\nA|1|2")
    assert [date.date_text for date in layout.dates] == [form.format(1), form.format(2)]


@pytest.mark.parametrize(
    "text",
    [
        "Title|Start|End|Hours\nA|2025-07-01|2025-07-02|1\nB|2025-07-01|2025-07-02|1",
        "Title|Start|End\nA|2025-07-01|2025-07-02",
        "Title|Start|End|Note\nA|2025-07-01|2025-07-02|\nB|||x",
        "Period|2025-07-01|2025-07-31\nTitle|Hours|Views\nA|3|1\nB|4|2",
        "Title|Season 2025|Episode 2024\nA|3|1",
    ],
)
def test_dates_among_the_values_or_in_a_banner_make_no_wide_file(text):
    assert not _find(text).is_wide


def test_a_date_that_has_a_metric_twice_keeps_both():
    layout = _find("Title|2025-07-01||2025-07-02|\n|Hours|Hours|Hours|Hours\nA|1|2|3|4")
    assert [date.name for date in layout.dates] == [
        *("2025-07-01 Hours", "2025-07-01 Hours (2)", "2025-07-02 Hours", "2025-07-02 Hours (2)")
    ]


@settings(deadline=None, max_examples=100)
@given(
    days=st.integers(2, 40),
    metrics=st.lists(
        st.sampled_from(["Starts", "Hours", "Completion Rate", "All"]), min_size=1, max_size=4, unique=True
    ),
    banners=st.integers(0, 3),
    is_merged=st.booleans(),
    is_repeated=st.booleans(),
)
def test_every_pair_of_date_and_metric_is_found(days, metrics, banners, is_merged, is_repeated):
    texts = [f"{day % 28 + 1:02d}-{day // 28 + 7:02d}-2025" for day in range(days)]
    blank = [""] * (len(metrics) - 1)
    dates = [cell for text in texts for cell in ([text] * len(metrics) if is_repeated else [text, *blank])]
    body = [[f"Series {row}", f"Title {row}", *["1.5"] * len(dates)] for row in range(3)]
    rows = [*[["Lantern report"]] * banners, ["Dim", "", *dates], ["Series", "Title", *metrics * days], *body]
    ranges = [(banners, 2 + at * len(metrics), banners, 1 + (at + 1) * len(metrics)) for at in range(days)]
    layout = find_layout(sheet_of(rows, ranges if is_merged and len(metrics) > 1 else ()))
    assert [(date.date_text, date.metric) for date in layout.dates] == [
        (text, metric) for text in texts for metric in metrics
    ]
    assert _names(layout) == ["Series", "Title"]
