"""The world lives on by the seed and the clock alone, with the habits of real comments."""

from __future__ import annotations

from collections import Counter

import pytest

from jobs.trakt.replayer.catalogue import Catalogue
from jobs.trakt.replayer.clock import DAY, START, Clock
from jobs.trakt.replayer.documents import rating
from jobs.trakt.replayer.scenarios import scenario
from jobs.trakt.replayer.sequences import Gaps, Periodic
from jobs.trakt.replayer.site import Site
from jobs.trakt.replayer.truth import Truth
from jobs.trakt.replayer.world import World
from tests.unit.trakt.replayer.client import ask, header, items

LIVELY = ("storm", "moves", "deletes")


@pytest.mark.parametrize("comments", [1, 300, 5_999])
def test_the_place_of_a_comment_and_the_comment_at_a_place_are_inverse(comments):
    catalogue = Catalogue(9, titles=12, comments=comments)
    found = {
        catalogue.number_at(thread.number, place)
        for thread in catalogue.threads
        for place in range(catalogue.size_of(thread.number))
    }
    assert found == set(range(comments))
    for number in range(comments):
        assert catalogue.number_at(catalogue.thread_of(number), catalogue.place_of(number)) == number


def test_gaps_are_a_list_without_what_was_removed():
    gaps, plain = Gaps(30), list(range(30))
    for number in (0, 1, 29, 7, 8, 9, 8, 15):
        gaps.remove(number)
    gaps.put_back(8)
    gaps.put_back(20)
    left = [number for number in plain if number not in (0, 1, 29, 7, 9, 15)]
    assert len(gaps) == len(left)
    for start in range(30):
        for stop in range(start, 32):
            assert gaps.slice(start, stop) == left[start:stop]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 30])
def test_a_pattern_has_the_places_of_a_list(size):
    pattern = (False, True, True, False, False, True, False)
    found, plain = Periodic(size, pattern), [number for number in range(size) if pattern[number % 7]]
    assert [found.at(place) for place in range(len(found))] == plain
    assert [number for number in range(size) if number in found] == plain
    assert [found.below(number) for number in range(size + 1)] == [
        sum(each < number for each in plain) for number in range(size + 1)
    ]


@pytest.mark.parametrize("name", ["calm", *LIVELY])
def test_a_world_depends_on_the_seed_and_the_time_only(name):
    site = Site(name, 7, quota=0, step=1_997)
    for page in range(1, 30):
        ask(site, f"/comments/updates/all/all?page={page}")
    again = Truth(name, scenario(name), 7, site.world.now)
    assert list(site.truth().comments()) == list(again.comments())
    assert site.truth().summary() == again.summary()
    # By one step or by many, the same events happen.
    assert site.world.version == again.world.version
    other = Truth(name, scenario(name), 8, site.world.now)
    assert list(other.comments()) != list(again.comments())


@pytest.mark.parametrize("name", LIVELY)
def test_lists_between_requests_gain_lose_and_change_comments(name):
    world = World(3, scenario(name).habits)
    before = Truth(name, scenario(name), 3, START)
    world.advance_to(START + DAY // 4)
    after = Truth(name, scenario(name), 3, START + DAY // 4)
    old = {each["comment"]["id"]: each["comment"] for each in before.comments()}
    new = {each["comment"]["id"]: each["comment"] for each in after.comments()}
    assert set(new) - set(old)
    assert set(old) - set(new)
    edited = [key for key in old.keys() & new.keys() if old[key]["comment"] != new[key]["comment"]]
    assert edited
    for key in edited:
        assert new[key]["updated_at"] > old[key]["updated_at"]
    assert any(new[key]["likes"] < old[key]["likes"] for key in old.keys() & new.keys())
    assert any(
        new[key]["likes"] != old[key]["likes"] and new[key]["updated_at"] == old[key]["updated_at"]
        for key in old.keys() & new.keys()
    )
    assert all(each["likes"] >= 0 for each in new.values())


def test_scenario_moves_moves_comments_changes_slugs_and_merges_titles():
    before, after = (Truth("moves", scenario("moves"), 3, START + hours * DAY // 24) for hours in (0, 2))
    homes = [
        {each["comment"]["id"]: (each.get("movie") or each["show"])["ids"]["trakt"] for each in truth.comments()}
        for truth in (before, after)
    ]
    assert any(homes[0][key] != homes[1][key] for key in homes[0].keys() & homes[1].keys())
    titles = [{(each["kind"], each["trakt"]): each for each in truth.summary()["titles"]} for truth in (before, after)]
    assert any(titles[0][key]["slug"] != titles[1][key]["slug"] for key in titles[0])
    merged = [each for each in titles[1].values() if each["merged_into"]]
    assert merged
    assert all(each["comments"] == 0 and each["away"] for each in merged)


def test_in_scenario_deletes_a_comment_can_return():
    world = World(3, scenario("deletes").habits)
    seen: set[int] = set()
    returned = False
    shown = set(world.shown())
    for step in range(1, 60):
        world.advance_to(START + step * 20_000)
        now = set(world.shown())
        returned = returned or bool(seen & (now - shown))
        seen |= shown - now
        shown = now
    assert returned


def test_in_scenario_deletes_one_title_is_away_for_two_days_and_one_for_good():
    site = Site("deletes", 1)
    titles = [site.world.catalogue.titles[number] for number in (5, 7)]
    paths = [f"/{title.kind}s/{title.trakt}" for title in titles]
    assert [ask(site, path).status for path in paths] == [404, 404]
    for _ in range(2):
        site.clock.advance(DAY)
    assert [ask(site, path).status for path in paths] == [200, 404]


def test_a_numeric_path_is_an_id_before_it_is_a_slug():
    site = Site("calm", 1)
    assert b'"slug":"another-show"' in ask(site, "/shows/24").body
    assert b'"slug":"24"' in ask(site, "/shows/460").body
    found = items(ask(site, "/search/show?query=24"))
    assert any(each["show"]["ids"] | {"trakt": 460, "slug": "24"} == each["show"]["ids"] for each in found)
    assert items(ask(site, "/search/imdb/tt9000003"))[0]["show"]["ids"]["trakt"] == 460
    assert items(ask(site, "/search/trakt/24?type=movie")) == []
    assert b'"trakt":1001' in ask(site, "/movies/tt9000000").body


def test_comments_have_the_habits_of_recorded_ones():
    comments = [each["comment"] for each in Site("calm", 1).truth().comments()]
    users = [each["user"] for each in comments]
    private = [user for user in users if user["private"]]
    assert all(set(user["ids"]) == {"slug"} for user in users)
    assert 0.02 < len(private) / len(users) < 0.09
    assert not any({"name", "vip", "director"} & set(user) for user in private)
    assert all({"name", "vip", "director"} <= set(user) for user in users if not user["private"])
    assert all(each["review"] == (len(each["comment"].split()) >= 200) for each in comments)
    assert 100 < sum(each["review"] for each in comments) < 600
    share = {
        "crlf": sum("\r\n" in each["comment"] for each in comments) / len(comments),
        "inline": sum("[spoiler]" in each["comment"] for each in comments) / len(comments),
        "edited": sum(each["updated_at"] > each["created_at"] for each in comments) / len(comments),
    }
    assert 0.1 < share["crlf"] < 0.25
    assert 0.06 < share["inline"] < 0.1
    assert 0.1 < share["edited"] < 0.15
    assert all(each["updated_at"] >= each["created_at"] for each in comments)
    assert any("&amp;" in each["comment"] for each in comments)
    assert not any("& " in each["comment"] for each in comments)
    assert any(each["spoiler"] and "[spoiler]" in each["comment"] for each in comments)
    assert all(each["user_rating"] == each["user_stats"]["rating"] for each in comments)


def test_ratings_differ_from_their_distribution_as_recorded():
    world = World(1, scenario("big").habits)
    off: Counter[int] = Counter()
    for title in world.catalogue.titles:
        found = rating(world, world.title_thread(title.number), extended=False)
        if not found["votes"]:
            assert found == {"rating": None, "votes": 0, "distribution": None}
            continue
        assert list(found["distribution"]) == [str(score) for score in range(1, 11)]
        total = sum(found["distribution"].values())
        off[total - found["votes"]] += 1
        mean = sum(int(score) * votes for score, votes in found["distribution"].items()) / total
        assert (abs(mean - found["rating"]) < 0.001) == (found["votes"] - total < 100)
    assert set(off) == {0, -1, -2, -278, -342}
    assert off[0] > sum(off.values()) / 2


def test_extended_ratings_nest_those_of_trakt():
    site = Site("calm", 1)
    plain, nested = (ask(site, f"/movies/1001/ratings{query}") for query in ("", "?extended=all"))
    assert items(nested)["trakt"] == items(plain)  # type: ignore[call-overload]
    assert "ETag" not in dict(plain.headers)
    assert "x-request-id" not in dict(plain.headers)
    assert header(plain, "Cache-Control").startswith("s-maxage=3600")


def test_the_clock_counts_requests_and_with_a_speed_real_time_too():
    still = Clock(step=20, wall=pytest.fail)
    assert [still.tick() - START for _ in range(3)] == [20, 40, 60]
    walls = iter([0.0, 0.5, 0.5, 100_000.0])
    fast = Clock(step=0, speed=60.0, wall=lambda: next(walls))
    assert [fast.tick() - START for _ in range(3)] == [30_000, 30_000, 30_000 + DAY]
    for wrong in (-1, DAY + 1):
        with pytest.raises(ValueError, match="86400"):
            still.advance(wrong)


def test_a_page_of_the_big_world_is_computed_without_the_others():
    site = Site("big", 1, quota=0)
    last = ask(site, "/comments/updates/all/all?limit=250&page=4000")
    assert header(last, "X-Pagination-Page-Count") == "4000"
    assert header(last, "X-Pagination-Item-Count") == "1000000"
    assert 200 < len(items(last)) < 250
    assert len(site.world._blocks) <= 2
    movies = ask(site, "/comments/updates/all/movies?limit=250&page=2000")
    assert header(movies, "X-Pagination-Item-Count") == "549322"
    assert 200 < len(items(movies)) < 250
    assert len(site.world._blocks) <= 4
    assert not site.world._members


def test_a_comment_older_than_two_weeks_with_replies_is_never_deleted():
    world = World(3, scenario("deletes").habits)
    before = {number: world.replies(number) for number in world.shown()}
    world.advance_to(START + DAY // 4)
    lost = [number for number in before if not world.visible(number)]
    old = [number for number in lost if world.created(number) < START - 14 * DAY]
    assert len(old) > 100
    assert not any(before[number] for number in old)
