"""Bronze with PostgreSQL's lock and on S3: two loads at once, lost answers, erasure, and the commands."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from jobs.cli import run
from jobs.trakt.bronze import table
from jobs.trakt.bronze.commit import commit_load
from jobs.trakt.bronze.erase import erase_user
from jobs.trakt.bronze.erased_items import comment_mark, name_digest
from jobs.trakt.bronze.live_files import fetch, snapshot
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.bronze.rows import read_page
from jobs.trakt.bronze.vacuum import vacuum_table
from jobs.trakt.settings import BronzeSettings
from shared.errors import AccessDenied, BucketMissing, ConfigurationError, IntegrityError, StoreUnavailable
from shared.storage import _s3_client, close_stores
from tests.cli import Cli
from tests.fakes.s3_faults import error
from tests.fakes.s3_proxy import S3Proxy
from tests.postgres_server import database, postgres, until  # noqa: F401 - fixtures
from tests.s3_server import s3_process, s3_server  # noqa: F401 - fixtures
from tests.trakt_answers import comment, feed_item
from tests.trakt_bronze import NOON, SALT, TABLES, comments_page, one_page, rows, sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres_server import Database
    from tests.s3_server import S3Server

pytestmark = pytest.mark.xdist_group("s3")

ANN = {"username": "Ann B", "ids": {"slug": "ann-b"}}
FEED = PageRequest("load-1", "feed", sort="updates", page=1, limit=250)
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"


@pytest.fixture
def tables(database: Database) -> Database:  # noqa: F811
    database.rows(TABLES)
    return database


@pytest.fixture
def place(tables: Database, tmp_path: Path) -> BronzePlace:
    return made(tables, str(tmp_path / "trakt"))


def made(database: Database, bucket: str, **settings: Any) -> BronzePlace:  # noqa: F811
    values = {"user_salt": SecretStr(SALT), **settings}
    return BronzePlace(BronzeSettings(bucket=bucket, database_url=database.url, **values))


def load(place: BronzePlace, *pages: Any) -> Any:
    for page in pages:
        place.pages.put(page)
    return commit_load(place, pages[0].request.load_id)


def text_of(place: BronzePlace) -> str:
    """Return all that page objects and live rows say."""
    bodies = [place.pages.get(key).body.decode() for key in place.pages.all_keys()]
    return "\n".join([*bodies, *(str(row) for row in rows(place))])


# --- the lock -------------------------------------------------------------------------------------------------------


def test_two_loads_at_once_wait_for_each_other_and_store_an_equal_payload_once(place: BronzePlace, tables: Database):
    for number in (1, 2):
        items = [comment(id=at) for at in range(1, 30)]
        place.pages.put(comments_page(f"load-{number}", [*items, comment(id=100 + number)], minutes=number))
    reports: list[Any] = []
    with place.locked():
        threads = [
            threading.Thread(target=lambda one=one: reports.append(commit_load(place, one)))
            for one in ("load-1", "load-2", "load-1")
        ]
        for thread in threads:
            thread.start()
        until(lambda: tables.rows(WAITS)[0][0] == 3)
        assert snapshot(place).version == -1
    for thread in threads:
        thread.join()
    assert sorted(report.version for report in reports) == [1, 1, 2] or sorted(
        report.version for report in reports
    ) == [1, 2, 2]
    assert sum(report.was_committed for report in reports) == 1
    assert len(rows(place, "comment")) == 31
    assert len(sightings(place)) == 2


def test_another_bucket_has_another_lock(place: BronzePlace, tables: Database, tmp_path: Path):
    other = made(tables, str(tmp_path / "other"))
    other.pages.put(comments_page("load-1", [comment(id=1)]))
    with place.locked():
        assert commit_load(other, "load-1").version == 1


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:  # noqa: F811
    monkeypatch.setattr(_s3_client, "pause", lambda *_: None)
    monkeypatch.setattr(table.time, "sleep", lambda _: None)
    s3_server.create_bucket("trakt")
    with S3Proxy(s3_server.endpoint_url) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", running.endpoint_url)
        yield running
        close_stores()


def is_log_entry(seen: Any) -> bool:
    return seen.method == "PUT" and "/_delta_log/" in seen.path and seen.path.endswith("1.json")


def test_a_load_on_s3_is_committed_fetched_and_vacuumed(proxy: S3Proxy, tables: Database, tmp_path: Path):
    place = made(tables, "s3://trakt/a folder")
    assert load(place, comments_page("load-1", [comment(id=1), comment(id=2)])).version == 1
    assert load(place, comments_page("load-2", [comment(id=1), comment(id=3)], minutes=1)).unchanged == 1
    assert commit_load(place, "load-1").was_committed
    vacuum_table(place, 7)
    files = snapshot(place).files
    assert [file.kind for file in files] == ["comment", "page"]
    paths = fetch(place, files, tmp_path / "local")
    assert [path.stat().st_size for path in paths] == [file.size for file in files]
    assert [row["comment_id"] for row in rows(place, "comment")] == [1, 2, 3]
    conditional = [seen for seen in proxy.requests if is_log_entry(seen)]
    assert all(seen.headers.get("if-none-match") == "*" for seen in conditional)
    assert conditional


@pytest.mark.parametrize("times", [1, 50])
def test_a_lost_answer_of_s3_to_a_commit_duplicates_nothing(proxy: S3Proxy, tables: Database, times: int):
    """The server has the entry, the client an error: delta-rs alone would commit it a second time."""
    place = made(tables, "s3://trakt", s3_attempts=2)
    proxy.rule(is_log_entry, error(500, "InternalError"), hook=proxy._ask, times=times)
    report = load(place, comments_page("load-1", [comment(id=1)]))
    assert report.version == 1
    assert [row["comment_id"] for row in rows(place, "comment")] == [1]
    assert snapshot(place).version == 1
    proxy.clear()
    assert commit_load(place, "load-1").was_committed


def test_a_store_that_refuses_each_commit_stores_nothing_and_the_load_can_be_made_again(
    proxy: S3Proxy, tables: Database
):
    place = made(tables, "s3://trakt", s3_attempts=1)
    load(place, comments_page("load-0", [comment(id=9)]))
    proxy.rule(lambda seen: seen.method == "PUT" and "/_delta_log/" in seen.path, error(500, "InternalError"))
    with pytest.raises(StoreUnavailable, match="cannot commit to s3://trakt/bronze/trakt"):
        load(place, comments_page("load-1", [comment(id=1)]))
    proxy.clear()
    assert len(rows(place, "comment")) == 1
    assert not commit_load(place, "load-1").was_committed
    assert len(rows(place, "comment")) == 2


def test_no_secret_of_s3_is_in_an_error(proxy: S3Proxy, tables: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-key")
    place = made(tables, "s3://trakt", s3_attempts=1)
    assert place.options()["aws_secret_access_key"] == "very-secret-key"
    proxy.rule(lambda seen: "_delta_log" in seen.path, error(403, "AccessDenied"))
    with pytest.raises(AccessDenied) as caught:
        load(place, comments_page("load-1", [comment(id=1)]))
    assert "very-secret-key" not in str(caught.value)


REFUSALS = [
    ("GET", error(403, "AccessDenied"), r"access denied: s3:(GetObject|ListBucket) on s3://trakt/bronze/trakt \("),
    ("PUT", error(403, "AccessDenied"), r"access denied: s3:PutObject on s3://trakt/bronze/trakt"),
    ("PUT", error(403, "SignatureDoesNotMatch"), "does not accept the credentials for bucket trakt"),
    ("GET", error(400, "ExpiredToken"), "does not accept the credentials for bucket trakt"),
    ("GET", error(301, "PermanentRedirect"), "wrong region or endpoint for bucket trakt"),
    ("PUT", error(404, "NoSuchBucket"), "bucket trakt does not exist"),
]


def test_a_lasting_refusal_of_the_log_is_a_configuration_error(proxy: S3Proxy, tables: Database):
    place = made(tables, "s3://trakt", s3_attempts=1)

    def refused(method: str, answer: Any, message: str, page: Any) -> None:
        def of_log(seen: Any) -> bool:
            return seen.method == method and "_delta_log" in seen.path

        before = sum(seen.method == "PUT" and of_log(seen) for seen in proxy.requests)
        proxy.rule(of_log, answer)
        with pytest.raises(ConfigurationError, match=message) as caught:
            load(place, page)
        assert (caught.value.exit_code, caught.value.data["bucket"]) == (78, "trakt")
        after = sum(seen.method == "PUT" and of_log(seen) for seen in proxy.requests)
        assert after - before == (method == "PUT"), "a refused commit is not tried again"
        proxy.clear()

    # While the table is made, and once it exists.
    for number in range(2):
        page = comments_page(f"load-{number}", [comment(id=number + 1)])
        for refusal in REFUSALS:
            refused(*refusal, page)
        load(place, page)
    assert len(rows(place, "comment")) == 2


def test_a_bucket_that_does_not_exist_is_named(proxy: S3Proxy, tables: Database):
    place = made(tables, "s3://nonesuch", s3_attempts=1)
    with pytest.raises(BucketMissing, match="bucket nonesuch does not exist"):
        snapshot(place)


# --- erasure ----------------------------------------------------------------------------------------------------------


def filled(place: BronzePlace) -> None:
    """Two loads in which Ann has comments in every shape, and one that is not committed."""
    load(
        place,
        comments_page("load-1", [comment(id=1), comment(id=2, user=ANN), comment(id=3, user={"username": "ANN B"})]),
        comments_page("load-1", [comment(id=4)], page=2),
        one_page(FEED, [feed_item("movie", comment=comment(id=5, user=ANN))]),
        comments_page("load-1", [comment(id=6), {"id": 0, "comment": "x" * 3000, "user": ANN}], page=3),
    )
    load(place, comments_page("load-2", [comment(id=2, likes=0, user=ANN), comment(id=7)], minutes=1))
    place.pages.put(comments_page("load-3", [comment(id=8, user=ANN), comment(id=9)], minutes=2))


def letters(database: Database) -> int:  # noqa: F811
    return int(database.rows("SELECT count(*) FROM trakt.dead_letters")[0][0])


def store_letters(database: Database, found: Any) -> None:  # noqa: F811
    for one in found:
        database.rows(
            "INSERT INTO trakt.dead_letters (load_id, page_key, item_index, path, code, message, payload_start)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *(one.load_id, one.page_key, one.item_index, one.path, one.code, one.message, one.payload_start),
        )


@pytest.mark.parametrize("name", ["ann-b", "Ann B", "ANN-B", "ann b"])
def test_a_user_is_erased_everywhere_by_any_name_and_does_not_come_back(
    place: BronzePlace, tables: Database, name: str
):
    filled(place)
    store_letters(tables, commit_load(place, "load-1").dead_letters)
    assert letters(tables) == 1
    seen = sightings(place)
    found = erase_user(place, name, run_id="run-9", now=NOON)
    assert (found.names, found.rows, found.pages, found.dead_letters) == (2, 4, 5, 1)
    assert found.last_bytes == date(2026, 5, 9)
    said = text_of(place).casefold()
    assert "ann b" not in said
    assert "ann-b" not in said
    assert letters(tables) == 0
    assert [row["comment_id"] for row in rows(place, "comment")] == [1, 4, 6, 7]
    assert sightings(place) == seen, "each page is as complete as before"
    assert snapshot(place).erasures == 1

    report = load(
        place,
        comments_page("load-3", [comment(id=8, user=ANN), comment(id=9), {"id": 0, "user": ANN}], minutes=2),
    )
    assert (report.erased, report.rows["comment"], dict(report.bad)) == (2, 1, {})
    assert "ann-b" not in text_of(place).casefold()
    assert [number for number, _ in sightings(place)[comments_page("load-3", []).key]] == [8, 9]
    assert commit_load(place, "load-1").erased == 4


def test_a_user_in_another_users_comment_is_removed_and_the_sightings_follow(place: BronzePlace):
    first = comment(id=1, thread={"user": ANN})
    load(place, comments_page("load-1", [first, comment(id=2)]))
    load(place, comments_page("load-2", [first, comment(id=3, user=ANN)], minutes=1))
    found = erase_user(place, "ann-b", run_id="r")
    assert (found.rows, found.scrubbed, found.files, found.pages) == (1, 1, 4, 2)
    assert "ann-b" not in text_of(place).casefold()
    # As if the pages had been read only now: a later read of the comment is not new, and the audit finds no damage.
    for key, seen in sightings(place).items():
        again = json.loads(read_page(place.pages.get(key)).sightings or "")
        assert seen == list(zip(again["ids"], again["sha"], strict=True))
    (row,) = [row for row in rows(place, "comment") if row["comment_id"] == 1]
    assert row["payload_sha256"] == hashlib.sha256(row["payload"].encode()).hexdigest()
    assert load(place, comments_page("load-3", [first], minutes=2)).unchanged == 1
    assert erase_user(place, "ann-b", run_id="r").scrubbed == 0


def test_an_erasure_again_changes_nothing(place: BronzePlace):
    filled(place)
    first = erase_user(place, "ann-b", run_id="run-9")
    before = rows(place)
    again = erase_user(place, "ann-b", run_id="run-10")
    assert (again.rows, again.files, again.pages, again.version) == (0, 0, 0, first.version)
    assert (first.was_known, first.is_changed, again.was_known, again.is_changed) == (False, True, True, False)
    assert rows(place) == before


def test_a_former_name_in_an_older_version_of_a_comment_is_erased_too(place: BronzePlace):
    load(place, comments_page("load-1", [comment(id=1, user={"username": "old-ann"})]))
    load(place, comments_page("load-2", [comment(id=1, user=ANN)], minutes=1))
    load(place, comments_page("load-3", [comment(id=2, user={"username": "old-ann"})], minutes=2))
    assert erase_user(place, "ann-b", run_id="r").names == 3
    assert rows(place, "comment") == []
    assert "old-ann" not in text_of(place)


def test_tombstones_are_keyed_hashes_and_not_names(place: BronzePlace, tables: Database):
    filled(place)
    erase_user(place, "ann-b", run_id="run-9")
    stored = {row[0] for row in tables.rows("SELECT user_hash FROM trakt.tombstones")}
    assert {name_digest(SALT.encode(), name).hex() for name in ("ann-b", "Ann B")} < stored
    comments = {name_digest(SALT.encode(), comment_mark(number)).hex() for number in (2, 3, 5, 8)}
    assert comments < stored, "a comment is known also when its account was deleted"
    assert "ann" not in str(tables.rows("SELECT * FROM trakt.tombstones")).casefold()


def test_a_commit_without_the_salt_or_with_another_one_is_refused(place: BronzePlace, tables: Database):
    filled(place)
    erase_user(place, "ann-b", run_id="run-9")
    for salt, message in (
        (None, "USER_SALT is not set"),
        # Two names and five comments, one of which violates the contract.
        ("another salt altogether", "USER_SALT differs from the salt of the 7 stored tombstones, which are hashes"),
    ):
        other = made(tables, place.settings.bucket, user_salt=salt and SecretStr(salt))
        with pytest.raises(ConfigurationError, match=message) as caught:
            commit_load(other, "load-3")
        assert caught.value.exit_code == 78
        with pytest.raises(ConfigurationError, match=message):
            erase_user(other, "bob", run_id="r")


def test_an_erasure_that_ends_before_the_rewriting_already_stops_a_new_ingest(
    place: BronzePlace, monkeypatch: pytest.MonkeyPatch
):
    filled(place)
    with monkeypatch.context() as patch:
        patch.setattr("jobs.trakt.bronze.erase._erase_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            erase_user(place, "ann-b", run_id="r")
    assert commit_load(place, "load-3").erased == 1
    assert erase_user(place, "ann-b", run_id="r").rows == 4
    assert "ann-b" not in text_of(place).casefold()


def test_the_bytes_of_a_user_are_gone_after_the_vacuum(
    place: BronzePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from jobs.trakt.bronze import rewrite
    from tests.unit.trakt.bronze.test_files import aged, removed_days_ago

    assert rewrite
    filled(place)
    removed_days_ago(monkeypatch, 7.1)
    erase_user(place, "ann-b", run_id="r")
    aged(place, 7.1)  # type: ignore[arg-type]
    vacuum_table(place, 7)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".gz":
            assert b"ann-b" not in path.read_bytes().lower(), path


def test_a_log_has_no_text_of_a_comment(place: BronzePlace, tmp_path: Path):
    filled(place)
    vacuum_table(place, 7)
    texts = [path.read_text() for path in tmp_path.rglob("_delta_log/*.json")]
    assert len(texts) >= 3
    assert not any("Slow first act" in text or "mara_k" in text or "ann" in text.casefold() for text in texts)


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cli(place: BronzePlace, tmp_path: Path) -> Cli:
    assert place.settings.database_url is not None
    return Cli(
        tmp_path,
        {
            "TELECINE_DATABASE_URL": place.settings.database_url.get_secret_value(),
            "TELECINE_TRAKT_BUCKET": str(tmp_path / "trakt"),
            "TELECINE_TRAKT_USER_SALT": SALT,
        },
    )


@pytest.fixture
def command(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, and return the exit code and what it prints."""
    monkeypatch.chdir(cli.folder)
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = run(["trakt", *arguments])
        found = capsys.readouterr()
        return code, " ".join(found.out.split()), " ".join(found.err.split())

    return command


def test_the_commands_erase_and_vacuum_and_never_show_the_name(place: BronzePlace, command: Any, tmp_path: Path):
    filled(place)
    models = tmp_path / "models"
    (models / "pinned").mkdir(parents=True)
    for name in ("old.duckdb", "pinned/old.duckdb"):
        (models / name).write_text("a text by Ann")
    arguments = ("--user", "ann-b", "--retention-days", "10", "--model-dir", str(models))
    code, out, err = command("erase", *arguments)
    assert code == 0
    said = out + err
    assert "this machine's builds of silver are removed; not reached: other machines" in said
    assert {str(path.relative_to(models)) for path in models.rglob("*")} == {"lock", "pinned", "pinned/lock"}
    assert "4 rows of 2 names erased from 2 files, 5 page objects and 0 dead letters" in said
    assert "telecine trakt vacuum --retention-days 10" in said
    code, out, err = command("vacuum")
    assert code == 0
    said += out + err
    assert re.search(r"4 files \([0-9.]+ MB\) in use before, 2 \([0-9.]+ MB\) after compaction; reading all ids", said)
    assert "0 files unused for 7 days deleted" in said
    code, out, _ = command("vacuum", "--retention-days", "6")
    assert (code, out) == (2, "")
    reports = [path.read_text() for path in (tmp_path / ".telecine").rglob("report.*")]
    assert len(reports) == 4
    for part in ("DuckDB files of other machines", "older versions of the bronze table", "old versions of objects"):
        assert any(part in text for text in reports), part
    for text in (said, *reports):
        assert "ann-b" not in text.casefold()
    assert [row["comment_id"] for row in rows(place, "comment")] == [1, 4, 6, 7]


def test_a_name_that_no_comment_has_is_said_first_and_nothing_is_to_be_built_again(place: BronzePlace, command: Any):
    filled(place)
    code, out, err = command("erase", "--user", "ann-bee")
    assert code == 0
    assert out.startswith("no stored comment has this name; check the spelling;")
    for words in ("telecine trakt model", "what is left", "ann-bee"):
        assert words not in out + err
    code, said, _ = command("erase", "--user", "ann-bee")
    assert code == 0
    assert "no stored comment has this name; it was erased before; 0 rows of 1 name erased" in said
    assert "rebuild gold" in said, "the first erasure may have been killed"
    assert load(place, comments_page("load-4", [comment(id=20, user={"username": "Ann-Bee"})], minutes=3)).erased == 1


def test_a_damaged_page_object_is_named_by_the_erasure(place: BronzePlace, command: Any):
    filled(place)
    place.store.put("pages/load-1/comments/movie-1/oldest-250-0000001.json.gz", b"damaged")
    code, _, err = command("erase", "--user", "ann-b")
    assert code == 65
    assert "1 page object is damaged" in err
    assert "ann-b" not in text_of_good(place)


def text_of_good(place: BronzePlace) -> str:
    """Return all that page objects that can be read and live rows say."""
    found = []
    for key in place.pages.all_keys():
        try:
            found.append(place.pages.get(key).body.decode())
        except IntegrityError:
            continue
    return "\n".join([*found, *(str(row) for row in rows(place))]).casefold()
