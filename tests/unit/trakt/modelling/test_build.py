"""Requirements of a build, the cache that it continues, and reading dbt's results."""

from __future__ import annotations

import fnmatch
import json
import shutil
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.live_files import Snapshot, snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.table import ERASURES, commit_files
from jobs.trakt.bronze.vacuum import vacuum_table
from jobs.trakt.modelling.build import build, pinned
from jobs.trakt.modelling.cache import Cached, ModelCache, continues
from jobs.trakt.modelling.environment import PROJECT, Workplace, cache_key, dbt_python, project_hash
from jobs.trakt.modelling.errors import DbtEnded, DbtMissing, ModelFailed, ModelTestFailed, SaltMissing
from jobs.trakt.modelling.export import build_id_of, read_export
from jobs.trakt.modelling.results import check_results, read_results
from jobs.trakt.settings import ModelSettings
from shared.errors import EXIT_CONFIGURATION, ConfigurationError, StorageFull, TransientError, UsageError
from tests.trakt_answers import comment as trakt_comment
from tests.trakt_bronze import comments_page, plain_place
from tests.trakt_loads import Bronze, Load, comment, moment

ROOT = Path(__file__).parents[4]
SALT = SecretStr("a salt of 16 or more")


def settings_of(folder: Path, **changes: Any) -> ModelSettings:
    values = {"bucket": str(folder / "bucket"), "model_dir": str(folder / "models"), "user_salt": SALT, **changes}
    return ModelSettings(**values)


def cached(**changes: Any) -> Cached:
    values = {
        "file": "one.duckdb", "key": "k", "table": "file:///t", "table_id": "t", "version": 3, "erasures": 0,
        "as_of": "2026-05-01", "asked": "", "engagement_days": 28, "build_id": "b", "files": ("x",), **changes,
    }  # fmt: skip
    return Cached(**values)


def test_without_a_salt_nothing_starts(tmp_path: Path):
    settings = settings_of(tmp_path, user_salt=None)
    with pytest.raises(SaltMissing, match=r"16 or more characters.*; set TELECINE_TRAKT_USER_SALT") as caught:
        build(settings, BronzePlace(settings), run_id="r")
    assert caught.value.exit_code == EXIT_CONFIGURATION
    assert not (tmp_path / "models").exists()


def test_without_dbts_environment_the_message_says_how_to_make_it(tmp_path: Path):
    settings = settings_of(tmp_path, dbt_python=str(tmp_path / "none"))
    with pytest.raises(DbtMissing, match=r"none does not exist; .*make \.venv-dbt/\.ready") as caught:
        build(settings, BronzePlace(settings), run_id="r")
    assert caught.value.exit_code == EXIT_CONFIGURATION


def test_dbts_environment_is_next_to_the_running_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    python = tmp_path / ".venv-dbt" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o755)
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    assert dbt_python(settings_of(tmp_path)) == python


def test_bronze_without_a_load_is_not_an_error(tmp_path: Path):
    settings = settings_of(tmp_path, dbt_python="/bin/false")
    assert build(settings, BronzePlace(settings), run_id="r").outcome == "empty"


def test_dbt_that_dies_is_tried_again_and_leaves_nothing(tmp_path: Path):
    Bronze(tmp_path / "bucket").commit(Load("one").page(moment(0), ("movie", 1), comment(1)))
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'Killed by nobody'\nkill -9 $$\n")
    python.chmod(0o755)
    settings = settings_of(tmp_path, dbt_python=str(python))
    with pytest.raises(DbtEnded, match="was killed by SIGKILL without a result: Killed by nobody; try again"):
        build(settings, BronzePlace(settings), run_id="r")
    assert ModelCache(settings, 9).current() is None
    assert not (tmp_path / "models" / "work").exists()


def test_a_build_is_continued_only_if_bronze_lost_nothing_and_the_project_is_the_same():
    now = Snapshot(version=5, erasures=0, files=(), table_id="t")
    assert continues(cached(), key="k", table="file:///t", snapshot=now)
    assert not continues(None, key="k", table="file:///t", snapshot=now)
    assert not continues(cached(), key="other", table="file:///t", snapshot=now)
    assert not continues(cached(), key="k", table="file:///other", snapshot=now)
    assert not continues(cached(version=6), key="k", table="file:///t", snapshot=now), "the table was created again"
    erased = replace(now, erasures=1)
    assert not continues(cached(), key="k", table="file:///t", snapshot=erased), "erased users would stay"


def test_a_table_that_was_made_again_in_the_same_place_is_not_continued(tmp_path: Path):
    settings = settings_of(tmp_path)
    place = BronzePlace(settings)

    def load(number: int) -> Load:
        return Load(f"demo-{number:04}").page(moment(number), ("movie", 1), comment(number))

    Bronze(tmp_path / "bucket").commit(load(1))
    before = snapshot(place)
    build = cached(table=place.uri, table_id=before.table_id, version=before.version)
    assert continues(build, key="k", table=place.uri, snapshot=before)
    shutil.rmtree(tmp_path / "bucket")
    Bronze(tmp_path / "bucket").commit(load(1), load(2))
    now = snapshot(place)
    assert now.version > before.version
    assert not continues(build, key="k", table=place.uri, snapshot=now), "comments of the former table would stay"


def test_a_version_that_does_not_exist_or_lacks_files_or_has_an_erased_user_is_refused(tmp_path: Path):
    settings = settings_of(tmp_path, dbt_python="/bin/false")
    place = plain_place(tmp_path / "bucket")
    for number in (1, 2):
        place.pages.put(comments_page(f"load-{number}", [trakt_comment(id=number)], minutes=number))
        commit_load(place, f"load-{number}")

    def refused(version: int, message: str) -> None:
        with pytest.raises(UsageError, match=message) as caught:
            build(settings, place, run_id="r", version=version)
        assert (caught.value.code, caught.value.exit_code) == ("VERSION", 2)
        assert "pass another --bronze-version" in str(caught.value)

    refused(0, r"version 0 of .* has no load; expected a version that has one, up to 2; pass another")
    refused(9, "has no version 9; expected a number from 0 to 2")
    assert [file.load_id for file in pinned(place, 1).files] == ["load-1"] * 2
    key = pinned(place, 1).files[0].key
    body = place.store.read(key)
    place.store.delete(key)
    refused(
        1, r"version 1 of .* lacks 1 of 2 files, which a vacuum has deleted, the first one bronze/trakt/resource_ki"
    )
    place.store.put(key, body)
    commit_files(place, [], base=2, app=ERASURES, number=1, metadata={})
    refused(2, r"version 2 of .* has comments of users who were erased after it; .*, up to 3; pass")
    assert pinned(place, 3).erasures == 1
    vacuum_table(place, 7)
    for log in Path(place.location).glob("_delta_log/*[0-2].json"):
        log.unlink()
    refused(2, "no longer has version 2: a vacuum has deleted its log; expected a newer one")
    assert not (tmp_path / "models" / "current.json").exists()


def test_builds_of_two_tables_have_different_names():
    def name(table_id: str) -> str:
        return build_id_of(version=3, as_of="2026-05-01", key="k", table_id=table_id, engagement_days=28)

    assert name("a") == name("a") != name("b")


def test_the_key_changes_with_the_parameters_and_the_salt_and_reveals_neither(tmp_path: Path):
    keys = {
        cache_key(settings_of(tmp_path)),
        cache_key(settings_of(tmp_path, n_min=21)),
        cache_key(settings_of(tmp_path, replies_counted=True)),
        cache_key(settings_of(tmp_path, user_salt=SecretStr("another salt of 16"))),
    }
    assert len(keys) == 4
    assert cache_key(settings_of(tmp_path, as_of=date(2026, 5, 1))) in keys, "a day is not part of what is cached"
    assert len(project_hash()) == 64


def test_the_pointer_is_replaced_and_old_files_are_removed(tmp_path: Path):
    cache = ModelCache(settings_of(tmp_path), 9)
    with cache.locked():
        for name in ("one", "two"):
            work = cache.workplace() / "trakt.duckdb"
            work.write_text(name)
            cache.swap(work, cached(file=f"{name}.duckdb"))
    found = cache.current()
    assert found is not None
    assert cache.path(found).read_text() == "two"
    assert sorted(path.name for path in cache.folder.glob("*.duckdb")) == ["two.duckdb"]


@pytest.mark.parametrize(
    ("build", "result"),
    [({}, "removed"), ({"erasures": 1}, "none"), ({"table": "file:///other"}, "other"), (None, "removed")],
)
def test_an_erasure_removes_builds_that_may_contain_the_user(tmp_path: Path, build: dict[str, Any] | None, result: str):
    cache = ModelCache(settings_of(tmp_path), 9)
    assert cache.erase(table="file:///t", erasures=1) == "none"
    assert not cache.folder.exists()
    with cache.locked():
        made = cache.workplace() / "trakt.duckdb"
        made.write_text("a text")
        cache.swap(made, cached(**(build or {})))
        cache.workplace()
    if build is None:
        # The pointer cannot be read, so it is not known what the file contains.
        (cache.folder / "current.json").write_text("{")
    assert cache.erase(table="file:///t", erasures=1) == result
    assert (cache.current() is None) is (result == "removed")
    kept = {"lock"} if result == "removed" else {"lock", "current.json", "one.duckdb"}
    assert {path.name for path in cache.folder.iterdir()} == kept
    assert cache.erase(table="file:///t", erasures=1) == ("none" if result == "removed" else result)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"file": "x"}'])
def test_a_pointer_that_cannot_be_read_is_not_used(tmp_path: Path, text: str):
    cache = ModelCache(settings_of(tmp_path), 9)
    cache.folder.mkdir()
    (cache.folder / "current.json").write_text(text)
    assert cache.current() is None


@pytest.mark.parametrize("name", ["m[1]", "m*", "m?", "m#1", "m\\1"])
def test_a_folder_that_is_a_pattern_or_an_address_is_refused(tmp_path: Path, name: str):
    settings = settings_of(tmp_path, model_dir=str(tmp_path / name))
    with pytest.raises(UsageError, match=r"has one of .*; choose another one with --model-dir") as caught:
        build(settings, BronzePlace(settings), run_id="r")
    assert caught.value.exit_code == 2
    assert not (tmp_path / name).exists()


def test_a_build_that_was_killed_leaves_nothing_after_the_next_run_even_if_it_builds_nothing(tmp_path: Path):
    Bronze(tmp_path / "bucket").commit(Load("one").page(moment(0), ("movie", 1), comment(1)))
    settings = settings_of(tmp_path, dbt_python="/bin/false")
    place, cache = BronzePlace(settings), ModelCache(settings, 9)
    found = snapshot(place)
    description = cached(
        key=cache_key(settings), table=place.uri, table_id=found.table_id, version=found.version, build_id="v0"
    )
    with cache.locked():
        made = cache.workplace() / "trakt.duckdb"
        made.write_text("")
        cache.swap(made, description)
    place.store.put("gold/current.json", json.dumps({"build": "v0"}).encode())
    place.store.put("gold/v0/manifest.json", b"{}")
    left = tmp_path / "models" / "work" / "files" / "0.parquet"
    left.parent.mkdir(parents=True)
    left.write_text("a name")
    assert build(settings, place, run_id="r").outcome == "unchanged"
    assert not (tmp_path / "models" / "work").exists()


def test_rows_of_trakt_and_of_the_replayer_in_one_bucket_are_not_mixed(tmp_path: Path):
    work = Workplace(tmp_path)
    work.prepare()
    (work.gold / "rows.json").write_text("")
    (work.gold / "build.json").write_text(
        json.dumps({"as_of": "2026-05-01", "source_system": "trakt,replay", "loads": 1})
    )
    with pytest.raises(ModelFailed, match=r"bronze has rows of replay and trakt; .*; nothing was replaced"):
        read_export(work)


@pytest.mark.parametrize("folder", ["/dev/null/builds", "/proc/builds"])
def test_a_folder_that_cannot_be_created_is_a_configuration_error(tmp_path: Path, folder: str):
    cache = ModelCache(settings_of(tmp_path, model_dir=folder), 9)
    with pytest.raises(ConfigurationError, match="--model-dir"), cache.locked():
        pass


def test_builds_in_one_folder_wait_for_each_other(tmp_path: Path):
    cache = ModelCache(settings_of(tmp_path), 0.2)
    with cache.locked(), pytest.raises(TransientError, match="another build has held"), cache.locked():
        pytest.fail("both hold the folder")


def results_of(folder: Path, *rows: dict[str, Any]) -> Workplace:
    work = Workplace(folder)
    work.prepare()
    nodes = {"test.p.is_key.1": {"name": "is_key", "attached_node": "model.p.dim_title", "tags": ["anomaly"]}}
    (work.target / "run_results.json").write_text(
        json.dumps({"results": [{"execution_time": 0.5, **row} for row in rows]})
    )
    (work.target / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    return work


def test_results_have_times_of_models_and_outcomes_of_tests(tmp_path: Path):
    work = results_of(
        tmp_path,
        {"unique_id": "model.p.dim_title", "status": "success", "message": "OK"},
        {"unique_id": "test.p.is_key.1", "status": "warn", "message": "Got 2 results", "failures": 2},
        {"unique_id": "operation.p.hook", "status": "success", "message": "OK"},
    )
    found = check_results(0, read_results(work), work)
    assert [(model.name, model.seconds, model.message) for model in found.models] == [("dim_title", 0.5, "")]
    (test,) = found.tests
    assert (test.name, test.model, test.rows, test.is_anomaly) == ("is_key", "dim_title", 2, True)


@pytest.mark.parametrize(
    ("row", "error", "text"),
    [
        (
            {"unique_id": "model.p.x", "status": "error", "message": "Runtime Error in model x\n  Binder Error: no"},
            ModelFailed, "model x failed: Binder Error: no; nothing was replaced",
        ),
        (
            {"unique_id": "model.p.x", "status": "error", "message": "Out of Memory Error: 1 GB"},
            ConfigurationError, "--dbt-memory-mb",
        ),
        (
            {"unique_id": "model.p.x", "status": "error", "message": "IO Error: No space left on device"},
            StorageFull, "no space",
        ),
        (
            {"unique_id": "test.p.is_key.1", "status": "fail", "message": "Got 2 results", "failures": 2},
            ModelTestFailed, "test is_key of model dim_title failed: Got 2 results",
        ),
    ],
)  # fmt: skip
def test_the_first_failure_is_an_error_with_its_model(tmp_path: Path, row: dict[str, Any], error: Any, text: str):
    work = results_of(tmp_path, row)
    with pytest.raises(error, match=text):
        check_results(1, read_results(work), work)


def test_dbt_that_could_not_start_says_what_it_printed(tmp_path: Path):
    work = Workplace(tmp_path)
    work.prepare()
    lines = [
        json.dumps({"info": {"level": "info", "msg": "Running"}}),
        json.dumps({"info": {"level": "error", "msg": "Parsing Error\n  at models/x.yml"}}),
    ]
    work.output.write_text("\n".join(lines))
    with pytest.raises(ModelFailed, match=r"exited with 2 before it built a model: Parsing Error at models/x\.yml;"):
        check_results(2, read_results(work), work)


def test_dbt_that_found_no_space_before_it_began_may_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    work = Workplace(tmp_path)
    work.prepare()
    work.output.write_text("OSError: [Errno 28] No space left on device\n")
    with pytest.raises(StorageFull, match="--model-dir"):
        check_results(2, read_results(work), work)
    work.output.write_text("")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("jobs.trakt.modelling.results.shutil.disk_usage", lambda _: usage._replace(free=4096))
    with pytest.raises(StorageFull):
        check_results(120, read_results(work), work)


def test_a_wheel_contains_the_whole_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["jobs.trakt.dbt"]
    files = [path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*") if path.is_file()]
    files = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert len(files) > 30
    # setuptools' ** matches any number of folders.
    plain = [pattern.replace("**/", "*") for pattern in patterns]
    assert [name for name in files if not any(fnmatch.fnmatch(name, pattern) for pattern in plain)] == []


def test_the_project_sends_nothing_and_loads_nothing():
    project = (PROJECT / "dbt_project.yml").read_text(encoding="utf-8")
    profile = (PROJECT / "profiles.yml").read_text(encoding="utf-8")
    assert "send_anonymous_usage_stats: false" in project
    assert "autoinstall_known_extensions: false" in profile
    assert "autoload_known_extensions: false" in profile
    assert not (PROJECT / "packages.yml").exists()
