"""Models over a Delta table: continued builds are equal to full ones, silver is the truth, gold agrees with it.

A run of dbt takes seconds, so all tests look at four builds: three that continue each other while loads come in any
order, and one from nothing, without network, as another user, on a read-only root.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from jobs.trakt.audit import silver
from jobs.trakt.audit.history import State
from jobs.trakt.audit.model import Check
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.modelling import environment
from jobs.trakt.modelling.build import Built, build
from jobs.trakt.modelling.cache import ModelCache
from jobs.trakt.modelling.environment import PROJECT, Workplace
from jobs.trakt.modelling.errors import ModelFailed, ModelTestFailed
from jobs.trakt.modelling.export import Exported, read_export
from jobs.trakt.modelling.sections import build_sections
from jobs.trakt.modelling.silver import COLUMNS, HISTORY, SELECT
from jobs.trakt.settings import ModelSettings, PinnedModelSettings, VerifySettings
from jobs.trakt.steps.model import _report
from shared.errors import UsageError
from shared.report.page import render
from tests.dbt_environment import DBT_PYTHON
from tests.trakt_histories import Histories, ties
from tests.trakt_loads import Bronze, Load, comment, moment
from tests.warm_dbt import forked_dbt, warm_dbt  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_dbt")]

CASES = Path(__file__).parents[1] / "trakt_cases"
SALT = "a salt of the tests"
MOVIE = ("movie", 9)
OTHER = ("movie", 79)
# Runs dbt as uid 1000, which may read every file (a checkout may be below /root), write only to the build's folder, and
# has no network. Its parent stays the runner: every program here replaces itself by the next one.
CONFINED = """#!/bin/sh
set -e
work=$(dirname "$TELECINE_DBT_FILE")
chown -R 1000:1000 "$work"
exec unshare --net --mount sh -c 'work=$0
mount --bind "$work" "$work"
mount -o bind,remount,ro /
exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all,+dac_read_search \\
    --ambient-caps=-all,+dac_read_search "$@"' "$work" {python} "$@"
"""
# Without root: no network if user namespaces are permitted, otherwise proxies that refuse; a folder of its own anyway.
OFFLINE = """#!/bin/sh
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
if unshare --user --map-root-user --net true 2>/dev/null; then
    exec unshare --user --map-root-user --net {python} "$@"
fi
exec {python} "$@"
"""


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found["input"], found["right"]


def executable(path: Path, text: str) -> str:
    path.write_text(text.replace("{python}", str(DBT_PYTHON)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(path)


def case_loads() -> list[tuple[int, Load]]:
    """Return loads with the cases, each with the group of commits that it belongs to."""
    edited, likes = case("edited-comment")[0], case("likes-fall")[0]["sweeps"]
    times = case("timestamps")[0]["values"]
    nul, private = case("nul-in-text")[0], case("private-user")[0]
    ratings, before = case("ratings-shapes")[0]["answers"], case("updated-before-created")[0]
    old, new = edited["versions"]
    first = Load("case-1").page(moment(1), MOVIE, old, private["item"], before["item"])
    first.page(moment(1.1), MOVIE, comment(20, comment=nul["comment"]))
    first.title(moment(1), MOVIE, ids={"trakt": 9, "slug": "harbour", "tmdb": 5}, title="Har\0bour", year=2026,
                released="2026-04-01", genres=["drama", "sci-fi"], votes=1, comment_count=3)  # fmt: skip
    first.tmdb(moment(1), MOVIE, id=5, popularity=3.5, vote_average=7.25, vote_count=12)
    first.rating(moment(1), MOVIE, ratings[0])
    # After that, no rating is read for nine days, which is an anomaly.
    second = Load("case-2").feed(moment(12), ("movie-9", new)).rating(moment(3), MOVIE, ratings[1])
    # The later sweep is committed first.
    sweeps = [
        Load(f"likes-{place}").page(
            datetime.fromisoformat(sweep["fetched_at"]) + timedelta(days=1), MOVIE, comment(30, likes=sweep["likes"])
        )
        for place, sweep in enumerate(likes)
    ]
    odd = Load("times").page(
        moment(2), MOVIE, *(comment(40 + place, created_at=value.split(" ")[0]) for place, value in enumerate(times))
    )
    # Two states in the same second: the one that was changed last is the newer one.
    tie = Load("tie").feed(moment(3), ("movie-9", comment(60, comment="late", updated_at="2026-05-05T00:00:00.000Z")))
    tie.page(moment(3), MOVIE, comment(60, comment="early", updated_at="2026-05-03T00:00:00.000Z"))
    lost = Load("lost")
    for day in (3.5, 4.5, 5.5, 6.5):
        lost.title_gone(moment(day), ("movie", 77))
    for day in (3.5, 4.5):
        lost.title_gone(moment(day), ("movie", 78))
    hidden = Load("nobody").page(moment(4), MOVIE, comment(61, user=None), comment(62, user=None))
    # Names that are empty, and accounts that are deleted: each is another user, but 76 is 75 again.
    users = {
        70: {"username": "", "ids": {"slug": "", "trakt": 700}},
        71: {"username": "", "ids": {"slug": "", "trakt": 701}},
        72: {"username": "ann", "ids": {"slug": ""}},
        73: {"username": "bob", "ids": {"slug": ""}},
        74: {"username": "", "ids": {"slug": ""}},
        75: {"username": "cem", "deleted": True, "ids": {"slug": None, "trakt": 705}},
        76: {"username": "cem", "deleted": True, "ids": {"slug": None, "trakt": 705}},
        77: {"username": "gone", "deleted": True, "ids": {"slug": None}},
        78: {"username": "gone", "deleted": True, "ids": {"slug": ""}},
    }
    comments = [comment(place) | {"user": user} for place, user in users.items()]
    unnamed = Load("unnamed").page(moment(4), OTHER, *comments)
    # Times are whole seconds: a comment is asked for after the feed had it, in the same second.
    both = Load("both").feed(moment(4), ("movie-79", comment(64))).gone(moment(4), 64)
    named = Load("named").feed(moment(4), ("movie-80", comment(65)))
    nothing = Load("nothing").page(moment(0), MOVIE)
    return [
        (0, nothing),
        *((1, load) for load in (first, sweeps[1], odd, second, tie)),
        *((2, load) for load in (sweeps[0], lost, hidden, unnamed, both, named)),
    ]


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [part[0] for part in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def dump(file: Path) -> dict[str, list[str]]:
    """Return all rows of all tables, sorted."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('silver', 'gold')"
        ).fetchall()
        return {
            f"{schema}.{table}": sorted(
                str(row) for row in connection.execute(f"SELECT columns(*)::varchar FROM {schema}.{table}").fetchall()
            )
            for schema, table in tables
            if table != "loads_new"
        }


@dataclass
class World:
    """The builds."""

    settings: ModelSettings
    histories: Histories
    seed: int
    builds: list[Built] = field(default_factory=list)
    dumps: list[dict[str, list[str]]] = field(default_factory=list)
    full: Built | None = None
    full_dump: dict[str, list[str]] = field(default_factory=dict)
    seen_by_reader: tuple[int, int, int] = (0, 0, 0)
    artifacts: Path = Path()
    loads: int = 0

    @property
    def file(self) -> Path:
        assert self.full is not None
        assert self.full.file is not None
        return self.full.file

    def query(self, text: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return rows_of(connection, text)


def settings_of(folder: Path, **changes: Any) -> ModelSettings:
    values = {
        "bucket": str(folder / "bucket"),
        "model_dir": str(folder / "models"),
        "state_dir": str(folder / "state"),
        "dbt_python": str(DBT_PYTHON),
        "user_salt": SecretStr(SALT),
        "engagement_days": 40,
        **changes,
    }
    return ModelSettings(**values)


@contextmanager
def only_models(*models: str) -> Iterator[None]:
    """Leave out the tests of the models, which look at the full build: it has the tables of the last of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.trakt.modelling.build.run_dbt", forked_dbt().only(*models))
        yield


def model(settings: ModelSettings) -> Built:
    return build(settings, BronzePlace(settings), run_id="run-1")


ANOMALIES = ("volume_anomaly", "freshness_anomaly", "null_after_parse")
SEMANTICS = "semantic_manifest.json"
COUNT = "SELECT count(*) FROM silver.stg_trakt__comment_event"


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, warm_dbt: None) -> Iterator[World]:  # noqa: F811
    # pytest's folders belong to one user, and another one builds.
    with tempfile.TemporaryDirectory(prefix="telecine-models-") as name:
        Path(name).chmod(0o755)
        yield worlds(Path(name), int(getattr(request.config.option, "randomly_seed", 1)))


def worlds(folder: Path, seed: int) -> World:
    assert DBT_PYTHON.is_file(), f"{DBT_PYTHON} does not exist; run: make .venv-dbt/.ready"
    found = World(settings_of(folder), Histories(seed), seed)
    bronze = Bronze(folder / "bucket")
    random_loads = found.histories.loads
    groups: dict[int, list[Load]] = defaultdict(list)
    for place, load in case_loads():
        groups[place].append(load)
    tied = ties(seed)
    groups[1] += [*random_loads[:7], *tied[:3]]
    groups[2] += [*random_loads[7:], *tied[3:]]
    found.loads = sum(map(len, groups.values()))
    reader = None
    for place in range(3):
        bronze.commit(*groups[place])
        before = reader.execute(COUNT).fetchone()[0] if reader else 0  # type: ignore[index]
        with only_models():
            found.builds.append(model(found.settings))
        file = found.builds[-1].file
        assert file is not None
        found.dumps.append(dump(file))
        if reader is not None:
            now = duckdb.connect(str(file), read_only=True)
            found.seen_by_reader = (
                before,
                reader.execute(COUNT).fetchone()[0],  # type: ignore[index]
                now.execute(COUNT).fetchone()[0],  # type: ignore[index]
            )
            now.close()
            reader.close()
        reader = duckdb.connect(str(file), read_only=True)
    assert reader is not None
    reader.close()
    wrapper = executable(folder / "dbt-python", CONFINED if os.getuid() == 0 else OFFLINE)
    alone = settings_of(folder, model_dir=str(folder / "full"), dbt_python=wrapper)
    found.artifacts = folder / "artifacts"

    def exported(work: Workplace) -> Exported | None:
        # Another run of dbt would make the same in 3 s, and a build removes its folder.
        shutil.copytree(work.target, found.artifacts)
        return read_export(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "PROJECT", read_only_copy(folder / "code"))
        patch.setattr("jobs.trakt.modelling.build.read_export", exported)
        found.full = model(alone)
    found.full_dump = dump(found.file)
    return found


def read_only_copy(folder: Path) -> Path:
    """Copy the project and the metrics, as an image has them, without the right to write."""
    jobs = PROJECT.parents[1]
    for name in ("__init__.py", "trakt/__init__.py"):
        (folder / "jobs" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(jobs / name, folder / "jobs" / name)
    for name in ("metrics", "dbt"):
        shutil.copytree(jobs / "trakt" / name, folder / "jobs" / "trakt" / name)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder / "jobs" / "trakt" / "dbt"


def test_a_continued_build_is_equal_to_one_from_nothing_after_any_order_of_loads(world: World):
    assert [built.outcome for built in world.builds] == ["built", "continued", "continued"]
    assert world.full is not None
    assert world.full.outcome == "built"
    assert world.dumps[-1].keys() == world.full_dump.keys()
    differing = {
        table: [row for row in rows if row not in world.full_dump[table]][:3]
        for table, rows in world.dumps[-1].items()
        if rows != world.full_dump[table]
    }
    assert differing == {}, f"seed {world.seed}"


def test_the_build_without_network_as_another_user_on_a_read_only_root_publishes_the_same_gold(world: World):
    assert world.full is not None
    assert world.full.build_id == world.builds[-1].build_id
    assert world.full.sizes.keys() == world.builds[-1].sizes.keys()
    assert not [test for test in world.full.results.tests if test.status not in ("pass", "warn")]
    if os.getuid() == 0:
        assert world.file.stat().st_uid == 1000


def test_silver_is_the_newest_observation_of_every_comment(world: World):
    rows = world.query("""
        SELECT comment_id, body, likes, title_kind, title_id_trakt, is_deleted, user_rating_first_seen
        FROM silver.stg_trakt__comment_event WHERE comment_id >= 1000
    """)
    found = {
        row["comment_id"]: (
            row["body"], row["likes"], (row["title_kind"], row["title_id_trakt"]), row["is_deleted"],
            row["user_rating_first_seen"],
        )
        for row in rows
    }  # fmt: skip
    expected = {
        number: (one.body, one.likes, one.title, one.is_deleted, one.rating_first_seen)
        for number, one in world.histories.expected().items()
    }
    assert found == expected, f"seed {world.seed}"
    assert any(one[3] for one in found.values()), "no comment was deleted"


def test_the_audit_computes_the_same_silver_from_bronze_also_for_ties_returns_and_moves(world: World):
    place = BronzePlace(world.settings)
    check = Check("silver")
    expected = dict(
        silver._expected(place, snapshot(place), VerifySettings(user_salt=SecretStr(SALT), silver_share=1.0), check)
    )
    found = {
        row["comment_id"]: {**row, "history": [State(**state) for state in row["history"]]}
        for row in world.query(SELECT)
    }
    assert found.keys() == expected.keys()
    assert {frozenset(row) for row in expected.values()} == {frozenset({*COLUMNS, "history"})}
    differing = [
        (number, name, found[number][name], value)
        for number, row in expected.items()
        for name, value in row.items()
        if found[number][name] != value
    ]
    assert differing[:5] == [], f"seed {world.seed}"
    tied = [row for number, row in expected.items() if 200 <= number < 1000]
    assert any(row["is_deleted"] for row in tied)
    assert {row["season"] for row in tied} == {None, 1, 2}
    # Without any valid time, nothing but the hash decides a tie.
    assert any(row["created_at"] is row["updated_at"] is None for row in tied)
    changes = {state.change for row in expected.values() for state in row["history"]}
    assert changes >= {"first", "edited", "counted", "moved", "deleted", "returned"}
    assert check.codes.total() == 0


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("stg_trakt__comment_event", {*COLUMNS, "is_synthetic"}),
        ("int_trakt__comment_history", {*HISTORY, "comment_id"}),
    ],
)
def test_every_column_of_a_comment_and_of_its_history_is_audited(world: World, model: str, columns: set[str]):
    rows = world.query(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{model}'")
    assert {row["column_name"] for row in rows} == columns


def test_verify_finds_a_value_that_was_changed_in_the_file_of_the_build(world: World, tmp_path: Path):
    shutil.copytree(world.settings.model_dir, tmp_path / "models")
    settings = settings_of(tmp_path, bucket=world.settings.bucket)
    settings = VerifySettings(**{name: getattr(settings, name) for name in settings.model_fields_set})
    build = ModelCache(settings, 9).current()
    assert build is not None

    def found(*changes: str) -> list[tuple[str, str, str]]:
        with duckdb.connect(str(ModelCache(settings, 9).path(build))) as connection:
            for change in changes:
                connection.execute(f"UPDATE silver.{change}")
        check = Check("silver")
        silver.check_silver(settings, BronzePlace(settings), check)
        assert check.checked > 400
        return [(one.code, one.place, one.message) for one in check.findings]

    assert found() == []
    assert found(
        "stg_trakt__comment_event SET is_reply = NOT is_reply, day = day + 1 WHERE comment_id = 5",
        "int_trakt__comment_history SET likes_change = 9 WHERE comment_id = 30",
        "int_trakt__comment_history SET comment_id = 7 WHERE comment_id = 60",
    ) == [
        ("SILVER_DIFFERS", "comment 5", "differs from bronze in day, is_reply"),
        ("SILVER_EXTRA", "comment 7", "bronze has no observation of it"),
        ("SILVER_DIFFERS", "comment 30", "differs from bronze in history"),
        ("SILVER_DIFFERS", "comment 60", "differs from bronze in history"),
    ]


def test_a_first_load_without_rows_hides_no_later_one(world: World):
    given, right = case("empty-first-run")
    assert given["loads"][0] == []
    assert world.dumps[0]["silver.stg_trakt__comment_event"] == []
    assert len(world.dumps[1]["silver.stg_trakt__comment_event"]) > right["silver_rows"]
    assert world.builds[0].as_of == "2026-05-02"


def test_every_build_took_each_load_once(world: World):
    assert sum(built.loads for built in world.builds) == world.loads
    assert world.full is not None
    assert world.full.loads == sum(built.loads for built in world.builds)
    # Files that were taken are not read again.
    assert world.full.files == sum(built.files for built in world.builds)


def test_an_edited_comment_has_one_row_and_a_history_of_two(world: World):
    _, right = case("edited-comment")
    rows = world.query("SELECT * FROM silver.stg_trakt__comment_event WHERE comment_id = 5")
    assert len(rows) == right["silver_rows"]
    assert (rows[0]["body"], rows[0]["is_spoiler"]) == (right["silver_body"], right["is_spoiler"])
    assert str(rows[0]["day"]) == right["gold_day"]
    history = world.query(
        "SELECT change FROM silver.int_trakt__comment_history WHERE comment_id = 5 ORDER BY valid_from"
    )
    assert [row["change"] for row in history] == ["first", "edited"]
    assert len(history) == right["history_rows"]


def test_likes_fall_whatever_the_order_of_commits(world: World):
    _, right = case("likes-fall")
    (row,) = world.query("SELECT likes FROM silver.stg_trakt__comment_event WHERE comment_id = 30")
    assert row["likes"] == right["silver_likes"]
    (day,) = world.query(
        "SELECT likes_added, likes_net_change FROM gold.fct_comment_daily"
        " WHERE title_id_trakt = 9 AND day = '2026-05-04'"
    )
    assert (day["likes_added"], day["likes_net_change"]) == (0, -2)
    # The later sweep was committed first: the build before has 12 already.
    assert any("'30'" in row and "'12'" in row for row in world.dumps[1]["silver.stg_trakt__comment_event"])


def test_nul_becomes_a_character_that_postgresql_takes(world: World):
    _, right = case("nul-in-text")
    (row,) = world.query("SELECT body FROM silver.stg_trakt__comment_event WHERE comment_id = 20")
    assert row["body"] == right["silver_body"]
    (title,) = world.query("SELECT title FROM gold.dim_title WHERE title_id_trakt = 9")
    assert title["title"] == "Har\N{REPLACEMENT CHARACTER}bour"


def test_a_private_user_has_a_key_and_no_name_is_stored(world: World):
    (row,) = world.query("SELECT is_private, user_key FROM silver.stg_trakt__comment_event WHERE comment_id = 9")
    assert row["is_private"] is True
    assert len(row["user_key"]) == 64
    text = world.file.read_bytes()
    assert b"user_007" not in text
    assert SALT.encode() not in text


def test_authors_without_a_name_are_not_taken_for_one(world: World):
    rows = world.query("SELECT user_key FROM silver.stg_trakt__comment_event WHERE comment_id IN (61, 62)")
    assert len({row["user_key"] for row in rows}) == 2


def test_users_without_a_name_or_deleted_are_joined_only_by_their_number(world: World):
    rows = world.query("SELECT user_key FROM silver.stg_trakt__comment_event WHERE comment_id BETWEEN 70 AND 78")
    assert (len(rows), len({row["user_key"] for row in rows})) == (9, 8)
    same = world.query("SELECT DISTINCT user_key FROM silver.stg_trakt__comment_event WHERE comment_id IN (75, 76)")
    assert len(same) == 1


def test_a_comment_that_is_seen_and_gone_in_one_second_is_gone(world: World):
    (row,) = world.query("SELECT body, is_deleted FROM silver.stg_trakt__comment_event WHERE comment_id = 64")
    assert (row["body"], row["is_deleted"]) == ("one two three four five", True)
    history = world.query(
        "SELECT change, valid_to IS NULL AS is_last FROM silver.int_trakt__comment_history WHERE comment_id = 64"
        " ORDER BY is_last"
    )
    assert [tuple(one.values()) for one in history] == [("first", False), ("deleted", True)]


def test_ratings_are_read_from_both_shapes_and_never_computed(world: World):
    rows = world.query("SELECT * FROM silver.stg_trakt__rating_dist WHERE title_id_trakt = 9 ORDER BY observed_at")
    assert [(row["rating"], row["votes"], row["has_distribution"]) for row in rows] == [
        (None, 0, False),
        (8.1, 3, True),
    ]
    assert (rows[1]["is_nested"], rows[1]["distribution_votes"]) == (True, 0)
    (title,) = world.query("SELECT rating, votes, tmdb_popularity, genres FROM gold.dim_title WHERE title_id_trakt = 9")
    assert (title["rating"], title["votes"]) == (8.1, 3)
    assert (title["tmdb_popularity"], title["genres"]) == (3.5, ["drama", "sci-fi"])


def test_times_out_of_range_are_flagged_on_no_day_and_counted(world: World):
    given, right = case("timestamps")
    rows = world.query("SELECT * FROM silver.stg_trakt__comment_event WHERE comment_id BETWEEN 40 AND 59")
    found = {row["comment_id"] - 40: row for row in rows}
    assert len(found) == len(given["values"])
    for place in right["accepted"]:
        assert not found[place]["is_time_out_of_range"]
        assert found[place]["day"] == date(2014, 8, 4)
    # Bronze has no dead letters; if one got in, it would have no day either.
    for place in (*right["accepted_flagged_out_of_range"], *right["dead_letter"]):
        assert found[place]["is_time_out_of_range"]
        assert found[place]["day"] is None
    (title,) = world.query("SELECT comments_without_day FROM gold.dim_title WHERE title_id_trakt = 9")
    assert title["comments_without_day"] == 7
    (spine,) = world.query("SELECT min(date_day) AS first, count(*) AS days FROM gold.metricflow_time_spine")
    assert spine["first"] == date(2014, 8, 4)
    assert spine["days"] < 5000


def test_a_change_before_the_creation_is_not_later(world: World):
    _, right = case("updated-before-created")
    (row,) = world.query("SELECT changed_at::varchar AS at FROM silver.stg_trakt__comment_event WHERE comment_id = 4")
    assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat(right["changed_at"])


def test_of_two_states_in_a_second_the_one_changed_last_is_newer(world: World):
    (row,) = world.query("SELECT body FROM silver.stg_trakt__comment_event WHERE comment_id = 60")
    assert row["body"] == "late"
    history = world.query("SELECT change FROM silver.int_trakt__comment_history WHERE comment_id = 60")
    assert [one["change"] for one in history] == ["first"]


def test_a_title_is_gone_after_three_days_and_not_after_two(world: World):
    rows = world.query("SELECT title_id_trakt, is_gone, gone_on FROM gold.dim_title WHERE title_id_trakt IN (77, 78)")
    found = {row["title_id_trakt"]: (row["is_gone"], row["gone_on"]) for row in rows}
    assert found == {77: (True, date(2026, 5, 8)), 78: (False, None)}


def test_a_title_that_only_a_feed_names_is_in_silver_and_not_in_gold(world: World):
    comments = "SELECT comment_id FROM silver.stg_trakt__comment_event WHERE title_id_trakt = 80"
    assert world.query(comments) == [{"comment_id": 65}]
    for table in ("dim_title", "fct_comment", "fct_comment_daily", "fct_engagement_daily", "mart_title_metrics_daily"):
        assert world.query(f"SELECT * FROM gold.{table} WHERE title_id_trakt = 80") == [], table


def test_a_reader_keeps_the_old_file_until_it_opens_the_new_one(world: World):
    _, right = case("file-in-use")
    before, after, now = world.seen_by_reader
    assert right["build"].startswith("succeeds")
    assert before == after
    assert now > before


def test_breadth_over_a_window_is_distinct_and_not_the_sum_of_days(world: World):
    comments = world.query("SELECT title_kind, title_id_trakt, day, user_key, is_reply, likes FROM gold.fct_comment")
    rows = world.query("SELECT * FROM gold.fct_engagement_daily WHERE title_id_trakt IN (1, 2, 3, 4)")
    spans = {"7d": 7, "28d": 28, "90d": 90, "all": 10_000}
    assert len({row["as_of"] for row in rows}) == 40
    differs = False
    for row in rows:
        since = row["as_of"] - timedelta(days=spans[row["period"]])
        inside = [
            one for one in comments
            if (one["title_kind"], one["title_id_trakt"]) == (row["title_kind"], row["title_id_trakt"])
            and since < one["day"] <= row["as_of"]
        ]  # fmt: skip
        counted = [one for one in inside if not one["is_reply"]]
        people = {one["user_key"] for one in counted}
        assert (row["comments"], row["commenters"]) == (len(counted), len(people))
        assert (row["replies"], row["likes"]) == (len(inside) - len(counted), sum(one["likes"] for one in inside))
        assert row["further_comments"] == len(counted) - len(people)
        differs |= len({(one["user_key"], one["day"]) for one in counted}) > len(people)
    assert differs, "no commenter came back"


def test_every_figure_has_a_value_or_a_reason(world: World):
    rows = world.query("SELECT * FROM gold.mart_title_metrics_daily")
    assert {row["as_of"] for row in rows} == {date(2026, 5, 14)}
    for name in ("breadth", "intensity", "half_life_days", "t50_days", "t80_days", "hold_up", "retention"):
        assert all((row[name] is None) == (row[f"{name}_reason"] is not None) for row in rows), name
    quadrants = world.query("SELECT DISTINCT quadrant, reason FROM gold.mart_title_quadrants_daily")
    assert all(row["reason"] for row in quadrants if row["quadrant"] in ("borderline", "insufficient"))


def test_metricflow_answers_what_gold_has(world: World, tmp_path: Path):
    # mf expects the manifest below the project, which is read-only, so a folder of our own has links to both.
    for path in PROJECT.iterdir():
        (tmp_path / path.name).symlink_to(path)
    work = Workplace(tmp_path / "work")
    work.prepare()
    shutil.copyfile(world.file, work.file)
    variables = {
        **work.variables(world.settings),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
    }
    (tmp_path / "target").mkdir()
    shutil.copyfile(world.artifacts / SEMANTICS, tmp_path / "target" / SEMANTICS)
    names = "comments,replies,commenters,comments_28d,commenters_28d"
    query = ["query", "--metrics", names, "--group-by", "metric_time__day,title", "--csv", str(tmp_path / "out.csv")]
    _run("from dbt_metricflow.cli.main import cli; cli()", query, variables, tmp_path)
    with duckdb.connect() as connection:
        rows = rows_of(connection, f"SELECT * FROM read_csv('{tmp_path}/out.csv', header = true)")
    found = {
        (str(row["metric_time__day"])[:10], row["title"]): [row[name] or 0 for name in names.split(",")] for row in rows
    }
    daily = world.query("SELECT * FROM gold.fct_comment_daily")
    windows = {
        (str(row["as_of"]), f"{row['title_kind']}-{row['title_id_trakt']}"): row
        for row in world.query("SELECT * FROM gold.fct_engagement_daily WHERE period = '28d'")
    }
    assert len(daily) > 20
    for row in daily:
        key = str(row["day"]), f"{row['title_kind']}-{row['title_id_trakt']}"
        given = found.get(key, [0] * 5)
        assert given[:3] == [row["comments"], row["replies"], row["commenters"]], key
    both = windows.keys() & found.keys()
    assert len(both) > 20
    for key in both:
        assert found[key][3:] == [windows[key]["comments"], windows[key]["commenters"]], key


def _run(code: str, arguments: list[str], variables: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        [str(DBT_PYTHON), "-c", f"import sys; sys.argv[0] = 'x'; {code}", *arguments],
        env=variables, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_gold_in_the_bucket_is_described_by_its_manifest(world: World):
    folder = Path(world.settings.bucket.removeprefix("file://")) / "gold"
    build_id = json.loads((folder / "current.json").read_bytes())["build"]
    assert build_id == world.builds[-1].build_id
    manifest = json.loads((folder / build_id / "manifest.json").read_bytes())
    assert (manifest["as_of"], manifest["source_system"], manifest["bronze_version"]) == (
        "2026-05-14", "replay", world.builds[-1].version,
    )  # fmt: skip
    for table, entry in manifest["tables"].items():
        assert pq.read_metadata(folder / build_id / entry["file"]).num_rows == entry["rows"] > 0, table


def test_a_version_that_is_modelled_already_starts_no_dbt(world: World, tmp_path: Path):
    never = executable(tmp_path / "never", "#!/bin/sh\nexit 9\n")
    again = model(world.settings.model_copy(update={"dbt_python": never}))
    assert (again.outcome, again.build_id) == ("unchanged", world.builds[-1].build_id)


def test_a_build_of_an_older_version_is_that_of_its_time_and_leaves_the_current_one(world: World):
    before = world.builds[1]
    cache = ModelCache(world.settings, 9)
    gold = Path(world.settings.bucket.removeprefix("file://")) / "gold"
    pointer, current = (gold / "current.json").read_text(), cache.current()
    manifest = json.loads((gold / before.build_id / "manifest.json").read_bytes())
    shutil.rmtree(gold / before.build_id)
    with only_models():
        found = build(world.settings, BronzePlace(world.settings), run_id="run-2", version=before.version)
    assert (found.outcome, found.version, found.build_id) == ("built", before.version, before.build_id)
    assert found.file is not None
    assert dump(found.file) == world.dumps[1]
    # Files are named by their contents.
    again = json.loads((gold / before.build_id / "manifest.json").read_bytes())
    assert again == {**manifest, "run_id": "run-2", "pinned": True}
    assert ((gold / "current.json").read_text(), cache.current()) == (pointer, current)
    assert current is not None
    assert cache.path(current).is_file()
    report = _report(PinnedModelSettings(**world.settings.model_dump()), found)
    assert report.outputs["bronze_version"] == str(before.version)
    assert f"pinned to version {before.version} of bronze, so the current build stays" in report.headline
    assert f"telecine trakt publish --build {before.build_id} --replace-newer" in report.headline


def test_a_day_before_the_first_comment_is_refused_and_the_current_build_stays(world: World):
    cache = ModelCache(world.settings, 9)
    gold = Path(world.settings.bucket.removeprefix("file://")) / "gold"

    def state() -> tuple[Any, ...]:
        return cache.current(), (gold / "current.json").read_text(), sorted(path.name for path in gold.iterdir())

    before = state()
    (first,) = world.query("SELECT min(day) AS day FROM gold.fct_comment")
    message = f"--as-of 1999-01-01 is before the first comment, of {first['day']}; expected that day"
    # The build continues one with all tables, and the others do not depend on the day.
    with only_models("int_trakt__as_of", "path:models/gold"), pytest.raises(UsageError, match=message) as caught:
        model(world.settings.model_copy(update={"as_of": date(1999, 1, 1)}))
    assert caught.value.exit_code == 2
    assert (
        cache.current(),
        (gold / "current.json").read_text(),
        sorted(path.name for path in gold.iterdir()),
    ) == before


def test_the_report_lists_tests_models_and_parameters(world: World):
    assert world.full is not None
    sections = {section.title: section for section in build_sections(world.settings, world.full)}
    charts = ["Tests by status", "Slowest models", "Rows of the published tables"]
    tables = ["Anomalies", "Models", "Published tables", "Tests", "Parameters of the metrics"]
    assert list(sections) == [*charts, *tables]
    tests = {test.name for test in world.full.results.tests}
    assert any(name.startswith("volume_anomaly") for name in tests)
    models = {row[0]: row[1] for row in sections["Models"].rows}  # type: ignore[union-attr]
    assert models["stg_trakt__comment_event"] > 100
    tested = {test.model for test in world.full.results.tests}
    assert models.keys() <= tested, "a model without a test"
    # The two times that bronze cannot hold were found, and ratings that are older than the newest load by nine days.
    unusual = {row[1]: row[0] for row in sections["Anomalies"].rows}  # type: ignore[union-attr]
    assert unusual == {
        "null_after_parse_stg_trakt__comment_version_unparsed": "stg_trakt__comment_version",
        "freshness_anomaly_stg_trakt__rating_dist_observed_at": "stg_trakt__rating_dist",
    }
    report = _report(world.settings, world.full)
    assert (report.status, report.exit_code, report.counts["anomalies"]) == ("success", 0, 2)
    page = re.sub(r"<wbr>|&#8203;", "", render(report))
    assert all(name in page for name in unusual)


def test_an_anomaly_warns_and_fails_no_build(world: World):
    nodes = json.loads((world.artifacts / "manifest.json").read_bytes())["nodes"].values()
    found = {node["name"]: node["config"]["severity"] for node in nodes if "anomaly" in node["tags"]}
    assert found.keys() == {
        path.stem for macro in ANOMALIES for path in world.artifacts.glob(f"compiled/**/{macro}_*.sql")
    }
    assert set(found.values()) == {"warn"}


def compiled(world: World, test: str, *tables: str) -> list[tuple[Any, ...]]:
    """Return what a test of the build selects from other tables than the build's."""
    (path,) = world.artifacts.glob(f"compiled/**/{test}.sql")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS trakt; CREATE SCHEMA trakt.silver")
        for table in tables:
            connection.execute(f"CREATE TABLE trakt.silver.{table}")
        return connection.execute(path.read_text()).fetchall()


USUAL = (100, 97, 104, 99, 102, 95, 101) * 2


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ((*USUAL, 10), [(date(2026, 5, 15), 10)]),
        ((*USUAL, 1_000), [(date(2026, 5, 15), 1_000)]),
        ((*USUAL, 90), []),
        # Only the newest day is looked at.
        ((*USUAL, 10, 100), []),
        # Six days are too few to know what is usual, and five comments too few to miss any.
        ((*USUAL[:6], 10), []),
        ((*[5] * 14, 1), []),
        # Days without a row count as no day, and what is older than 28 days as nothing.
        ((*USUAL, *[0] * 20, 10), [(date(2026, 6, 4), 10)]),
        ((*USUAL, *[0] * 28, 10), []),
    ],
)
def test_a_day_with_many_fewer_or_more_rows_than_usual_is_an_anomaly(
    world: World, counts: tuple[int, ...], rows: list[tuple[date, int]]
):
    seen = (
        f"SELECT timestamptz '2026-05-01 23:30Z' + to_days(day) AS first_seen_at"
        f" FROM (SELECT unnest({list(counts)}) AS n, unnest(range({len(counts)}))::integer AS day), range(n)"
    )
    name = "volume_anomaly_stg_trakt__comment_event_first_seen_at"
    found = compiled(world, name, f"stg_trakt__comment_event AS {seen}")
    assert [row[:2] for row in found] == rows


@pytest.mark.parametrize(("gap", "rows"), [("8 days", 0), ("8 days 1 second", 1), ("30 days", 1)])
def test_rows_that_are_older_than_the_newest_load_are_an_anomaly(world: World, gap: str, rows: int):
    found = compiled(
        world,
        "freshness_anomaly_stg_trakt__comment_event_last_seen_at",
        "stg_trakt__load AS SELECT timestamptz '2026-05-31 12:00Z' - to_days(number) AS last_observed_at"
        " FROM range(3) AS days(number)",
        "stg_trakt__comment_event AS SELECT timestamptz '2026-05-31 12:00Z' - to_days(number) - interval "
        f"'{gap}' AS last_seen_at FROM range(3) AS days(number)",
    )
    assert len(found) == rows


def test_values_that_became_null_are_counted_by_field(world: World):
    found = compiled(
        world,
        "null_after_parse_stg_trakt__comment_version_unparsed",
        "stg_trakt__comment_version AS SELECT unnest([['likes'], [], ['created_at', 'likes']]) AS unparsed",
    )
    assert sorted(found) == [("created_at", 1), ("likes", 2)]
    assert (
        compiled(
            world,
            "null_after_parse_stg_trakt__comment_version_unparsed",
            "stg_trakt__comment_version AS SELECT []::varchar[] AS unparsed FROM range(9)",
        )
        == []
    )


def test_a_model_that_fails_is_named_and_the_old_build_stays(world: World, tmp_path: Path):
    bucket = tmp_path / "bucket"
    broken = Load("broken").rating(moment(1), MOVIE, '{"rating": ')
    Bronze(bucket).commit(Load("good").page(moment(0), MOVIE, comment(1)), broken)
    settings = settings_of(tmp_path)
    message = r"stg_trakt__rating_dist failed: .*Malformed JSON.*; nothing was replaced"
    with only_models("+stg_trakt__rating_dist"), pytest.raises(ModelFailed, match=message) as caught:
        model(settings)
    assert caught.value.data["model"] == "stg_trakt__rating_dist"
    assert ModelCache(settings, 9).current() is None
    assert not (bucket / "gold").exists()
    assert not (tmp_path / "models" / "work").exists()
    assert SALT not in str(caught.value)
    assert ModelTestFailed.exit_code == ModelFailed.exit_code == 65
