from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.catalog.columns import Kind, canonical, kind_of, parse_column, title_column, title_slot
from jobs.viewership.catalog.files import read


def one(text: str | bytes, name: str = "a.csv"):
    return read([(name, text.encode() if isinstance(text, str) else text)])


def told(text: str | bytes) -> list[str]:
    return [str(bad) for bad in one(text).bad]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("ref_id,series,series_code,content_provider,status,season,episode,title", Kind.EPISODES),
        ("series,season,episode", Kind.EPISODES),
        ("series,title-es", Kind.EPISODES),
        ("series_code,series,status", Kind.SERIES),
        ("series,series-es.2", Kind.SERIES),
        ("kind,alias,target", Kind.ALIASES),
        ("alias,target,platform,season,episode,series", Kind.ALIASES),
        ("ref_id,platform,season,episode", Kind.NUMBERS),
        ("platform,partner,channel,territory,deal_parent", Kind.DEALS),
        ("platform_partner_name,platform_channel_name,platform_territory,platform,deal_parent", Kind.DEALS),
        ("channel,channel.2", Kind.CHANNELS),
        ("code,Territory", Kind.TERRITORIES),
    ],
)
def test_the_columns_say_what_a_file_has(header, kind):
    assert kind_of([canonical(name) for name in header.split(",")]) is kind


def test_values_have_single_spaces_and_empty_cells_are_none():
    (row,) = one('ref_id,series,title\n HL-1 ,Harbour  Lights,"The\n Storm\u00a0, Part 1"\n').rows
    assert row.values == {"ref_id": "HL-1", "series": "Harbour Lights", "title": "The Storm , Part 1"}
    assert one("series,title\nA,\n").rows[0].values == {"series": "A", "title": None}


@pytest.mark.parametrize("text", ["01", "1", "1.0", " 1 ", "S1", "#1"])
def test_numbers_have_one_form(text):
    assert one(f"series,season,episode\nA,{text},2\n").rows[0].values["season"] == "1"


@pytest.mark.parametrize("text", ["12A", "Special"])
def test_other_numbers_stay_text(text):
    assert one(f"series,season,episode\nA,{text},2\n").rows[0].values["season"] == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(delimiter):
    text = "\ufeff" + delimiter.join(("series", "season", "title")) + "\r\n" + delimiter.join(("A", "1", "x")) + "\r\n"
    assert one(text).rows[0].values == {"series": "A", "season": "1", "title": "x"}


def test_a_line_is_where_its_record_begins():
    read_ = one('series,title,status\n\nA,"two\nlines",active\nB,x,odd\n')
    assert [row.line for row in read_.rows] == [3, 5]
    assert [(bad.line, bad.column) for bad in read_.bad] == [(5, "status")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "columns a, b match no kind"),
        ("series,title,titel\nA,b,c\n", "column 'titel' is unknown; expected for episodes: ref_id"),
        ("series,title,titel,Year\nA,b,c,d\n", "columns 'titel', 'year' are unknown; expected for episodes: ref_id"),
        ("series,title,\nA,b,c\n", "a column has no name; expected for episodes"),
        ("series,titel,\nA,b,c\n", "column 'titel' is unknown, and a column has no name; expected for series"),
        ("Day,Minutes Viewed\n1,2\n", "This looks like a platform's report; run: telecine viewership run FILE"),
        ("series,title,Title\nA,b,c\n", "column title appears twice"),
        ("series,title,title.1\nA,b,c\n", "column title appears twice"),
        ("series,title\nA\n", "a.csv line 2: the row has 1 cells; expected 2"),
        ("series,title\nA,b,c\n", "the row has 3 cells; expected 2"),
        ('series,title\nA,"b"c\n', "expected CSV with every quotation mark"),
        ('series,title\nA,"b\n', "unexpected end of data"),
        ("series,title\nA,b\0c\n", "holds \\x00"),
        (f"series,title\nA,{'x' * 501}\n", "501 characters; expected at most 500"),
        ("ref_id,series\n1.23457E+11,A\n", "a.csv line 2, column ref_id: '1.23457E+11' is an id that a spreadsheet"),
        ("series,status\nA,gone\n", "'gone' is not a status; expected active or inactive"),
        ("channel,active\nA,maybe\n", "'maybe' is not valid; expected true or false"),
        ("platform,deal_parent,valid_from\nA,1,01/02/2025\n", "'01/02/2025' is not a date; expected YYYY-MM-DD"),
        ("kind,alias,target\nfilm,a,b\n", "'film' is not a kind of alias"),
        (b"series,title\nA,caf\xe9\n", "a.csv line 2: byte 18 is not UTF-8"),
        ('{"series": "A", "title": ["b"]}', "column title: list is not a value"),
        ('{"series": "A", "series": "B"}', "key 'series' appears twice"),
        ('{"series": "A"}\n[1]', "a.csv line 2: the line is not a JSON object"),
        ('{"series": "\\ud800"}', "holds \\ud800"),
    ],
)
def test_what_is_wrong_is_named(text, words):
    assert words in "\n".join(told(text))


def test_all_errors_are_listed_and_good_rows_are_read():
    found = one("series,status,title\nA,odd,x\nB,active,y\nC,odd,z\n")
    assert [bad.line for bad in found.bad] == [2, 4]
    assert found.counts() == {Kind.EPISODES: 3}


def test_any_is_no_value_in_a_deal_only():
    (row,) = one("platform,partner,channel,deal_parent\nP,*,C,1\n").rows
    assert row.values["partner"] is None
    assert one("channel\n*\n").rows[0].values == {"channel": "*"}


def test_json_lines_may_have_numbers_and_truths():
    rows = one('{"series": "A", "season": 1, "episode": 2}\n\n{"channel": "C", "active": false}').rows
    assert [row.values for row in rows] == [
        {"series": "A", "season": "1", "episode": "2"},
        {"channel": "C", "active": "false"},
    ]
    assert [row.line for row in rows] == [1, 3]


@given(st.sampled_from(["und", "en", "pt-br", "es-419"]), st.integers(1, 999))
def test_a_titles_column_is_its_language_and_position(language, position):
    name = title_column("title", language, position)
    assert title_slot(name) == (language, position)
    assert parse_column(Kind.EPISODES, canonical(name)) == "title"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_the_reader(body):
    found = read([("x", body)])
    assert all(isinstance(str(bad), str) for bad in found.bad)


@given(st.text(max_size=100).map(lambda text: f"series,season,episode,title\n{text}".encode()))
def test_no_rows_break_the_reader(body):
    for row in read([("x", body)]).rows:
        assert set(row.values) == {"series", "season", "episode", "title"}
        assert all(value is None or value == " ".join(value.split()) for value in row.values.values())


REPORT = "date,series,title,minutes,device\n2025-07-01,A,b,3,tv\n2025-07-02,A,b,4,tv\n"


def test_unknown_columns_are_reported_once_per_file_and_a_platform_report_is_recognised():
    (message,) = told(REPORT)
    assert message.startswith("a.csv line 1: columns 'date', 'minutes', 'device' are unknown; expected for episodes: ")
    assert message.endswith("This looks like a platform's report; run: telecine viewership run FILE")
    lines = '{"series": "A", "day": "1"}\n{"series": "B", "day": "2"}\n{"series": "C", "hour": "2"}\n'
    assert [(bad.line, bad.message.partition(";")[0]) for bad in one(lines).bad] == [
        (1, "column 'day' is unknown"),
        (3, "column 'hour' is unknown"),
    ]
    assert "report" not in "".join(told(lines))


def test_many_unknown_columns_are_not_all_listed():
    header = ",".join(f"x{number}" for number in range(30))
    (message,) = told(f"series,title,{header}\n")
    assert "'x19' and 10 more are unknown" in message
    assert "'x20'" not in message


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "platform,deal,partner",
            "column 'deal' is unknown, and column 'deal_parent' is missing; expected for deals",
        ),
        ("platform,partner,internal_partner", "column 'deal_parent' is missing; expected for deals: platform, "),
        ("platform,season,episode,titel", "column 'titel' is unknown; expected for numbers: ref_id, "),
    ],
)
def test_the_kind_that_has_most_columns_is_the_one_that_was_meant(header, words):
    (message,) = told(f"{header}\nx,y,z\n")
    assert message.startswith(f"a.csv line 1: {words}")


@pytest.mark.parametrize("body", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1"], ids=["xlsx", "xls"])
def test_a_workbook_is_named_as_one(body):
    (message,) = told(body)
    assert message == (
        "a.csv: the file is a workbook; expected CSV or JSON lines; save the sheet as 'CSV UTF-8' and import it"
    )


def test_blank_names_of_a_header_are_not_listed():
    (message,) = told(",Partner report,,\na,b,c,d\n")
    assert message.startswith("a.csv line 1: columns partner_report match no kind of file")
