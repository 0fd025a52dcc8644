"""Reprocess: rows enter and leave the final table after changes of the catalogue; decisions and killed runs stay."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import io
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from jobs.viewership.catalog import versions
from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.matching import cascade as cascades
from jobs.viewership.matching.model import Bucket
from jobs.viewership.phases.reprocess import Reprocessed, Selection, reprocess
from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.steps import reprocess as step
from jobs.viewership.tables import keys as key_tables
from jobs.viewership.tables.fates import fates
from shared.database.session import transaction
from shared.errors import UsageError
from shared.progress import Progress
from shared.step.contract import UnrecordedRun
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_store import CATALOGUE, Store, catalogued, copied, store, undone  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

FIRST, _, HOMECOMING = (line for line in CATALOGUE["episodes.csv"].splitlines()[1:4])
HEAD = CATALOGUE["episodes.csv"].splitlines()[0]
# Enough matched keys that one or two are few of them.
ROWS = (
    *(f"2025-07-0{day},Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,1.5," for day in (1, 2)),
    "2025-07-01,Acme,Harbour TV,US,Harbour Lights,1,2,A Letter from Lisbon,,4.25,",
    "2025-07-03,Acme,Harbour TV,US,Gardens of Stone,3,9,The Last Orchard of Umbria,ZZ-9,3,",
    "2025-07-03,Acme,Harbour TV,US,,,,Gardens of Stone: The Last Orchard of Umbria,,0.25,",
    "2025-07-03,Acme,Harbour TV,MX,The Outpost,1,1,Where the Wolves Sleep,OF-0101,1.0000000001,",
    *(f"2025-07-04,Acme,Harbour TV,US,Harbour Lights,,,A Letter from Lisbon {part},,1," for part in "BCDEFGHIJK"),
    *(f"2025-07-04,Acme,Harbour TV,US,Elsewhere {number},,,Nothing Known {number},,1," for number in range(40)),
)
# Its number, of those that start from these rows.
UPLOAD = 1
UMBRIA = f"{HEAD}\nGS-0309,Gardens of Stone,GS,Elm,active,3,9,The Last Orchard of Umbria\n"
FINAL = (
    "SELECT viewership_id, label, episode_id, hours, asset_title, deal_parent, loaded_at"
    " FROM viewership.episode_details ORDER BY viewership_id, label"
)


@pytest.fixture(scope="module")
def scene(catalogued: Store, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with copied(catalogued, postgres, tmp_path_factory.mktemp("scene")) as made:
        assert made.stored(ROWS) == UPLOAD
        yield made


@pytest.fixture
def filled(request: pytest.FixtureRequest, scene: Store, tmp_path: Path) -> Iterator[Store]:
    """A store with the rows, loaded."""
    with undone(scene, tmp_path, request) as made:
        yield made


def again(store: Store, **values: Any) -> Reprocessed:
    chosen = {name: values.pop(name) for name in ("platforms", "uploads", "titles", "everything") if name in values}
    return reprocess(store.database.settings(), Selection(**chosen), "run-2", by="ann", **values)


def final(store: Store) -> list[tuple[Any, ...]]:
    return store.database.rows(FINAL)


def hours(store: Store) -> Decimal:
    return store.database.rows("SELECT COALESCE(sum(hours), 0) FROM viewership.episode_details")[0][0]


def check(store: Store, upload: int) -> None:
    """The fates add up, and the final table has the rows of fate final."""
    with transaction(store.database.settings()) as session:
        found = fates(session, upload)
    assert not any(found.difference)
    rows = "SELECT count(DISTINCT viewership_id) FROM viewership.episode_details WHERE upload_id = %s"
    assert [(found.units_of("final"),)] == store.database.rows(rows, upload)


def test_a_new_episode_brings_its_rows_to_the_final_table_and_leaves_the_others(filled: Store):
    before = final(filled)
    filled.catalogue({"episodes.csv": UMBRIA})
    result = again(filled)
    check(filled, UPLOAD)
    # With the id, and with the series in the title.
    entered = [row for row in final(filled) if row not in before]
    assert [row[3] for row in entered] == [Decimal(3), Decimal("0.25")]
    assert before == [row for row in final(filled) if row not in entered]
    there = result.platforms["canonical"]
    assert (there.entered, there.hours_entered, there.left, there.updated) == (2, Decimal("3.25"), 0, 0)
    assert there.changed == 2
    assert not result.is_full
    assert there.looked_at <= 4 < result.keys
    assert filled.database.rows(
        "SELECT rows_affected, status FROM viewership.error_log WHERE procedure_name = 'reprocess'"
    )
    nothing = again(filled)
    assert (nothing.total.looked_at, nothing.since) == (0, nothing.version)


def test_a_series_that_becomes_inactive_leaves_the_final_table_and_comes_back(filled: Store):
    before = hours(filled)
    filled.catalogue({"series.csv": "series_code,series,status\nHL,Harbour Lights,inactive\n"})
    result = again(filled)
    check(filled, UPLOAD)
    assert (result.total.left, result.total.hours_left) == (3, Decimal("7.25"))
    kept = filled.database.rows("SELECT sum(hours), min(removed_by), min(reason) FROM viewership.replaced_details")
    assert kept == [(Decimal("7.25"), "ann", "run run-2")]
    assert hours(filled) == before - Decimal("7.25")
    filled.catalogue({"series.csv": "series_code,series,status\nHL,Harbour Lights,active\n"})
    result = again(filled)
    check(filled, UPLOAD)
    assert (result.total.entered, result.total.hours_entered, hours(filled)) == (3, Decimal("7.25"), before)


def test_an_episode_that_becomes_inactive_leaves_the_final_table_and_comes_back(filled: Store):
    before = hours(filled)
    row = f"{HEAD},episode_status\n{FIRST},"
    filled.catalogue({"episodes.csv": f"{row}inactive\n"})
    assert again(filled).total.hours_left == Decimal(3)
    check(filled, UPLOAD)
    filled.catalogue({"episodes.csv": f"{row}active\n"})
    assert again(filled).total.hours_entered == Decimal(3)
    check(filled, UPLOAD)
    assert hours(filled) == before


def test_a_ref_id_that_is_corrected_keeps_the_rows_of_its_episode(store: Store):
    typed = "2025-07-02,Acme,Harbour TV,US,Harbour Lights,,,Homecomming at Midnight,,7.125,"
    upload = store.stored((*ROWS, typed))
    before = hours(store)
    episodes = CATALOGUE["episodes.csv"].replace("HL-0102", "HL-0112").replace("HL-0103", "HL-0113")
    with transaction(store.database.settings()) as session:
        import_files(session, [("e.csv", episodes.encode())], source="test", by="ann", remove_missing=True)
    inactive = store.database.rows("SELECT ref_id FROM catalog.episodes WHERE NOT active ORDER BY 1")
    assert inactive == [("HL-0102",), ("HL-0103",)]
    again(store)
    check(store, upload)
    assert hours(store) == before
    found = store.database.rows("SELECT DISTINCT ref_id FROM viewership.episode_details ORDER BY 1")
    assert found == [("HL-0101",), ("HL-0112",), ("HL-0113",)]


def test_an_id_that_names_an_inactive_episode_is_left_to_a_reviewer(filled: Store):
    episodes = CATALOGUE["episodes.csv"].replace("HL-0101", "HL-0111")
    with transaction(filled.database.settings()) as session:
        import_files(session, [("e.csv", episodes.encode())], source="test", by="ann", remove_missing=True)
    assert again(filled).total.hours_left == Decimal(3)
    check(filled, UPLOAD)
    reasons = filled.database.rows(
        "SELECT m.reasons -> 0 ->> 'code' FROM viewership.matches m JOIN viewership.keys USING (key_id)"
        " WHERE content_id = 'HL-0101'"
    )
    assert reasons == [("INACTIVE",)]


def test_a_title_or_provider_that_changes_changes_the_final_rows(filled: Store):
    row = FIRST.replace("The Silent Lighthouse", "The Silent Lighthouse!").replace("Alder Media", "Elm")
    filled.catalogue({"episodes.csv": f"{HEAD}\n{row}\n"})
    result = again(filled)
    check(filled, UPLOAD)
    assert (result.total.entered, result.total.left) == (0, 0)
    found = filled.database.rows(
        "SELECT DISTINCT asset_title, content_provider FROM viewership.episode_details WHERE ref_id = 'HL-0101'"
    )
    assert found == [("The Silent Lighthouse!", "Elm")]
    assert result.total.updated >= 2


def test_a_deal_takes_held_rows_to_the_final_table_and_its_end_takes_them_back(filled: Store):
    before = final(filled)
    deals = "platform,partner,channel,territory,deal_parent,internal_channel,active\n"
    filled.catalogue({"deals.csv": f"{deals}canonical,Acme,Harbour TV,MX,7,Harbour TV,true\n"})
    result = again(filled)
    check(filled, UPLOAD)
    assert (result.scopes, result.total.entered, result.total.hours_entered) == (1, 1, Decimal("1.0000000001"))
    assert result.total.looked_at == 0
    assert [row[5] for row in final(filled) if row not in before] == ["7"]
    filled.catalogue({"deals.csv": f"{deals}canonical,Acme,Harbour TV,MX,7,Harbour TV,false\n"})
    assert again(filled).total.left == 1
    check(filled, UPLOAD)
    assert final(filled) == before


def decide(store: Store, action: str, title: str, episode: str | None) -> int:
    keys = [row[0] for row in store.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = %s", title)]
    found = store.database.rows("SELECT id FROM catalog.episodes WHERE ref_id = %s", episode) if episode else [(None,)]
    return store.database.rows(
        "SELECT decision FROM viewership.decide(%s, CAST(%s AS bigint[]), %s, 'bob', 'because')",
        *(action, keys, found[0][0]),
    )[0][0]


def test_decisions_stay_and_an_undone_one_is_matched_again(filled: Store):
    accepted = decide(filled, "accept", "The Last Orchard of Umbria", "OF-0101")
    rejected = decide(filled, "reject", "Gardens of Stone: The Last Orchard of Umbria", None)
    decided = (
        "SELECT key_id, status, episode_id, bucket, decision_id FROM viewership.matches WHERE decision_id IS NOT NULL"
    )
    before = filled.database.rows(decided)
    filled.catalogue({"episodes.csv": UMBRIA})
    again(filled)
    again(filled, everything=True)
    check(filled, UPLOAD)
    assert filled.database.rows(decided) == before
    assert len(before) == 2
    for decision in (accepted, rejected):
        filled.database.rows("SELECT viewership.undo(%s, 'bob')", decision)
    result = again(filled)
    check(filled, UPLOAD)
    assert result.total.looked_at == 2
    found = filled.database.rows(
        "SELECT DISTINCT e.ref_id FROM viewership.matches m JOIN viewership.keys k USING (key_id)"
        " LEFT JOIN catalog.episodes e ON e.id = m.episode_id WHERE k.content_name LIKE '%%Umbria'"
    )
    assert found == [("GS-0309",)]
    assert again(filled).total.looked_at == 0


def test_an_alias_matches_later_rows_and_its_end_sends_them_back_to_be_matched(filled: Store):
    alias = decide(filled, "alias", "Nothing Known 1", "OF-0101")
    later = filled.stored(("2025-09-01,Acme,Harbour TV,US,Elsewhere 1,,,NOTHING KNOWN 1,,8,",), "b.csv")
    hours_of = "SELECT sum(hours) FROM viewership.episode_details WHERE upload_id = %s"
    assert filled.database.rows(hours_of, later) == [(8,)]
    again(filled)
    reasons = (
        "SELECT m.status, m.reasons -> 0 ->> 'code' FROM viewership.matches m JOIN viewership.keys k USING (key_id)"
        " WHERE k.content_name = 'NOTHING KNOWN 1'"
    )
    filled.database.rows("SELECT viewership.undo(%s, 'bob')", alias)
    assert filled.database.rows(reasons) == [("review", "ALIAS_UNDONE")]
    again(filled)
    check(filled, later)
    assert filled.database.rows(hours_of, later) == [(None,)]
    assert filled.database.rows(reasons) == [("unmatched", "NO_CANDIDATE")]
    assert again(filled, everything=True).total.changed == 0


@pytest.mark.committed
def test_two_runs_and_a_decision_at_once_leave_what_one_after_the_other_leaves(filled: Store):
    filled.catalogue({"episodes.csv": UMBRIA})
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(again, filled, everything=True, batch=7) for _ in range(2)]
        decision = pool.submit(decide, filled, "accept", "Nothing Known 3", "HL-0103")
        results = [each.result() for each in runs]
        decision.result()
    check(filled, UPLOAD)
    assert sum(each.total.entered for each in results) == 2
    decided = "SELECT count(*) FROM viewership.matches WHERE decision_id IS NOT NULL AND bucket = 'DECISION'"
    assert filled.database.rows(decided) == [(1,)]
    assert again(filled, everything=True).total.changed == 0


@pytest.mark.committed
def test_a_decision_for_an_episode_that_becomes_inactive_stays_and_is_counted(filled: Store):
    decide(filled, "accept", "The Last Orchard of Umbria", "HL-0103")
    filled.catalogue(
        {"episodes.csv": f"{HEAD},episode_status\n{HOMECOMING.replace('Homecoming', 'Coming home')},inactive\n"}
    )
    result = again(filled)
    check(filled, UPLOAD)
    assert result.inactive_decisions == 1
    assert result.total.updated == 1
    titles = [row[4] for row in final(filled)]
    assert "Coming home at Midnight" in titles


def test_an_alias_for_a_series_affects_its_rows(store: Store):
    store.stored(("2025-07-01,Acme,Harbour TV,US,Luces del Puerto,1,1,El faro,,2,", *ROWS))
    store.catalogue({"aliases.csv": "kind,alias,target,platform\nseries,Luces del Puerto,HL,canonical\n"})
    result = again(store)
    assert (result.total.hours_entered, result.total.changed) == (Decimal(2), 1)
    assert not result.is_full


def test_a_new_title_of_the_series_questions_what_an_id_alone_named(store: Store):
    """The key shares no id, title, series or new word with the new episode: its match names another of the series."""
    store.catalogue(
        {
            "episodes.csv": f"{HEAD}\nXQ-77,Harbour Lights,HL,,active,,,Nobody Waits\n"
            "GE-1,Gathering,GE,,active,1,1,Evidence in the Gathering\n"
        }
    )
    store.stored(("2025-07-01,Acme,Harbour TV,US,,,,Gathering Evidense,XQ-77,2,", *ROWS))
    bucket = (
        "SELECT m.status, m.bucket FROM viewership.matches m JOIN viewership.keys k USING (key_id)"
        " WHERE content_id = 'XQ-77'"
    )
    assert store.database.rows(bucket) == [("matched", "REF_ID_ONLY")]
    store.catalogue({"episodes.csv": f"{HEAD}\nHL-0204,Harbour Lights,HL,,active,,,Gathering Evidence\n"})
    result = again(store)
    assert not result.is_full
    assert store.database.rows(bucket) == [("review", None)]
    assert result.total.hours_left == 2


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    names = (
        "matches",
        "match_history",
        "scopes",
        "episode_details",
        "replaced_details",
        "reprocessed",
        "error_log",
        "keys",
    )
    return {name: store.database.rows(f"SELECT t::text FROM viewership.{name} t ORDER BY 1") for name in names}


@pytest.mark.committed
def test_a_dry_run_writes_nothing_and_reports_what_the_run_changes(filled: Store):
    deals = "platform,partner,channel,territory,deal_parent,internal_channel\n"
    filled.catalogue({"episodes.csv": UMBRIA, "deals.csv": f"{deals}canonical,Acme,Harbour TV,MX,7,Harbour TV\n"})
    before = dump(filled)
    promised = again(filled, dry_run=True)
    assert dump(filled) == before
    done = again(filled)
    assert promised.total == done.total
    assert promised.total.hours_entered == Decimal("4.2500000001")
    assert dump(filled) != before


def test_chosen_uploads_platforms_and_titles_alone_are_matched(store: Store):
    first = store.stored(ROWS)
    second = store.stored(
        ("2025-09-01,Acme,Harbour TV,US,Gardens of Stone,3,9,The Last Orchard (of Umbria),,8,",), "b.csv"
    )
    store.catalogue({"episodes.csv": UMBRIA})
    assert again(store, platforms=("roku",)).total.looked_at == 0
    assert again(store, uploads=(second,)).total.hours_entered == Decimal(8)
    assert again(store, titles=("lastorchardofumbria",)).total.hours_entered == Decimal(3)
    # What was chosen does not count for the rest.
    assert again(store).total.hours_entered == Decimal("0.25")
    check_all = again(store, everything=True)
    assert (check_all.total.looked_at, check_all.total.changed, check_all.is_full) == (check_all.keys, 0, True)
    assert first != second


def test_many_affected_keys_mean_that_all_are_matched(store: Store):
    store.stored(ROWS[:-20])
    row = FIRST.replace("The Silent Lighthouse", "A Letter from Lisbon B")
    store.catalogue({"episodes.csv": f"{HEAD}\n{row}\n"})
    result = again(store)
    assert result.is_full
    assert result.total.looked_at == result.keys


def test_keys_of_a_bucket_that_failed_stay_as_they_are_until_it_works(filled: Store, monkeypatch: pytest.MonkeyPatch):
    before = final(filled)
    matches = "SELECT key_id, status, bucket, episode_id, confidence FROM viewership.matches ORDER BY key_id"
    there = filled.database.rows(matches)
    filled.catalogue({"episodes.csv": UMBRIA})
    with monkeypatch.context() as patch:
        # FULL_DATA fails: REF_ID_SERIES would accept the same key with less evidence.
        patch.setitem(cascades._NEEDS, Bucket.FULL_DATA, "1 / 0 = 1")
        result = again(filled, everything=True)
    assert result.failed == ("FULL_DATA",)
    assert final(filled) == before
    assert filled.database.rows(matches) == there
    assert filled.database.rows("SELECT * FROM viewership.reprocessed") == []
    assert again(filled).total.hours_entered == Decimal("3.25")
    check(filled, UPLOAD)


_KILLED = """
import os, signal, sys
from jobs.viewership.phases.reprocess import Selection, reprocess
from shared.progress import Progress
from shared.settings import StepSettings

class Killing(Progress):
    def advance(self, n=1, **counts):
        os.kill(os.getpid(), signal.SIGKILL)

settings = StepSettings(database_url=sys.argv[1])
reprocess(settings, Selection(everything=True), "run-k", by="ann", batch=4, progress=Killing())
"""


@pytest.mark.committed
def test_a_run_killed_between_batches_continues_where_it_was(filled: Store):
    row = FIRST.replace("The Silent Lighthouse", "A Letter from Lisbon B")
    filled.catalogue({"episodes.csv": f"{UMBRIA}{row}\n"})
    killed = subprocess.run([sys.executable, "-c", _KILLED, filled.database.url], check=False)
    assert killed.returncode == -signal.SIGKILL
    version = filled.database.rows("SELECT max(version) FROM catalog.versions")[0][0]
    done = f"SELECT count(*) FROM viewership.matches WHERE catalogue_version = {version}"
    assert filled.database.rows(done) == [(4,)]
    assert filled.database.rows("SELECT * FROM viewership.reprocessed") == []
    check(filled, UPLOAD)
    result = again(filled)
    check(filled, UPLOAD)
    assert filled.database.rows("SELECT platform, catalogue_version FROM viewership.reprocessed") == [
        ("canonical", version)
    ]
    assert result.failed == ()
    assert again(filled, everything=True).total.changed == 0


def test_keys_that_older_rules_computed_are_computed_again(filled: Store, monkeypatch: pytest.MonkeyPatch):
    columns = "key_id, title_key, series_key, content_key, review_key, review_digest, key_version"
    keys = f"SELECT {columns} FROM viewership.keys ORDER BY 1"
    before = filled.database.rows(keys)
    filled.database.rows("UPDATE viewership.keys SET title_key = 'old', series_key = 'old', review_key[1] = 'old'")
    filled.database.rows("UPDATE catalog.episode_titles SET title_key = 'old ' || episode_id")
    for module in (versions, key_tables):
        monkeypatch.setattr(module, "KEY_VERSION", 2)
    result = again(filled, batch=5)
    assert filled.database.rows(keys) == [(*row[:-1], 2) for row in before]
    assert (result.refreshed, result.is_full, result.total.changed) == (len(before), True, 0)


def run_step(store: Store, typed: dict[str, str] | None = None, **values: Any) -> Any:
    settings = ReprocessSettings(database_url=store.database.url, **values)
    settings = settings.model_copy().with_typed(typed or {})
    return step.run(settings, UnrecordedRun("run-3", "viewership", "reprocess", Progress()))


@pytest.mark.committed
def test_the_step_reports_keys_rows_and_hours_by_platform(filled: Store, tmp_path: Path):
    filled.catalogue({"episodes.csv": UMBRIA})
    promised = run_step(filled, typed={"dry_run": "true", "titles": "Umbria"}, dry_run=True)
    assert promised.headline.startswith("nothing was written: version 2: ")
    assert "still held" not in promised.headline
    assert promised.sections[-1].rows == [["telecine viewership reprocess --titles Umbria"]]
    titles = tmp_path / "titles.txt"
    titles.write_text("The Last Orchard of Umbria\n\n", encoding="utf-8")
    report = run_step(filled, titles=str(titles), by="ann")
    assert (report.status, report.exit_code) == ("success", 0)
    assert (report.counts["rows_entered"], report.counts["looked_at"]) == (1, 1)
    assert "1 final row added (3 hours), 0 removed (0 hours)" in report.headline
    table, chart = report.sections
    assert chart.bars == [("canonical", [1, 0, 0])]
    assert list(table.rows[0]) == ["canonical", 1, 1, 1, 0, 0, "3", "0", "0", "0"]
    table.rows.append(["roku", 5, 0, 0, 0, 0, "0", "0", "0", "0"])
    shown = printed(report)
    assert "roku" not in shown
    assert "1 other unchanged" in shown
    assert run_step(filled, titles="Gardens of Stone: The Last Orchard of Umbria").counts["rows_entered"] == 1


def printed(report: Any) -> str:
    text = io.StringIO()
    step.show(report, Console(file=text, width=200))
    return text.getvalue()


def test_a_run_that_changes_nothing_counts_the_rows_that_stay_held(filled: Store):
    codes = "SELECT code, count(*) FROM viewership.row_fates WHERE fate = 'held' GROUP BY code"
    [(code, count)] = filled.database.rows(codes)
    report = run_step(filled)
    assert report.headline.endswith(f", {count} row{' is' if count == 1 else 's are'} still held: {code}")
    shown = printed(report)
    assert "keys looked at" not in shown
    assert "next:" not in shown


def test_what_does_not_exist_is_refused(filled: Store, tmp_path: Path):
    with pytest.raises(UsageError, match="upload 99 does not exist"):
        run_step(filled, upload=(99,))
    with pytest.raises(UsageError, match=r"platform 'rokku' has no uploads; expected one of: canonical"):
        run_step(filled, platform=("rokku",))
    said = run_step(filled, titles="The Lost Orchard of Umbria").headline
    assert said.endswith(
        "; no key has the title 'The Lost Orchard of Umbria'; did you mean 'The Last Orchard of Umbria'?"
    ), said
    assert "no key has" not in run_step(filled, titles="the last orchard of umbria").headline
    assert run_step(filled, titles="Nothing Like It").headline.endswith("; no key has the title 'Nothing Like It'")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n", encoding="utf-8")
    with pytest.raises(UsageError, match="has no title"):
        run_step(filled, titles=str(empty))


def test_nothing_stored_is_nothing_to_do(store: Store):
    report = run_step(store)
    assert (report.status, report.counts["keys"], report.counts["looked_at"]) == ("success", 0, 0)
