"""`telecine trakt run` and `verify` against the replayer: silver is the truth, also after kills between the stages."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from jobs.trakt.bronze.tombstones import add_tombstones
from jobs.trakt.modelling.silver import export_silver
from jobs.trakt.replayer.tmdb import metadata
from jobs.trakt.settings import PinnedModelSettings, RunSettings, VerifySettings
from jobs.trakt.steps import model, run, verify
from shared.database.session import transaction
from shared.errors import EXIT_CONFIGURATION, EXIT_DATA, EXIT_OK, ConfigurationError, UsageError
from shared.storage import open_store
from tests.dbt_environment import DBT_PYTHON
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401
from tests.trakt_killed import killed_before
from tests.warm_dbt import forked_dbt, warm_dbt  # noqa: F401

if TYPE_CHECKING:
    from shared.report import Report
    from tests.trakt_ingest import TraktPlace

pytestmark = pytest.mark.usefixtures("warm_dbt")

STAGES = ("ingest", "model", "publish", "slo")
TOKEN = "a-read-access-token-of-the-tests"
MODELS = {"user_salt": "a salt of the tests", "dbt_python": str(DBT_PYTHON)}
RUN_ID = "01a22a00-0000-7000-8000-{:012d}"


def values_of(place: TraktPlace, **changes: Any) -> dict[str, Any]:
    return {**place.values(**MODELS), "watch_list": str(place.folder / "titles.txt"), **changes}


def run_all(place: TraktPlace, number: int, **changes: Any) -> Report:
    settings = RunSettings(**values_of(place, **changes))
    return run.run(settings, MemoryStageRun(RUN_ID.format(number), "trakt", "run"))  # type: ignore[arg-type]


def verified(place: TraktPlace, **changes: Any) -> VerifySettings:
    found = {**values_of(place), **changes}
    return VerifySettings(**{name: found[name] for name in found if name in VerifySettings.model_fields})


def verify_all(place: TraktPlace, **changes: Any) -> Report:
    return verify.run(verified(place, **changes), MemoryStageRun("verify", "trakt", "verify"))  # type: ignore[arg-type]


def silver(place: TraktPlace) -> list[dict[str, Any]]:
    target = place.folder / "silver.parquet"
    assert export_silver(verified(place), target) is not None
    return pq.read_table(target).to_pylist()


def stored(place: TraktPlace) -> dict[tuple[str, int], dict[int, str]]:
    """Return id and text of the comments of silver that are there, by title."""
    found: dict[tuple[str, int], dict[int, str]] = {}
    for row in silver(place):
        if not row["is_deleted"] and row["season"] is None and not row["parent_id"]:
            found.setdefault((row["title_kind"], row["title_id_trakt"]), {})[row["comment_id"]] = row["body"]
    return found


def truth(place: TraktPlace) -> dict[tuple[str, int], dict[int, str]]:
    """Return id and text of the comments of the titles of the watch list that are on the site now."""
    wanted = {tuple(row) for row in place.rows("SELECT kind, trakt_id FROM trakt.titles")}
    found: dict[tuple[str, int], dict[int, str]] = {}
    for each in place.site.truth().comments():
        title = (each["type"], each.get(each["type"], {}).get("ids", {}).get("trakt"))
        if title in wanted:
            found.setdefault(title, {})[each["comment"]["id"]] = each["comment"]["comment"]
    return found


def only_tracked(found: dict[tuple[str, int], dict[int, str]], place: TraktPlace) -> dict[Any, dict[int, str]]:
    wanted = {tuple(row) for row in place.rows("SELECT kind, trakt_id FROM trakt.titles")}
    return {title: comments for title, comments in found.items() if title in wanted}


def published_metadata(place: TraktPlace) -> list[tuple[Any, ...]]:
    return place.rows(
        "SELECT title_kind, title_id_trakt, tmdb_popularity, tmdb_vote_average, tmdb_vote_count FROM gold.trakt_titles"
        " WHERE (title_kind, title_id_trakt) IN (SELECT kind, trakt_id FROM trakt.titles) ORDER BY 1, 2"
    )


def true_metadata(place: TraktPlace) -> list[tuple[Any, ...]]:
    """Return the metadata of the titles of the watch list, as the site has them today."""
    world = place.site.truth().world
    wanted = {tuple(row) for row in place.rows("SELECT kind, trakt_id FROM trakt.titles")}
    found = []
    for title in world.catalogue.titles:
        if (title.kind, title.trakt) in wanted:
            one = metadata(world, title.number)
            found.append((title.kind, title.trakt, one["popularity"], one["vote_average"], one["vote_count"]))
    return sorted(found)


def stages(place: TraktPlace, number: int) -> list[tuple[str, str]]:
    return place.rows(
        "SELECT stage, status FROM pipeline.run_stages WHERE run_id = %s ORDER BY started_at", RUN_ID.format(number)
    )


@pytest.mark.slow
def test_a_run_in_a_storm_leaves_the_truth_in_silver_and_every_layer_follows_from_the_one_before(trakt: Any):
    with trakt("storm", 7, speed=0) as place:
        place.watch_list(1, 6, 11)
        reports = place.folder / "reports"
        report = run_all(place, 1, report_dir=str(reports), tmdb_token=TOKEN)
        assert (report.status, report.exit_code) == ("success", EXIT_OK)
        in_ledger = ("ingest", "model", "publish_trakt", "slo")
        assert stages(place, 1) == [(name, "success") for name in in_ledger]
        assert list(report.stages) == list(STAGES)
        assert sorted(path.parent.name for path in reports.glob("*/report.html")) == sorted(STAGES)
        assert report.counts["ingest.retries"] > 0
        assert only_tracked(stored(place), place) == truth(place)
        assert place.rows(
            "SELECT count(*) FROM gold.trakt_titles g JOIN trakt.titles t"
            " ON (title_kind, title_id_trakt) = (kind, t.trakt_id)"
        ) == [(3,)]
        assert report.counts["ingest.tmdb_read"] == 3
        assert published_metadata(place) == true_metadata(place)
        assert TOKEN not in "".join(path.read_text() for path in reports.rglob("*.*"))

        found = verify_all(place)
        assert (found.exit_code, found.counts["wrong"], found.counts["stale"]) == (EXIT_OK, 0, 0)
        assert found.durations.keys() == {
            "ledger and page objects",
            "page objects and bronze",
            "bronze and silver",
            "gold files and tables",
        }
        _verify_finds_damage(place)


def _verify_finds_damage(place: TraktPlace) -> None:
    place.rows("UPDATE gold.trakt_comments_daily SET comments = comments + 1 WHERE comments = 1")
    found = verify_all(place, silver_share=0.5)
    assert (found.exit_code, list(found.rejects)) == (EXIT_DATA, ["GOLD_DIFFERS"])
    assert "telecine trakt publish" in found.failures[0].message
    place.rows("DELETE FROM gold.trakt_versions")
    found = verify_all(place, silver_share=0.5)
    assert (found.status, found.exit_code, list(found.rejects)) == ("partial", EXIT_OK, ["GOLD_STALE"])

    store = open_store(f"file://{place.folder}/bucket", VerifySettings())
    keys = [row[0] for row in place.rows("SELECT page_key FROM trakt.pages WHERE resource = 'comments' ORDER BY 1")]
    body = store.read(keys[0])
    store.delete(keys[0])
    found = verify_all(place, silver_share=0.1)
    assert found.exit_code == EXIT_DATA
    # Its rows follow from nothing any more.
    assert {"PAGE_MISSING", "ROW_EXTRA"} <= found.rejects.keys()
    store.put(keys[0], body[:-9])
    assert "PAGE_DAMAGED" in verify_all(place, silver_share=0.1).rejects
    store.put(keys[0], body)
    place.rows("UPDATE trakt.pages SET ids = ids[2:] WHERE page_key = %s", keys[0])
    place.rows("DELETE FROM trakt.sweeps WHERE resource = 'feed'")
    found = verify_all(place, silver_share=0.1)
    assert list(found.rejects) == ["GOLD_STALE", "PAGE_DIFFERS"]


@pytest.mark.slow
def test_kills_between_stages_leave_nothing_that_the_next_run_does_not_settle(
    trakt: Any, monkeypatch: pytest.MonkeyPatch
):
    # The test above runs the tests of the models.
    dbt = forked_dbt().only_models
    with trakt("calm", 3, speed=0) as place:
        place.watch_list(1, 11)
        # Before the service levels, all is as at the end of a run, which the test above looks at.
        for number, stage in enumerate(("model", "publish"), 1):
            killed = killed_before(stage, values_of(place), RUN_ID.format(number), dbt)
            assert killed == -signal.SIGKILL
            # Whatever was done before the kill is whole.
            assert verify_all(place).counts["wrong"] == 0
        monkeypatch.setattr("jobs.trakt.modelling.build.run_dbt", dbt)
        report = run_all(place, 9)
        assert (report.status, report.exit_code) == ("success", EXIT_OK)
        assert only_tracked(stored(place), place) == truth(place)
        # Without a token, nothing is asked of TMDb, and its columns are empty.
        assert {row[2:] for row in published_metadata(place)} == {(None, None, None)}
        assert not any(target.startswith("/3/") for target in place.asked())
        found = verify_all(place)
        assert (found.exit_code, found.counts["wrong"], found.counts["stale"]) == (EXIT_OK, 0, 0)


def test_a_wrong_watch_list_ends_the_run_before_any_stage(trakt: Any):
    with trakt("calm", 3, speed=0) as place:
        (place.folder / "titles.txt").write_text("film:dune\n")
        with pytest.raises(UsageError, match="film:dune"):
            run_all(place, 1)
        with pytest.raises(UsageError, match="no title is named or tracked"):
            run_all(place, 1, watch_list=None)
        with pytest.raises(ConfigurationError, match="salt"):
            run_all(place, 1, user_salt=None)
        assert stages(place, 1) == []
        assert place.asked() == {}
        found = verify_all(place)
        assert (found.exit_code, found.counts["checked"]) == (EXIT_OK, 0)
        assert "nothing was compared" in found.headline
        assert "telecine trakt ingest" in found.headline


def test_a_dry_run_asks_nothing_and_records_nothing(trakt: Any):
    with trakt("calm", 3, speed=0) as place:
        place.watch_list(1, 11)
        report = run_all(place, 1, dry_run=True)
        assert report.status == "skipped"
        assert report.counts["requests"] > 0
        assert stages(place, 1) == []
        assert place.asked() == {}


def test_when_models_fail_nothing_is_published_and_the_service_levels_are_measured(trakt: Any):
    with trakt("calm", 3, speed=0) as place:
        place.watch_list(1)
        failing = place.folder / "python"
        failing.write_text("#!/bin/sh\nexit 2\n")
        failing.chmod(0o755)
        report = run_all(place, 1, dbt_python=str(failing))
        assert (report.status, report.exit_code != EXIT_OK) == ("failed", True)
        assert [name for name, _ in stages(place, 1)] == ["ingest", "model", "slo"]
        assert dict(stages(place, 1))["model"] == "failed"
        assert place.rows("SELECT count(*) FROM gold.trakt_versions") == [(0,)]
        # Silver was never built here, which is not damage.
        assert list(verify_all(place).rejects) == ["SILVER_ABSENT"]


def test_another_salt_than_that_of_an_erasure_ends_the_run_and_the_models_before_they_begin(trakt: Any):
    with trakt("calm", 3, speed=0) as place:
        place.watch_list(1)
        with transaction(verified(place)) as session:
            add_tombstones(session, verified(place), ["ann"], "erase")
        for salt, message in ((None, "salt"), ("another salt of 16", "differs from the salt")):
            with pytest.raises(ConfigurationError, match=message) as caught:
                run_all(place, 1, user_salt=salt)
            assert caught.value.exit_code == EXIT_CONFIGURATION
        assert stages(place, 1) == []
        found = {**values_of(place), "user_salt": "another salt of 16"}
        settings = PinnedModelSettings(
            **{name: found[name] for name in found if name in PinnedModelSettings.model_fields}
        )
        with pytest.raises(ConfigurationError, match="differs from the salt"):
            model.run(settings, MemoryStageRun("model", "trakt", "model"))  # type: ignore[arg-type]
        assert place.asked() == {}


def test_when_an_operator_must_act_on_the_ingest_nothing_is_modelled(trakt: Any):
    with trakt("dead-key") as place:
        place.watch_list(1)
        report = run_all(place, 1)
        assert report.exit_code == EXIT_CONFIGURATION
        assert stages(place, 1) == [("ingest", "failed"), ("slo", "success")]
