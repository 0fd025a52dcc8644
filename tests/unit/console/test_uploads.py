"""Uploads: periods, phases, flags, answers and differences, as the pages show them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.console.pages.viewership.rejects import EXPECTED
from jobs.console.pages.viewership.upload import ANSWER_FLAGS, answers_of
from jobs.console.pages.viewership.uploads import LISTING, UploadsQuery, period_days
from jobs.console.tables.viewership.fates import FATES, Fates, Sums, differences, lacks
from jobs.console.tables.viewership.phases import phase_words
from jobs.console.tables.viewership.uploads import ACTIVE, ASKED, FAILED, MATCHED, STATUSES, flags, version
from jobs.console.web.query import valid_values
from jobs.console.web.render import exact
from jobs.viewership.errors import REJECTS
from jobs.viewership.model import Fate
from jobs.viewership.report.fates import MATCHED as MATCHED_THERE
from jobs.viewership.settings.formats import InterpretationSettings
from jobs.viewership.settings.uploads import UploadSettings
from jobs.viewership.tables.uploads import ACTIVE as ACTIVE_THERE

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=10)


def test_the_console_names_what_viewership_does():
    assert EXPECTED.keys() == REJECTS.keys()
    assert set(FATES) == {str(fate) for fate in Fate}
    assert (ACTIVE, MATCHED) == (ACTIVE_THERE, MATCHED_THERE)
    assert {*ACTIVE, *MATCHED, *ASKED, *FAILED} <= set(STATUSES)
    assert set(valid_values(UploadsQuery.model_fields["status"])) == {*STATUSES, "waiting", "failed"}


def test_answers_may_have_every_flag_that_says_how_a_file_is_read():
    names = {*InterpretationSettings.model_fields, "domain", "max_rejected"} - {"formats_dir"}
    assert {name.replace("-", "_") for name in ANSWER_FLAGS} == names & UploadSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2025", "2025-01-01", "2026-01-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2025-q4", "2025-10-01", "2026-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_a_period_has_its_days(text: str, first: str, after: str):
    assert [day.isoformat() for day in period_days(text)] == [first, after]


@pytest.mark.parametrize("text", ["", "25", "2025-13", "2025-00", "2025-Q5", "0000", "9999", "2025-07-01", "\u0662025"])
def test_other_text_is_not_a_period(text: str):
    with pytest.raises(ValueError, match="a month, quarter or year"):
        period_days(text)


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("2025-07-01", "2025-07-31", "2025-07"),
        ("2025-07-01", "2025-09-30", "2025-Q3"),
        ("2025-01-01", "2025-12-31", "2025"),
        ("2025-07-02", "2025-07-31", "2025-07-02/2025-07-31"),
        ("2025-07-02", "2025-07-02", "2025-07-02"),
    ],
)
def test_days_are_shown_as_a_period_if_they_are_one(first: str, last: str, shown: str):
    column = next(each for each in LISTING.columns if each.name == "days")
    row = SimpleNamespace(first_date=date.fromisoformat(first), last_date=date.fromisoformat(last))
    assert column.of(row) == shown
    assert column.of(SimpleNamespace(first_date=None, last_date=None)) is None


@pytest.mark.parametrize(
    ("status", "code", "states"),
    [
        ("received", None, "open open open open"),
        ("needs_choice", "NEEDS_CHOICE", "asks open open open"),
        ("refused", "EMPTY", "failed open open open"),
        ("skipped", "COPY", "skipped open open open"),
        ("normalized", None, "done done open open"),
        ("partial", "BUCKET_FAILED", "done done partial done"),
        ("retracted", None, "done done done done"),
    ],
)
def test_a_status_says_which_phases_are_done(status: str, code: str | None, states: str):
    assert [word.partition(": ")[2] for word in phase_words(status, code)] == states.split()


def test_choices_become_flags_and_empty_ones_are_left_out():
    choices = {"date_order": "dmy", "map": ["a=B", "c=D"], "round_money": False, "sheet": None, "header_line": 2}
    assert flags(choices) == {"date-order": "dmy", "map": "a=B,c=D", "header-line": "2"}


def test_answers_with_flags_that_the_form_lacks_are_not_offered():
    answers = [["--clock", "hh:mm"], ["--on-overlap", "skip"], ["--map", "a=B", "--period", None], [], ["--sheet"]]
    assert answers_of(SimpleNamespace(answers=answers)) == [
        [("clock", "hh:mm")],
        [("map", "a=B"), ("period", None)],
    ]


def test_a_version_changes_with_the_upload_and_with_each_request():
    at = datetime(2025, 7, 1, tzinfo=UTC)
    upload, later = SimpleNamespace(updated_at=at), SimpleNamespace(updated_at=at.replace(second=1))
    requested = [SimpleNamespace(launch_id=2), SimpleNamespace(launch_id=1)]
    assert len({version(upload, []), version(later, []), version(upload, requested), version(later, requested)}) == 4


@given(st.lists(st.tuples(st.sampled_from(FATES), st.integers(0, 10**9), AMOUNTS, AMOUNTS), max_size=8))
def test_the_difference_is_zero_exactly_if_all_fates_equal_the_file(rows):
    codes = {(fate, str(at)): Sums(units, hours, money) for at, (fate, units, hours, money) in enumerate(rows)}
    found = Fates(codes, Sums())
    equal = Fates(codes, found.total)
    assert not equal.difference
    assert Fates(codes, found.total + Sums(0, Decimal("0.0000000001"))).difference
    assert sum(part.rows for part in found.parts.values()) == found.total.rows


def test_the_match_rate_counts_neither_held_nor_rejected_rows():
    codes = {("final", None): Sums(3), ("review", "A"): Sums(1), ("held", "B"): Sums(5), ("rejected", "C"): Sums(9)}
    assert Fates(codes, Sums()).rate == 0.75
    assert Fates({}, Sums()).rate is None


def test_a_replacement_must_not_lose_rows_or_amounts():
    other = {
        "upload_id": 1,
        "filename": "a",
        "kind": "overlap",
        "units": 4,
        "hours": "2.5",
        "revenue": "0",
        "own_units": 5,
        "own_hours": "3",
        "own_revenue": "0",
        "first": None,
        "last": None,
        "outside": 0,
    }

    def found(**values: object) -> bool:
        return lacks(differences(SimpleNamespace(others=[{**other, **values}])))

    assert not found()
    assert found(outside=1)
    assert found(has_hours=False)
    assert not found(has_revenue=False), "there is no revenue to lose"
    [difference] = differences(SimpleNamespace(others=[other]))
    assert (difference.more.rows, difference.more.hours) == (1, Decimal("0.5"))


@given(AMOUNTS)
def test_an_exact_sum_is_zero_only_if_it_is(value: Decimal):
    assert (exact(value) in ("0", "-0")) == (value == 0)
    assert abs(Decimal(exact(value).replace(",", "")) - value) <= Decimal("0.005")
