"""Commands that ingest a run again, and ids in URLs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.datastructures import QueryParams

from jobs.console.errors import BadQuery
from jobs.console.pages.screenalytics.persons import PersonsQuery
from jobs.console.tables.screenalytics.screen import episode_href, replay_command
from jobs.console.tables.screenalytics.screen_persons import person_href
from jobs.console.web.identity import identity

if TYPE_CHECKING:
    from fastapi import Request


class Asked:
    def __init__(self, query: str) -> None:
        self.query_params = QueryParams(query)


def asked(query: str) -> Request:
    return cast("Request", Asked(query))


@pytest.mark.parametrize(
    ("source", "key", "flags"),
    [
        ("s3://media", "derived/runs/R1/manifest.json", ["--bucket=s3://media", "--prefix=derived"]),
        ("s3://media", "runs/R1/manifest.json", ["--bucket=s3://media", "--prefix=/"]),
        ("file:///a b/c", "x y/$(z)/runs/R1/manifest.json", ["--bucket=file:///a b/c", "--prefix=x y/$(z)"]),
        ("s3://media", "-rf/runs/R1/manifest.json", ["--bucket=s3://media", "--prefix=-rf"]),
    ],
)
def test_a_command_names_the_bucket_and_the_prefix_as_words_of_a_shell(source, key, flags):
    command = replay_command("R1", source, key)
    assert command is not None
    assert shlex.split(command) == ["telecine", "screenalytics", "replay", "R1", *flags]


@pytest.mark.parametrize(
    ("run_id", "source", "key"),
    [
        ("-rf", "s3://b", "derived/runs/-rf/manifest.json"),
        ("a;b", "s3://b", "derived/runs/a;b/manifest.json"),
        ("R1", "s3://b", "derived/runs/R2/manifest.json"),
        ("R1", "s3://b", "derivedruns/R1/manifest.json"),
        ("R1", "s3://b", "derived\n/runs/R1/manifest.json"),
        ("R1", "", "derived/runs/R1/manifest.json"),
    ],
)
def test_no_command_is_shown_that_would_not_name_this_run(run_id, source, key):
    assert replay_command(run_id, source, key) is None


def test_only_a_changed_manifest_asks_for_consent():
    given = ("R1", "s3://b", "runs/R1/manifest.json")
    assert "--accept-changed" in str(replay_command(*given, "MANIFEST_CHANGED", "quarantined"))
    assert "--accept-changed" not in str(replay_command(*given, "RUN_ID_COLLISION", "quarantined"))


@pytest.mark.parametrize("text", ["..", "a//b", " x ", "q?id=1&of=2#f", "%2e", "\u202e\n", "=x", "日本"])
def test_ids_survive_their_urls(text):
    pairs = dict(parse_qsl(urlsplit(person_href(text, text)).query, strict_parsing=True))
    assert pairs == {"id": text, "of": text}
    person_id, show, _ = identity(
        asked(urlsplit(person_href(text, text)).query), PersonsQuery, required="id", optional="of"
    )
    assert (person_id, show) == (text, text)
    assert dict(parse_qsl(urlsplit(episode_href(text)).query)) == {"id": text}
    assert "&of=" not in person_href("", text)


def test_an_id_leaves_the_rest_to_the_query_of_the_list():
    person_id, show, query = identity(asked("id=p_1&of=s&sort=name&q=Ida"), PersonsQuery, required="id", optional="of")
    assert (person_id, show, query.sort, query.q) == ("p_1", "s", "name", "Ida")


@pytest.mark.parametrize(
    "query", ["", "id=", "id=a&id=b", "id=a&of=b&of=c", "id=a%00", "id=" + "x" * 1_025, "id=a&b=c"]
)
def test_a_missing_double_or_impossible_id_is_refused(query):
    with pytest.raises(BadQuery):
        identity(asked(query), PersonsQuery, required="id", optional="of")
