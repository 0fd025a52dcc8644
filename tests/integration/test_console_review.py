"""Review in the console: cards, decisions, undo, refusals, two reviewers, the queue, history, and rights."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from jobs.console.app import create
from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.settings.sample import SampleSettings
from jobs.viewership.steps.sample import CATALOGUE, make
from shared.database.migrate import CONSOLE_FUNCTIONS
from shared.database.session import transaction
from tests.cli import ROOT, telecine
from tests.console_app import BROWSER, ask, post, settings
from tests.postgres_server import made_database, postgres, until  # noqa: F401
from tests.rolled_back import database, scratch  # noqa: F401
from tests.viewership_place import viewership  # noqa: F401
from tests.viewership_rows import DETAILS, catalogue, reconciled, row, spellings, upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.console_app import Answer
    from tests.postgres_server import Database
    from tests.viewership_place import ViewershipPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

STORM = "Storm Someone Else Wrote"
OTHER = "Something Else Entirely"
HARVEST = "The Quiet Harvst Moon"
_DECIDING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT decision, loaded%' AND pid <> pg_backend_pid()"
)
_FATES = (
    "SELECT upload_id, file_units, file_hours, sum(units) OVER (PARTITION BY upload_id), fate, code, units, hours"
    " FROM viewership.reconciliation ORDER BY upload_id, fate, code"
)


def tables(database: Database) -> dict[str, Any]:
    """Return the tables that a decision changes, except history and its numbers and times."""
    return {
        "matches": database.rows("SELECT * FROM viewership.matches ORDER BY key_id"),
        "final": database.rows(f"SELECT {DETAILS} FROM viewership.episode_details ORDER BY 1, 2"),
        "aliases": database.rows("SELECT * FROM catalog.aliases WHERE undone_at IS NULL ORDER BY id"),
        "queue": database.rows("SELECT * FROM viewership.review_queue ORDER BY 1"),
        "copy": database.rows("SELECT * FROM console.review_keys ORDER BY 1"),
    }


@pytest.fixture(scope="module")
def template(postgres: str) -> Iterator[Database]:
    with made_database(postgres) as made:
        catalogue(made)
        upload(
            made,
            [
                *spellings(STORM),
                row(OTHER, "4", series="The Outpost"),
                row(HARVEST, "0.5", series="Harbour Lights"),
            ],
        )
        upload(made, [row("Unheard Of", "1", season="1", episode="2")], platform="roku")
        yield made


@pytest.fixture
def loaded(request: pytest.FixtureRequest, template: Database) -> Iterator[Database]:
    with scratch(request, template) as made:
        yield made


@pytest.fixture
def app(loaded: Database) -> ASGIApp:
    return create(settings(database_url=loaded.url))


def digest(database: Database, title: str) -> str:
    rows = database.rows("SELECT encode(review_digest, 'hex') FROM viewership.keys WHERE content_name = %s", title)
    return str(rows[0][0])


def episode(database: Database, ref: str) -> str:
    return str(database.rows("SELECT id FROM catalog.episodes WHERE ref_id = %s", ref)[0][0])


def card(app: ASGIApp, key: str = "", query: str = "") -> str:
    answer = ask(app, f"/review?key={key}{query}" if key else f"/review?{query}", headers=BROWSER)
    assert answer.status == 200, answer.text
    return answer.text


def seen(text: str) -> str:
    return re.findall(r'name="seen" value="([0-9a-f]+)"', text)[0]


def decide(app: ASGIApp, key: str, action: str, **fields: str) -> Answer:
    fields.setdefault("seen", seen(card(app, key)))
    return post(app, f"/review?key={key}", {"action": action, **fields})


def target(answer: Answer) -> dict[str, list[str]]:
    assert answer.status == 303, answer.text
    return parse_qs(urlsplit(answer.header("location") or "").query)


def test_the_list_of_shortcuts_leads_to_the_guide(app: ASGIApp, loaded: Database):
    page = "console-guide.md#decide-on-titles"
    assert f"<p>Guide: <code>docs/{page}</code></p>" in card(app)
    linked = card(create(settings(database_url=loaded.url, docs_link="https://docs.example/main/")))
    assert f'<p>Guide: <a href="https://docs.example/main/{page}" rel="noreferrer">docs/{page}</a></p>' in linked
    guide, _, heading = page.partition("#")
    assert f"## {heading.replace('-', ' ').capitalize()}\n" in (ROOT / "docs" / guide).read_text(encoding="utf-8")


def test_a_card_shows_the_key_its_candidates_and_the_scope(app: ASGIApp, loaded: Database):
    text = " ".join(card(app).split())
    assert "Harbour Lights: Storm Someone Else Wrote" in text
    assert "4 keys, 11.5 h" in text
    assert "3 rows waiting, 6 h, in 1 upload; 1 more row is held" in text
    assert "2 spellings" in text
    text = " ".join(card(app, digest(loaded, HARVEST)).split())
    assert "Accept: 1 row, 0.5 h, 1 upload with this key, now" in text
    assert "1 row added to the final table" in text
    assert "Harv<mark>" in text
    assert "series equal" in text
    assert f'value="{episode(loaded, "HL-0102")}" required' in text
    assert "% alike" in text
    # Choosing and accepting are two strokes.
    assert " checked" not in text
    hidden = card(app, digest(loaded, HARVEST), "&scores=hide")
    assert "% alike" not in hidden
    assert 'class="score"' not in hidden


def test_an_accepted_row_is_in_final_and_undo_brings_everything_back(app: ASGIApp, loaded: Database):
    key = digest(loaded, STORM)
    card(app)
    before = tables(loaded)
    answer = decide(app, key, "accept", episode=episode(loaded, "HL-0101"), note="seen it")
    following = target(answer)
    assert following["key"] == [digest(loaded, OTHER)]
    assert "accepted, 4 rows, 9 hours; u undoes" in card(app, following["key"][0], f"&done={following['done'][0]}")
    assert loaded.rows("SELECT count(*) FROM viewership.episode_details WHERE platform_series ILIKE 'harbour%'") == [
        (3,)
    ]
    reconciled(loaded)
    assert key not in ask(app, "/review.json", headers=BROWSER).text
    decision = following["done"][0]
    back = post(app, f"/review?key={following['key'][0]}", {"action": "undo", "decision": decision})
    assert target(back) == {"key": [key], "done": [decision]}
    assert tables(loaded) == before
    reconciled(loaded)
    audited = loaded.rows("SELECT actor, action, subject, details ->> 'loaded' FROM console.audit ORDER BY id")
    name = audited[0][0]
    assert audited == [(name, "review_accept", key, "2"), (name, "review_undo", decision, "0")]
    assert loaded.rows("SELECT decided_by, undone_by, note FROM viewership.decisions") == [(name, name, "seen it")]


def test_an_alias_applies_to_later_uploads_and_a_rejection_needs_a_reason(app: ASGIApp, loaded: Database):
    target(decide(app, digest(loaded, STORM), "alias", episode=episode(loaded, "HL-0101")))
    later = upload(loaded, [row(STORM, "8", series="Harbour Lights"), row(OTHER, "2", series="The Outpost")])
    assert loaded.rows("SELECT hours FROM viewership.episode_details WHERE upload_id = %s", later) == [(8,)]
    key = digest(loaded, OTHER)
    answer = decide(app, key, "reject", note="  ")
    assert (answer.status, "a rejection needs a reason" in answer.text) == (422, True)
    target(decide(app, key, "reject", reason="not in the catalogue", note="ignored"))
    assert loaded.rows("SELECT action, note FROM viewership.decisions ORDER BY 1") == [
        ("alias", None),
        ("reject", "not in the catalogue"),
    ]
    assert loaded.rows("SELECT DISTINCT fate, code FROM viewership.row_fates WHERE code = 'REJECTED'") == [
        ("unmatched", "REJECTED")
    ]
    reconciled(loaded)
    numbers = ask(app, "/metrics").text
    for result, number in (("alias", 1), ("reject", 1), ("bad_decision", 1)):
        assert f'telecine_console_decisions_total{{result="{result}"}} {number}.0' in numbers


def test_a_stale_decision_is_409_with_the_new_card_and_loses_nothing(app: ASGIApp, loaded: Database):
    key = digest(loaded, HARVEST)
    old = seen(card(app, key))
    upload(loaded, [row(HARVEST, "30", series="Harbour Lights")])
    # Brings the copy up to date.
    card(app)
    before = tables(loaded)
    wanted = episode(loaded, "HL-0102")
    answer = decide(app, key, "accept", episode=wanted, note="my note", seen=old)
    text = " ".join(answer.text.split())
    assert answer.status == 409
    assert answer.header("x-swap") == "list"
    assert "the key has changed since it was shown" in text
    assert "2 rows, 30.5 h, 2 uploads" in text
    assert 'value="my note"' in text
    assert re.search(rf'value="{wanted}" required[^>]*checked', text)
    assert tables(loaded) == before
    assert seen(text) != old
    target(decide(app, key, "accept", episode=wanted, seen=seen(text)))


@pytest.mark.committed
def test_of_two_reviewers_at_once_one_decides_and_both_see_it(loaded: Database):
    app = create(
        settings(database_url=loaded.url, access="proxy", trusted_proxies=("127.0.0.1",), reviewer_groups=("r",))
    )
    key, wanted = digest(loaded, HARVEST), episode(loaded, "HL-0102")
    users = [{**BROWSER, "x-forwarded-user": name, "x-forwarded-groups": "r"} for name in ("Dana", "Bob")]
    cards = [ask(app, f"/review?key={key}", headers=user).text for user in users]
    assert "are looking" not in cards[0]
    assert "Dana is also looking at this key" in " ".join(cards[1].split())
    found: list[Answer] = []

    def one(number: int) -> None:
        fields = {"action": "accept", "episode": wanted, "seen": seen(cards[number])}
        found.append(post(app, f"/review?key={key}", fields, headers=users[number]))

    threads = [threading.Thread(target=one, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.status for each in found) == [303, 409]
    ((by,),) = loaded.rows("SELECT decided_by FROM viewership.decisions")
    late = next(each for each in found if each.status == 409)
    assert re.search(rf"accepted <code>HL-0102</code> by {by}", late.text)
    reconciled(loaded)


@pytest.mark.committed
def test_a_load_that_holds_the_platform_is_a_503_that_says_when_to_try_again(app: ASGIApp, loaded: Database):
    key = digest(loaded, HARVEST)
    fields = {"episode": episode(loaded, "HL-0102"), "seen": seen(card(app, key))}
    for function in CONSOLE_FUNCTIONS[1:]:
        loaded.rows(f"ALTER FUNCTION {function} SET lock_timeout = '200ms'")
    before = tables(loaded)
    with transaction(loaded.settings()) as session:
        session.rows("SELECT viewership.lock_final(ARRAY['tubi'])")
        answer = decide(app, key, "accept", note="kept", **fields)
        assert (answer.status, answer.header("retry-after")) == (503, "15")
        assert "nothing was changed; try again when it has ended" in answer.text
        assert 'value="kept"' in answer.text
    assert tables(loaded) == before
    assert 'result="busy"} 1.0' in ask(app, "/metrics").text
    target(decide(app, key, "accept", **fields))


def test_refusals_are_typed_and_say_what_to_do(app: ASGIApp, loaded: Database):
    key = digest(loaded, HARVEST)
    card(app)
    before = tables(loaded)
    wanted = episode(loaded, "HL-0102")
    loaded.rows("UPDATE catalog.episodes SET active = false WHERE ref_id = 'OF-0101'")
    inactive = episode(loaded, "OF-0101")
    for answer, status, words in (
        (decide(app, key, "accept"), 422, "no episode is chosen"),
        (decide(app, key, "accept", episode="1; DROP TABLE x"), 422, "no episode is chosen"),
        (decide(app, key, "accept", episode=inactive), 422, "is inactive; expected an active one"),
        (decide(app, key, "accept", episode=wanted, seen=""), 422, "as it was seen"),
        (decide(app, key, "destroy", episode=wanted), 422, "expected accept, alias or reject"),
        (decide(app, key, "accept", episode=wanted, note="n" * 1_001), 422, "1,001 characters"),
        (post(app, f"/review?key={'0' * 32}", {"action": "reject", "note": "n", "seen": "x"}), 404, "There is no key"),
        (post(app, f"/review?key={key}", {"action": "undo", "decision": "99"}), 404, "Decision 99 does not exist"),
        (post(app, "/review/history", {"decision": "nine"}), 422, "number of a decision is not valid"),
        (post(app, "/review/history", {"decision": "99"}), 404, "open the history again"),
        (ask(app, f"/review?key={'0' * 32}", headers=BROWSER), 404, "There is no key"),
        (ask(app, "/review?key=xyz", headers=BROWSER), 400, "key=&#39;xyz&#39; is not valid"),
        (ask(app, "/review?candidates=7", headers=BROWSER), 400, "expected one of 0, 1, 2, 3+"),
    ):
        assert (answer.status, words in answer.text) == (status, True), (words, answer.status, answer.text[-3000:])
    assert tables(loaded) == before
    done = target(decide(app, key, "accept", episode=wanted))["done"][0]
    assert post(app, "/review/history", {"decision": done}).status == 303
    again = post(app, "/review/history", {"decision": done})
    assert (again.status, "was undone by" in again.text) == (409, True)


def test_a_viewer_sees_cards_without_buttons_and_may_not_decide(loaded: Database):
    app = create(settings(database_url=loaded.url, local_role="uploader"))
    key = digest(loaded, HARVEST)
    text = ask(app, f"/review?key={key}", headers=BROWSER).text
    assert 'method="post"' not in text
    assert "Deciding needs the role reviewer" in text
    assert post(app, f"/review?key={key}", {"action": "reject", "note": "x", "seen": "x"}).status == 403
    assert post(app, "/review/history", {"decision": "1"}).status == 403
    assert loaded.rows("SELECT count(*) FROM console.viewers") == [(0,)]


def test_the_list_filters_and_never_shows_a_decided_key(app: ASGIApp, loaded: Database):
    def titles(query: str) -> list[str]:
        return [
            each["title"].partition(": ")[2]
            for each in ask(app, f"/review.json?{query}", headers=BROWSER).json()["rows"]
        ]

    assert titles("") == [STORM, OTHER, "", HARVEST]
    assert titles("platform=tubi&min_hours=4") == [STORM, OTHER]
    assert titles("candidates=1") == [HARVEST]
    assert titles("q=quiet%20h") == [HARVEST]
    assert titles("upload=1&q=storm") == [STORM]
    assert titles("upload=2&q=storm") == []
    assert titles("sort=score")[0] == HARVEST
    assert titles("limit=1") == [STORM]
    following = ask(app, "/review.json?limit=1", headers=BROWSER).json()["next"]
    assert titles(following.partition("?")[2]) == [OTHER]
    assert ask(app, "/review.csv", headers=BROWSER).text.count("\r\n") == 5
    text = ask(app, "/review?view=list&platform=tubi", headers=BROWSER).text
    assert 'href="/review?platform=tubi&amp;key=' in text
    key = digest(loaded, HARVEST)
    copied = loaded.rows("SELECT * FROM console.review_keys WHERE review_digest = decode(%s, 'hex')", key)[0]
    target(decide(app, key, "accept", episode=episode(loaded, "HL-0102")))
    # A copy that was begun before the decision and ended after it.
    marks = ", ".join(["%s"] * len(copied))
    loaded.rows(f"INSERT INTO console.review_keys VALUES ({marks})", *copied)
    assert HARVEST not in ask(app, "/review?view=list", headers=BROWSER).text
    assert "No waiting keys match" in card(app, query="q=quiet%20h")
    home = ask(app, "/", headers=BROWSER).text
    assert re.search(r"<b>\d</b> Keys to review", home)
    hit = ask(app, "/search?q=storm%20some", headers=BROWSER)
    assert (hit.status, hit.header("location")) == (303, f"/review?key={digest(loaded, STORM)}")


@pytest.mark.committed
def test_a_decision_does_not_wait_for_a_copy_that_is_being_made(app: ASGIApp, loaded: Database):
    key = digest(loaded, HARVEST)
    text = card(app, key)
    with transaction(loaded.settings()) as session:
        session.lock("telecine console review_keys")
        session.rows("SELECT FROM console.review_keys FOR UPDATE")
        began = time.monotonic()
        target(decide(app, key, "accept", episode=episode(loaded, "HL-0102"), seen=seen(text)))
        assert time.monotonic() - began < 5
        assert "No waiting keys match" in card(app, query="q=quiet%20h")


def test_the_history_lists_who_when_scope_and_effect(app: ASGIApp, loaded: Database):
    key = digest(loaded, STORM)
    done = target(decide(app, key, "accept", episode=episode(loaded, "HL-0101"), note="=1+1"))["done"][0]
    (found,) = ask(app, "/review/history.json", headers=BROWSER).json()["rows"]
    assert {name: found[name] for name in ("rows", "hours", "loaded", "removed", "action", "episode", "note")} == {
        "rows": 4, "hours": 9, "loaded": 2, "removed": 0, "action": "accept", "episode": "HL-0101", "note": "=1+1",
    }  # fmt: skip
    assert found["rule_version"]
    assert "'=1+1" in ask(app, "/review/history.csv", headers=BROWSER).text
    assert ask(app, "/review/history.json?undone=true", headers=BROWSER).json()["rows"] == []
    assert target(post(app, "/review/history?platform=tubi", {"decision": done}))["platform"] == ["tubi"]
    (found,) = ask(app, "/review/history.json?undone=true", headers=BROWSER).json()["rows"]
    assert found["undone_by"] == found["decided_by"]
    assert "undone by" in ask(app, "/review/history", headers=BROWSER).text


def test_a_row_of_a_sample_report_is_accepted_into_final_within_seconds(viewership: ViewershipPlace):
    """Files of `viewership sample` through the real steps, then a decision over HTTP, then its undo."""
    files, _ = make(SampleSettings(output="unused", include=("youtube",)))
    catalogues = {key.rpartition("/")[2]: body for key, body in files.items() if key.startswith(f"{CATALOGUE}/")}
    with transaction(viewership.database.settings()) as session:
        assert not import_files(session, list(catalogues.items()), source="sample", by="test").plan.bad
    (report,) = (body for key, body in files.items() if not key.startswith(CATALOGUE))
    viewership.run(viewership.file("youtube.csv", report), period="2025-07")
    database = viewership.database
    app = create(settings(database_url=database.url))
    rows = ask(app, "/review.json", headers=BROWSER).json()["rows"]
    first = next(each for each in rows if each["candidates"] and each["hours"])
    before, fates = tables(database), database.rows(_FATES)
    text = card(app, first["key"])
    ((wanted, *_),) = [re.findall(r'name="episode" value="([0-9]+)"', text)]
    began = time.monotonic()
    done = target(decide(app, first["key"], "accept", episode=wanted))["done"][0]
    # The decision itself loads the rows: they are there when its answer is.
    loaded = database.rows(
        "SELECT count(DISTINCT f.viewership_id), sum(f.hours) FROM viewership.episode_details f"
        " JOIN viewership.keys k USING (key_id) WHERE encode(k.review_digest, 'hex') = %s",
        first["key"],
    )
    assert time.monotonic() - began < 5
    assert [(number, float(hours)) for number, hours in loaded] == [(first["rows"], pytest.approx(first["hours"]))]
    after = database.rows(_FATES)
    assert [each[:4] for each in after] == [each[:4] for each in fates]
    assert after != fates
    reconciled(database)
    assert target(post(app, "/review", {"action": "undo", "decision": done}))["key"] == [first["key"]]
    assert (tables(database), database.rows(_FATES)) == (before, fates)


@pytest.mark.committed
def test_a_console_that_is_killed_in_mid_decision_leaves_nothing_half(loaded: Database, tmp_path: Path):
    key = digest(loaded, HARVEST)
    card(create(settings(database_url=loaded.url)), key)
    before = tables(loaded)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with (
        subprocess.Popen(
            telecine(["console", "--port", "0"]),
            cwd=tmp_path,
            env=environment | {"TELECINE_DATABASE_URL": loaded.url},
            stdout=subprocess.PIPE,
            text=True,
        ) as console,
        transaction(loaded.settings()) as session,
    ):
        assert console.stdout is not None
        address = re.search(r"http://\S+", console.stdout.readline())
        assert address is not None
        origin = address[0].rstrip("/")
        text = httpx.get(f"{origin}/review?key={key}", timeout=30).text
        session.rows("SELECT viewership.lock_final(ARRAY['tubi'])")
        fields = {"action": "alias", "episode": episode(loaded, "HL-0102"), "seen": seen(text)}

        def decision() -> None:
            with contextlib.suppress(httpx.HTTPError):
                httpx.post(f"{origin}/review?key={key}", data=fields, headers={"Origin": origin}, timeout=30)

        caller = threading.Thread(target=decision)
        caller.start()
        until(lambda: loaded.rows(f"{_DECIDING} AND wait_event_type = 'Lock'") == [(1,)])
        console.kill()
        caller.join()
    # The server notices that its client is gone once it has the lock and nobody to answer.
    until(lambda: loaded.rows(_DECIDING) == [(0,)])
    assert tables(loaded) == before
    assert loaded.rows("SELECT count(*) FROM viewership.decisions") == [(0,)]
    assert loaded.rows("SELECT count(*) FROM console.audit") == [(0,)]
