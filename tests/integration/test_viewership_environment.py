"""A run of one environment changes nothing in the database of another one, whatever the command."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.cli import run
from jobs.viewership.commands import STEPS
from shared.errors import EXIT_CONFIGURATION
from tests.integration.test_viewership_verify import dump
from tests.postgres_server import postgres  # noqa: F401
from tests.viewership_store import CATALOGUE, catalogued, copied, report, store, undone  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.viewership_store import Store

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# Commands that open no database.
WITHOUT = {"formats list", "formats show", "formats check", "formats infer", "sample"}
KEY = "k" * 12
# Command -> its arguments; {file} and {catalogue} are files, {folder} is a folder.
COMMANDS: dict[str, list[str]] = {
    "catalog import": ["{catalogue}"],
    "catalog export": ["{folder}"],
    "catalog diff": ["{catalogue}"],
    "catalog gaps": [],
    "review list": [],
    "review show": [KEY],
    "review accept": [KEY, "--episode", "HL-0101", "--yes"],
    "review alias": [KEY, "--episode", "HL-0101", "--yes"],
    "review reject": [KEY, "--reason", "no", "--yes"],
    "review undo": ["1", "--yes"],
    "review export": ["{folder}/queue.csv"],
    "upload": ["{file}", "--format", "canonical"],
    "normalize": [],
    "match": [],
    "load": [],
    "run": ["{file}", "--format", "canonical"],
    "validate": [],
    "uploads": [],
    "reprocess": [],
    "retract": ["1", "--reason", "no"],
    "verify": [],
    "shadow": ["--rules", "exact-1"],
}


def test_every_command_is_tried():
    assert set(COMMANDS) | WITHOUT == {step.name for step in STEPS}


@pytest.fixture(scope="module")
def scene(catalogued: Store, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A loaded database, and one upload that waits, of the environment prod; tests copy it."""
    line = "2025-09-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,,5,"
    with copied(catalogued, postgres, tmp_path_factory.mktemp("scene")) as made:
        made.stored()
        assert made.take(report(line), "w.csv").outcome == "stored"
        made.database.rows("UPDATE pipeline.environment SET name = 'prod'")
        yield made


@pytest.fixture
def production(request: pytest.FixtureRequest, scene: Store, tmp_path: Path) -> Iterator[Store]:
    with undone(scene, tmp_path, request) as made:
        yield made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_staging_run_writes_nothing_in_production(production, command, tmp_path, monkeypatch, capsys):
    paths = files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_ENVIRONMENT", "staging")
    monkeypatch.setenv("TELECINE_DATABASE_URL", production.database.url)
    monkeypatch.setenv("TELECINE_VIEWERSHIP_BUCKET", production.bucket)
    before = dump(production.database)
    argv = [word.format(**paths) for word in COMMANDS[command]]
    code = run(["viewership", *command.split(), *argv])
    said = capsys.readouterr()
    assert code == EXIT_CONFIGURATION, said
    assert "'prod'" in said.err
    assert "'staging'" in said.err
    assert dump(production.database) == before


@pytest.mark.parametrize("command", ["upload", "normalize", "match", "load", "retract"])
def test_a_run_of_the_same_environment_writes(production, command, tmp_path, monkeypatch):
    """The guard alone stops the commands above: with the right name, the same ones change the database."""
    paths = files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_ENVIRONMENT", "prod")
    monkeypatch.setenv("TELECINE_DATABASE_URL", production.database.url)
    monkeypatch.setenv("TELECINE_VIEWERSHIP_BUCKET", production.bucket)
    before = dump(production.database)
    argv = [word.format(**paths) for word in COMMANDS[command]]
    assert run(["viewership", *command.split(), *argv]) == 0
    assert dump(production.database) != before


def files(folder: Path) -> dict[str, str]:
    (folder / "new.csv").write_bytes(
        report("2025-10-01,Acme,Harbour TV,US,Harbour Lights,1,2,A Letter from Lisbon,,3,")
    )
    (folder / "episodes.csv").write_text(CATALOGUE["episodes.csv"].replace("Midnight", "Noon"))
    (folder / "out").mkdir()
    return {"file": str(folder / "new.csv"), "catalogue": str(folder / "episodes.csv"), "folder": str(folder / "out")}


def test_the_check_and_doctor_name_the_database_and_the_final_table(store, capsys, monkeypatch):
    monkeypatch.setenv("TELECINE_DATABASE_URL", store.database.url)
    assert run(["db", "check"]) == 0
    said = capsys.readouterr().out
    assert f"database {store.database.name}" in said
    assert "environment dev" in said
    assert "viewership.episode_details" in said
    assert run(["doctor", "--read-buckets", "", "--write-buckets", ""]) in {0, 78}
    said = " ".join(capsys.readouterr().out.split())
    assert store.database.name in said
    assert "viewership.episode_details" in said
