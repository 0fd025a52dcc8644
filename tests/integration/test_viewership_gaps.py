"""Gaps of the catalogue: what is one, with its hours; a file of them comes back as episodes, and the rows are final."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from python_calamine import CalamineWorkbook

from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.phases.reprocess import Selection, reprocess
from jobs.viewership.settings.catalog import CatalogGapsSettings
from jobs.viewership.steps.catalog_gaps import gaps
from shared.database.session import transaction
from shared.errors import UsageError
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_store import CATALOGUE, Store, catalogued, copied, undone  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

FIRST = (
    "2025-07-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,1,",
    # A known series: one episode, with and without numbers and the series' name in the title.
    "2025-07-02,Acme,Harbour TV,US,Harbour Lights,2,7,Nine Empty Chairs,PX-7,8,",
    "2025-07-05,Acme,Harbour TV,US,HARBOUR LIGHTS,,,Nine Empty Chairs | Full Episode,PX-7,4.5,",
    "2025-07-03,Acme,Harbour TV,US,Harbour Lights,2,8,Unknown,,2,",
    # An unknown series.
    "2025-07-03,Acme,Harbour TV,US,Gardens of Stone,3,9,The Last Orchard of Umbria,ZZ-9,3,",
    "2025-07-03,Acme,Harbour TV,US,Gardens of Stone,3,10,=cmd|' /C calc'!A0,ZZ-10,0.75,",
    # Nothing but a title.
    '2025-07-03,Acme,Harbour TV,US,,,,"Mystery, Solved Completely",,1.5,',
    # No episodes: placeholders; and what the catalogue has.
    "2025-07-03,Acme,Harbour TV,US,Gardens of Stone,,,TBA,,0.5,",
    "2025-07-03,Acme,Harbour TV,US,Harbour Lights,,,Unknown,,0.25,",
    "2025-07-03,Acme,Harbour TV,US,Harbour Lights,1,1,A Letter from Lisbon,HL-0103,0.125,",
)
SECOND = ("2025-08-09,Acme,Harbour TV,CA,Harbour Lights,02,07,Nine empty chairs,QQ-1,16,",)


@pytest.fixture(scope="module")
def loaded(catalogued: Store, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two loaded uploads, which tests copy."""
    with copied(catalogued, postgres, tmp_path_factory.mktemp("loaded")) as made:
        made.stored(FIRST)
        made.stored(SECOND, "second.csv")
        yield made


@pytest.fixture
def store(request: pytest.FixtureRequest, loaded: Store, tmp_path: Path) -> Iterator[Store]:
    with undone(loaded, tmp_path, request) as made:
        yield made


def told(store: Store, **values: Any) -> str:
    return gaps(CatalogGapsSettings(database_url=store.database.url, **values))


def document(store: Store, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(store, json_=True, **values))
    return found


def test_each_missing_episode_is_listed_once_with_its_hours(store: Store):
    found = document(store)
    shown = [(each["series"], each["season"], each["episode"], each["title"], each["hours"]) for each in found["gaps"]]
    assert [(*row[:4], Decimal(row[4])) for row in shown] == [
        ("Harbour Lights", "2", "7", "Nine empty chairs", Decimal("28.5")),
        ("Gardens of Stone", "3", "9", "The Last Orchard of Umbria", 3),
        ("Harbour Lights", "2", "8", None, 2),
        (None, None, None, "Mystery, Solved Completely", Decimal("1.5")),
        ("Gardens of Stone", "3", "10", "=cmd|' /C calc'!A0", Decimal("0.75")),
    ]
    first = found["gaps"][0]
    assert (first["series_code"], first["series_known"], first["rows"]) == ("HL", True, 3)
    assert (first["first_day"], first["last_day"]) == ("2025-07-02", "2025-08-09")
    assert first["content_ids"] == ["PX-7", "QQ-1"]
    assert Decimal(found["hours"]) == Decimal("35.75")
    unknown = [(each["series"], each["episodes"], Decimal(each["hours"])) for each in found["unknown_series"]]
    assert unknown == [("Gardens of Stone", 2, Decimal("3.75")), (None, 1, Decimal("1.5"))]
    assert (found["placeholders"]["keys"], Decimal(found["placeholders"]["hours"])) == (2, Decimal("0.75"))
    assert (found["reviews"]["keys"], Decimal(found["reviews"]["hours"])) == (1, Decimal("0.125"))


def test_all_hours_that_wait_are_gaps_placeholders_or_reviews(store: Store):
    found = document(store)
    waiting = store.database.rows("SELECT sum(hours) FROM viewership.row_fates WHERE fate IN ('unmatched', 'review')")
    counted = sum(Decimal(found[name]["hours"]) for name in ("placeholders", "reviews"))
    assert Decimal(found["hours"]) + counted == waiting[0][0]


def test_a_file_of_gaps_comes_back_as_episodes_and_its_rows_are_final(store: Store, tmp_path: Path):
    before = store.database.rows("SELECT sum(hours) FROM viewership.episode_details")[0][0]
    place = tmp_path / "gaps.csv"
    text = told(store, output=str(place))
    assert f"telecine viewership catalog import {place}" in text
    rows = list(csv.DictReader(io.StringIO(place.read_text(encoding="utf-8"))))
    assert list(rows[0]) == ["ref_id", "series", "series_code", "season", "episode", "title"]
    assert rows[4]["title"] == "'=cmd|' /C calc'!A0"
    for number, row in enumerate(rows):
        row["ref_id"] = f"NEW-{number}"
        row["series"] = row["series"] or "Mysteries"
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with transaction(store.database.settings()) as session:
        done = import_files(session, [("gaps.csv", stream.getvalue().encode())], source="gaps", by="ann")
    assert (done.plan.bad, done.plan.counts()["episode_added"]) == ([], 5)
    result = reprocess(store.database.settings(), Selection(), "run-2", by="ann")
    assert result.total.hours_entered == Decimal("35.75")
    assert store.database.rows("SELECT sum(hours) FROM viewership.episode_details")[0][0] == before + Decimal("35.75")
    found = store.database.rows("SELECT title FROM catalog.episode_titles WHERE title LIKE '=cmd%%'")
    assert found == [("=cmd|' /C calc'!A0",)]
    left = document(store)
    assert (left["gaps"], left["placeholders"]["keys"], left["reviews"]["keys"]) == ([], 2, 1)


@pytest.mark.parametrize("form", ["jsonl", "xlsx"])
def test_other_forms_have_the_same_rows(store: Store, tmp_path: Path, form: str):
    told(store, output=str(tmp_path / "gaps.csv"))
    text = told(store, output=str(tmp_path / f"gaps.{form}"))
    rows = list(csv.reader(io.StringIO((tmp_path / "gaps.csv").read_text(encoding="utf-8"))))
    if form == "jsonl":
        lines = (tmp_path / "gaps.jsonl").read_text(encoding="utf-8").splitlines()
        found = [list(json.loads(lines[0])), *([value or "" for value in json.loads(line).values()] for line in lines)]
        rows = [[cell.removeprefix("'") for cell in row] for row in rows]
        with transaction(store.database.settings()) as session:
            done = import_files(session, [("g.jsonl", "\n".join(lines[:2]).encode())], source="gaps", by="ann")
            assert not done.plan.bad
    else:
        assert "save the sheet as CSV" in text
        sheet = CalamineWorkbook.from_path(str(tmp_path / "gaps.xlsx")).get_sheet_by_index(0)
        found = [[str(cell) for cell in row] for row in sheet.to_python()]
    assert found == rows


def test_the_id_of_the_platform_is_proposed_only_if_all_agree(store: Store, tmp_path: Path):
    place = tmp_path / "gaps.csv"
    told(store, output=str(place), ref_id="platform")
    rows = list(csv.DictReader(io.StringIO(place.read_text(encoding="utf-8"))))
    assert [row["ref_id"] for row in rows] == ["", "ZZ-9", "", "", "ZZ-10"]


def test_the_text_shows_the_most_hours_first_and_the_rest_as_a_count(store: Store):
    text = told(store, limit=2)
    lines = text.splitlines()
    assert lines[1].split()[:2] == ["28.5", "3"]
    assert "… and 3 more" in text
    assert "Gardens of Stone (new)" in text
    assert "version 1: 5 episodes missing: 35.75 hours in 7 rows" in text
    assert "not counted: 2 placeholders, such as Unknown or TBA (0.75 hours)" in text


def test_series_beyond_the_limit_are_counted(store: Store):
    series = told(store, limit=1).partition("series that the catalogue lacks\n")[2].splitlines()
    everything = told(store, limit=50).partition("series that the catalogue lacks\n")[2].partition("\n\n")[0]
    assert len(everything.splitlines()) > 1
    assert series[1] == f"… and {len(everything.splitlines()) - 1} more"


def test_platforms_are_chosen_and_retracted_uploads_do_not_count(store: Store):
    assert document(store, platform=("roku",))["gaps"] == []
    with pytest.raises(UsageError, match=r"platform 'rokku' has no uploads; did you mean 'roku'\? Platforms: "):
        document(store, platform=("canonical", "rokku"))
    assert len(document(store, platform=("canonical",))["gaps"]) == 5
    store.database.rows("UPDATE viewership.uploads SET status = 'retracted' WHERE filename = 'report.csv'")
    (gap,) = document(store)["gaps"]
    assert (gap["rows"], Decimal(gap["hours"])) == (1, 16)


def test_a_suffix_that_is_none_of_the_three_is_refused(store: Store):
    with pytest.raises(UsageError, match=r"expected \.csv, \.jsonl or \.xlsx"):
        told(store, output="gaps.txt")


# Titles that a catalogue has, with parts; and how a platform writes them, without season and episode.
PARTS = {
    "episodes.csv": (
        "ref_id,series,series_code,status,season,episode,title\n"
        'LD-0110,Late Desk,LD,active,1,10,"Signal at Midnight, Part 1"\n'
        'LD-0111,Late Desk,LD,active,1,11,"No More Promises, Part 1"\n'
        'LD-0112,Late Desk,LD,active,1,12,"No More Promises, Part 2"\n'
        "LD-0113,Late Desk,LD,active,1,13,After the Letter\n"
        "LD-0114,Late Desk,LD,active,1,14,Ledger of Snow\n"
        "LD-0115,Late Desk,LD,active,1,15,Pilot\n"
    ),
}
HELD = [
    # The part is lost, so it is one of two.
    "No More Promises",
    # More than the title, at borders that no series is cut from.
    "No More Promises, Part 1 | Late Night Desk",
    "Late Night Desk: No More Promises, Part 2 (fan cut)",
    # An error in a short word, which no bucket accepts.
    "Ledger of Snwo",
]
MISSING = [
    # The catalogue has the first part only, or a title that differs by a word that it knows.
    "Signal at Midnight, Part 2",
    "After the Ledger",
    # A title of one common word, inside another one, proves nothing.
    "The Pilot Who Never Came Home",
]


@pytest.mark.parametrize("given", [True, False])
def test_a_title_that_the_catalogue_may_have_is_for_review(database: Database, tmp_path: Path, given: bool):
    store = Store(database, tmp_path)
    store.catalogue(PARTS | {name: CATALOGUE[name] for name in ("deals.csv", "channels.csv", "territories.csv")})
    series, end = ("Late Desk", "") if given else ("", " | Late Desk")
    rows = [
        f'2025-07-01,Acme,Harbour TV,US,{series},,,"{text}{end}",,{hours},'
        for hours, text in enumerate((*HELD, *MISSING), 1)
    ]
    store.stored(rows)
    found = document(store)
    assert [each["title"] for each in found["gaps"]] == MISSING[::-1]
    assert {each["series"] for each in found["gaps"]} == {"Late Desk"}
    assert (found["reviews"]["keys"], Decimal(found["reviews"]["hours"])) == (len(HELD), 10)


def test_rows_without_numbers_are_written_with_a_warning(store: Store, tmp_path: Path):
    text = told(store, output=str(tmp_path / "gaps.csv"))
    assert "warning: 1 row lacks a season or an episode number" in text
    assert "warning" not in told(store)


def test_exact_titles_with_series_and_additions_are_final_and_no_gaps(database: Database, tmp_path: Path):
    store = Store(database, tmp_path)
    store.catalogue(PARTS | {name: CATALOGUE[name] for name in ("deals.csv", "channels.csv", "territories.csv")})
    store.stored(
        (
            '2025-07-01,Acme,Harbour TV,US,,,,"No More Promises, Part 1 | Late Desk | Full Episode",,1,',
            '2025-07-01,Acme,Harbour TV,US,,,,"Full Episode | Late Desk | No More Promises, Part 2",,2,',
            '2025-07-01,Acme,Harbour TV,US,Late Desk,,,"Signal at Midnight (1) - Late Desk - Season 1",,4,',
        )
    )
    found = database.rows(
        "SELECT e.ref_id, m.bucket FROM viewership.matches m JOIN catalog.episodes e ON e.id = m.episode_id ORDER BY 1"
    )
    assert found == [("LD-0110", "SERIES_ONLY"), ("LD-0111", "SERIES_ONLY"), ("LD-0112", "SERIES_ONLY")]
    assert document(store)["gaps"] == []
