"""Any faults and edits, drawn from a seed: after one calm run, silver is what the site shows.

Silver is computed by the audit's plain Python; tests/integration/test_trakt_models.py compares it with the models.
"""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from pydantic import SecretStr

from jobs.trakt.audit import silver
from jobs.trakt.audit.model import Check
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.replayer.clock import SECOND
from jobs.trakt.replayer.faults import COUNTS, FAULTS
from jobs.trakt.replayer.habits import EventKind, Habits
from jobs.trakt.replayer.scenarios import Scenario
from jobs.trakt.replayer.state import comment_id
from jobs.trakt.settings import IngestSettings, VerifySettings
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

if TYPE_CHECKING:
    from tests.trakt_ingest import TraktPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

SITES: Final = 3
# A client waits as long for a hanging answer as its timeout says.
KINDS: Final = sorted({*FAULTS, *COUNTS} - {"hang"})
# A merged title answers 404, and so keeps all of its rows. A comment that moves from a season to a title, without an
# edit, may be seen in the feed alone: if it leaves again before the next sweep, nothing tells.
EVENTS: Final = sorted(set(get_args(EventKind)) - {"merge", "move"})


def any_site(seed: int) -> Scenario:
    draw = random.Random(seed)
    return Scenario(
        Habits(
            comments=900,
            titles=6,
            # In three days, 4 to 40 changes of each comment.
            event_gap=draw.randint(7, 70) * SECOND,
            events={kind: draw.randint(0, 6) for kind in EVENTS} | {"like": 1},
        ),
        # Each kind is one of some site.
        faults=tuple(KINDS[seed::SITES]),
        share=draw.randint(15, 40),
    )


def shown(place: TraktPlace, at: int) -> dict[int, tuple[Any, ...]]:
    """Return the visible comments of titles: title, text, likes, replies, rating."""
    found = {}
    for each in place.site.truth(at).comments():
        if each["type"] in {"movie", "show"}:
            one = each["comment"]
            title = (each["type"], each[each["type"]]["ids"]["trakt"])
            found[one["id"]] = (*title, one["comment"], one["likes"], one["replies"], one["user_rating"])
    return found


def stored(place: TraktPlace) -> dict[int, tuple[Any, ...]]:
    """Return the same of what silver has, deleted comments and those of seasons, episodes and lists left out."""
    settings = IngestSettings(**place.values())
    bronze = BronzePlace(settings)
    check = Check("silver")
    every = VerifySettings(user_salt=SecretStr("a salt of the tests"), silver_share=1.0)
    rows = dict(silver._expected(bronze, snapshot(bronze), every, check))
    assert check.findings == []
    names = ("title_kind", "title_id_trakt", "body", "likes", "replies", "user_rating")
    return {
        number: tuple(row[name] for name in names)
        for number, row in rows.items()
        if not row["is_deleted"] and row["title_kind"] is not None and row["season"] is None
    }


@pytest.mark.parametrize("seed", range(SITES))
def test_a_calm_run_after_any_faults_and_edits_ends_in_the_truth(trakt, seed):
    with trakt("calm", seed + 1, plan=any_site(seed)) as place:
        watch_list = place.watch_list()
        for _ in range(3):
            place.ingest(watch_list=watch_list)
            place.tomorrow()
        assert len(place.site.journal.faults) > 1
        # From here on, nothing happens, and nothing fails.
        at = place.site.world.now
        place.site.world.habits = replace(place.site.world.habits, event_gap=None)
        place.site.scenario = replace(place.site.scenario, faults=())
        place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
        report = place.ingest(watch_list=watch_list)
        assert (report.status, report.counts["failed"]) == ("success", 0)
        assert stored(place) == shown(place, at)


@pytest.mark.parametrize("back", [False, True])
def test_a_comment_that_moved_and_was_deleted_before_the_next_sweep_is_deleted(trakt, back):
    with trakt("calm", plan=Scenario(Habits())) as place:
        world, here, there = place.site.world, 9, 10
        watch_list = place.watch_list(here, there)
        place.ingest(watch_list=watch_list)
        threads = [world.title_thread(title) for title in (here, there)]
        number = next(each for each in world.slice(threads[0], 0, 50) if world.visible(each))
        before = stored(place)
        world.move(number, threads[1])
        sweep(place, here)
        assert place.ingest(watch_list=watch_list).counts["absent"] == 1
        if back:
            # Its first title is not swept again in between: the request for the comment itself named the second one.
            world.move(number, threads[0])
            sweep(place, there)
            assert place.ingest(watch_list=watch_list).counts["absent"] == 1
        world.delete(number)
        sweep(place, here if back else there)
        assert place.ingest(watch_list=watch_list).counts["deleted"] == 1
        assert before.keys() - stored(place).keys() == {comment_id(world.seed, number)}


def sweep(place: TraktPlace, number: int) -> None:
    """Make a title due, and no other."""
    place.site.world.version += 1
    title = place.titles()[number]
    place.rows("UPDATE trakt.titles SET next_sweep_at = now() + interval '5 days'")
    place.rows(
        "UPDATE trakt.titles SET next_sweep_at = now() WHERE (kind, trakt_id) = (%s, %s)", title["kind"], title["trakt"]
    )
