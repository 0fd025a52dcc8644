"""Rows of two files for the same place and time never both become final silently, in whatever form the time is."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from decimal import Decimal

import pytest

from jobs.viewership.phases import load as loading
from jobs.viewership.phases import overlap
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.steps import reprocess
from jobs.viewership.tables.fates import lock_final
from jobs.viewership.tables.uploads import hold, refuse_gone
from shared.database.session import transaction
from shared.errors import TransientError, UsageError
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_place import CATALOGUE, viewership  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEAD = "Series,Season,Episode,Title,Date,Hours\n"
STORM = "Calm River,1,1,The Storm,"


def test_rows_of_a_quarter_without_days_overlap(viewership):
    viewership.catalogue()
    head = "Series,Season,Episode,Title,Year,Quarter,Revenue\n"
    assert viewership.run(viewership.file("q3.csv", f"{head}{STORM}2025,q3,100\n")).exit_code == 0
    other = viewership.file("q3-again.csv", f"{head}{STORM}2025,q3,101\n")
    assert viewership.run(other).rejects == {"OVERLAP": 1}
    assert viewership.run(viewership.file("q4.csv", f"{head}{STORM}2025,q4,7\n")).exit_code == 0
    assert viewership.run(other, on_overlap="replace").exit_code == 0
    assert viewership.rows("SELECT payment_amount FROM viewership.episode_details ORDER BY 1") == [(7,), (101,)]
    assert viewership.is_due()


def test_a_month_overlaps_with_its_days_and_they_with_it(viewership):
    viewership.catalogue()
    month = viewership.file("month.csv", f"Series,Season,Episode,Title,Year,Month,Hours\n{STORM}2025,7,31\n")
    days = viewership.file("days.csv", HEAD + "".join(f"{STORM}2025-07-{day:02},1\n" for day in range(2, 32)))
    assert viewership.run(month).exit_code == 0
    report = viewership.run(days)
    assert report.rejects == {"OVERLAP": 1}
    assert (
        "upload 1 ('month.csv') has 1 row and 31 hours for 2025-07-01 to 2025-07-31, this file 30 rows and 30 hours"
        " (difference +29 rows, -1 hours)"
    ) in report.failures[0].message
    viewership.retract(1)
    assert viewership.run(days).exit_code == 0
    report = viewership.run(month)
    assert report.rejects == {"OVERLAP": 1}
    assert "30 rows and 30 hours for 2025-07-02 to 2025-07-31, this file 1 row and 31" in report.failures[0].message
    assert viewership.final() == (30, 30)


WEEK = f"{HEAD}{STORM}2025-W27,7\n"  # Monday 30 June to Sunday 6 July
YEAR = "Series,Season,Episode,Title,Year,Quarter,Month,Date,Revenue\n"


@pytest.mark.parametrize(
    ("coarse", "fine", "other"),
    [
        (WEEK, f"{HEAD}{STORM}2025-07-02,1\n", f"{HEAD}{STORM}2025-07-07,1\n"),
        (WEEK, f"{HEAD}{STORM}2025-07-06,1\n", f"{HEAD}{STORM}2025-06-29,1\n"),
        (
            f"{HEAD}{STORM}2025-06-29 - 2025-07-05,7\n",
            f"{HEAD}{STORM}2025-07-05,1\n",
            f"{HEAD}{STORM}2025-07-06,1\n{STORM}2025-06-28,1\n",
        ),
        (WEEK, f"Series,Season,Episode,Title,Year,Month,Hours\n{STORM}2025,7,31\n", f"{HEAD}{STORM}2025-W36,1\n"),
        (f"{YEAR}{STORM}2025,q3,,,9\n", f"{YEAR}{STORM},,,2025-09-30,1\n", f"{YEAR}{STORM},,,2025-10-01,1\n"),
        (f"{YEAR}{STORM}2025,q3,,,9\n", f"{YEAR}{STORM}2025,,7,,1\n", f"{YEAR}{STORM}2025,,6,,1\n"),
        (f"{YEAR}{STORM}2025,,,,9\n", f"{YEAR}{STORM}2025,q2,,,1\n", f"{YEAR}{STORM}2024,q4,,,1\n"),
    ],
    ids=["week-day", "week-sunday", "week-from-sunday", "week-month", "quarter-day", "quarter-month", "year-quarter"],
)
def test_a_longer_time_overlaps_with_the_times_inside_it(viewership, coarse, fine, other):
    viewership.catalogue()
    coarse, fine, other = (
        viewership.file(f"{name}.csv", text) for name, text in (("coarse", coarse), ("fine", fine), ("other", other))
    )
    assert viewership.run(coarse, max_rejected=1.0).exit_code == 0
    assert viewership.run(fine).rejects == {"OVERLAP": 1}
    assert viewership.run(other).rejects == {}
    viewership.retract(1)
    assert viewership.run(fine).rejects == {}
    assert viewership.run(coarse).rejects == {"OVERLAP": 1}


def test_a_few_days_do_not_replace_a_month(viewership):
    viewership.catalogue()
    month = f"Series,Season,Episode,Title,Year,Month,Hours\n{STORM}2025,7,31\n"
    viewership.run(viewership.file("month.csv", month))
    days = viewership.file("days.csv", HEAD + "".join(f"{STORM}2025-07-{day:02},1\n" for day in (1, 2, 3)))
    assert viewership.run(days, on_overlap="replace").rejects == {"REPLACE_PARTIAL": 1}
    assert viewership.final() == (1, 31)
    days = viewership.file("all.csv", HEAD + "".join(f"{STORM}2025-07-{day:02},1\n" for day in range(1, 32)))
    assert viewership.run(days, on_overlap="replace").exit_code == 0
    assert viewership.final() == (31, 31)


def test_replace_refuses_to_lose_revenue_that_the_new_file_has_no_column_for(viewership):
    viewership.catalogue()
    both = "Series,Season,Episode,Title,Date,Hours,Revenue\n"
    viewership.run(viewership.file("both.csv", f"{both}{STORM}2025-07-01,10.5,3\n"))
    report = viewership.run(viewership.file("hours.csv", f"{HEAD}{STORM}2025-07-01,11\n"), on_overlap="replace")
    assert report.rejects == {"REPLACE_PARTIAL": 1}
    assert viewership.rows("SELECT label, hours, payment_amount FROM viewership.episode_details ORDER BY label") == [
        ("Revenue", None, 3),
        ("Viewership", Decimal("10.5"), None),
    ]


def test_a_file_with_some_undated_rows_can_be_replaced_by_a_correction(viewership):
    viewership.catalogue()
    text = f"{HEAD}{STORM}2025-07-01,1\n{STORM},2\n"
    viewership.run(viewership.file("a.csv", text))
    assert viewership.run(viewership.file("b.csv", text.replace(",1\n", ",5\n")), on_overlap="replace").exit_code == 0
    assert viewership.final() == (1, 5)


def test_another_domain_hides_no_overlap(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("a.csv", f"{HEAD}{STORM}2025-07-01,1\n"))
    report = viewership.run(viewership.file("b.csv", f"{HEAD}{STORM}2025-07-01,2\n"), domain="Owned and Operated")
    assert report.rejects == {"OVERLAP": 1}


def test_the_list_of_overlaps_is_short_and_counts_what_it_leaves_out(viewership, monkeypatch):
    monkeypatch.setattr(overlap, "_SHOWN", 2)
    viewership.catalogue()
    for number in range(1, 5):
        rows = "".join(f"{STORM}2025-07-01,{number}{row}\n" for row in range(number))
        viewership.run(viewership.file(f"{number}.csv", HEAD + rows), on_overlap="append")
    stored = viewership.rows("SELECT others, others_left_out FROM viewership.uploads ORDER BY upload_id")
    assert [left_out for _, left_out in stored] == [0, 0, 0, 1]
    assert [each["upload_id"] for each in stored[-1][0]] == [2, 3]


def test_files_without_rows_are_no_copies_of_each_other(viewership):
    viewership.catalogue()
    for number in (10, 11):
        report = viewership.run(viewership.file(f"{number}.csv", f"{HEAD}Total,,,,,{number}\n"), max_rejected=1.0)
        assert report.counts["upload.copy"] == 0


def test_bytes_that_are_read_again_survive_the_retraction_of_the_first_reading(viewership):
    viewership.catalogue()
    file = viewership.file("month.csv", "Series,Season,Episode,Title,Hours\n" + STORM.rstrip(",") + ",3\n")
    viewership.run(file)
    viewership.upload(file, period="2025-07", on_overlap="replace")
    viewership.retract(1)
    # The second reading stands for the bytes now, and loads.
    assert viewership.upload(file, period="2025-07").counts["linked"] == 1
    assert viewership.run().exit_code == 0
    assert [status for *_, status in viewership.statuses()] == ["retracted", "loaded"]
    assert viewership.final() == (1, 3)
    assert viewership.is_due()


def test_numbers_of_uploads_have_no_gaps(viewership):
    viewership.catalogue()
    first = viewership.file("first.csv", f"{HEAD}{STORM}2025-07-01,1\n")
    asked = viewership.file("asked.csv", f"{HEAD}{STORM}01/02/2025,1\n")
    empty = viewership.file("empty.csv", HEAD)
    for _ in range(2):
        viewership.run(first, asked, empty, viewership.file("again.csv", f"{HEAD}{STORM}2025-07-01,1\n"))
    viewership.run(asked, period="2025-02")
    viewership.run(viewership.file("last.csv", f"{HEAD}{STORM}2025-08-01,1\n"))
    assert viewership.statuses() == [
        (1, "first.csv", "loaded"),
        (2, "asked.csv", "loaded"),
        (3, "empty.csv", "refused"),
        (4, "last.csv", "loaded"),
    ]


def test_an_upload_that_is_retracted_while_it_is_read_stays_retracted(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("a.csv", f"{HEAD}{STORM}2025-07-01,1\n"))
    viewership.retract(1)
    with transaction(viewership.database.settings()) as session, pytest.raises(TransientError, match="retracted while"):
        refuse_gone(hold(session, 1))


@pytest.mark.parametrize(("name", "text"), [("ask.csv", "Title,Date,Hours\nX,01/02/2025,1\n"), ("empty.csv", HEAD)])
def test_an_upload_without_rows_cannot_be_retracted(viewership, name, text):
    viewership.catalogue()
    viewership.run(viewership.file(name, text))
    with pytest.raises(UsageError, match="has no stored rows"):
        viewership.retract(1)


def test_rows_can_be_stored_under_a_platform_without_a_format(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("a.csv", f"{HEAD}{STORM}2025-07-01,1\n"))
    report = viewership.run(viewership.file("b.csv", f"{HEAD}{STORM}2025-07-01,2\n"), platform="orbit-tv")
    assert report.exit_code == 0
    assert viewership.fates(2) == {"held NO_DEAL": 1}
    assert viewership.rows("SELECT platform FROM viewership.uploads ORDER BY 1") == [("canonical",), ("orbit-tv",)]


def test_a_reading_for_another_platform_locks_the_final_rows_of_both(viewership, monkeypatch):
    viewership.catalogue()
    file = viewership.file("a.csv", f"{HEAD}{STORM}2025-07-01,1\n")
    viewership.run(file)
    viewership.upload(file, platform="philo", on_overlap="replace")
    locked = []
    monkeypatch.setattr(
        loading, "lock_final", lambda session, names: locked.extend(names) or lock_final(session, names)
    )
    assert viewership.run().exit_code == 0
    assert set(locked) == {"canonical", "philo"}
    assert viewership.rows("SELECT platform FROM viewership.episode_details") == [("philo",)]


def test_reprocess_refreshes_final_rows_if_every_key_is_decided(viewership):
    viewership.catalogue()
    viewership.run(viewership.file("a.csv", f"{HEAD}Calm River,,,Somewhere Else Entirely,2025-07-01,1\n"))
    viewership.rows(
        "SELECT d.decision FROM viewership.decide('accept', ARRAY(SELECT key_id FROM viewership.keys),"
        " (SELECT id FROM catalog.episodes WHERE ref_id = 'CR-0101'), 'ann', NULL) d"
    )
    viewership.catalogue(episodes=CATALOGUE.replace("The Storm", "The Great Storm"))
    settings = viewership.settings(ReprocessSettings)
    assert reprocess.run(settings, viewership.stage("reprocess")).exit_code == 0
    assert viewership.rows("SELECT ref_id, asset_title FROM viewership.episode_details") == [
        ("CR-0101", "The Great Storm")
    ]
    assert viewership.is_due()
