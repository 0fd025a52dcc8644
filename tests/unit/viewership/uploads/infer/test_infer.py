from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.infer.infer import infer
from jobs.viewership.uploads.infer.proposal import proposal_schema
from tests.viewership_sheets import sheet_of, table

# Headers as reports have them, rows below them, and the field of each column; "-" for a column that holds none.
LABELLED = [
    (
        "View Date|Show|Episode Title|Season #|Ep #|Hours Watched|Gross Revenue|Avg. Minutes|Completion Rate",
        "07/21/2025|Harbour Lights|The Storm|1|2|1.5|$3|4|20%",
        "date series content_name season episode hours revenue - -",
    ),
    (
        "Day|Channel|Program Title|Program ID|Total Minutes|Unique Viewers|Ad Impressions|eCPM",
        "2025-07-21|Lantern|Harbour Lights|ab12|1,204|300|12|$4.10",
        "date channel series - minutes unique_viewers impressions -",
    ),
    (
        "Month|Series Name|Video Title|Video ID|Plays|Watch Minutes|Net Revenue (USD)",
        "2025-07|Harbour Lights|The Storm|x-12|120|1204|12.50",
        "month series content_name content_id views minutes revenue",
    ),
    (
        "Report Date|Region|Network|Asset Title|Asset ID|Sessions|HOV|Average Session Duration",
        "2025-07-21|US|Lantern|The Storm|hl-0103|1204|22.5|0:37:44",
        "date territory - content_name content_id sessions hours -",
    ),
    (
        "Date|Device Type|Country|Title|Release Date|Runtime|Views|Minutes Viewed",
        "2025-07-21|tv|US|The Storm|2019-04-05|44|12|500",
        "date device_type country content_name - - views minutes",
    ),
    (
        "Title|Season|Episode Number|Episode Name|Hours Streamed|% of Total|Rank",
        "Harbour Lights|1|3|The Storm|12.5|3%|1",
        "- season episode content_name hours - -",
    ),
    (
        "Date|Hours|Title|Channel ID|Channel Name|User ID|Session ID",
        "2025-07-21|3|The Storm|12|Lantern|u1|s1",
        "date hours content_name - channel - -",
    ),
    (
        "Published Date|Video|Impressions|Impressions click-through rate (%)|Watch time (hours)|Estimated revenue",
        "2024-02-03|The Storm|1204|3.4|22.5|12.5",
        "- - impressions - hours revenue",
    ),
    (
        "Start Date|End Date|Licensor|Title|Payment Type|Payment Date|Royalty Amount|Minutes",
        "2025-07-01|2025-07-31|Lantern|The Storm|wire|2025-09-01|$12.50|100",
        "- - - content_name - - revenue minutes",
    ),
    (
        "Genre|Language|Partner Name|Seconds Viewed|Peak Hour|Title Code|Series Title",
        "Drama|en|Plex|3600|20|x1|Harbour Lights",
        "- language partner hours - - series",
    ),
    (
        "Quarter|Program Name|Content Name|Partner ID|Earnings|Completed Views|Unique Devices",
        "Q3|Harbour Lights|The Storm|HL-0103|$4|5|6",
        "quarter series content_name content_id revenue completions unique_viewers",
    ),
]


def _infer(rows, formats=None, **kwargs):
    return infer(sheet_of(rows), shipped_formats() if formats is None else formats, file="upload.csv", **kwargs)


def _fields(proposal):
    return {column.name: column.field for column in proposal.columns}


def _codes(proposal):
    return [question.code for question in proposal.questions]


@pytest.mark.parametrize(
    ("header", "row", "expected"), LABELLED, ids=[header.split("|")[1] for header, _, _ in LABELLED]
)
def test_no_field_is_proposed_wrongly(header, row, expected):
    proposal = _infer(table(f"{header}\n{row}\n{row}"), {})
    wanted = dict(zip(header.split("|"), expected.split(), strict=True))
    wrong = {name: field for name, field in _fields(proposal).items() if field and field != wanted[name]}
    assert not wrong


def test_most_fields_are_proposed():
    found = wanted = 0
    for header, row, expected in LABELLED:
        fields = _fields(_infer(table(f"{header}\n{row}\n{row}"), {}))
        pairs = dict(zip(header.split("|"), expected.split(), strict=True))
        wanted += sum(field != "-" for field in pairs.values())
        found += sum(field != "-" and fields[name] == field for name, field in pairs.items())
    assert found / wanted >= 0.9


def test_a_format_that_fits_is_preferred():
    proposal = _infer(table("watched_at_est|show_title|episode_title|minutes_watched\n21-07-2025|A|B|12"))
    assert proposal.format.name == "philo-1"
    assert _fields(proposal) == {
        "watched_at_est": "date",
        "show_title": "series",
        "episode_title": "content_name",
        "minutes_watched": "minutes",
    }
    assert all(column.score == 1.0 for column in proposal.columns)
    assert _codes(proposal) == []


def test_columns_that_any_platform_may_have_are_of_no_platform():
    proposal = _infer(table("Series Name|Episode Name|Sessions|Net Revenue\nA|B|12|$3"))
    assert proposal.format is None
    [question] = [question for question in proposal.questions if question.code == "FORMAT"]
    assert question.options == ["pluto-1", "canonical-1"]


def test_a_condition_tells_formats_with_the_same_columns_apart():
    text = "date|partner|title|tot_hov|mov_per_session|tot_sessions\n2025-07-21|{}|A|1|2|3\n|Total||1||"
    assert _infer(table(text.format("Samsung-mobile"))).format.name == "wurl-samsung-tv-plus-1"
    assert _infer(table(text.format("Plex-US-tv"))).format.name == "wurl-1"
    assert _infer(table(text.format("Samsungish-US-tv"))).format.name == "wurl-1"


def test_a_newer_version_wins():
    old = shipped_formats()["tubi-1"]
    formats = {"tubi-1": old, "tubi-2": old.model_copy(update={"version": 2})}
    proposal = _infer(table("PROGRAM NAME|CONTENT NAME|EARNINGS|eCPM\nA|B|$1|2"), formats)
    assert proposal.format.name == "tubi-2"


def test_a_column_of_times_without_a_unit_is_asked_about():
    proposal = _infer(table("Title|Watch Time|Day\nA|100|2025-07-21"), {})
    assert _fields(proposal)["Watch Time"] is None
    [question] = [question for question in proposal.questions if question.code == "UNIT"]
    assert question.options == ["'hours=Watch Time'", "'minutes=Watch Time'"]


def test_clock_times_say_their_unit():
    assert (
        _fields(_infer(table("Title|Watch Time|Day\nA|1174:47:24|2025-07-21\nB|0:12:01|2025-07-22"), {}))["Watch Time"]
        == "hours"
    )


def test_two_columns_that_may_hold_a_field_are_asked_about():
    proposal = _infer(table("Day|Title|Gross Revenue|Net Earnings\n2025-07-21|A|$3|$2"), {})
    assert _fields(proposal)["Gross Revenue"] is _fields(proposal)["Net Earnings"] is None
    [question] = [question for question in proposal.questions if question.code == "FIELD"]
    assert question.columns == ["Gross Revenue", "Net Earnings"]
    assert question.options == ["'revenue=Gross Revenue'", "'revenue=Net Earnings'"]


def test_two_columns_of_a_name_are_asked_about():
    proposal = _infer(table("Title|Hours|Hours|Date\nA|10|600|2025-07-21"))
    [question] = [question for question in proposal.questions if question.code == "DUPLICATE"]
    assert question.options == ["Hours (1)", "Hours (2)"]
    assert _fields(proposal) == {"Title": "content_name", "Hours": None, "Hours (2)": None, "Date": "date"}


def test_values_speak_against_a_name():
    fields = _fields(
        _infer(table("Title|Hours|Season|Date\nA|n.a. yet|first one here|soon\nB|see note|the second|later"), {})
    )
    assert fields == {"Title": "content_name", "Hours": None, "Season": None, "Date": None}


def test_percentages_are_no_hours():
    assert _fields(_infer(table("Title|Hours|Date\nA|10%|2025-07-21\nB|20%|2025-07-22"), {}))["Hours"] is None


def test_a_column_that_may_hold_two_fields_holds_none():
    proposal = _infer(table("Program Video Title|Hours|Date\nThe Storm|1|2025-07-21"), {})
    assert _fields(proposal)["Program Video Title"] is None
    assert {one.field for one in proposal.columns[0].candidates} == {"series", "content_name"}


def test_dates_that_read_two_ways_are_asked_about():
    proposal = _infer(table("Date|Title|Hours\n01/07/2025|A|1\n02/07/2025|B|2"))
    [question] = proposal.questions
    assert (question.code, question.options) == ("DATE_ORDER", ["dmy", "mdy"])
    assert question.flags == ["--period", "--date-order"]


def test_dates_of_a_wide_file_are_asked_about():
    proposal = _infer(table("Title|01/07/2025||02/07/2025|\n|Hours|Views|Hours|Views\nA|1|2|3|4"))
    assert _codes(proposal) == ["DATE_ORDER"]
    assert proposal.dates.model_dump() == {
        "count": 4,
        "first": "01/07/2025",
        "last": "02/07/2025",
        "metrics": ["Hours", "Views"],
    }
    assert _fields(proposal) == {"Title": "content_name", "Hours": "hours", "Views": "views"}


def test_a_format_settles_the_order_of_dates():
    proposal = _infer(
        table("Date Dim|01-07-2025|02-07-2025\nMovie/Series Title|Streaming Hours Sum|Streaming Hours Sum\nA|1|2")
    )
    assert proposal.format.name == "roku-1"
    assert _codes(proposal) == []


def test_a_file_without_dates_needs_a_period():
    assert _codes(_infer(table("PROGRAM NAME|CONTENT NAME|EARNINGS|eCPM\nA|B|$1|2"))) == ["PERIOD"]


def test_a_file_without_content_or_measure_is_asked_about():
    assert _codes(_infer(table("Day|Notes|Rank\n2025-07-21|x|1"), {})) == ["CONTENT", "MEASURE"]


def test_a_file_without_a_header_is_asked_about():
    proposal = _infer(table("Harbour Lights|The Storm|1|2.5\nHarbour Lights|The Calm|3|4.5"))
    assert _codes(proposal) == ["HEADER"]
    assert proposal.header is None
    assert proposal.columns == []


def test_the_line_of_the_header_can_be_chosen():
    proposal = _infer(table("Harbour|Storm|1\nTitle|Hours|Date\nA|1|2025-07-21"), header_line=2)
    assert proposal.header.line == 2


def test_reasons_candidates_and_samples_are_given():
    proposal = _infer(
        table("Program Title|Hours Watched|Day\nHarbour Lights|1.5|2025-07-21\nHarbour Lights|x|2025-07-21"), {}
    )
    hours = next(column for column in proposal.columns if column.name == "Hours Watched")
    assert hours.samples == ["1.5", "x"]
    assert (hours.field, hours.reasons) == (None, [])
    assert hours.candidates[0].field == "hours"
    assert "50% of its values are numbers" in hours.candidates[0].reasons


@pytest.mark.parametrize("number", range(len(LABELLED)))
def test_a_proposal_is_valid_by_its_schema(number):
    schema = proposal_schema()
    Draft202012Validator.check_schema(schema)
    header, row, _ = LABELLED[number]
    Draft202012Validator(schema).validate(_infer(table(f"{header}\n{row}")).model_dump(mode="json"))


def test_a_column_of_dates_with_an_unknown_name_is_asked_about():
    found = _infer(table("Series|Titel|Datum|Hours\nA|B|2025-07-01|1\nA|C|2025-07-02|2"))
    (question,) = [one for one in found.questions if "date" in one.message]
    assert (question.code, question.columns, question.options) == ("FIELD", ["Datum"], ["date=Datum"])
    assert "PERIOD" not in _codes(found)
