"""Files become final rows; every row has one fate; the same again changes nothing."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from jobs.viewership.errors import HELD, NotReady
from jobs.viewership.matching import cascade
from jobs.viewership.matching.model import Bucket
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import normalize
from jobs.viewership.settings.review import ReviewListSettings
from jobs.viewership.settings.uploads import LoadSettings, UploadsSettings, ValidateSettings
from jobs.viewership.steps._stages import HELD_TABLE
from jobs.viewership.steps._view import show_uploads
from jobs.viewership.steps.phases import run_load
from jobs.viewership.steps.review import list_keys
from jobs.viewership.steps.uploads import list_uploads
from jobs.viewership.steps.validate import validate
from shared.errors import UsageError
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_place import CATALOGUE, DEALS, viewership  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

CASES = Path(__file__).parents[1] / "viewership_cases"
JULY = "Series,Season,Episode,Title,Date,Hours\n"
ROWS = (
    "Calm River,1,1,The Storm,2025-07-01,1.5\n"
    "Calm River,1,2,The Calm,2025-07-02,2\n"
    "Calm River,,,The Longest Leter From Home,2025-07-02,0.25\n"
    "Calm River,,,Somewhere Else Entirely,2025-07-03,4\n"
)


def test_a_file_becomes_final_rows_and_every_row_has_a_fate(viewership):
    viewership.catalogue()
    report = viewership.run(viewership.file("july.csv", JULY + ROWS))
    assert (report.status, report.exit_code) == ("success", 0)
    assert viewership.fates(1) == {"final": 3, "review BELOW_CUT": 1}
    assert viewership.final() == (3, Decimal("3.75"))
    assert viewership.rows(
        "SELECT ref_id, bucket, hours, minutes, week::text, day, quarter, deal_parent, channel, territory"
        " FROM viewership.episode_details ORDER BY ref_id"
    ) == [
        ("CR-0101", "SERIES_SEASON_EPISODE", Decimal("1.5"), 90, "2025-06-30", 1, "q3", "77", "Main", "US"),
        ("CR-0102", "SERIES_SEASON_EPISODE", 2, 120, "2025-06-30", 2, "q3", "77", "Main", "US"),
        ("CR-0103", "FUZZY", Decimal("0.25"), 15, "2025-06-30", 2, "q3", "77", "Main", "US"),
    ]
    assert {name: report.counts[name] for name in ("upload.expected_units", "match.actual_units", "load.final")} == {
        "upload.expected_units": 4,
        "match.actual_units": 4,
        "load.final": 3,
    }
    assert report.counts["waiting"] == 0
    assert viewership.is_due()


def test_the_same_bytes_under_another_name_are_linked(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS))
    before = viewership.everything()
    report = viewership.run(viewership.file("july (1).csv", JULY + ROWS))
    assert report.exit_code == 0
    assert report.counts["upload.linked"] == 1
    assert viewership.everything() == before
    assert viewership.rows("SELECT upload_id, filename, times FROM viewership.upload_names ORDER BY filename") == [
        (1, "july (1).csv", 1),
        (1, "july.csv", 1),
    ]


def test_the_same_rows_in_other_bytes_are_a_copy_and_wait_for_an_answer(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS))
    lines = ROWS.splitlines(keepends=True)
    shuffled = viewership.file("export.csv", JULY.replace(",", ";") + "".join(lines[::-1]).replace(",", ";"))
    report = viewership.run(shuffled)
    assert (report.exit_code, report.rejects) == (65, {"COPY": 1})
    assert "upload 1 ('july.csv') has the same 4 rows for 2025-07-01 to 2025-07-03" in report.failures[0].message
    assert viewership.final() == (3, Decimal("3.75"))
    assert viewership.run(shuffled, on_overlap="skip").exit_code == 0
    assert [status for *_, status in viewership.statuses()] == ["loaded", "skipped"]
    # The answer may change.
    assert viewership.run(shuffled, on_overlap="append").exit_code == 0
    assert viewership.final() == (6, Decimal("7.5"))
    assert viewership.is_due()


def test_an_overlap_shows_the_difference_and_replace_swaps_all_rows_at_once(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS))
    corrected = JULY + ROWS.replace(",1.5", ",9") + "Lost Harbor,1,1,Arrival,2025-07-02,1\n"
    again = viewership.file("july-corrected.csv", corrected)
    report = viewership.run(again)
    assert (report.exit_code, report.rejects) == (65, {"OVERLAP": 1})
    assert (
        "upload 1 ('july.csv') has 4 rows and 7.75 hours for 2025-07-01 to 2025-07-03, this file 5 rows and 16.25 hours"
        " (difference +1 rows, +8.5 hours)" in report.failures[0].message
    )
    assert viewership.final() == (3, Decimal("3.75"))
    assert viewership.run(again, on_overlap="replace").exit_code == 0
    assert [status for *_, status in viewership.statuses()] == ["replaced", "loaded"]
    assert viewership.final() == (4, Decimal("12.25"))
    assert viewership.rows("SELECT count(*), sum(hours), min(reason) FROM viewership.replaced_details") == [
        (3, Decimal("3.75"), "replaced by upload 2")
    ]
    assert viewership.is_due()


def test_replace_refuses_to_lose_rows_of_other_days(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS + "Lost Harbor,1,1,Arrival,2025-08-01,1\n"))
    before = viewership.everything()
    report = viewership.run(viewership.file("week.csv", JULY + ROWS.replace(",1.5", ",9")), on_overlap="replace")
    assert (report.exit_code, report.rejects) == (65, {"REPLACE_PARTIAL": 1})
    assert "1 row that this file lacks" in report.failures[0].message
    after = viewership.everything()
    assert {name: after[name] for name in after if name not in ("uploads", "scopes")} == {
        name: before[name] for name in before if name not in ("uploads", "scopes")
    }


def test_other_days_channels_and_labels_do_not_overlap(viewership):
    viewership.catalogue()
    head = "Channel,Title,Date,Hours\n"
    viewership.run(viewership.file("a.csv", head + "A,The Storm,2025-07-01,1\n"))
    assert viewership.run(viewership.file("b.csv", head + "B,The Storm,2025-07-01,1\n")).exit_code == 0
    assert viewership.run(viewership.file("c.csv", head + "A,The Storm,2025-07-02,1\n")).exit_code == 0


def test_a_retracted_upload_leaves_the_final_table_and_may_come_again(viewership):
    viewership.catalogue()
    file = viewership.file("july.csv", JULY + ROWS)
    viewership.run(file)
    before = viewership.everything()["episode_details"]
    report = viewership.retract(1)
    assert report.counts == {"removed": 3}
    assert viewership.final() == (0, 0)
    assert viewership.rows("SELECT retracted_by, retracted_reason, status FROM viewership.uploads") == [
        ("ann", "wrong", "retracted")
    ]
    with pytest.raises(UsageError, match="upload 1 is already retracted"):
        viewership.retract(1)
    with pytest.raises(UsageError, match="upload 7 does not exist; expected a number up to 1, listed by"):
        viewership.retract(7)
    assert viewership.run(file).exit_code == 0
    assert viewership.everything()["episode_details"] == before
    assert viewership.is_due()


def test_the_same_bytes_are_read_again_with_other_choices_only_on_request(viewership):
    viewership.catalogue()
    file = viewership.file("month.csv", "Series,Title,Hours\nCalm River,The Storm,3\n")
    viewership.run(file)
    assert viewership.fates(1) == {"held NO_DATE": 1}
    linked = viewership.run(file, period="2025-07")
    assert linked.counts["upload.linked"] == 1
    assert "--on-overlap replace to read it again" in linked.sections[0].rows[0][-1]
    assert viewership.run(file, period="2025-07", on_overlap="replace").exit_code == 0
    assert [status for *_, status in viewership.statuses()] == ["replaced", "loaded"]
    assert viewership.final() == (1, 3)
    # Now these choices are the stored ones.
    assert viewership.run(file, period="2025-07", on_overlap="replace").counts["upload.linked"] == 1
    assert viewership.run(file).counts["upload.linked"] == 1
    assert viewership.is_due()


def test_a_bad_file_does_not_stop_the_others(viewership):
    viewership.catalogue()
    good = viewership.file("good.csv", JULY + ROWS)
    bad = viewership.file("bad.csv", JULY + "Calm River,1,1,The Storm,2025-08-01,twelve?\n")
    empty = viewership.file("empty.csv", JULY)
    ask = viewership.file("ask.csv", "Title,Date,Hours\nThe Storm,01/02/2025,1\n")
    report = viewership.run(bad, str(viewership.folder / "absent.csv"), empty, ask, good)
    assert report.exit_code == 65
    assert viewership.final() == (3, Decimal("3.75"))
    assert report.rejects == {"TOO_MANY_REJECTED": 1, "EMPTY": 1, "NEEDS_CHOICE": 1, "usage": 1}
    messages = {failure.item.rpartition("/")[2]: failure.message for failure in report.failures}
    assert "line 2, column 'Hours': 'twelve?'" in messages["bad.csv"]
    assert "does not exist; expected delimited text or a workbook" in messages["absent.csv"]
    assert "--date-order" in messages["ask.csv"]
    assert viewership.rows("SELECT line, column_name, code, raw FROM viewership.set_aside_rows") == [
        (2, "Hours", "DURATION", "twelve?")
    ]
    # The question is answered with a flag; the refused file with a limit.
    assert viewership.run(ask, date_order="dmy").exit_code == 0
    assert viewership.run(bad, max_rejected=1.0).exit_code == 0
    assert viewership.rows("SELECT filename, status FROM viewership.uploads ORDER BY filename") == [
        ("ask.csv", "loaded"),
        ("bad.csv", "loaded"),
        ("empty.csv", "refused"),
        ("good.csv", "loaded"),
    ]


def test_every_fate_adds_up(viewership):
    viewership.catalogue(
        deals="platform,partner,deal_parent,internal_channel,internal_territory\ncanonical,Acme,77,Main,US\n"
    )
    text = (
        "Partner,Series,Season,Episode,Title,Date,Hours,Revenue\n"
        "Acme,Calm River,1,1,The Storm,2025-07-01,1,0.5\n"  # final
        "Acme,Calm River,1,9,,2025-07-01,2,\n"  # unmatched
        "Acme,Calm River,,,Somewhere Else Entirely,2025-07-01,4,\n"  # review
        "Other,Calm River,1,1,The Storm,2025-07-01,8,\n"  # held NO_DEAL
        "Acme,Calm River,1,2,The Calm,2025-07-01,?,\n"  # rejected
        "Total,,,,,,15,0.5\n"  # filtered
    )
    report = viewership.run(viewership.file("all.csv", text), max_rejected=1.0)
    assert report.exit_code == 0
    found = viewership.fates(1)
    assert {name.partition(" ")[0] for name in found} == {
        "final",
        "unmatched",
        "review",
        "held",
        "rejected",
        "filtered",
    }
    assert found["held NO_DEAL"] == 1
    assert viewership.rows("SELECT unparsable, hours, revenue FROM viewership.uploads") == [(1, 15, Decimal("0.5"))]


@pytest.mark.parametrize(("episodes", "deals", "code"), [("", "deals", "NO_CATALOG"), (CATALOGUE, "", "NO_DEALS")])
def test_nothing_loads_without_a_catalogue_or_deals_and_the_rows_wait(viewership, episodes, deals, code):
    if episodes:
        viewership.catalogue(episodes, deals="")
    else:
        viewership.catalogue(episodes="")
    file = viewership.file("july.csv", JULY + ROWS)
    with pytest.raises(NotReady) as raised:
        viewership.run(file)
    assert (raised.value.code, raised.value.exit_code) == (code, 65)
    assert raised.value.message.endswith("then run `telecine viewership run`: the upload is already stored")
    assert viewership.final() == (0, 0)
    assert viewership.rows("SELECT count(*) FROM viewership.platform_viewership") == [(4,)]
    viewership.catalogue()
    # The next run takes them up.
    assert viewership.run(file).exit_code == 0
    assert viewership.final() == (3, Decimal("3.75"))


@pytest.mark.parametrize("name", ["same-bytes-other-name", "restated-week", "channel-totals"])
def test_given_cases_of_identity(viewership, name):
    case = json.loads((CASES / name / "expected.json").read_text(encoding="utf-8"))
    titles = ("The Storm", "The Calm", "The Return")
    lines = "".join(f"X-010{number},Calm River,1,{number},{title}\n" for number, title in enumerate(titles, 1))
    viewership.catalogue(episodes="ref_id,series,season,episode,title\n" + lines)
    mapping = tuple(f"{field}={column}" for column, field in case["mapping"].items())
    files = sorted(path for path in (CASES / name).iterdir() if path.suffix == ".csv")
    # The corrected file comes second.
    files.sort(key=lambda path: ("corrected" in path.name, path.name))
    reports = [viewership.run(str(path), map=mapping, format="canonical") for path in files]
    if name == "same-bytes-other-name":
        assert [report.exit_code for report in reports] == [0, 0]
        assert viewership.rows("SELECT count(*), sum(hours) FROM viewership.uploads") == [(1, case["totals"]["hours"])]
    elif name == "restated-week":
        assert [report.exit_code for report in reports] == [0, 65]
        assert viewership.run(str(files[1]), map=mapping, format="canonical", on_overlap="replace").exit_code == 0
        wanted = case["after_replace"]
        # The titles alone name no episode; what counts is whose rows are left.
        assert viewership.rows("SELECT count(*), sum(hours) FROM viewership.row_fates") == [
            (wanted["rows"], Decimal(str(wanted["hours"])))
        ]
        assert viewership.statuses() == [(1, "week28.csv", "replaced"), (2, "week28-corrected.csv", "loaded")]
    else:
        assert viewership.fates(1) == {"topline": 1}
        assert viewership.rows("SELECT count(*) FROM viewership.review_queue") == [(0,)]


def test_a_bucket_that_fails_leaves_its_keys_to_the_next_run(viewership, monkeypatch):
    viewership.catalogue()
    file = viewership.file("july.csv", JULY + ROWS)
    with monkeypatch.context() as patch:
        patch.setitem(cascade._NEEDS, Bucket.SERIES_SEASON_EPISODE, "1 / 0 = 1")
        report = viewership.run(file)
    assert report.status == "partial"
    assert viewership.statuses() == [(1, "july.csv", "partial")]
    # The titles find two of them all the same; similar titles are not accepted meanwhile. The log names the bucket.
    assert viewership.final() == (2, Decimal("3.5"))
    assert viewership.rows(
        "SELECT procedure_name, status, error_message ~ 'division by zero' FROM viewership.error_log"
        " WHERE status = 'failed'"
    ) == [("match SERIES_SEASON_EPISODE", "failed", True)]
    assert viewership.is_due()
    assert viewership.run().status == "success"
    assert viewership.statuses() == [(1, "july.csv", "loaded")]
    assert viewership.final() == (3, Decimal("3.75"))


def test_validate_counts_what_is_matched_and_why_the_rest_is_not(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS + "Calm River,1,1,The Storm,,2\n"))
    text, code = validate(viewership.settings(ValidateSettings, json_=True))
    found = json.loads(text)
    assert code == 0
    assert (found["matched"], found["unmatched"]) == (3, 2)
    assert found["errors"] == {"BELOW_CUT": 1, "NO_DATE": 1}
    [upload] = found["uploads"]
    assert upload["difference"] == {"units": 0, "hours": "0", "revenue": "0"}
    assert sum(each["units"] for each in upload["fates"]) == upload["units"] == 5
    with pytest.raises(UsageError, match="upload 9 does not exist"):
        validate(viewership.settings(ValidateSettings, upload=(1, 9)))
    text, _ = validate(viewership.settings(ValidateSettings))
    assert "held        NO_DATE    1     2      0" in text
    # A row that is lost shows.
    viewership.database.rows(
        "ALTER TABLE viewership.platform_viewership DISABLE TRIGGER insert_only;"
        "DELETE FROM viewership.platform_viewership WHERE line = 2"
    )
    text, code = validate(viewership.settings(ValidateSettings, json_=True))
    assert code == 65
    assert json.loads(text)["uploads"][0]["difference"] == {"units": 1, "hours": "1.5", "revenue": "0"}


def test_rows_are_insert_only(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("july.csv", JULY + ROWS))
    for statement in (
        "UPDATE viewership.platform_viewership SET tot_hov = 0",
        "DELETE FROM viewership.platform_viewership",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="insert-only"):
            viewership.database.rows(statement)


def test_what_a_file_is_named_is_only_text(viewership):
    viewership.catalogue()
    name = "=cmd|' ;$(NAME){{inputs}}<script>\x1b[31m.csv"
    assert viewership.run(viewership.file(name, JULY + ROWS)).exit_code == 0
    [(_, stored, status)] = viewership.statuses()
    assert status == "loaded"
    assert "\x1b" not in stored
    assert stored.startswith("=cmd|' ;$(NAME){{inputs}}<script>")


@pytest.mark.parametrize("phase", ["normalize", "match"])
def test_a_phase_notices_a_row_that_was_lost_before_it(viewership, phase):
    viewership.catalogue()
    viewership.upload(viewership.file("july.csv", "Series,Title,Date,Hours\nA,B,2025-07-01,1\nA,C,2025-07-02,2.5\n"))
    phases = {"normalize": normalize, "match": match}
    if phase == "match":
        normalize(viewership.database.settings(), 1, "r", by="ann")
    for statement in (
        "ALTER TABLE viewership.platform_viewership DISABLE TRIGGER insert_only",
        "DELETE FROM viewership.platform_viewership WHERE line = 3",
        "ALTER TABLE viewership.platform_viewership ENABLE TRIGGER insert_only",
    ):
        viewership.rows(statement)
    found = phases[phase](viewership.database.settings(), 1, "r", by="ann")
    assert (found.expected, found.actual) == ((2, Decimal("3.5"), 0), (1, 1, 0))


def test_a_folder_is_answered_with_the_command_for_its_files(viewership):
    folder = viewership.folder / "july"
    folder.mkdir()
    (folder / "roku.csv").touch()
    for step in ("run", "upload"):
        with pytest.raises(UsageError) as caught:
            getattr(viewership, step)(str(folder))
        assert caught.value.message == (
            f"'{folder}' is a folder; expected delimited text or a workbook; "
            f"run `telecine viewership {step} {folder}/*.csv`"
        )


def test_a_misspelled_file_is_answered_with_its_name_also_below_the_bucket(viewership):
    for folder in ("viewership/uploads", "elsewhere"):
        there = viewership.folder / folder / "roku-july.csv"
        there.parent.mkdir(parents=True)
        there.touch()
        with pytest.raises(UsageError, match=f"did you mean '{there}'"):
            viewership.run(str(there.with_name("roku-juli.csv")))


def test_a_bucket_name_that_is_not_valid_is_a_usage_error(viewership):
    with pytest.raises(UsageError, match="'x' is not a valid bucket name"):
        viewership.run("s3://x/roku.csv")


def test_a_misspelled_platform_stores_nothing(viewership):
    viewership.catalogue(deals=f"{DEALS}Lantern,79,Main,US\n")
    file = viewership.file("a.csv", JULY + ROWS)
    for name, meant in (("filo", "philo"), ("rokuu", "roku"), ("lantren", "lantern")):
        with pytest.raises(UsageError, match=f"--platform {name}: no format, deal or upload .* mean '{meant}'"):
            viewership.run(file, format="canonical", platform=name)
    assert viewership.statuses() == []
    # A platform with a deal is known, and an unlike name is a new platform.
    assert viewership.run(file, format="canonical", platform="lantern").exit_code == 0
    august = viewership.file("b.csv", JULY + ROWS.replace("2025-07", "2025-08"))
    assert viewership.run(august, format="canonical", platform="orbit-tv").exit_code == 0
    assert viewership.rows("SELECT platform FROM viewership.uploads ORDER BY 1") == [("lantern",), ("orbit-tv",)]


def test_a_field_that_does_not_exist_is_refused_before_a_file_is_read(viewership):
    with pytest.raises(UsageError, match="'hour' is not a field; did you mean 'hours'"):
        viewership.run(viewership.file("a.csv", JULY + ROWS), map=("hour=Hours",))
    assert viewership.statuses() == []


def test_a_phase_says_why_a_named_upload_is_skipped(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("a.csv", JULY + ROWS))
    report = run_load(viewership.settings(LoadSettings, upload=(1,)), viewership.stage("load"))
    assert report.headline == "0 uploads loaded; skipped: upload 1 is loaded; load takes only matched uploads"
    assert report.exit_code == 0


def test_uploads_are_listed_with_their_platform(viewership):
    viewership.catalogue(deals=f"{DEALS}orbit-tv,79,Main,US\n")
    viewership.run(viewership.file("a.csv", JULY + ROWS), format="canonical", platform="orbit-tv")
    head, row = list_uploads(viewership.settings(UploadsSettings)).splitlines()
    assert head.split()[:5] == ["upload", "file", "platform", "format", "status"]
    assert row.split()[:5] == ["1", "a.csv", "orbit-tv", "canonical-1", "loaded"]


def test_held_rows_are_listed_with_why_and_what_to_do(viewership):
    viewership.catalogue()
    orbit = viewership.file("orbit.csv", JULY + ROWS)
    report = viewership.run(orbit, format="canonical", platform="orbit-tv")
    (held,) = [section for section in report.sections if section.title == HELD_TABLE]
    assert held.rows == [
        [
            "NO_DEAL",
            "orbit-tv",
            4,
            f"{HELD['NO_DEAL']}; import a deal of platform orbit-tv, then run `telecine viewership reprocess`",
        ]
    ]
    console = Console(file=io.StringIO(), width=300, highlight=False)
    show_uploads(report, console)
    assert isinstance(console.file, io.StringIO)
    assert "import a deal of platform orbit-tv" in console.file.getvalue()
    # A key without a row that counts would look empty.
    text = list_keys(viewership.settings(ReviewListSettings))
    assert text.endswith("revenue 0.00; 1 more row is held for lack of a deal, channel or territory"), text
    assert HELD_TABLE not in {
        section.title for section in viewership.run(viewership.file("a.csv", JULY + ROWS)).sections
    }


def test_totals_are_part_of_the_headline(viewership):
    viewership.catalogue()
    total = "Total,,,,,3.5\n"
    report = viewership.run(viewership.file("a.csv", JULY + "".join(ROWS.splitlines(keepends=True)[:2]) + total))
    assert report.headline.startswith("1 file: 1 stored, 2 rows stored, 1 filtered; ")


def test_one_row_is_not_several(viewership):
    viewership.catalogue()
    row = "Calm River,1,1,The Storm,2025-07-01,"
    viewership.run(viewership.file("a.csv", f"{JULY}{row}1\n"))
    (failure,) = viewership.run(viewership.file("b.csv", f"{JULY}{row}2\n")).failures
    assert (
        "('a.csv') has 1 row and 1 hours for 2025-07-01 to 2025-07-01, this file 1 row and 2 hours" in failure.message
    )


@pytest.mark.parametrize(
    ("deal", "action"),
    [
        ("canonical,other", "import a deal that fits"),
        ("canonicle,", "import a deal of platform canonical, or correct the deal of 'canonicle'"),
        ("roku,", "import a deal of platform canonical"),
    ],
)
def test_a_deal_of_a_misspelled_platform_is_named(viewership, deal, action):
    viewership.catalogue(deals=f"platform,channel,deal_parent,internal_channel,internal_territory\n{deal},77,Main,US\n")
    report = viewership.run(viewership.file("a.csv", JULY + ROWS))
    (held,) = [section for section in report.sections if section.title == HELD_TABLE]
    assert [row[3] for row in held.rows] == [f"{HELD['NO_DEAL']}; {action}, then run `telecine viewership reprocess`"]


def test_validate_says_why_no_row_of_an_upload_counts(viewership):
    viewership.catalogue()
    ask = viewership.file("ask.csv", "Title,Date,Hours\nThe Storm,01/02/2025,1\n")
    empty = viewership.file("empty.csv", JULY)
    viewership.run(ask, empty, viewership.file("a.csv", JULY + ROWS))
    august = JULY + ROWS.replace("2025-07", "2025-08")
    viewership.run(viewership.file("old.csv", august))
    viewership.run(viewership.file("new.csv", august.replace("1.5", "1.25")), on_overlap="replace")
    viewership.retract(3, reason="the wrong month")
    text, code = validate(viewership.settings(ValidateSettings, upload=(1, 2, 3, 4)))
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == "upload 1: ask.csv (needs_choice): none of its rows count"
    assert lines[1].startswith("column 'Date' has ambiguous dates")
    assert lines[3].startswith("  telecine viewership run ")
    assert lines[3].endswith(" --date-order dmy")
    at = lines.index("upload 2: empty.csv (refused): none of its rows count")
    assert lines[at + 1].startswith("the file has no row of data below its header")
    at = lines.index("upload 3: a.csv (canonical, retracted): none of its rows count")
    assert lines[at + 1] == "retracted by ann: the wrong month"
    at = lines.index("upload 4: old.csv (canonical, replaced): none of its rows count")
    assert lines[at + 1] == "replaced by upload 5"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("July report.csv", "July report.csv"),
        ("../../etc/july.csv", "july.csv"),
        ("C:\\fakepath\\july.csv", "july.csv"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
        ("a\nb\u202e.csv", None),
        ("/", "file"),
    ],
)
def test_a_file_is_stored_under_the_name_that_is_passed(viewership, given, stored):
    viewership.catalogue()
    viewership.upload(viewership.file("f00d", JULY + ROWS), filename=given)
    ((name,),) = viewership.rows("SELECT filename FROM viewership.uploads")
    if stored is None:
        assert "\n" not in name
        assert "\u202e" not in name
    else:
        assert name == stored


@pytest.mark.parametrize("files", [(), ("a.csv", "b.csv")])
def test_a_name_without_exactly_one_file_is_refused(viewership, files):
    named = [viewership.file(name, JULY + ROWS) for name in files]
    with pytest.raises(UsageError, match="expected exactly one; omit --filename"):
        viewership.upload(*named, filename="july.csv")
    assert viewership.rows("SELECT FROM viewership.uploads") == []
