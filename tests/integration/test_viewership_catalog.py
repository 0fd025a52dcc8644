"""The catalog commands against a real PostgreSQL."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import run
from jobs.viewership.catalog import versions
from jobs.viewership.catalog.deals import load_deals, resolve_deal
from jobs.viewership.catalog.import_ import Imported, compare, import_files
from jobs.viewership.catalog.places import load_channels, load_territories, resolve_channel, resolve_territory
from jobs.viewership.catalog.snapshot import load_snapshot
from jobs.viewership.keys.version import KEY_VERSION
from shared.database import upgrade
from shared.database.session import transaction
from shared.errors import ConfigurationError
from tests.postgres_server import Database, empty_database, postgres, until  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_rows import row, upload

if TYPE_CHECKING:
    from jobs.viewership.catalog.state import State

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

EPISODES = """ref_id,series,series_code,content_provider,status,season,episode,title,title-es
HL-0101,Harbour Lights,HL,Alder Media,active,1,1,"The Storm, Part 1",La tormenta
HL-0102,Harbour Lights,HL,Alder Media,active,1,2,"The Storm, Part 2",
OF-0101,The Outpost (2018),OF,Birch,active,01,1,Pilot,
"""
OTHERS = (
    "kind,alias,target,platform\nseries,Harbour Lights LAS,HL,\nepisode,Es mi hermana,HL-0102,Pluto\n",
    "ref_id,platform,season,episode\nHL-0101,Xumo,2,11\n",
    "platform,partner,channel,territory,deal_parent\nPluto,,,,1\nPluto,A,,US,2\n",
    "channel,channel.2\nNosey,Nosey TV\n",
    "territory,code,territory.2\nUnited States,US,USA\nIndia,IN,\n",
)
TABLES = (
    *("series", "series_titles", "episodes", "episode_titles", "episode_numbers", "aliases", "deals"),
    *("channels", "channel_names", "territories", "territory_names", "versions", "changes"),
)


def imported(database: Database, *texts: str, source: str = "a", **values: Any) -> Imported:
    files = [(f"{number}.csv", text.encode()) for number, text in enumerate(texts, 1)]
    with transaction(database.settings()) as session:
        found = import_files(session, files, source=source, by="tester", **values)
    assert [str(bad) for bad in found.plan.bad] == []
    return found


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row with its PostgreSQL row version: equal only if nothing was touched."""
    return {
        table: database.rows(f"SELECT ctid::text, xmin::text, row.* FROM catalog.{table} AS row ORDER BY row::text")
        for table in TABLES
    }


def stored(state: State) -> dict[str, Any]:
    return {
        str(kind): {
            entity.id: (entity.source, entity.fields, entity.sources, entity.numbers, entity.owner and entity.owner.id)
            for entity in entities.values()
        }
        for kind, entities in state.entities.items()
    }


def test_an_import_writes_rows_keys_and_a_version(database):
    found = imported(database, EPISODES, *OTHERS)
    assert (found.version, found.written) == (1, True)
    assert database.rows("SELECT version, action, source, origin, key_version, created_by FROM catalog.versions") == [
        (1, "import", "a", "1.csv, 2.csv, 3.csv, 4.csv, 5.csv, 6.csv", KEY_VERSION, "tester")
    ]
    assert database.rows(
        "SELECT ref_id, ref_key, season, season_no, episode_no, language, position, main, title_key, placeholder"
        " FROM catalog.episodes JOIN catalog.episode_titles ON id = episode_id ORDER BY ref_id, language"
    ) == [
        ("HL-0101", "hl-0101", "1", 1, 1, "es", 1, False, "latormenta", False),
        ("HL-0101", "hl-0101", "1", 1, 1, "und", 1, True, "storm 1", False),
        ("HL-0102", "hl-0102", "1", 1, 2, "und", 1, True, "storm 2", False),
        ("OF-0101", "of-0101", "1", 1, 1, "und", 1, True, "pilot", False),
    ]
    assert database.rows("SELECT series_base, series_year FROM catalog.series_titles ORDER BY 1") == [
        ("harbourlights", None),
        ("outpost", 2018),
    ]
    assert database.rows(
        "SELECT platform, title_key, series_key, series_id IS NOT NULL, created_by FROM catalog.aliases ORDER BY id"
    ) == [(None, None, "harbourlightslas", True, "tester"), ("pluto", "esmihermana", None, False, "tester")]
    assert database.rows("SELECT kind, count(*) FROM catalog.changes GROUP BY kind ORDER BY kind") == [
        *(("alias", 2), ("channel", 1), ("deal", 2), ("episode", 3), ("series", 2), ("territory", 2)),
    ]


def test_what_is_written_is_what_is_read_back(database):
    first = imported(database, EPISODES, *OTHERS)
    second = imported(database, "ref_id,title-fr,title-fr.2\nHL-0102,La tempête,Orage\n", source="b")
    with transaction(database.settings()) as session:
        found = compare(session, [], source="a")
    assert stored(found.state) == stored(second.state)
    assert first.state.version == 0
    assert found.state.version == 2


def test_the_same_files_again_touch_no_row(database):
    imported(database, EPISODES, *OTHERS)
    before = everything(database)
    again = imported(database, EPISODES, *OTHERS)
    assert (again.version, again.written) == (1, False)
    assert everything(database) == before


def test_a_change_records_old_values_and_all_keys_that_it_may_affect(database):
    imported(database, EPISODES)
    imported(database, EPISODES.replace("La tormenta", "El temporal").replace("HL-0102", "HL-0199"))
    rows = database.rows(
        "SELECT kind, action, before, title_keys, series_keys, ref_keys FROM catalog.changes WHERE version = 2"
        " ORDER BY entity_id"
    )
    assert rows == [
        (
            "episode",
            "changed",
            {"title-es": "La tormenta"},
            ["eltemporal", "latormenta", "storm 1"],
            ["harbourlights"],
            ["hl-0101"],
        ),
        ("episode", "added", None, ["storm 2"], ["harbourlights"], ["hl-0199"]),
    ]
    # A series that is switched off affects the rows of all of its episodes.
    imported(database, "series_code,status\nHL,inactive\n")
    assert database.rows(
        "SELECT kind, action, before, title_keys, series_keys, ref_keys FROM catalog.changes WHERE version = 3"
    ) == [
        (
            "series",
            "changed",
            {"status": "active"},
            ["eltemporal", "storm 1", "storm 2"],
            ["harbourlights"],
            ["hl-0101", "hl-0102", "hl-0199"],
        )
    ]


def test_sources_are_kept_per_field(database):
    imported(database, EPISODES)
    found = imported(
        database, "ref_id,series,content_provider,title,title-fr\nHL-0101,Harbour Lights,Z,x,La tempête\n", source="b"
    )
    assert found.plan.conflicts == 2
    assert database.rows(
        "SELECT language, title, titles.source FROM catalog.episode_titles titles"
        " JOIN catalog.episodes ON id = episode_id"
        " WHERE ref_id = 'HL-0101' ORDER BY 1"
    ) == [("es", "La tormenta", "a"), ("fr", "La tempête", "b"), ("und", "The Storm, Part 1", "a")]
    imported(database, "series,content_provider\nHarbour Lights,Z\n", source="b", overwrite=True)
    assert database.rows("SELECT content_provider, source, sources FROM catalog.series WHERE code = 'HL'") == [
        ("Z", "a", {"content_provider": "b", "status": "a"})
    ]
    assert imported(database, EPISODES).plan.conflicts == 1


def test_an_episode_may_move_to_another_series(database):
    imported(database, "series,series_code\nAlpha,A\nBeta,B\n")
    found = imported(database, "ref_id,series,season,episode\nX-1,Alpha,1,1\nX-2,Beta,1,1\n")
    assert found.plan.counts() == {"episode_added": 2}
    found = imported(database, "ref_id,series,season,episode\nX-1,Beta,2,1\nX-2,Alpha,2,1\n")
    assert found.plan.counts() == {"episode_changed": 2}
    assert database.rows(
        "SELECT ref_id, code, season_no FROM catalog.episodes JOIN catalog.series ON series.id = series_id ORDER BY 1"
    ) == [("X-1", "B", 2), ("X-2", "A", 2)]
    # The rows of both series may match otherwise now.
    assert database.rows("SELECT series_keys FROM catalog.changes WHERE version = 3") == 2 * [(["alpha", "beta"],)]


def test_an_alias_that_changes_is_undone_and_added(database):
    imported(database, EPISODES, OTHERS[0])
    imported(database, OTHERS[0].replace("HL-0102", "HL-0101"))
    assert database.rows(
        "SELECT ref_id, undone_by FROM catalog.aliases JOIN catalog.episodes ON episode_id = episodes.id"
        " ORDER BY aliases.id"
    ) == [("HL-0102", "tester"), ("HL-0101", None)]
    assert database.rows(
        "SELECT entity_id, action, title_keys FROM catalog.changes WHERE version = 2 ORDER BY entity_id"
    ) == [(2, "removed", ["esmihermana"]), (3, "added", ["esmihermana"])]
    assert imported(database, "kind,alias,target\nseries,Other,HL\n", remove_missing=True).plan.counts() == {
        "alias_added": 1,
        "alias_removed": 2,
    }
    assert database.rows("SELECT series FROM catalog.aliases WHERE undone_at IS NULL") == [("Other",)]


def test_a_bad_row_keeps_everything_out(database):
    before = everything(database)
    with transaction(database.settings()) as session:
        found = import_files(
            session, [("x.csv", EPISODES.replace("active", "odd", 1).encode())], source="a", by="tester"
        )
    assert [str(bad) for bad in found.plan.bad] == [
        "x.csv line 2, column status: 'odd' is not a status; expected active or inactive"
    ]
    assert everything(database) == before


def test_compare_writes_nothing(database):
    imported(database, EPISODES)
    before = everything(database)
    with transaction(database.settings()) as session:
        session.run("SET TRANSACTION READ ONLY")
        found = compare(session, [("x.csv", EPISODES.replace("Pilot", "Piloto").encode())], source="a")
    assert found.plan.counts() == {"episode_changed": 1}
    assert everything(database) == before


@pytest.mark.committed
def test_imports_at_once_wait_for_each_other_and_make_one_version(database):
    versions_made: list[int] = []

    def one() -> None:
        versions_made.append(imported(database, EPISODES, *OTHERS).version)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions_made == [1, 1, 1, 1]
    assert database.rows("SELECT count(*) FROM catalog.versions") == [(1,)]
    assert database.rows("SELECT count(*) FROM catalog.episodes") == [(3,)]


@pytest.mark.committed
def test_an_import_waits_for_a_snapshot(database):
    imported(database, EPISODES)
    thread = threading.Thread(target=lambda: imported(database, EPISODES.replace("Pilot", "Piloto")))
    with transaction(database.settings()) as session:
        first = load_snapshot(session)
        thread.start()
        until(lambda: database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        assert load_snapshot(session).titles.equals(first.titles)
    thread.join()
    with transaction(database.settings()) as session:
        assert load_snapshot(session).version == 2


def test_a_snapshot_has_what_is_active(database):
    imported(database, EPISODES, *OTHERS)
    imported(database, "series_code,status\nOF,inactive\n")
    imported(database, "ref_id,episode_status\nHL-0102,inactive\n")
    with transaction(database.settings()) as session:
        found = load_snapshot(session)
    assert found.version == 3
    assert found.series.rows() == [(1, "HL", "Alder Media")]
    assert found.episodes.rows() == [(1, "HL-0101", "hl-0101", 1, 1, 1)]
    assert found.titles.select("title_key", "main").sort("title_key").rows() == [
        ("latormenta", False),
        ("storm 1", True),
    ]
    assert found.numbers.rows() == [(1, "xumo", 2, 11)]
    assert found.aliases.select("platform", "title_key", "series_key", "series_id", "episode_id").rows() == [
        (None, None, "harbourlightslas", 1, None),
        ("pluto", "esmihermana", None, None, 2),
    ]


def test_an_empty_snapshot_has_its_columns(database):
    with transaction(database.settings()) as session:
        found = load_snapshot(session)
    assert found.version == 0
    assert found.titles.columns == ["episode_id", "series_id", "language", "main", "title", "title_key", "placeholder"]
    assert found.titles.is_empty()


def test_deals_and_places_are_read_when_active(database):
    imported(database, EPISODES, *OTHERS)
    with transaction(database.settings()) as session:
        deals, channels, territories = load_deals(session), load_channels(session), load_territories(session)
    deal = resolve_deal(deals, platform="pluto", partner="a", territory="us").deal
    assert deal is not None
    assert deal.deal_parent == "2"
    channel, territory = resolve_channel("x_nosey tv", channels), resolve_territory("MAIN_US", territories)
    assert channel.place is not None
    assert (channel.place.name, channel.matched) == ("Nosey", "Nosey TV")
    assert territory.place is not None
    assert territory.place.name == "United States"
    imported(database, "platform,partner,territory,deal_parent,active\nPluto,A,US,2,false\n")
    with transaction(database.settings()) as session:
        deal = resolve_deal(load_deals(session), platform="pluto", partner="a", territory="us").deal
    assert deal is not None
    assert deal.deal_parent == "1"


def test_keys_of_older_rules_are_computed_again_by_the_next_import(database):
    imported(database, EPISODES, *OTHERS)
    correct = database.rows("SELECT title, title_key FROM catalog.episode_titles ORDER BY 1")
    series = database.rows("SELECT title, series_key, series_base, series_year FROM catalog.series_titles ORDER BY 1")
    database.rows("UPDATE catalog.versions SET key_version = %s", KEY_VERSION)
    database.rows("ALTER TABLE catalog.versions DROP CONSTRAINT versions_key_version_check")
    database.rows("UPDATE catalog.versions SET key_version = 0")
    database.rows("UPDATE catalog.episode_titles SET title_key = 'old' WHERE title = 'Pilot'")
    database.rows("UPDATE catalog.series_titles SET series_base = 'old', series_year = NULL WHERE title LIKE 'The%%'")
    database.rows("UPDATE catalog.aliases SET title_key = 'old' WHERE title_key IS NOT NULL")
    database.rows("UPDATE catalog.episodes SET ref_key = 'old' WHERE ref_id = 'OF-0101'")
    found = imported(database, EPISODES, *OTHERS)
    assert (found.version, found.written) == (2, False)
    assert database.rows("SELECT title, title_key FROM catalog.episode_titles ORDER BY 1") == correct
    assert (
        database.rows("SELECT title, series_key, series_base, series_year FROM catalog.series_titles ORDER BY 1")
        == series
    )
    assert database.rows("SELECT ref_key FROM catalog.episodes WHERE ref_id = 'OF-0101'") == [("of-0101",)]
    assert database.rows("SELECT action, key_version FROM catalog.versions WHERE version = 2") == [
        ("rekey", KEY_VERSION)
    ]
    assert database.rows(
        "SELECT kind, title_keys FROM catalog.changes WHERE version = 2 ORDER BY kind, title_keys"
    ) == [
        ("alias", ["old", "esmihermana"]),
        ("episode", ["old", "pilot"]),
        ("series", []),
    ]


def test_keys_of_newer_rules_are_not_touched(database, monkeypatch):
    imported(database, EPISODES)
    database.rows("UPDATE catalog.versions SET key_version = %s", KEY_VERSION + 1)
    with transaction(database.settings()) as session:
        for call in (versions.refresh_keys, versions.pin):
            with pytest.raises(ConfigurationError, match="Update telecine") as caught:
                call(session, "tester")
            assert caught.value.code == "catalog_newer"


def test_a_run_time_role_can_import(empty_database):
    empty_database.rows('CREATE ROLE "Importer" LOGIN')
    try:
        url = empty_database.as_role("Importer")
        upgrade(empty_database.settings(database_url=url, database_migration_url=empty_database.url))
        with transaction(empty_database.settings(database_url=url)) as session:
            files = [(f"{number}.csv", text.encode()) for number, text in enumerate((EPISODES, *OTHERS))]
            assert import_files(session, files, source="a", by="x").version == 1
    finally:
        empty_database.rows('DROP OWNED BY "Importer"')
        empty_database.rows('DROP ROLE "Importer"')


@pytest.mark.committed
def test_a_killed_import_leaves_nothing(database, tmp_path):
    """The process dies after it has written, before it commits."""
    path = tmp_path / "episodes.csv"
    path.write_text(EPISODES)
    program = """
import os, sys
from jobs.viewership.catalog import import_
from shared.database.session import transaction
from shared.settings import StepSettings
write = import_.apply
def die(*values):
    write(*values)
    os.kill(os.getpid(), 9)
import_.apply = die
with transaction(StepSettings(database_url=sys.argv[1])) as session:
    import_.import_files(session, [("x", open(sys.argv[2], "rb").read())], source="a", by="x")
"""
    before = everything(database)
    done = subprocess.run([sys.executable, "-c", program, database.url, str(path)], check=False)
    assert done.returncode == -9
    assert everything(database) == before
    assert imported(database, EPISODES).version == 1


# Commands


@pytest.fixture
def telecine(database, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)

    def call(*words: str) -> tuple[int, str]:
        code = run(["viewership", "catalog", *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return call


def test_the_commands(telecine, tmp_path):
    Path("a.csv").write_text(EPISODES, encoding="utf-8")
    Path("more").mkdir()
    for number, text in enumerate(OTHERS):
        Path(f"more/{number}.csv").write_text(text)
    code, told = telecine("import", "a.csv", "--by", "me")
    assert (code, "version 1: 2 series, 3 episodes added" in told) == (0, True)
    assert "nothing changed: still version 1 (3 rows read)" in telecine("import", "a.csv")[1]
    assert "version 2: 1 episode changed" not in telecine("diff", "more")[1]
    assert telecine("import", "more")[0] == 0
    for form in ("csv", "jsonl"):
        code, told = telecine("export", f"out-{form}", "--file-format", form)
        assert code == 0
        assert f"out-{form}/episodes.{form}: 3 rows" in told
        assert "no differences from version 2 (13 rows read)" in telecine("diff", f"out-{form}/")[1]
    Path("b.csv").write_text("ref_id,title\nHL-0101,Other\nHL-0102,New\n")
    told = telecine("diff", "b.csv")[1]
    assert "episodes: 2 changed; 1 other stays\n" in told
    assert "removed" not in told
    assert "\n  - " not in told
    assert "title 'The Storm, Part 1' -> 'Other'" in told
    assert "--remove-missing" in told
    assert "1 removed" in telecine("import", "b.csv", "--remove-missing")[1].replace("episode removed", "removed")
    told = telecine("diff", "a.csv", "--source", "other", "--limit", "1")[1]
    assert "in conflict" in told
    assert "… and 1 more" in told


def test_errors_of_the_commands(telecine):
    Path("bad.csv").write_text("ref_id,series,status\nA-1,A,odd\nA-2,B,odd\n")
    code, told = telecine("import", "bad.csv")
    assert code == 65
    assert "nothing imported: 2 errors in the files" in told
    assert "bad.csv line 3, column status" in told
    code, told = telecine("diff", "bad.csv")
    assert code == 65
    assert "BAD_CATALOG" in told
    Path("empty").mkdir()
    for place, words in (
        ("none.csv", "does not exist"),
        ("empty", "has no file named"),
        ("ftp://x/y", "scheme ftp"),
    ):
        code, told = telecine("import", place)
        assert (code, words in told) == (2, True), told
    assert telecine("import", "bad.csv", "--source", "a b")[0] == 2


def test_hostile_names_reach_the_terminal_as_text(telecine):
    Path("a.csv").write_text("series,title\n\x1b[31mred,\u202eevil\n", encoding="utf-8")
    told = telecine("diff", "a.csv")[1]
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert telecine("import", "a.csv")[0] == 0


CASES = sorted((Path(__file__).parents[1] / "viewership_cases").glob("*/catalogue.csv"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_the_catalogues_of_the_cases_are_taken_as_they_are(database, path):
    files = [path, *path.parent.glob("aliases.csv")]
    texts = [each.read_text(encoding="utf-8") for each in files]
    assert imported(database, *texts).written
    assert not imported(database, *texts).written


def test_an_import_names_reprocess_once_uploads_may_change(database, telecine):
    Path("a.csv").write_text(EPISODES, encoding="utf-8")
    Path("b.csv").write_text("ref_id,title\nHL-0101,Other\n")
    assert "next:" not in telecine("import", "a.csv")[1]
    upload(database, [row("The Long Storm", "2", series="Harbour Lights")])
    assert "next:" not in telecine("import", "a.csv")[1]
    assert telecine("import", "b.csv")[1].startswith(
        "version 2: 1 episode changed\nnext:\n  telecine viewership reprocess\n"
    )
