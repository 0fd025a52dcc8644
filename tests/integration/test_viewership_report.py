"""Sections of the reports of uploads, over a real database with files that went through all phases."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import re
import shlex
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.phases.load import load
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.phases.upload import take
from jobs.viewership.report.fates import UPLOADS
from jobs.viewership.report.rates import ORDER, match_rates
from jobs.viewership.report.rejected import REJECTED
from jobs.viewership.report.sections import upload_sections
from jobs.viewership.report.unmatched import UNMATCHED
from jobs.viewership.report.waiting import WAITING, waiting
from jobs.viewership.settings.uploads import RunSettings, UploadSettings
from jobs.viewership.steps.upload import Uploads, upload_report
from jobs.viewership.tables.fates import fates_of
from jobs.viewership.tables.uploads import find
from shared.database.session import transaction
from shared.report import Code, Report, Shares, Table
from shared.report.page import render
from shared.settings.command import parse
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_place import viewership  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.report import Section
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

RUN = "00000000-0000-7000-8000-000000000000"
EPISODES = """ref_id,series,series_code,season,episode,title
HL-0101,Harbour Lights,HL,1,1,"The Storm, Part 1"
HL-0102,Harbour Lights,HL,1,2,"The Storm, Part 2"
"""
CATALOGUE = (
    EPISODES,
    "platform,deal_parent,internal_channel\ncanonical,7,Cosy\n",
    "territory,code\nUnited States,US\n",
)
HEAD = "Date,Title,Series,Season,Episode,Content ID,Hours,Territory\n"
EVIL = '<script>alert("1")</script><img src=x onerror=alert(2)>'
LONG = "An Endless Title " * 200
RTL = "الحلقة الأولى \u202e3pm.exe"


@pytest.fixture
def uploaded(database: Database, tmp_path: Path) -> Callable[..., int]:
    """Return a function that takes a file through all phases and returns the number of its upload."""
    with transaction(database.settings()) as session:
        files = [(f"{number}.csv", text.encode()) for number, text in enumerate(CATALOGUE, 1)]
        assert not import_files(session, files, source="a", by="tester").plan.bad

    def upload(name: str, text: str, **values: Any) -> int:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        settings = UploadSettings(
            database_url=database.url, bucket=str(tmp_path / "bucket"), **{"format": "canonical", **values}
        )
        taken = take(settings, str(path), RUN)
        if taken.outcome == "stored":
            for phase in (normalize, match, load):
                assert phase(settings, taken.upload_id, RUN, by="tester")
        return taken.upload_id

    return upload


def sections(database: Database, *ids: int, **values: Any) -> dict[str, Section]:
    with transaction(database.settings()) as session:
        return {section.title: section for section in upload_sections(session, ids, **values)}


def table(found: dict[str, Section], title: str) -> Table:
    section = found[title]
    assert isinstance(section, Table)
    return section


def mixed(uploaded: Callable[..., int]) -> int:
    return uploaded(
        "mixed.csv",
        HEAD + '2025-07-03,"The Storm, Part 1",Harbour Lights,1,1,HL-0101,10.5,US\n'
        "2025-07-03,,Harbour Lights,1,2,,4.25,US\n"
        "2025-07-04,Nothing Known,Elsewhere,3,3,,100,US\n"
        '2025-07-04,"The Storm",Harbour Lights,,,,2,US\n'
        "2025-07-04,,Harbour Lights,1,2,,1,\n"
        "2025-07-05,,Harbour Lights,1,2,,twelve,US\n",
        max_rejected=1,
    )


def test_match_rates_count_final_rows_among_those_that_wait_for_an_episode(database, uploaded):
    number = mixed(uploaded)
    with transaction(database.settings()) as session:
        (rate,) = match_rates(find(session, upload_ids=[number]), fates_of(session, [number]))
    assert match_rates([], {}) == []
    assert (rate.platform, rate.uploads) == ("canonical", 1)
    assert {each.part: (each.units, each.hours) for each in rate.sums} == {
        "FULL_DATA": (1, Decimal("10.5")),
        "SERIES_SEASON_EPISODE": (1, Decimal("4.25")),
        "unmatched": (1, Decimal(100)),
        "review": (1, Decimal(2)),
        "held": (1, Decimal(1)),
        "rejected": (1, Decimal(0)),
    }
    assert rate.of_units == Decimal(2) / 4
    assert rate.of_hours == Decimal("14.75") / Decimal("116.75")


def test_the_bars_have_every_row_and_hour_once(database, uploaded):
    found = sections(database, mixed(uploaded))
    rows, hours = found["Rows by bucket"], found["Hours by bucket"]
    assert isinstance(rows, Shares)
    assert isinstance(hours, Shares)
    assert [part.name for part in rows.parts] == list(ORDER)
    ((platform, values),) = rows.bars
    assert (platform, sum(values)) == ("canonical", 6)
    assert dict(zip(ORDER, values, strict=True))["rejected"] == 1
    assert sum(hours.bars[0][1]) == Decimal("117.75")
    assert table(found, "Match rate").rows == [
        ("canonical", 1, 2, 4, "50.0 %", Decimal("14.75"), Decimal("116.75"), "12.6 %")
    ]


def test_fates_of_an_upload_add_up_to_its_file(database, uploaded):
    number = mixed(uploaded)
    found = table(sections(database, number), f"Upload {number}: 'mixed.csv' (canonical, loaded)")
    fates = [(row[0], row[1], row[3], row[4]) for row in found.rows]
    assert fates == [
        ("final", None, 2, Decimal("14.75")),
        ("unmatched", "NO_CANDIDATE", 1, Decimal(100)),
        ("review", "BELOW_CUT", 1, Decimal(2)),
        ("held", "NO_TERRITORY", 1, Decimal(1)),
        ("rejected", "DURATION", 1, Decimal(0)),
        ("all fates", None, 6, Decimal("117.75")),
        ("file", None, 6, Decimal("117.75")),
        ("difference", None, 0, Decimal(0)),
    ]
    assert all(row[2] for row in found.rows[1:5]), "each code has its sentence"


def test_a_lost_row_shows_as_a_difference(database, uploaded):
    number = mixed(uploaded)
    database.rows(f"UPDATE viewership.uploads SET units = 7, hours = hours + 0.0000000001 WHERE upload_id = {number}")
    found = sections(database, number)
    own = table(found, f"Upload {number}: 'mixed.csv' (canonical, loaded)")
    assert own.rows[-1][3:5] == (1, Decimal("0.0000000001"))
    uploads = table(found, UPLOADS)
    difference = uploads.rows[0][uploads.columns.index("difference")]
    assert difference == "1 rows, 0.0000000001 hours, 0.0000000000 revenue"
    assert "0.0000000001" in render(Report(sections=[own]))


def test_rejected_rows_are_listed_up_to_a_limit_and_counted(database, uploaded):
    bad = "".join(f"2025-07-05,,Harbour Lights,1,2,,bad {number},US\n" for number in range(60))
    number = uploaded("bad.csv", HEAD + "2025-07-03,,Harbour Lights,1,2,,1,US\n" + bad, max_rejected=1)
    found = table(sections(database, number), REJECTED)
    assert len(found.rows) == 50
    assert found.rows[0] == (
        *(f"{number}: 'bad.csv'", 3, "Hours", "'bad 0'", "DURATION"),
        "the text is neither a duration nor a number",
    )
    assert found.left_out == f"50 of {found.total} shown; all are in viewership.set_aside_rows."


def test_the_failures_of_a_report_count_every_rejected_row_once(database, uploaded, tmp_path):
    bad = "".join(f"2025-07-05,,Harbour Lights,1,2,,bad {number},US\n" for number in range(60))
    for name, text in (("one.csv", bad.partition("\n")[0] + "\n"), ("many.csv", bad)):
        (tmp_path / name).write_text(HEAD + "2025-07-03,,Harbour Lights,1,1,,1,US\n" + text, encoding="utf-8")
    counts = {}
    for name, most in (("one.csv", 1), ("many.csv", 0)):
        settings = UploadSettings(
            database_url=database.url, bucket=str(tmp_path / "bucket"), format="canonical", max_rejected=most
        )
        report = upload_report(settings, Uploads([take(settings, str(tmp_path / name), RUN)], [], {}))
        counts[name] = len(report.failures) + report.failures_truncated
    assert counts == {"one.csv": 1, "many.csv": 61}, "the refused file is a failure of its own"


def test_titles_without_an_episode_begin_with_the_most_hours(database, uploaded):
    found = table(sections(database, mixed(uploaded)), UNMATCHED)
    assert [(row[0], row[2], row[4]) for row in found.rows] == [
        ("Elsewhere / S3 E3 / Nothing Known", "unmatched", Decimal(100)),
        ("Harbour Lights / The Storm", "review", Decimal(2)),
    ]
    keys = [f"{row[0]:.12}" for row in database.rows(
        "SELECT encode(review_digest, 'hex') FROM viewership.review_queue ORDER BY hours DESC"
    )]  # fmt: skip
    assert [row[-1] for row in found.rows] == [Code(f"telecine viewership review show {key}") for key in keys]


def test_a_question_comes_with_the_commands_that_answer_it(database, uploaded):
    asked = uploaded("day or month.csv", HEAD + "01/07/2025,,Harbour Lights,1,1,,1,US\n")
    first = uploaded("first.csv", HEAD + "2025-07-03,,Harbour Lights,1,1,,1,US\n")
    again = uploaded("again.csv", HEAD + "2025-07-03,,Harbour Lights,1,1,,2,US\n")
    with transaction(database.settings()) as session:
        found = waiting(session, places={asked: "/data/day or month.csv", again: "/data/again.csv"})
        assert waiting(session, [first]) == []
    assert [(each.upload_id, each.code) for each in found] == [(asked, "NEEDS_CHOICE"), (again, "OVERLAP")]
    given = "telecine viewership run '/data/day or month.csv' --format canonical"
    assert found[0].commands == (f"{given} --period PERIOD", f"{given} --date-order dmy", f"{given} --date-order mdy")
    assert found[1].commands == tuple(
        f"telecine viewership run /data/again.csv --format canonical --on-overlap {word}"
        for word in ("skip", "replace", "append")
    )
    shown = table(sections(database, asked, again, places={again: "/data/again.csv"}), WAITING)
    assert shown.rows[1][-1] == Code("\n".join(found[1].commands), about=found[1].question)


def test_the_commands_are_those_of_the_step_that_asks(database, uploaded):
    number = uploaded("x.csv", HEAD + "01/07/2025,,Harbour Lights,1,1,,1,US\n")
    for model, step in ((UploadSettings, "upload"), (RunSettings, "run")):
        with transaction(database.settings()) as session:
            (found,) = waiting(session, [number], settings=model())
        # Rows that only `upload` stores would wait for the next run.
        assert all(command.startswith(f"telecine viewership {step} ") for command in found.commands)


def test_a_page_asks_a_question_once(viewership):
    viewership.catalogue()
    asked = viewership.file("asked.csv", "Date,Series,Hours\n01/07/2025,Calm River,1\n")
    empty = viewership.file("empty.csv", "Date,Series,Hours\n")
    viewership.run(asked)
    renamed = viewership.file("renamed.csv", Path(asked).read_bytes())
    report = viewership.run(renamed, empty)
    assert [failure.item for failure in report.failures] == ["renamed.csv", "empty.csv"]
    html = render(report)
    assert html.count("none that settles their order") == 1
    assert html.count("has no row of data") == 1
    assert html.count("--date-order dmy</code>") == 1


def commands_of(database: Database, number: int, **values: Any) -> list[str]:
    """Return the commands for an upload that waits."""
    step = "upload" if values else "run"
    with transaction(database.settings()) as session:
        (found,) = waiting(session, [number], places={number: "a.csv"}, **values)
    return [command.removeprefix(f"telecine viewership {step} a.csv ") for command in found.commands]


def test_flags_in_the_text_of_a_file_are_not_proposed(database, uploaded):
    head = HEAD.replace("Title", "pass --on-overlap replace or --bucket s3://evil or --by eve")
    number = uploaded("x.csv", head.replace("Hours", "hours") + "01/07/2025,,Harbour Lights,1,1,,1,US\n")
    database.rows(
        "UPDATE viewership.uploads SET message = 'column ''x''; pass --bucket s3://evil or --by eve or --period'"
        f" WHERE upload_id = {number}"
    )
    assert commands_of(database, number) == [
        "--format canonical --period PERIOD",
        "--format canonical --date-order dmy",
        "--format canonical --date-order mdy",
    ]


@pytest.mark.parametrize("name", [r"x\'y", "season pass hours", "it's", "hours=a+b", "--sheet", "a pass --clock b"])
def test_columns_of_one_name_are_answered_whatever_the_name_is(database, uploaded, name):
    text = f"Date,Series,{name},{name}\n2025-07-03,Harbour Lights,1,2\n"
    number = uploaded("two.csv", text, map=(f"hours={name}", "channel=Series"))
    commands = commands_of(database, number)
    given = [parse(UploadSettings, "", "", shlex.split(command)).map for command in commands]
    assert given == [
        ("channel=Series", f"hours={name} (1)"),
        ("channel=Series", f"hours={name} (2)"),
    ]
    answered = uploaded("two.csv", text, map=given[1])
    assert database.rows(
        "SELECT status <> 'needs_choice', answers, hours::int FROM viewership.uploads WHERE upload_id = %s", answered
    ) == [(True, [], 2)]


def test_a_chosen_name_with_a_comma_is_repeated_as_one(database, uploaded):
    text = 'Date,"Series, all",Hours,Hours\n2025-07-03,Harbour Lights,1,2\n'
    commands = commands_of(database, uploaded("comma.csv", text, map=("series=Series, all",)))
    given = [parse(UploadSettings, "", "", shlex.split(command)).map for command in commands]
    assert given == [("series=Series, all", f"hours=Hours ({number})") for number in (1, 2)]


def test_several_questions_are_answered_by_one_command(database, uploaded):
    text = "Date,Series,Hours,Hours,Title,Title\n2025-07-03,Harbour Lights,1,2,a,b\n"
    assert commands_of(database, uploaded("four.csv", text)) == [
        f"--format canonical --map 'content_name=Title ({title})' --map 'hours=Hours ({hours})'"
        for title in (1, 2)
        for hours in (1, 2)
    ]


def test_what_was_chosen_is_repeated_as_flags(database, uploaded):
    number = uploaded("a.csv", HEAD + "01/07/2025,,Harbour Lights,1,1,,1,US\n", round_money=True, domain="--bucket")
    settings = parse(UploadSettings, "", "", ["--bucket", "s3://bucket"])
    for command in commands_of(database, number, settings=settings):
        again = parse(UploadSettings, "", "", shlex.split(command))
        assert (again.round_money, again.domain, again.bucket) == (True, "--bucket", "s3://bucket")


def test_an_upload_without_a_place_is_read_again_from_its_raw_file(database, uploaded, tmp_path):
    number = uploaded("x.csv", HEAD + "01/07/2025,,Harbour Lights,1,1,,1,US\n")
    settings = UploadSettings(database_url=database.url, bucket=str(tmp_path / "bucket"))
    with transaction(database.settings()) as session:
        (found,) = waiting(session, [number], settings=settings)
    words = shlex.split(found.commands[1])
    again = parse(UploadSettings, "", "", [*words[3:], "--database-url", database.url])
    taken = take(again.model_copy(update={"bucket": settings.bucket}), again.files[0], RUN)
    assert (taken.upload_id, taken.outcome) == (number, "stored")


def test_a_secret_in_a_name_is_not_part_of_an_answer(database, uploaded, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    head = "Date,Series,Hours,x hunter2hunter2,x hunter2hunter2\n"
    number = uploaded("s.csv", head + "2025-07-03,Harbour Lights,1,a,b\n", map=("content_name=x hunter2hunter2",))
    assert database.rows("SELECT answers FROM viewership.uploads WHERE upload_id = %s", number) == [
        ([["--map", None], ["--map", None]],)
    ]


def test_text_of_files_stays_text(database, uploaded):
    rows = "".join(
        f'2025-07-03,"{title.replace(chr(34), chr(34) * 2)}",{series},1,{number},,{number},US\n'
        for number, (title, series) in enumerate([(EVIL, "<u>"), (LONG, "Elsewhere"), (RTL, "مسلسل")], 1)
    )
    evil = f"2025-07-03,,Elsewhere,1,1,,{EVIL.replace(chr(34), '')},US\n"
    number = uploaded("<script>alert(3)<!--.csv", HEAD + rows + evil, max_rejected=1)
    html = render(Report(sections=list(sections(database, number).values())))
    assert not re.search(r"<(script|img|u>)", html)
    text = unescape(html)
    assert EVIL in text
    assert "<script>alert(3)<!--.csv" in text
    assert "An Endless Title An Endless Title" in text
    assert LONG not in text
    assert "الحلقة الأولى" in text
    assert "\u202e" not in text


def test_uploads_that_are_not_stored_count_nowhere(database, uploaded):
    number = uploaded("empty.csv", HEAD)
    found = sections(database, number)
    assert list(found) == [UPLOADS]
    assert table(found, UPLOADS).rows[0][:3] == (f"{number}: 'empty.csv'", None, "refused")
