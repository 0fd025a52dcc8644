"""Gold against plain Python: one build of a simulated site and random titles, and every figure computed a second time.

See ``tests.trakt_simulation`` for the truth, and ``tests.trakt_figures`` for the figures.
"""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from jobs.console.app import create
from jobs.console.tables.trakt.meanings import age_words
from jobs.trakt.bronze.place import BronzePlace
from jobs.trakt.modelling.build import build
from jobs.trakt.settings import ModelSettings, PublishSettings
from jobs.trakt.steps import publish
from shared.report.format import number as printed
from tests.console_app import BROWSER, ask, settings
from tests.dbt_environment import DBT_PYTHON
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import _database, postgres  # noqa: F401
from tests.titles_page import groups_of, plain
from tests.trakt_figures import (
    N_MIN,
    PEERS_MIN,
    PERIODS,
    SIDE,
    Peers,
    close,
    counts,
    figures_of,
    gamma_probability,
    half_life,
    hold_up,
    horizon,
    peers_of,
    retention,
    t_probability,
)
from tests.trakt_loads import Bronze
from tests.trakt_simulation import MOST, World, make_titles, read_site
from tests.warm_dbt import warm_dbt  # noqa: F401

if TYPE_CHECKING:
    from tests.trakt_simulation import Told

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

ENGAGEMENT_DAYS = 30
KEY = ("title_kind", "title_id_trakt")
METRICS = "SELECT * FROM gold.mart_title_metrics_daily"


@pytest.fixture(scope="module")
def world(postgres: str, warm_dbt: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("differential")
    found = World()
    with pytest.MonkeyPatch.context() as patch, _database(postgres, "telecine") as database:
        read_site(found, database, folder, patch)
    make_titles(found, Bronze(folder / "bucket"), random.Random(11))
    found.settle()
    settings = ModelSettings(
        bucket=str(folder / "bucket"), model_dir=str(folder / "models"), state_dir=str(folder / "state"),
        dbt_python=str(DBT_PYTHON), user_salt=SecretStr("a salt of the tests"), engagement_days=ENGAGEMENT_DAYS,
    )  # fmt: skip
    built = build(settings, BronzePlace(settings), run_id="run-1")
    assert built.file is not None
    found.file = built.file
    return found


@pytest.fixture(scope="module")
def peers(world: World) -> dict[tuple[str, str, str], Peers]:
    return peers_of(world)


def keyed(rows: list[dict[str, Any]], *names: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = {tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


def sums(comments: list[Told]) -> dict[str, Any]:
    counted = [one for one in comments if not one.is_reply]
    ratings = [one.rating for one in comments if one.rating is not None]
    return {
        "comments": len(counted),
        "replies": len(comments) - len(counted),
        "commenters": len({one.user for one in counted}),
        "reviews": sum(one.is_review for one in comments),
        "spoilers": sum(one.is_spoiler for one in comments),
        "likes": min(sum(one.likes for one in comments), MOST),
        "rated": len(ratings),
        "rating_sum": sum(ratings),
    }


def differences(expected: dict[Any, dict[str, Any]], rows: dict[Any, dict[str, Any]]) -> list[Any]:
    found: list[Any] = [("missing", key) for key in expected.keys() - rows.keys()]
    found += [("extra", key, rows[key]) for key in rows.keys() - expected.keys()]
    for key in expected.keys() & rows.keys():
        wrong = {
            name: (value, rows[key][name])
            for name, value in expected[key].items()
            if not (value == rows[key][name] or close(value, rows[key][name]))
        }
        found += [(key, wrong)] if wrong else []
    return sorted(found, key=str)[:12]


def test_titles_that_were_read_are_all_in_gold_with_their_first_comment(world: World) -> None:
    rows = keyed(world.query("SELECT * FROM gold.dim_title"), *KEY)
    expected = {}
    for title, released in world.titles.items():
        there = world.of(title)
        expected[title] = {
            "released": released,
            "first_comment_at": min((one.created for one in there), default=None),
            "deleted_comments": len(world.of(title, there=False)),
            "comments_without_day": 0,
            "rating": world.ratings[title],
        }
    assert differences(expected, rows) == []
    assert rows["movie", 1002]["votes"] == 0
    assert sum(len(world.of(title, there=False)) for title in world.titles) > 100


def test_daily_rows_are_those_of_the_truth(world: World) -> None:
    rows = keyed(world.query("SELECT * FROM gold.fct_comment_daily"), "title_kind", "title_id_trakt", "day")
    days: dict[Any, list[Told]] = defaultdict(list)
    for title in world.titles:
        for one in world.of(title):
            days[*title, one.day].append(one)
    for title, day in world.liked:
        if world.liked[title, day] or world.liked_more[title, day]:
            days[*title, day] += []
    expected = {
        key: {
            **sums(comments),
            "rating_sum": sums(comments)["rating_sum"] if sums(comments)["rated"] else None,
            "reply_count": min(sum(one.replies for one in comments), MOST),
            "edited": sum(one.is_edited for one in comments),
            "late_arrivals": sum(one.is_late for one in comments),
            "likes_added": world.liked_more[key[:2], key[2]],
            "likes_net_change": world.liked[key[:2], key[2]],
        }
        for key, comments in days.items()
    }
    assert differences(expected, rows) == []
    assert len(rows) > 3_000


def test_engagement_of_every_title_day_and_period_is_that_of_the_truth(world: World) -> None:
    rows = keyed(
        world.query("SELECT * FROM gold.fct_engagement_daily"), "title_kind", "title_id_trakt", "as_of", "period"
    )
    expected = {}
    for title in world.titles:
        comments = [one for one in world.of(title) if one.day <= world.as_of]
        for back in range(ENGAGEMENT_DAYS):
            day = world.as_of - timedelta(days=back)
            if not any(one.day <= day for one in comments):
                continue
            for period, length in PERIODS.items():
                since = day - timedelta(days=length) if length else date.min
                found = sums([one for one in comments if since < one.day <= day])
                found["further_comments"] = found["comments"] - found["commenters"]
                found["rating_mean"] = found["rating_sum"] / found["rated"] if found["rated"] else None
                del found["rating_sum"]
                expected[*title, day, period] = found
    assert differences(expected, rows) == []
    assert len(rows) > 5_000


def test_half_lives_are_those_of_the_likelihood(world: World) -> None:
    rows = keyed(world.query(METRICS), *KEY)
    assert rows.keys() == world.titles.keys()
    wrong, reasons = [], Counter[str]()
    for title, row in rows.items():
        found = figures_of(world, title)
        expected = half_life(found)
        reasons[expected.get("reason") or "value"] += 1
        same = (
            row["anchor"] == found.anchor
            and row["age_band"] == found.band
            and row["age_days"] == (None if found.age is None else math.floor(found.age))
            and row["comments"] == len(found.comments)
            and row["half_life_days_reason"] == expected.get("reason")
            and row["half_life_days_n"] == expected.get("n", 0)
        )
        if "value" in expected:
            same &= all(
                close(row[f"half_life_days{end}"], expected[name], rel=1e-6)
                for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))
            )
            same &= abs(row["half_life_aic_gain"] - expected["gain"]) < 0.01 + 1e-3 * len(found.times)
        if not same:
            wrong.append((title, found.anchor, found.age, expected, row))
    assert wrong[:4] == []
    assert reasons["value"] > 15
    assert len(reasons) >= 4, reasons


def test_horizons_and_retention_are_those_of_the_truth(world: World) -> None:
    rows = keyed(world.query(METRICS), *KEY)
    wrong, values = [], Counter[str]()
    for title, row in rows.items():
        found = figures_of(world, title)
        for name, expected in {
            "t50_days": horizon(found, 0.5, 90),
            "t80_days": horizon(found, 0.8, 90),
            "t50_year_days": horizon(found, 0.5, 365),
            "t80_year_days": horizon(found, 0.8, 365),
            "retention": retention(found),
        }.items():
            values[name] += "value" in expected
            given = {
                "n": row[f"{name}_n"], "value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"],
                "reason": row[f"{name}_reason"],
            }  # fmt: skip
            right = {"n": 0, "value": None, "low": None, "high": None, "reason": None, **expected}
            if any(given[key] != right[key] and not close(given[key], right[key], rel=1e-6) for key in right):
                wrong.append((title, name, world.titles[title], found.age, right, given))
    assert wrong[:4] == []
    assert all(values[name] >= 10 for name in values), values


def test_hold_up_compares_ratings_as_first_seen(world: World) -> None:
    wrong, values, changed = [], 0, 0
    for title, row in keyed(world.query(METRICS), *KEY).items():
        expected = hold_up(figures_of(world, title))
        names = ("hold_up_reason", "hold_up_n_before", "hold_up_n_after", "hold_up_first_seen_by_backfill")
        same = [row[name] for name in names] == [expected.get("reason"), *list(expected.values())[-3:]]
        if "value" in expected:
            values += 1
            changed += expected["changed"] > 0
            width = row["hold_up_high"] - row["hold_up"]
            same &= close(row["hold_up"], expected["value"]) and close(width, row["hold_up"] - row["hold_up_low"])
            same &= abs(t_probability(width / expected["error"], expected["df"]) - 0.975) < 1e-5
        if not same:
            wrong.append((title, expected, row))
    assert wrong[:4] == []
    assert values >= 10
    assert changed >= 3, "no rating was changed"


def test_breadth_and_intensity_have_their_posterior(world: World, peers: dict[tuple[str, str, str], Peers]) -> None:
    rows = keyed(world.query(METRICS), *KEY)
    wrong, shrunk = [], 0
    for title, row in rows.items():
        found = figures_of(world, title)
        people = counts(found, world, None)
        breadth, total = len(people), people.total()
        same = (row["breadth"], row["breadth_n"]) == (breadth, breadth)
        below = gamma_probability(row["breadth_low"], breadth + 0.5)
        same &= abs(below - 0.025) < 1e-5 if breadth else row["breadth_low"] == 0
        same &= abs(gamma_probability(row["breadth_high"], breadth + 0.5) - 0.975) < 1e-5
        group = peers.get((title[0], found.band or "", "all"), Peers(0))
        if not breadth:
            same &= (row["intensity"], row["intensity_reason"]) == (None, "NO_DATA")
        else:
            alpha, beta = (group.alpha, group.beta) if group.alpha and group.beta else (0.5, 0.0)
            shrunk += group.alpha is not None
            shape = alpha + (total - breadth) / group.spread
            rate = beta + breadth / group.spread
            same &= row["intensity_n"] == total and close(row["intensity"], shape / rate, rel=5e-3)
            same &= abs(gamma_probability(row["intensity_low"] * rate, shape) - 0.025) < 2e-3
            high = gamma_probability(row["intensity_high"] * rate, shape)
            same &= abs(high - 0.975) < 2e-3 or (high > 0.975 and row["intensity_high"] == row["intensity"])
        if not same:
            wrong.append((title, breadth, total, group, row))
    assert wrong[:4] == []
    assert shrunk > 30


def test_quadrants_of_every_period_are_on_the_right_side(
    world: World, peers: dict[tuple[str, str, str], Peers]
) -> None:
    rows = keyed(world.query("SELECT * FROM gold.mart_title_quadrants_daily"), "title_kind", "title_id_trakt", "period")
    assert rows.keys() == {(*title, period) for title in world.titles for period in PERIODS}
    names = {(True, True): "phenomenon", (True, False): "broad_hit", (False, True): "cult", (False, False): "quiet"}
    wrong, labels = [], Counter[str]()
    for (kind, number, period), row in rows.items():
        found = figures_of(world, (kind, number))
        people = counts(found, world, PERIODS[period])
        breadth, total = len(people), people.total()
        group = peers.get((kind, found.band or "", period), Peers(0))
        same = (row["breadth"], row["n"], row["peers"]) == (breadth, total, group.n)
        same &= row["age_band"] == (found.band or "unknown")
        near = False
        reason: str | None
        if total < N_MIN:
            label, reason = "insufficient", "TOO_FEW"
        elif group.n < PEERS_MIN:
            label, reason = "insufficient", "TOO_FEW_PEERS"
        else:
            assert group.alpha
            assert group.beta
            assert group.breadth
            assert group.intensity
            high = 1 - gamma_probability(group.breadth, breadth + 0.5)
            rate = group.beta + breadth / group.spread
            often = 1 - gamma_probability(group.intensity * rate, group.alpha + (total - breadth) / group.spread)
            same &= row["breadth_median"] == group.breadth and abs(row["p_breadth_high"] - high) < 1e-5
            same &= abs(row["p_intensity_high"] - often) < 0.01
            same &= close(row["intensity_median"], group.intensity, rel=0.01)
            is_clear = all(max(p, 1 - p) >= SIDE for p in (high, often))
            near = any(abs(max(p, 1 - p) - SIDE) < 0.01 for p in (high, often))
            label, reason = (names[high > 0.5, often > 0.5], None) if is_clear else ("borderline", "NEAR_MEDIAN")
        labels[label] += 1
        if not (same and (near or (row["quadrant"], row["reason"]) == (label, reason))):
            wrong.append(((kind, number, period), label, reason, group, row))
    assert wrong[:3] == []
    assert sum(labels[name] for name in names.values()) >= 20, labels
    assert min(labels["borderline"], labels["insufficient"]) >= 5, labels


def test_the_console_shows_the_medians_and_figures_of_the_truth(
    world: World, peers: dict[tuple[str, str, str], Peers], postgres: str
) -> None:
    with _database(postgres, "telecine") as database:
        given = PublishSettings(database_url=database.url, bucket=str(world.file.parents[1] / "bucket"))
        publish.run(given, MemoryStageRun(run_id="run-1", pipeline="trakt", stage="publish"))
        app = create(settings(database_url=database.url))
        for period in PERIODS:
            shown = groups_of(ask(app, f"/titles?window={period}", headers=BROWSER).text)
            members = Counter((kind, figures_of(world, (kind, number)).band) for kind, number in world.titles)
            assert shown.keys() == {f"{kind}s, {age_words(band or 'unknown')}" for kind, band in members}
            for (kind, band), titles in members.items():
                group = peers.get((kind, band or "", period), Peers(0))
                total, there, breadth, intensity, *quadrants = shown[f"{kind}s, {age_words(band or 'unknown')}"]
                assert (int(total), int(there)) == (titles, group.n)
                assert sum(map(int, quadrants)) == titles
                if group.n >= PEERS_MIN:
                    assert group.breadth
                    assert group.intensity
                    assert close(float(breadth), group.breadth, rel=0.006)
                    assert close(float(intensity), group.intensity, rel=0.02)
                else:
                    assert breadth == intensity == "\N{EN DASH}"
                    assert int(quadrants[-1]) == titles
        for kind, number in random.Random(3).sample(sorted(world.titles), 12):
            answer = ask(app, f"/titles/{kind}/{number}", headers=BROWSER)
            assert answer.status == 200, answer.text
            found = half_life_of(world, (kind, number))
            said = "No half-life" if found is None else f"halves every {printed(found)} days"
            assert said in plain(answer.text)


def half_life_of(world: World, title: tuple[str, int]) -> float | None:
    """Return the half-life in gold, which another test compares with the truth."""
    (row,) = world.query(f"{METRICS} WHERE title_kind = '{title[0]}' AND title_id_trakt = {title[1]}")
    value: float | None = row["half_life_days"]
    return value
