"""Review in the console: cards, decisions, undo, refusals, two reviewers, the queue, history, and rights."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from jobs.console.app import create
from tests.console_app import BROWSER, ask, post, settings
from tests.postgres_server import database, postgres  # noqa: F401
from tests.viewership_rows import DETAILS, catalogue, reconciled, row, upload

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from tests.console_app import Answer
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

STORM = "Storm Someone Else Wrote"
OTHER = "Something Else Entirely"


def tables(database: Database) -> dict[str, Any]:
    """Return the tables that a decision changes, except history and its numbers and times."""
    return {
        "matches": database.rows("SELECT * FROM viewership.matches ORDER BY key_id"),
        "final": database.rows(f"SELECT {DETAILS} FROM viewership.episode_details ORDER BY 1, 2"),
        "aliases": database.rows("SELECT * FROM catalog.aliases WHERE undone_at IS NULL ORDER BY id"),
        "queue": database.rows("SELECT * FROM viewership.review_queue ORDER BY 1"),
        "copy": database.rows("SELECT * FROM console.review_keys ORDER BY 1"),
    }


@pytest.fixture
def loaded(database: Database) -> Database:
    catalogue(database)
    upload(
        database,
        [
            row("The Long Storm", "2", series="Harbour Lights"),
            row(STORM, "5.25", series="Harbour Lights"),
            row(STORM.upper(), "0.75", series="harbour lights"),
            row(STORM, "3", series="Harbour Lights", held=True),
            row(STORM, None, series="Harbour Lights"),
            row(OTHER, "4", series="The Outpost"),
        ],
    )
    upload(database, [row("Unheard Of", "1", season="1", episode="2")], platform="roku")
    return database


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


def test_a_card_shows_the_key_its_candidates_and_the_scope(app: ASGIApp, loaded: Database):
    text = card(app)
    assert "Harbour Lights: Storm Someone Else Wrote" in text
    assert "3 keys, 11 h" in text
    assert "3 rows wait, 6 h, in 1 upload; 1 more row is held" in " ".join(text.split())
    assert "Accept: 4 rows, 9 h, 1 upload of this key alone" in text
    assert "2 rows into the final table; 1 row waits for a deal" in text
    assert "2 spellings" in text
    assert "<mark>" in text
    assert "series equal" in text
    assert f'value="{episode(loaded, "HL-0101")}"' in text
    # Three strokes of the same form: nothing is chosen.
    assert " checked" not in text


def test_an_accepted_row_is_in_final_and_undo_brings_everything_back(app: ASGIApp, loaded: Database):
    key = digest(loaded, STORM)
    card(app)
    before = tables(loaded)
    answer = decide(app, key, "accept", episode=episode(loaded, "HL-0101"), note="seen it")
    following = target(answer)
    assert following["key"] == [digest(loaded, OTHER)]
    assert "accepted, 4 rows, 9 hours; u undoes" in card(app, following["key"][0], f"&done={following['done'][0]}")
    assert loaded.rows("SELECT count(*) FROM viewership.episode_details WHERE platform_series ILIKE 'harbour%%'") == [
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
