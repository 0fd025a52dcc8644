"""Random histories of uploads, replacements, retractions, decisions, imports and reprocessing, on a real PostgreSQL.

After each full reprocess, matches, final rows and fates must be those that the inputs alone determine, whatever came
before: the matches of the current catalogue, the latest decision that stands, and the uploads that count.
"""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import os
import random
import shutil
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from jobs.viewership.audit.shadow import compare_rules
from jobs.viewership.audit.verify import choose
from jobs.viewership.catalog.import_ import import_files
from jobs.viewership.errors import DecisionUndone, ReviewChanged
from jobs.viewership.matching.model import RULES
from jobs.viewership.phases.load import load
from jobs.viewership.phases.match import match
from jobs.viewership.phases.normalize import Resolver, normalize
from jobs.viewership.phases.reprocess import Selection, reprocess
from jobs.viewership.phases.retract import retract
from jobs.viewership.review.decisions import decide, preview, undo
from jobs.viewership.settings.audit import VerifySettings
from jobs.viewership.steps import verify
from jobs.viewership.tables.uploads import ACTIVE
from shared.database.session import transaction
from shared.errors import TransientError, UsageError
from tests.fakes.ledger import MemoryStageRun
from tests.integration.test_viewership_reprocess_equal import (
    NAMES,
    Model,
    a_title,
    add_alias,
    add_episode,
    add_series,
    change,
    check_equal,
    csv_bytes,
)
from tests.postgres_server import database, postgres  # noqa: F401
from tests.viewership_rows import DETAILS, reconciled
from tests.viewership_store import Store, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

EXAMPLES = int(os.environ.get("TELECINE_TEST_EXAMPLES", "3"))
STEPS = 14
PLATFORMS = ("philo", "tubi")
CHANNELS = ("Harbour TV", "Main", "Other")
TERRITORIES = ("US", "CA", "MX", "")
PENDING = ("read", "normalized", "matched")


@dataclass
class File:
    """A file that was uploaded: its rows, and what it was uploaded with."""

    name: str
    platform: str
    rows: list[str]
    hours: Decimal


@dataclass
class Decision:
    """A decision as it was made."""

    number: int
    action: str
    episode: int | None
    keys: list[int]
    uploads: dict[int, set[int]]


@dataclass
class History:
    """A store, what was done to it, and what it should hold."""

    store: Store
    rng: random.Random
    catalogue: Model
    deals: list[dict[str, str]] = field(default_factory=list)
    channels: list[dict[str, str]] = field(default_factory=list)
    files: dict[int, File] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)
    count: int = 0
    alone: bool = True

    @property
    def database(self) -> Database:
        return self.store.database

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.database.rows(statement, *values)

    def import_catalogue(self) -> None:
        places = [("deals", self.deals), ("channels", self.channels)]
        files = [*self.catalogue.files(), *((f"{name}.csv", csv_bytes(rows)) for name, rows in places)]
        with transaction(self.database.settings()) as session:
            done = import_files(session, files, source="test", by="ann", overwrite=True, remove_missing=True)
        assert not done.plan.bad, [str(bad) for bad in done.plan.bad]


def start(history: History) -> None:
    rng, made = history.rng, history.catalogue
    for _ in range(rng.randint(2, 4)):
        add_series(rng, made)
    for _ in range(rng.randint(3, 10)):
        add_episode(rng, made)
    for _ in range(rng.randint(0, 2)):
        add_alias(rng, made)
    history.deals += distinct([a_deal(rng, number) for number in range(1, 4)])
    history.channels += [{"channel": "Harbour TV", "channel.2": "Harbor TV"}, {"channel": "Main", "channel.2": ""}]
    history.import_catalogue()


def a_deal(rng: random.Random, number: int) -> dict[str, str]:
    return {
        "platform": rng.choice(PLATFORMS),
        "domain": "",
        "partner": rng.choice(("", "Acme")),
        "channel": rng.choice(("", "", *CHANNELS)),
        "territory": rng.choice(("", "", "US", "CA")),
        "deal_parent": str(number),
        "internal_channel": rng.choice(("", "", "Main")),
        "internal_territory": rng.choice(("", "US")),
    }


def distinct(deals: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return deals that have different rows; of equal ones, the last."""
    return list({tuple(deal.values())[:5]: deal for deal in deals}.values())


def a_row(history: History, day: int, channel: str, territory: str) -> str:
    rng = history.rng
    hours = Decimal(rng.randrange(1, 10**6)) / 1000
    known = rng.choice(list(history.catalogue.episodes.values()))
    title = known["title"] if rng.random() < 0.4 else a_title(rng)
    if rng.random() < 0.3 and len(title) > 8:
        at = rng.randrange(4, len(title) - 2)
        title = title[:at] + title[at + 1 :]
    series = (
        history.catalogue.series[known["series_code"]]["series"] if rng.random() < 0.5 else rng.choice((*NAMES, ""))
    )
    cells = [
        f"2025-07-{day:02}",
        "Acme",
        channel,
        territory,
        series,
        rng.choice(("", "", known["season"])),
        rng.choice(("", "", known["episode"])),
        rng.choice((title, title.upper(), title)),
        rng.choice(("", "", "", known["ref_id"], "X9")),
        "" if rng.random() < 0.05 else f"{hours}",
        "" if rng.random() < 0.5 else f"{-hours if rng.random() < 0.2 else hours}",
    ]
    return ",".join(f'"{cell}"' for cell in cells)


def cells_of(row: str) -> list[str]:
    return next(csv.reader([row]))


def _advance(history: History, number: int, phases: int) -> None:
    for phase in (normalize, match, load)[:phases]:
        result = phase(history.database.settings(), number, "run", by="ann")
        if result is not None:
            assert result.expected == result.actual


def _take(history: History, name: str, rows: list[str], platform: str, **values: Any) -> Any:
    taken = history.store.take(report(*rows), name, platform=platform, **values)
    history.trail.append(f"{name}: {taken.outcome} {taken.upload_id} {values}")
    return taken


def upload(history: History) -> None:
    """Upload new rows, or other values for rows that count."""
    rng = history.rng
    platform = rng.choice(PLATFORMS)
    how = rng.choice(("append", "append", "replace", "replace", "skip", "ask"))
    history.count += 1
    known = dict(history.files)
    active = [number for number in _active(history) if number in known and known[number].platform == platform]
    if active and how == "replace" and rng.random() < 0.8:
        old = history.files[rng.choice(active)]
        places = [cells_of(row)[:4] for row in old.rows]
        kept = [row for row in old.rows if rng.random() < 0.7]
        rows = [*kept, *(a_row(history, int(day[-2:]), channel, territory) for day, _, channel, territory in places)]
    else:
        channel, territory, day = rng.choice(CHANNELS), rng.choice(TERRITORIES), rng.randint(1, 4)
        rows = [a_row(history, rng.randint(day, day + 2), channel, territory) for _ in range(rng.randint(1, 12))]
    hours = sum((Decimal(cells_of(row)[9] or 0) for row in rows), Decimal())
    taken = _take(history, f"f{history.count}.csv", rows, platform, on_overlap=how)
    if taken.outcome == "stored":
        history.files[taken.upload_id] = File(f"f{history.count}.csv", platform, rows, hours)
        _advance(history, taken.upload_id, rng.choice((3, 3, 3, 2, 1, 0)))


def reread(history: History) -> None:
    """Upload the bytes of an upload again, with or without other choices."""
    rng = history.rng
    if not history.files:
        return
    number = rng.choice(list(history.files))
    file = history.files[number]
    values = rng.choice(({}, {"on_overlap": "replace", "domain": rng.choice(("A", "B"))}))
    taken = _take(history, file.name, file.rows, rng.choice((file.platform, *PLATFORMS)), **values)
    if taken.outcome == "stored":
        platform = history.rows("SELECT platform FROM viewership.uploads WHERE upload_id = %s", taken.upload_id)[0][0]
        history.files[taken.upload_id] = File(file.name, platform, file.rows, file.hours)
        _advance(history, taken.upload_id, rng.choice((3, 3, 2, 0)))


def _active(history: History) -> list[int]:
    rows = history.rows("SELECT upload_id FROM viewership.uploads WHERE status = ANY (%s) ORDER BY 1", list(ACTIVE))
    return [row[0] for row in rows]


def retract_one(history: History) -> None:
    if active := _active(history):
        number = history.rng.choice(active)
        history.trail.append(f"retract {number}")
        retract(history.database.settings(), number, by="ann", reason="wrong", run_id="run")


def advance(history: History) -> None:
    for number, status in history.rows("SELECT upload_id, status FROM viewership.uploads ORDER BY 1"):
        if status in PENDING and history.rng.random() < 0.7:
            history.trail.append(f"advance {number}")
            _advance(history, number, history.rng.choice((1, 2, 3, 3)))


def decide_one(history: History) -> None:
    rng = history.rng
    keys = [row[0] for row in history.rows("SELECT key_id FROM viewership.matches ORDER BY 1")]
    episodes = history.rows(
        "SELECT e.id FROM catalog.episodes e JOIN catalog.series s ON s.id = e.series_id"
        " WHERE e.active AND s.status = 'active' ORDER BY 1"
    )
    if not keys or not episodes:
        return
    chosen = rng.sample(keys, min(len(keys), rng.choice((1, 1, 1, 2, 4))))
    action: Any = rng.choice(("accept", "accept", "alias", "reject"))
    episode = None if action == "reject" else rng.choice(episodes)[0]
    uploads: dict[int, set[int]] = defaultdict(set)
    for key, number in history.rows(
        "SELECT DISTINCT key_id, upload_id FROM viewership.platform_viewership"
        " JOIN viewership.uploads USING (upload_id)"
        " WHERE status IN ('matched', 'loaded', 'partial') AND key_id IS NOT NULL"
    ):
        uploads[key].add(number)
    stale = history.rows(
        f"WITH stored AS (SELECT {DETAILS} FROM viewership.episode_details),"
        f" due AS (SELECT {DETAILS} FROM viewership.due_details)"
        " (TABLE stored EXCEPT TABLE due) UNION ALL (TABLE due EXCEPT TABLE stored)"
    )
    with transaction(history.database.settings()) as session:
        try:
            seen = preview(session, action, chosen, episode)
            done = decide(session, action, chosen, episode, by="bob", note="so it is", seen=seen.state)
        except UsageError as error:
            history.trail.append(f"{action} {chosen} refused: {error.message}")
            return
    assert stale or not history.alone or (seen.loads, seen.removes) == (done.loaded, done.removed), history.trail
    made = history.rows("SELECT keys FROM viewership.decisions WHERE decision_id = %s", done.decision)[0][0]
    history.decisions.append(Decision(done.decision, action, episode, made, {key: uploads[key] for key in made}))
    history.trail.append(f"decision {done.decision}: {action} {made} as {episode}")


def undo_one(history: History) -> None:
    if history.decisions:
        one = history.decisions.pop(history.rng.randrange(len(history.decisions)))
        history.trail.append(f"undo {one.number}")
        with transaction(history.database.settings()) as session:
            undo(session, one.number, by="bob")


def change_catalogue(history: History) -> None:
    rng = history.rng
    for _ in range(rng.choice((1, 1, 2))):
        history.trail.append(change(rng, history.catalogue))
        history.import_catalogue()


def change_places(history: History) -> None:
    rng = history.rng
    if len(history.deals) > 1 and rng.random() < 0.5:
        history.deals.pop(rng.randrange(len(history.deals)))
    if rng.random() < 0.7:
        history.deals.append(a_deal(rng, rng.randint(1, 5)))
    if rng.random() < 0.3:
        history.channels[1]["channel.2"] = rng.choice(("", "Other"))
    history.deals[:] = distinct(history.deals)
    history.trail.append("deals and channels")
    history.import_catalogue()


def reprocess_part(history: History) -> None:
    rng = history.rng
    active = _active(history)
    titles = [
        row[0]
        for row in history.rows("SELECT DISTINCT title_key FROM viewership.keys WHERE title_key <> '' ORDER BY 1")
    ]
    chosen = rng.choice(
        (
            Selection(platforms=(rng.choice(PLATFORMS),)),
            Selection(uploads=tuple(rng.sample(active, min(len(active), 2)))),
            Selection(titles=tuple(rng.sample(titles, min(len(titles), 2)))),
            Selection(everything=True, platforms=(rng.choice(PLATFORMS),)),
        )
    )
    history.trail.append(str(chosen))
    reprocess(history.database.settings(), chosen, "part", by="ann", batch=rng.choice((3, 50_000)))


def reprocess_dry(history: History) -> None:
    before = _dump(history)
    history.trail.append("dry run")
    reprocess(history.database.settings(), Selection(), "dry", by="ann", dry_run=True)
    assert _dump(history) == before, history.trail


def _dump(history: History) -> dict[str, Any]:
    names = ("matches", "episode_details", "replaced_details", "scopes", "reprocessed", "match_history", "uploads")
    return {name: sorted(map(str, history.rows(f"SELECT * FROM viewership.{name}"))) for name in names}


def reprocess_all(history: History) -> None:
    history.trail.append("reprocess")
    reprocess(history.database.settings(), Selection(), "run", by="ann", batch=history.rng.choice((3, 50_000)))
    check(history)


OPERATIONS = (
    *(upload,) * 5,
    *(reread,) * 2,
    *(retract_one, advance, advance, undo_one, change_places, reprocess_dry),
    *(decide_one,) * 4,
    *(change_catalogue,) * 3,
    *(reprocess_part, reprocess_part, reprocess_all, reprocess_all),
)


def check(history: History) -> None:
    """Compare the database with what the inputs determine."""
    _check_rows(history)
    _check_decisions(history)


def _check_rows(history: History) -> None:
    trail = history.trail
    fates = reconciled(history.database)
    for number, found in fates.items():
        file = history.files[number]
        assert (found.units, found.hours) == (len(file.rows), file.hours), trail
    check_equal(history.database.settings(), trail, waiting=True)
    _check_final(history)
    values = VerifySettings(database_url=history.database.url, bucket=history.store.bucket)
    found = verify.run(values, MemoryStageRun(run_id="run", stage="verify"))
    assert [(failure.code, failure.item, failure.message) for failure in found.failures] == [], trail


def _check_decisions(history: History) -> None:
    latest: dict[int, Decision] = {key: one for one in history.decisions for key in one.keys}
    stored = {
        row[0]: row[1:]
        for row in history.rows(
            "SELECT key_id, decision_id, status, episode_id, uploads FROM viewership.matches"
            " WHERE decision_id IS NOT NULL"
        )
    }
    assert stored == {
        key: (
            one.number,
            "rejected" if one.action == "reject" else "matched",
            one.episode,
            sorted(one.uploads[key]) if one.action == "accept" else None,
        )
        for key, one in latest.items()
    }, history.trail
    digests = dict(history.rows("SELECT key_id, review_digest FROM viewership.keys"))
    wanted = {digests[key]: one for one in history.decisions for key in one.keys}
    aliases = history.rows(
        "SELECT k.review_digest, a.episode_id, a.decision_id FROM catalog.aliases a"
        " JOIN viewership.keys k USING (key_id) WHERE a.undone_at IS NULL"
    )
    assert sorted(aliases) == sorted(
        (digest, one.episode, one.number) for digest, one in wanted.items() if one.action == "alias"
    ), history.trail


def _check_final(history: History) -> None:
    """Compare the final rows with those of the uploads that count, by the matches and the deals."""
    with transaction(history.database.settings()) as session:
        resolver = Resolver.load(session)
        scopes = {row.scope_id: resolver.resolve(row) for row in session.rows("SELECT * FROM viewership.scopes")}
    matches = {
        row[0]: row[1:] for row in history.rows("SELECT key_id, status, episode_id, uploads FROM viewership.matches")
    }
    uploads = history.rows(
        "SELECT upload_id, label, replaces FROM viewership.uploads WHERE status IN ('loaded', 'partial')"
    )
    expected: Counter[tuple[Any, ...]] = Counter()
    for number, label, replaces in uploads:
        for line, key, scope_id, hours, revenue, day in history.rows(
            "SELECT line, key_id, scope_id, tot_hov, revenue, date FROM viewership.platform_viewership"
            " WHERE upload_id = %s",
            number,
        ):
            scope = scopes[scope_id]
            status, episode, only = matches[key]
            counts = only is None or not {number, *replaces}.isdisjoint(only)
            if status != "matched" or scope.code is not None or not counts:
                continue
            assert label == "Both"
            assert day is not None
            values = (number, line, episode, scope.deal_parent, scope.channel, scope.territory)
            if hours is not None:
                expected[*values, "Viewership", hours, None] += 1
            if revenue is not None:
                expected[*values, "Revenue", None, revenue] += 1
    found = Counter(
        history.rows(
            "SELECT d.upload_id, r.line, d.episode_id, d.deal_parent, d.channel, d.territory, d.label, d.hours,"
            " d.payment_amount FROM viewership.episode_details d"
            " JOIN viewership.platform_viewership r ON r.id = d.viewership_id"
        )
    )
    assert found == expected, history.trail


def check_shadow(history: History) -> int:
    """Compare the figures of a shadow run with what the same rules do; return the number of keys that change."""
    where = history.database.settings()
    with transaction(where) as session:
        scope = choose(session, (), None)
        found = compare_rules(session, scope, RULES["exact-1"], RULES["standard-1"], sample=None, top=1).document
        session.run("ROLLBACK")
    assert found.stale == 0, history.trail
    done = reprocess(where, Selection(everything=True), "dry", by="ann", dry_run=True, rules="exact-1").total
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for group in found.groups:
        sums[group.outcome] += Decimal(group.final_hours)
    assert (done.hours_entered, done.hours_left) == (sums["gained"], sums["lost"]), history.trail
    return sum(group.keys for group in found.groups)


def empty(database: Database) -> None:
    tables = database.rows(
        "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables"
        " WHERE schemaname IN ('catalog', 'viewership')"
    )[0][0]
    database.rows(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


def new_histories(database: Database, folder: Path) -> Iterator[History]:
    """Yield a history of each seed, over an empty database and bucket."""
    first = int(os.environ.get("TELECINE_TEST_SEED", "0"))
    for seed in range(first, first + EXAMPLES):
        empty(database)
        shutil.rmtree(folder / "bucket", ignore_errors=True)
        history = History(Store(database, folder), random.Random(seed), Model())
        history.trail.append(str(seed))
        start(history)
        yield history


def test_a_history_leaves_what_its_inputs_determine(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.viewership.phases.reprocess._MANY", 1.0)  # the search itself is tested
    outcomes: Counter[str] = Counter()

    for history in new_histories(database, tmp_path):
        upload(history)
        for _ in range(STEPS):
            operation = history.rng.choice(OPERATIONS)
            operation(history)
            outcomes[operation.__name__] += 1
        for number, status in history.rows("SELECT upload_id, status FROM viewership.uploads ORDER BY 1"):
            if status in PENDING:
                _advance(history, number, 3)
        reprocess_all(history)
        outcomes["shadow"] += check_shadow(history)
        outcomes["final"] += database.rows("SELECT count(*) FROM viewership.episode_details")[0][0]
        outcomes["replaced"] += database.rows("SELECT count(*) FROM viewership.uploads WHERE status = 'replaced'")[0][0]
    assert outcomes["final"] > EXAMPLES
    assert outcomes["replaced"]
    assert outcomes["shadow"]


AT_ONCE = (
    upload,
    upload,
    reread,
    retract_one,
    advance,
    decide_one,
    decide_one,
    undo_one,
    change_catalogue,
    change_places,
)
RETRIED = (TransientError, UsageError, ReviewChanged, DecisionUndone)


def test_concurrent_histories_leave_final_rows_that_are_due(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.viewership.phases.reprocess._MANY", 1.0)
    outcomes: Counter[str] = Counter()
    catalogue = threading.Lock()  # the model has no transactions
    for history in new_histories(database, tmp_path):
        for _ in range(3):
            upload(history)
        for _ in range(3):
            work = [(history.rng.choice((*AT_ONCE, reprocess_part)), history.rng.random()) for _ in range(4)]

            def one(chosen: tuple[Any, float], history: History = history) -> str:
                operation, number = chosen
                mine = replace(history, rng=random.Random(number), count=int(number * 10**9), alone=False)
                try:
                    with catalogue if operation in (change_catalogue, change_places) else nullcontext():
                        operation(mine)
                except RETRIED as error:
                    return type(error).__name__
                return operation.__name__

            with ThreadPoolExecutor(len(work)) as pool:
                done = list(pool.map(one, work))
            outcomes.update(done)
            history.trail.append(f"at once: {done}")
        history.import_catalogue()
        reprocess(database.settings(), Selection(), "run", by="ann")
        _check_rows(history)
    assert len(outcomes) > len(set(AT_ONCE)) // 2
