"""The cascade in PostgreSQL: equal to a plain implementation, in order, one bucket's failure alone, generic."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy.exc import DBAPIError

from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.titles import series_key
from jobs.viewership.matching import cascade as cascades
from jobs.viewership.matching import matcher
from jobs.viewership.matching.cascade import run_cascade
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import BUCKETS, CONFIDENCE, RULES, Bucket, Decision
from jobs.viewership.matching.names import SeriesAlias, SeriesName, SeriesNames
from jobs.viewership.matching.prepare import MatchKey, prepare
from shared.database.session import transaction
from shared.errors import ConfigurationError
from tests.matching.catalogue import Alias, Catalogue, Episode, Series, write
from tests.matching.oracle import Oracle
from tests.postgres_server import made_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.matching.model import Match
    from shared.database.session import DatabaseSession
    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

RULE = RULES["standard-1"]


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[Database]:
    """One database without a catalogue: no test commits."""
    with made_database(postgres) as made:
        yield made


SERIES = ("Alpha", "Alpha (2018)", "The Beta", "Gamma Ray", "Gamma", "Ωmega", "Beta Court")
TITLES = (
    *("The Storm, Part 1", "The Storm (2)", "Storm", "Pilot", "Her Mother's Matter", "Gamma Ray Burst", "Episode 4"),
    *("A Clear Verdict / The Long Appeal", "A Clear Verdict", "Тайна сестры", "Chapter Two", "Beta Court"),
)


def generated(rng: random.Random) -> Catalogue:
    made = Catalogue()
    names = rng.sample(SERIES, rng.randint(2, len(SERIES)))
    for one, name in enumerate(names, 1):
        titles = [name, rng.choice(SERIES)] if rng.random() < 0.2 else [name]
        made.series.append(Series(one, titles, f"C{one}", active=rng.random() > 0.2))
    for one in range(1, rng.randint(4, 30)):
        made.episodes.append(
            Episode(
                one,
                f"C{rng.randint(1, 4)}-{one:04}" if rng.random() < 0.9 else None,
                rng.randint(1, len(names)),
                rng.choice((None, "1", "2", "12A")),
                rng.choice((None, "1", "2", "3", "4")),
                rng.sample(TITLES, rng.choice((0, 1, 1, 1, 2))),
                active=rng.random() > 0.1,
                numbers=[("tubi", "3", "7")] * (rng.random() < 0.1) + [(None, "4", "8")] * (rng.random() < 0.1),
            )
        )
    seen = set()
    for _ in range(rng.randint(0, 4)):
        alias = Alias(
            episode=rng.choice(made.episodes).id,
            platform=rng.choice((None, "tubi", "philo")),
            exact=rng.random() < 0.5,
            title=rng.choice((*TITLES, None)),
            series_name=rng.choice((*SERIES, None, None)),
            season=rng.choice((None, None, "1")),
            number=rng.choice((None, None, "2")),
            content_id=rng.choice((None, None, "X9")),
        )
        place = (
            alias.platform,
            alias.exact,
            alias.title,
            alias.series_name,
            alias.season,
            alias.number,
            alias.content_id,
        )
        if (alias.title or alias.series_name or alias.content_id) and place not in seen:
            seen.add(place)
            made.aliases.append(alias)
    if rng.random() < 0.3:
        made.aliases.append(Alias(series=1, series_name="Other Name", platform=rng.choice((None, "tubi"))))
    return made


def a_key(rng: random.Random, number: int, made: Catalogue) -> MatchKey:
    def maybe(share: float, text: str) -> str | None:
        return text if rng.random() < share else None

    if rng.random() < 0.2:
        one = rng.choice(made.episodes)
        return MatchKey(
            number,
            "tubi",
            *(one.titles[:1] or [None]),
            None,
            made.series[one.series - 1].titles[0],
            one.season,
            one.episode,
            one.ref,
        )
    title, series = rng.choice(TITLES), rng.choice((*SERIES, "Other Name", "Unknown Show"))
    ref = rng.choice(made.episodes).ref or "X9"
    shape = rng.choice(
        ("{t}", "{t}", "{t}", "{s}: {t}", "{s} {t}", "S01E02 - {t}", "{s} S02E03", "{t} (dubbed)", "{t}...")
    )
    return MatchKey(
        number,
        rng.choice(("tubi", "Philo")),
        maybe(0.8, shape.format(t=title, s=series)),
        maybe(0.1, rng.choice(TITLES)),
        maybe(0.6, series),
        maybe(0.5, rng.choice(("1", "02", "3", "4", "x"))),
        maybe(0.5, rng.choice(("1", "2", "3.0", "7", "8"))),
        maybe(0.4, rng.choice((ref, f"chan_{ref}_us", "X9", "1.5E+10", f"C{rng.randint(1, 4)}-9999"))),
    )


@contextmanager
def loaded(database: Database, made: Catalogue) -> Iterator[DatabaseSession]:
    """A transaction in which the catalogue is there; it is never committed."""

    with transaction(database.settings()) as session:
        write(session, made)
        yield session
        session.run("ROLLBACK")


def test_statements_find_what_the_plain_implementation_finds(database: Database):
    met: set[str] = set()
    for seed in range(24):
        rng = random.Random(seed)
        made = generated(rng)
        keys = [a_key(rng, number, made) for number in range(150)]
        names = SeriesNames(
            [SeriesName(one.id, title) for one in made.series for title in one.titles],
            [
                SeriesAlias(one.series, series_key(one.series_name), one.platform)
                for one in made.aliases
                if one.series is not None and one.series_name is not None
            ],
            RULE,
            {id_key(one.code): one.id for one in made.series if one.code},
        )
        prepared = prepare(keys, names, {id_key(one.ref) for one in made.episodes if one.ref})
        oracle = Oracle(made, RULE.common)
        with loaded(database, made) as session:
            result = run_cascade(session, prepared, RULE)
        assert not result.failed
        for key in prepared:
            found = result.found.get(key.key)
            shown = None if found is None else (found[0], found[1].value)
            assert shown == oracle.find(key), (seed, keys[key.key], key)
        met |= {bucket.value for _, bucket, _ in result.found.values()}
        assert sum(step.found for step in result.steps) == len(result.found)
    assert met == {"ALIAS", *BUCKETS}


SIX = Catalogue(
    [
        Series(1, ["Harbour Lights"], "HL"),
        Series(2, ["Blue Yard"], "BY"),
        Series(3, ["Closed Shop"], "CS", active=False),
    ],
    [
        Episode(1, "HL-0101", 1, "1", "1", ["The Storm, Part 1"]),
        Episode(2, "HL-0102", 1, "1", "2", ["The Storm, Part 2"]),
        Episode(3, "HL-0103", 1, "1", "3", ["She's My Sister"]),
        Episode(4, "BY-0101", 2, "1", "1", ["A Clear Verdict"]),
        Episode(5, "BY-0102", 2, "1", "2", ["Borrowed Furniture"]),
        Episode(6, "CS-0101", 3, "1", "1", ["The Vanishing Locksmith"]),
        Episode(7, "BY-0103", 2, "2", "1", ["Gathering Evidence"]),
    ],
)
FIELDS = {
    Bucket.FULL_DATA: {
        "content_id": "HL-0101",
        "series": "Harbour Lights",
        "season": "01",
        "episode": "1",
        "content_name": "The Storm (1)",
    },
    Bucket.REF_ID_SERIES: {"content_id": "x_HL-0102", "series": "HARBOUR LIGHTS", "content_name": "The Storm Pt. II"},
    Bucket.REF_ID_ONLY: {"content_id": "hl-0103", "content_name": "Shes my sister"},
    Bucket.SERIES_SEASON_EPISODE: {"series": "Blue Yard", "season": "1", "episode": "1"},
    Bucket.SERIES_ONLY: {"series": "Blue Yard", "content_name": "Borrowed Furniture | Full Episode"},
    Bucket.TITLE_ONLY: {"content_name": "gathering évidence"},
}


def matched(database: Database, made: Catalogue, *rows: dict[str, str | None]) -> list[Match]:
    with loaded(database, made) as session:
        return list(match_keys(session, [MatchKey(number, "test", **row) for number, row in enumerate(rows)]).matches)


def test_six_rows_reach_the_six_buckets_in_order(database: Database):
    found = matched(database, SIX, *FIELDS.values())
    assert [one.bucket for one in found] == list(BUCKETS) == list(FIELDS)
    assert [one.episode_id for one in found] == [1, 2, 3, 4, 5, 7]
    confidence = [one.confidence for one in found]
    assert confidence == sorted(confidence, reverse=True)
    assert len(set(confidence)) == len(confidence)
    assert [CONFIDENCE[bucket] for bucket in BUCKETS] == sorted((CONFIDENCE[each] for each in BUCKETS), reverse=True)


# Fields of a row -> its bucket.
MISSES: list[tuple[dict[str, str | None], Bucket]] = [
    ({"content_id": "zz-0000", "content_name": "Gathering Evidence"}, Bucket.TITLE_ONLY),
    ({"content_id": "zz-0000", "series": "Blue Yard", "content_name": "A Clear Verdict"}, Bucket.SERIES_ONLY),
    (
        {"series": "Blue Yard", "season": "1", "content_name": "A Clear Verdict", "content_id": "1.2E+11"},
        Bucket.SERIES_ONLY,
    ),
    ({"content_name": "Blue Yard: A Clear Verdict"}, Bucket.SERIES_ONLY),
    ({"content_name": "Blue Yard - S01E02"}, Bucket.SERIES_SEASON_EPISODE),
    ({"content_id": "HL-0101"}, Bucket.REF_ID_ONLY),
    ({"content_id": "HL-0101", "content_name": "Something Else Entirely"}, Bucket.REF_ID_ONLY),
    *(
        (
            {"series": "Blue Yard", "season": "1", "episode": "1", "content_name": text},
            Bucket.SERIES_SEASON_EPISODE,
        )
        for text in ("Borrowed Furniture / Nothing Else", "Borrowed Furniture and Borrowed Furniture")
    ),
    (
        {"series": "Blue Yard", "season": "1", "episode": "1", "content_name": "Episode 1"},
        Bucket.SERIES_SEASON_EPISODE,
    ),
    ({"series": "Blue Yard", "content_name": "Borowed Furniture"}, Bucket.FUZZY),
    ({"series": "Blue Yard", "content_name": "Gathering Evidenc\u2026"}, Bucket.FUZZY),
]


def test_a_miss_reaches_every_later_bucket_it_has_fields_for(database: Database):
    matches = matched(database, SIX, *(row for row, _ in MISSES))
    for (row, bucket), found in zip(MISSES, matches, strict=True):
        assert (found.decision, found.bucket) == (Decision.MATCHED, bucket), (row, found)


# Fields of a row, its decision and one of the reasons.
UNCERTAIN: list[tuple[dict[str, str | None], Decision, str]] = [
    ({"series": "Blue Yard", "season": "1", "episode": "9"}, Decision.UNMATCHED, "NUMBERS_NAME_NONE"),
    ({"content_name": "Nothing Remotely Alike"}, Decision.UNMATCHED, "NO_CANDIDATE"),
    ({"content_id": "HL-0101", "content_name": "She's My Sister"}, Decision.REVIEW, "CONFLICT"),
    (
        {"content_id": "HL-0101", "series": "Harbour Lights", "season": "1", "episode": "3"},
        Decision.REVIEW,
        "CONFLICT",
    ),
    (
        {"series": "Harbour Lights", "season": "1", "episode": "1", "content_name": "Shes My Sistr"},
        Decision.REVIEW,
        "CONFLICT",
    ),
    (
        {"series": "Harbour Lights", "season": "1", "episode": "1", "content_name": "The Storm, Part 3"},
        Decision.REVIEW,
        "TITLE_NUMBERS_DIFFER",
    ),
    ({"series": "Harbour Lights", "content_name": "The Storm"}, Decision.REVIEW, "BELOW_CUT"),
    ({"series": "Harbour Lights", "content_name": "The Storm, Part 3"}, Decision.REVIEW, "BELOW_CUT"),
    (
        {"series": "Harbour Lights", "season": "2", "content_name": "She's My Sister"},
        Decision.REVIEW,
        "NUMBERS_DISAGREE",
    ),
    ({"series": "Closed Shop", "content_name": "The Vanishing Locksmith"}, Decision.REVIEW, "INACTIVE"),
    ({"content_id": "CS-0101"}, Decision.REVIEW, "INACTIVE"),
    ({"content_name": "The Vanishing Locksmith"}, Decision.REVIEW, "INACTIVE"),
    ({"content_name": "TBA"}, Decision.REVIEW, "PLACEHOLDER"),
    ({"series": "Blue Yard", "content_name": "Episode 2"}, Decision.REVIEW, "PLACEHOLDER"),
    ({"series": "Blue Yard", "season": "2", "content_name": "S01E02"}, Decision.REVIEW, "NUMBERS_TWICE"),
    ({"series": "Blue Yard", "content_name": "S01E01-E02"}, Decision.REVIEW, "SEVERAL_EPISODES"),
    *(
        (
            {"series": "Blue Yard", "season": "1", "episode": "1", "content_name": text},
            Decision.REVIEW,
            "SEVERAL_EPISODES",
        )
        for text in (
            "Borrowed Furniture / A Clear Verdict",
            "Borrowed Furniture & A Clear Verdict",
            "Blue Yard: A Clear Verdict and Borrowed Furniture",
        )
    ),
    ({"series": "Elsewhere", "content_name": "Gathering Evidence"}, Decision.REVIEW, "SERIES_UNKNOWN"),
    ({"content_name": "Gathering Evidense"}, Decision.REVIEW, "NO_SERIES"),
]


def test_what_is_not_certain_is_left_to_a_person(database: Database):
    matches = matched(database, SIX, *(row for row, _, _ in UNCERTAIN))
    for (row, decision, code), found in zip(UNCERTAIN, matches, strict=True):
        assert (found.decision, code in found.reasons) == (decision, True), (row, found)
        assert (found.episode_id, found.bucket, found.confidence) == (None, None, 0.0), row
        assert bool(found.candidates) == (decision is Decision.REVIEW and "PLACEHOLDER" not in found.reasons), row


def test_the_order_of_keys_and_of_the_catalogue_does_not_matter(database: Database):
    rng = random.Random(5)
    made = generated(rng)
    keys = [a_key(rng, number, made) for number in range(200)]
    mixed = Catalogue(list(reversed(made.series)), rng.sample(made.episodes, len(made.episodes)), made.aliases[::-1])
    with loaded(database, made) as session:
        first = match_keys(session, keys)
        second = match_keys(session, keys[::-1])
    with loaded(database, mixed) as session:
        third = match_keys(session, keys)
    assert first.matches == tuple(reversed(second.matches)) == third.matches


class Watched:
    """A session that two threads must not use at once."""

    def __init__(self, session: DatabaseSession) -> None:
        self._session = session
        self._lock = threading.RLock()
        self.threads: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **values: Any) -> Any:
            assert self._lock.acquire(blocking=False), f"{name} is called while another thread uses the session"
            try:
                self.threads.add(threading.current_thread().name)
                return getattr(self._session, name)(*args, **values)
            finally:
                self._lock.release()

        return call


def test_many_keys_are_matched_in_pieces_with_the_same_results(database: Database, monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(6)
    made = generated(rng)
    keys = [a_key(rng, number, made) for number in range(200)]
    with loaded(database, made) as session:
        whole = match_keys(session, keys)
        monkeypatch.setattr(matcher, "_PIECE", 30)
        watched = Watched(session)
        pieces = match_keys(cast("DatabaseSession", watched), keys)
    assert pieces.matches == whole.matches
    assert len(watched.threads) == 2, "the buckets run in another thread than the rest"
    assert [(one.name, one.keys, one.found) for one in pieces.steps] == [
        (one.name, one.keys, one.found) for one in whole.steps
    ]
    assert sum(one.found for one in pieces.steps) > 20


def test_a_bucket_that_fails_in_one_piece_fails(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(cascades._NEEDS, Bucket.TITLE_ONLY, "1 / c.key = 1")
    monkeypatch.setattr(matcher, "_PIECE", 1)
    keys = [MatchKey(number, "test", **FIELDS[Bucket.TITLE_ONLY]) for number in range(2)]
    with loaded(database, SIX) as session:
        result = match_keys(session, keys)
    assert result.failed == (Bucket.TITLE_ONLY,)
    assert "BUCKET_FAILED" in result.matches[0].reasons
    assert (result.matches[1].bucket, result.matches[1].decision) == (Bucket.TITLE_ONLY, Decision.MATCHED)


def test_evidence_that_fails_in_one_piece_ends_the_matching(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cascades, "_CANDIDATES", "SELECT 1 / (SELECT min(key) - 2 FROM match_keys)")
    monkeypatch.setattr(matcher, "_PIECE", 1)
    keys = [MatchKey(number, "test", content_name="She's My Sister") for number in range(5)]
    with loaded(database, SIX) as session:
        with pytest.raises(DBAPIError, match="division by zero"):
            match_keys(session, keys)
        session.run("ROLLBACK")
        assert session.rows("SELECT 1")


@pytest.mark.parametrize("failing", [*BUCKETS, Bucket.ALIAS])
def test_a_bucket_that_fails_leaves_the_others(database: Database, monkeypatch: pytest.MonkeyPatch, failing: Bucket):
    if failing is Bucket.ALIAS:
        monkeypatch.setattr(cascades, "_ALIAS_BUCKET", "SELECT 1 / 0")
    else:
        monkeypatch.setitem(cascades._NEEDS, failing, "1 / 0 = 1")
    with loaded(database, SIX) as session:
        result = match_keys(session, [MatchKey(number, "test", **row) for number, row in enumerate(FIELDS.values())])
    assert result.failed == (failing,)
    (step,) = [each for each in result.steps if each.error]
    assert "division by zero" in (step.error or "")
    for bucket, one in zip(BUCKETS, result.matches, strict=True):
        if bucket is failing:
            # A full row falls to the next bucket; others are left to a person, who is told why.
            assert one.bucket is not failing
            assert one.decision is Decision.MATCHED or "BUCKET_FAILED" in one.reasons
        else:
            assert one.bucket is bucket


def test_nothing_matches_without_a_catalogue(database: Database):
    with pytest.raises(ConfigurationError, match="no episodes") as raised, transaction(database.settings()) as session:
        match_keys(session, [MatchKey(1, "test", content_name="Pilot")])
    assert raised.value.code == "no_catalogue"


def test_aliases_of_the_platform_come_first(database: Database):
    made = Catalogue(SIX.series, SIX.episodes)
    made.aliases = [
        Alias(episode=1, title="Es mi hermana"),
        Alias(episode=3, title="Es mi hermana", platform="tubi"),
        Alias(episode=4, content_id="V77"),
        Alias(episode=6, title="De gesloten winkel"),
        Alias(series=2, series_name="Patio Azul"),
        Alias(episode=2, exact=True, title="La tormenta", series_name="Luces"),
    ]
    keys = [
        MatchKey(1, "Tubi", "¡Es mi hermana!"),
        MatchKey(2, "philo", "Es mi hermana"),
        MatchKey(3, "philo", "Es mi hermana", content_id="v77"),
        MatchKey(4, "philo", "De gesloten winkel"),
        MatchKey(5, "philo", "A Clear Verdict", series="Patio Azul"),
        MatchKey(6, "philo", "La Tormenta", series="LUCES"),
        MatchKey(7, "philo", "La Tormenta", series="LUCES", season="1"),
    ]
    with loaded(database, made) as session:
        found = {one.key: one for one in match_keys(session, keys).matches}
    assert [found[key].episode_id for key in (1, 2, 5, 6)] == [3, 1, 4, 2]
    assert found[1].bucket is Bucket.ALIAS
    assert found[3].decision is Decision.REVIEW, "two decisions that disagree decide nothing"
    assert "ALIASES_DISAGREE" in found[3].reasons
    assert (found[4].decision, "INACTIVE" in found[4].reasons) == (Decision.REVIEW, True)
    assert found[7].bucket is not Bucket.ALIAS, "an exact decision is for rows without a season"


def test_statements_name_no_platform_and_there_are_six_buckets():
    text = " ".join([*cascades._NEEDS.values(), cascades._BUCKET, cascades._CANDIDATES, *cascades._EVIDENCE.values()])
    assert not [name for name in ("tubi", "philo", "roku", "wurl", "pluto", "youtube", "xumo") if name in text.lower()]
    assert tuple(cascades._NEEDS) == BUCKETS
    assert len(BUCKETS) == 6
