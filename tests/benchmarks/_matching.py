"""viewership matching: accuracy on labelled rows, and 143,000 keys against 100,000 episodes.

Accuracy is exact and the same on every machine, since seeds fix catalogues and rows. Times are wall-clock seconds on
an embedded PostgreSQL with fsync; ratios count.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.titles import title_form, title_key
from jobs.viewership.matching.cascade import run_cascade
from jobs.viewership.matching.judge import Judge
from jobs.viewership.matching.known import ref_keys, series_names
from jobs.viewership.matching.matcher import match_keys
from jobs.viewership.matching.model import RULES
from jobs.viewership.matching.prepare import MatchKey, prepare
from shared.collector import no_collection
from shared.database import embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.database.session import transaction
from shared.settings import StepSettings
from tests.benchmarks._table import print_table, progress
from tests.matching.baselines import BASELINES
from tests.matching.catalogue import write
from tests.matching.noise import KINDS, labelled
from tests.matching.ours import answers, matches
from tests.matching.score import Score, score
from tests.matching.world import world
from tests.postgres_server import reachable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.viewership.matching.prepare import Prepared
    from shared.database.session import DatabaseSession
    from tests.matching.world import World

__all__ = ["accuracy", "keys_of_platforms", "server", "speed"]

_HELD_OUT: Final = 2000
_KEYS: Final = 143_056


SERVER: Final = {"shared_buffers": "1GB", "work_mem": "128MB", "wal_buffers": "64MB"}
"""Settings of PostgreSQL for the benchmarks: those of a small server, not of the embedded one."""


@contextmanager
def server() -> Iterator[StepSettings]:
    """A migrated server of its own."""
    with reachable_folder() as folder:
        settings = StepSettings(database_url=embedded.ensure(folder, dict(SERVER)))
        try:
            upgrade(settings)
            yield settings
        finally:
            dispose()
            embedded.release(folder)


def accuracy(*, quick: bool = False) -> None:
    """Print precision and recall of the matcher and of two others, on seeds that no rule was tuned on."""
    seeds = range(_HELD_OUT, _HELD_OUT + (3 if quick else 10))
    found = {name: Score() for name in ("telecine", *BASELINES)}
    with server() as settings:
        for seed in seeds:
            progress(f"labelled rows, seed {seed}")
            made = world(seed, series=100 if quick else 400)
            rows = labelled(made, seed, 3000 if quick else 5000)
            score(rows, answers(matches(settings, made, rows)), found["telecine"])
            for name, way in BASELINES.items():
                score(rows, way(made, rows), found[name])
    columns = ["matcher", "exact P", "P", "R", "accepted though lacking", "placeholders", "conflicts", "inactive"]
    table = [
        [
            name,
            *(f"{value:.4f}" for value in (each.exact_precision, each.precision, each.recall)),
            *(f"{100 * each.share(group):.2f} %" for group in ("lacking", "placeholder", "conflict", "inactive")),
        ]
        for name, each in found.items()
    ]
    total = sum(found["telecine"].groups.values())
    print_table(f"viewership: {total} labelled rows of {len(KINDS)} kinds, {len(seeds)} catalogues", columns, table)
    ours = found["telecine"]
    kinds = [
        [kind, str(count), *(f"{1 - each.missed[kind] / count:.3f}" for each in found.values())]
        for kind, count in sorted(ours.kinds.items(), key=lambda pair: -ours.missed[pair[0]] / pair[1])
    ]
    print_table("viewership: recall by kind of noise", ["kind", "rows", *found], kinds)


def keys_of_platforms(made: World, count: int) -> list[MatchKey]:
    """Distinct keys: mostly episodes as they are, in the shares of fields that platforms have; a sixth with noise."""
    rng = random.Random(1)
    rows = labelled(made, 1, count // 6)
    keys = [row.key for row in rows]
    every = made.catalogue.episodes
    noise = [
        KINDS[kind] for kind in ("full", "id, series, title", "numbers, title", "series, title", "title", "numbers")
    ]
    from tests.matching.noise import Context

    context = Context(rng, made, set(), set())
    while len(keys) < count:
        fields = noise[min(5, int(rng.expovariate(0.6)))](context, rng.choice(every)) or {}
        keys.append(MatchKey(len(keys), "bench", **fields))
    return [
        MatchKey(number, one.platform, *(getattr(one, name) for name in _FIELDS)) for number, one in enumerate(keys)
    ]


_FIELDS = ("content_name", "content_name_2", "series", "season", "episode", "content_id")
# The original's shape: rows carry the keys, and each bucket writes into the rows that it matches.
_IN_PLACE: Final = (
    """
    UPDATE bench_rows r SET episode_id = t.episode_id FROM catalog.episode_titles t, catalog.episodes e
    WHERE r.episode_id IS NULL AND t.title_key = r.title_key AND e.id = t.episode_id AND e.ref_key = r.content_key
    """,
    """
    UPDATE bench_rows r SET episode_id = e.id FROM catalog.episodes e, catalog.series_titles s
    WHERE r.episode_id IS NULL AND e.ref_key = r.content_key AND s.series_id = e.series_id
        AND s.series_key = r.series_key
    """,
    """
    UPDATE bench_rows r SET episode_id = e.id FROM catalog.episodes e
    WHERE r.episode_id IS NULL AND r.series_key IS NULL AND e.ref_key = r.content_key
    """,
    """
    UPDATE bench_rows r SET episode_id = e.id FROM catalog.episodes e, catalog.series_titles s
    WHERE r.episode_id IS NULL AND s.series_key = r.series_key AND e.series_id = s.series_id AND e.season_no = r.season
        AND e.episode_no = r.episode
    """,
    """
    UPDATE bench_rows r SET episode_id = e.id
    FROM catalog.episode_titles t, catalog.episodes e, catalog.series_titles s
    WHERE r.episode_id IS NULL AND t.title_key = r.title_key AND e.id = t.episode_id AND s.series_id = e.series_id
        AND s.series_key = r.series_key
    """,
    """
    UPDATE bench_rows r SET episode_id = t.episode_id FROM catalog.episode_titles t
    WHERE r.episode_id IS NULL AND r.series_key IS NULL AND r.content_key IS NULL AND t.title_key = r.title_key
    """,
)


def speed(*, quick: bool = False) -> None:
    """Print seconds of keys, cascade and residue, and the ratio to updating the rows in place."""
    made = world(7, series=280 if quick else 2900)
    keys = keys_of_platforms(made, _KEYS // 10 if quick else _KEYS)
    titles = list({text for key in keys for text in (key.content_name, key.content_name_2) if text})
    title_form.cache_clear()
    start = time.monotonic()
    for text in titles:
        title_key(text)
    rows = [["keys of distinct titles", len(titles), _seconds(start), _rate(start, len(titles))]]
    rules = RULES["standard-1"]
    with server() as settings, transaction(settings) as session:
        progress("writing the catalogue")
        write(session, made.catalogue)
        with no_collection():
            start = time.monotonic()
            prepared = prepare(keys, series_names(session, rules), ref_keys(session))
            rows.append(["keys taken apart", len(keys), _seconds(start), _rate(start, len(keys))])
            start = time.monotonic()
            cascade = run_cascade(session, prepared, rules)
            rows.append(["cascade: COPY, evidence, six buckets", len(keys), _seconds(start), _rate(start, len(keys))])
            buckets = sum(step.seconds for step in cascade.steps)
            rows.append(["evidence and buckets alone", len(keys), f"{buckets:.2f}", f"{len(keys) / buckets:,.0f}"])
            judge = Judge(session, prepared, cascade, rules)
            residue = [key for key in prepared if key.key not in cascade.found]
            start = time.monotonic()
            for key in residue:
                judge.match(key)
            rows.append(
                ["residue: similar titles and reasons", len(residue), _seconds(start), _rate(start, len(residue))]
            )
        start = time.monotonic()
        match_keys(session, keys)
        rows.append(["everything, to results with reasons", len(keys), _seconds(start), _rate(start, len(keys))])
        progress("updating rows in place")
        in_place = _in_place(session, prepared)
        rows.append(["six UPDATEs of the rows in place", 1_000_000, f"{in_place:.2f}", f"{in_place / buckets:.1f} x"])
        session.run("ROLLBACK")
    title = f"viewership: {len(keys)} keys, {len(made.catalogue.episodes)} episodes"
    print_table(title, ["step", "keys", "seconds", "per second, ratio"], rows)
    counts = [[step.name, step.keys, step.found, f"{step.seconds:.3f}"] for step in cascade.steps]
    print_table("viewership: steps of the cascade", ["step", "open keys", "matched", "seconds"], counts)


def _in_place(session: DatabaseSession, keys: list[Prepared]) -> float:
    """Return the seconds of six UPDATEs, scaled to 1M rows that carry the keys, which are given."""
    session.run(
        "CREATE TABLE public.bench_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title_key text,"
        " series_key text, season int, episode int, content_key text, episode_id bigint, raw text)"
    )
    session.run(
        "INSERT INTO bench_rows (title_key, series_key, season, episode, content_key, episode_id, raw)"
        " SELECT k.title_key, k.series_key, k.season, k.episode, k.content_key, NULL,"
        " repeat('x', 150) FROM match_keys k, generate_series(1, :times)",
        times=max(1, 1_000_000 // len(keys)),
    )
    session.run("ANALYZE bench_rows")
    start = time.monotonic()
    for statement in _IN_PLACE:
        session.run(statement)
    return (time.monotonic() - start) * 1_000_000 / (max(1, 1_000_000 // len(keys)) * len(keys))


def _seconds(start: float) -> str:
    return f"{time.monotonic() - start:.2f}"


def _rate(start: float, count: int) -> str:
    return f"{count / (time.monotonic() - start):,.0f}"
