"""The replayer's TMDb: it needs a token, its values move by the day, and it uses nothing of Trakt's quota."""

from __future__ import annotations

import json

import pytest

from jobs.trakt.contract.check import check
from jobs.trakt.replayer.clock import DAY
from jobs.trakt.replayer.site import Site
from tests.unit.trakt.replayer.client import ask

TOKEN = {"authorization": "Bearer a-token-of-the-tests"}


def titles(site):
    return site.world.catalogue.titles


def path(title):
    return f"/3/{'movie' if title.kind == 'movie' else 'tv'}/{title.tmdb}"


def test_every_title_has_metadata_that_the_contract_knows():
    site = Site("calm", 1)
    for title in titles(site):
        answer = ask(site, path(title), key="", **TOKEN)
        found = check("tmdb", answer.body)
        assert (answer.status, found.bad, found.unknown) == (200, [], {})
        assert found.items[0].value["id"] == title.tmdb


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer short"}, {"authorization": "Basic abcdefghij"}])
def test_a_request_without_a_token_is_401(headers):
    site = Site("calm", 1)
    answer = ask(site, path(titles(site)[0]), **headers)
    assert (answer.status, json.loads(answer.body)["status_code"]) == (401, 7)


def test_an_unknown_id_or_kind_is_404_as_json():
    site = Site("calm", 1)
    film = next(title for title in titles(site) if title.kind == "movie")
    for target in ("/3/movie/1", f"/3/tv/{film.tmdb}", "/3/movie/x", "/3", "/3/movie/550/credits"):
        answer = ask(site, target, **TOKEN)
        assert (answer.status, json.loads(answer.body)["status_code"]) == (404, 34)
    assert ask(site, path(film), method="POST", **TOKEN).status == 405


def test_values_are_seeded_and_move_from_day_to_day():
    def popularity(seed, days=0):
        site = Site("calm", seed)
        site.world.advance_to(site.clock.advance(days * DAY))
        return json.loads(ask(site, path(titles(site)[1]), **TOKEN).body)["popularity"]

    assert popularity(1) == popularity(1) != popularity(2)
    assert popularity(1) != popularity(1, days=1)


def test_metadata_do_not_use_the_quota_but_get_the_faults_of_the_scenario():
    site = Site("storm", 7, quota=1)
    statuses = {ask(site, path(titles(site)[0]), key="", **TOKEN).status for _ in range(200)}
    assert {200, 429, 503} <= statuses
    assert site.journal.busiest(300_000) == 0
    dead = Site("dead-key", 1)
    assert ask(dead, path(titles(dead)[0]), **TOKEN).status == 200
