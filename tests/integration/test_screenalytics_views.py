"""The screenalytics views: the latest run of an episode, and the links of persons."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.emptied_database import database  # noqa: F401
from tests.postgres_server import postgres  # noqa: F401

if TYPE_CHECKING:
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HASH = "0" * 64
CATALOGUE = "5f3c1a52-0000-4000-8000-00000000000a"
LINKED = "5f3c1a52-0000-4000-8000-00000000000b"
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def add_run(database: Database, run_id: str, ep_id: str = "show-s01e01", **values: Any) -> None:
    row = {"attempt": None, "completed_at": None, "status": "ingested", **values}
    database.rows(
        "INSERT INTO screenalytics.runs (run_id, ep_id, source, manifest_key, manifest_sha256, manifest_etag,"
        " schema_version, persons, output_hash, pipeline_run_id, attempt, completed_at, status)"
        " VALUES (%s, %s, 's', 'k', %s, 'x', '1.0', 0, %s, 'p', %s, %s, %s)",
        *(run_id, ep_id, HASH, HASH, row["attempt"], row["completed_at"], row["status"]),
    )


def add_person(database: Database, run_id: str, person_id: str, onscreen_ms: int = 1) -> None:
    database.rows(
        "INSERT INTO screenalytics.artifacts (run_id, artifact_key, artifact_kind, s3_key, schema_version, fetched)"
        " VALUES (%s, 'a', 'person_metrics', 'k', 'v', true) ON CONFLICT DO NOTHING",
        run_id,
    )
    database.rows(
        "INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, onscreen_ms, artifact_key,"
        " artifact_schema_version, manifest_key, schema_version, pipeline_run_id)"
        " VALUES (%s, %s, '{}', %s, 'a', 'v', 'k', '1.0', 'p')",
        *(run_id, person_id, onscreen_ms),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attempt": 2, "completed_at": EARLY}, {"attempt": 1, "completed_at": LATE}),
        ({"completed_at": LATE}, {"attempt": 9, "completed_at": EARLY}),
        ({"attempt": 0, "completed_at": LATE}, {"completed_at": EARLY}),
        ({"attempt": 0, "completed_at": EARLY}, {"completed_at": EARLY}),
        ({"completed_at": EARLY}, {"attempt": 1}),
        ({"attempt": 1}, {}),
        ({"attempt": 1, "completed_at": LATE}, {"attempt": 1, "completed_at": EARLY}),
        ({"attempt": 1, "completed_at": EARLY}, {"attempt": 1}),
        ({"completed_at": LATE}, {"completed_at": EARLY}),
        ({"attempt": 1}, {"attempt": 9, "completed_at": LATE, "status": "source_deleted"}),
    ],
    ids=[
        *("attempt", "later than an attempt", "attempt and later", "equal times", "no time", "no times", "time"),
        *("time or none", "time alone", "deleted"),
    ],
)
@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_the_run_that_counts(database: Database, one: dict[str, Any], other: dict[str, Any], names: tuple[str, str]):
    add_run(database, names[0], **one)
    add_run(database, names[1], **other)
    assert database.rows("SELECT run_id FROM screenalytics.latest_runs") == [(names[0],)]


def test_exactly_one_run_is_the_latest_whichever_attempts_are_missing(database: Database):
    # Pairwise comparison is cyclic: b beats a by attempt, c beats b by time, and a beats c by time.
    add_run(database, "a", attempt=1, completed_at="2026-01-03T00:00:00Z")
    add_run(database, "b", attempt=2, completed_at="2026-01-01T00:00:00Z")
    add_run(database, "c", completed_at="2026-01-02T00:00:00Z")
    add_run(database, "d", completed_at="2025-12-31T00:00:00Z")
    add_run(database, "gone", attempt=3, completed_at="2026-01-04T00:00:00Z", status="source_deleted")
    add_run(database, "other", "show-s01e02", attempt=1, completed_at=EARLY)
    assert database.rows("SELECT run_id FROM screenalytics.latest_runs ORDER BY ep_id") == [("c",), ("other",)]


def test_equal_runs_are_told_apart_by_their_bytes(database: Database):
    for run_id in ("B", "a", "A_"):
        add_run(database, run_id, attempt=1, completed_at=EARLY)
    assert database.rows("SELECT run_id FROM screenalytics.latest_runs") == [("a",)]


def test_a_deleted_run_stays_while_it_is_the_only_one(database: Database):
    add_run(database, "gone", status="source_deleted")
    add_run(database, "other", "show-s01e02")
    assert database.rows("SELECT ep_id, run_id FROM screenalytics.latest_runs ORDER BY 1") == [
        ("show-s01e01", "gone"),
        ("show-s01e02", "other"),
    ]


def test_only_the_latest_runs_persons_are_published(database: Database):
    add_run(database, "old", attempt=1)
    add_person(database, "old", "p_0001", 5)
    add_person(database, "old", "p_0002", 6)
    add_run(database, "new", attempt=2)
    add_person(database, "new", "p_0001", 7)
    assert database.rows("SELECT run_id, person_id, onscreen_ms FROM gold.screenalytics_persons") == [
        ("new", "p_0001", 7)
    ]
    # The latest run has no persons; those of an older run do not replace them.
    add_run(database, "empty", attempt=3)
    assert database.rows("SELECT * FROM gold.screenalytics_persons") == []


def test_who_a_person_is(database: Database):
    add_run(database, "r1", "show-s01e01")
    add_run(database, "r2", "other-show-s01e01")
    add_run(database, "r3", "a-film")
    for run_id in ("r1", "r2", "r3"):
        add_person(database, run_id, "p_0001")
    for person_id in (CATALOGUE, CATALOGUE.upper(), "cast:5f3c"):
        add_person(database, "r1", person_id)
    # The producer restarts at p_0001 in every show; an ep_id without SHOW-sSSeEE counts as a show.
    link = "INSERT INTO screenalytics.person_links (show, person_id, person_ref) VALUES (%s, 'p_0001', %s)"
    database.rows(link, "show", LINKED)
    database.rows(link, "a-film", CATALOGUE)
    database.rows("INSERT INTO screenalytics.episode_links (ep_id, episode_id) VALUES ('a-film', %s)", LINKED)
    found = database.rows(
        "SELECT run_id, person_id, person_ref::text, episode_id::text FROM gold.screenalytics_persons"
        ' ORDER BY run_id, person_id COLLATE "C"'
    )
    assert found == [
        ("r1", CATALOGUE.upper(), CATALOGUE, None),
        ("r1", CATALOGUE, CATALOGUE, None),
        ("r1", "cast:5f3c", None, None),
        ("r1", "p_0001", LINKED, None),
        ("r2", "p_0001", None, None),
        ("r3", "p_0001", CATALOGUE, LINKED),
    ]


def test_a_link_beats_a_person_id_that_is_a_uuid(database: Database):
    add_run(database, "r1")
    add_person(database, "r1", CATALOGUE)
    database.rows(
        "INSERT INTO screenalytics.person_links (show, person_id, person_ref) VALUES ('show', %s, %s)",
        *(CATALOGUE, LINKED),
    )
    assert database.rows("SELECT person_ref::text FROM gold.screenalytics_persons") == [(LINKED,)]
