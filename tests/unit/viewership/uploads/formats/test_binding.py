from __future__ import annotations

import pytest

from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.uploads.formats.binding import bind
from jobs.viewership.uploads.formats.document import parse_format
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.layout.find import find_layout
from shared.errors import UsageError
from tests.viewership_sheets import sheet_of, table

CANONICAL = shipped_formats()["canonical-1"]
ROKU = shipped_formats()["roku-1"]
_WIDE = "Series|Title|2025-07-01||2025-07-02||Total|\n||Starts|Hours|Starts|Hours|Starts|Hours\nA|B|10|2.5|4|1|14|3.5"


def _bind(text, found=CANONICAL, mapping=None):
    return bind(found, find_layout(sheet_of(table(text))), mapping)


def _read(binding):
    return {bound.field: bound.column.name for bound in binding.columns}


def test_fields_are_read_from_the_columns_that_the_format_names():
    binding = _bind("Date|Title|tot_hov|Notes\n2025-07-01|A|1|x")
    assert _read(binding) == {"date": "Date", "content_name": "Title", "hours": "tot_hov"}
    assert [column.name for column in binding.unread] == ["Notes"]
    assert {rule.field for rule in binding.absent} >= {"revenue", "season"}
    assert binding.fields == ("date", "content_name", "hours")


def test_two_rules_may_read_one_column():
    binding = _bind("date|partner|title|tot_hov\n2025-07-01|Plex-US-tv|A|1", shipped_formats()["wurl-1"])
    fields = {field for field, column in _read(binding).items() if column == "partner"}
    assert fields == {
        "partner",
        "territory",
        "device_type",
    }


def test_the_first_name_that_the_file_has_is_read():
    binding = _bind("content title|title|hours\nA|B|1")
    assert binding.column("content_name").name == "title"
    assert [column.name for column in binding.unread] == ["content title"]


def test_a_name_that_occurs_twice_is_asked_about():
    with pytest.raises(NeedsChoice, match="2 columns are named 'Hours'") as error:
        _bind("Title|Hours|Hours|Date\nA|10|600|2025-07-01")
    assert "pass --map 'hours=Hours (1)'" in str(error.value)
    assert error.value.data["flags"] == ["--map"]


@pytest.mark.parametrize(
    ("name", "position"), [("Hours (1)", 1), ("Hours (2)", 2), ("hours (2)", 2), ("Column C", 2), ("column b", 1)]
)
def test_a_choice_between_columns_of_a_name_is_obeyed(name, position):
    binding = _bind("Title|Hours|Hours|Date\nA|10|600|2025-07-01", mapping={"hours": name})
    assert binding.column("hours").position == position


def test_a_duplicate_that_nobody_reads_is_no_question():
    assert _read(_bind("Title|Hours|Notes|Notes\nA|10|x|y")) == {"content_name": "Title", "hours": "Hours"}


def test_the_users_choice_overrides_the_format():
    binding = _bind("Title|Name|Hours\nA|B|1", mapping={"content_name": "Name", "content_name_2": "Title"})
    assert _read(binding) == {"content_name": "Name", "content_name_2": "Title", "hours": "Hours"}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"hour": "Hours"}, "'hour' is not a field; did you mean 'hours'? Fields: date, month, quarter, "),
        ({"zzz": "Hours"}, "'zzz' is not a field; expected one of: date, month, quarter, "),
        ({"Ssn No": "season"}, "'Ssn No' is not a field, but 'season' is one; write 'season=Ssn No'"),
        ({"hours": "Hour"}, "the file has no column 'Hour'; did you mean 'Hours'?"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(mapping, message):
    with pytest.raises(UsageError) as error:
        _bind("Title|Hours\nA|1", mapping=mapping)
    assert message in str(error.value)


def test_a_required_column_that_is_absent_is_named():
    with pytest.raises(Refused) as error:
        _bind("watched_at|show_title|minutes_watched\n01-07-2025|A|1", shipped_formats()["philo-1"])
    assert error.value.code == "COLUMNS"
    assert str(error.value).startswith(
        "the file has no column 'watched_at_est', which format philo-1 requires for date; did you mean 'watched_at'?; "
        "its header in line 1 has 'watched_at', 'show_title', 'minutes_watched'"
    )


def test_a_file_without_a_measure_is_refused():
    with pytest.raises(Refused, match="no column with hours, minutes or revenue") as error:
        _bind("Date|Title\n2025-07-01|A")
    assert error.value.code == "COLUMNS"


def test_metrics_of_a_wide_file_come_from_its_dates_and_not_from_totals():
    binding = _bind(_WIDE)
    assert _read(binding) == {"series": "Series", "content_name": "Title"}
    assert {bound.field: [date.position for date in bound.columns] for bound in binding.metrics} == {
        "hours": [3, 5],
        "views": [2, 4],
    }
    assert [column.name for column in binding.unread] == ["Total Starts", "Total Hours"]


def test_a_format_for_wide_files_ignores_its_other_metrics():
    pair = "Streaming Hours Sum|Play-Through Rate"
    text = f"Date Dim|01-07-2025||02-07-2025|\nMovie/Series Title|{pair}|{pair}\nA|1|0.2|3|0.4"
    binding = _bind(text, ROKU)
    assert [(bound.field, len(bound.columns)) for bound in binding.metrics] == [("hours", 2)]
    assert binding.unread == ()


def test_dates_without_a_metric_are_asked_about():
    text = "Title|2025-07-01|2025-07-02\nA|1|2"
    with pytest.raises(NeedsChoice, match=r"do not name what they count; pass --map 'hours=\(dates\)'"):
        _bind(text)
    [metric] = _bind(text, mapping={"minutes": "(dates)"}).metrics
    assert (metric.field, [date.date_text for date in metric.columns]) == ("minutes", ["2025-07-01", "2025-07-02"])


def test_a_date_with_two_columns_of_a_metric_is_asked_about():
    with pytest.raises(NeedsChoice, match=r"'2025-07-01' has several columns 'hours'"):
        _bind("Title|2025-07-01||2025-07-02|\n|Hours|Hours|Hours|Hours\nA|1|2|3|4")


def test_a_date_with_two_columns_and_no_metric_is_asked_about():
    with pytest.raises(NeedsChoice, match=r"'2025-07-02' has several columns; expected one; rename the others"):
        _bind("Title|2025-07-01|2025-07-02|2025-07-02\nA|1|2|3", mapping={"hours": "(dates)"})


def test_a_format_may_ignore_a_column_without_a_name():
    xumo = shipped_formats()["xumo-1"]
    assert _bind("channel|title|total_time||revenue\nOne|A|1:00:00|1|$1", xumo).unread == ()


def test_a_column_in_a_message_cannot_break_out_of_the_flag():
    found = parse_format(
        "platform: a\nversion: 1\ntitle: t\nevidence: real\nnote: n\nlabel: Both\ncolumns:\n"
        '  - {field: hours, from: ["h\'; rm -rf x"]}\n  - {field: series, from: [s]}\n',
        source="x",
    )
    with pytest.raises(NeedsChoice) as error:
        _bind("s|h'; rm -rf x|h'; rm -rf x\nA|1|2", found)
    assert """--map 'hours=h'"'"'; rm -rf x (1)' or""" in str(error.value)
