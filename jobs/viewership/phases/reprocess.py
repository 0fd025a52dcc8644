"""Reprocess: match keys again that catalogue changes may affect, and update the final rows."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.catalog.versions import pin
from jobs.viewership.model import exact_sum
from jobs.viewership.phases.affected import affected_keys, stale_keys
from jobs.viewership.phases.changes import changes_since, places_changed
from jobs.viewership.phases.log import log
from jobs.viewership.phases.match import DEFAULT_RULES, match_and_write
from jobs.viewership.phases.normalize import resolve_scopes
from jobs.viewership.tables.fates import lock_final, sync
from jobs.viewership.tables.keys import refresh_key_columns
from jobs.viewership.tables.locks import phase_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from jobs.viewership.phases.changes import Changes
    from jobs.viewership.tables.matches import OpenKey
    from shared.database.session import DatabaseSession
    from shared.progress import Progress
    from shared.settings.database import DatabaseSettings

__all__ = ["PlatformResult", "Reprocessed", "Selection", "reprocess"]

# Each batch reads the catalogue's titles, about 1 s for 100,000 episodes; a killed run loses at most one batch.
_BATCH: Final = 50_000
_MANY: Final = 0.3
"""If more than this share of the keys is affected, all keys are matched."""
_MANY_SERIES: Final = 1000
"""If more series than this changed, all keys are matched without searching for affected ones."""


# Condition for the selected keys, `k`.
_SELECTED: Final = """
    (:any_platform OR k.platform = ANY (CAST(:platforms AS text[])))
    AND (:any_upload OR k.key_id IN (SELECT r.key_id FROM viewership.platform_viewership r
        WHERE r.upload_id = ANY (CAST(:uploads AS bigint[]))))
    AND (:any_title OR k.title_key = ANY (CAST(:titles AS text[])) OR k.title_key_2 = ANY (CAST(:titles AS text[])))
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys to look at; empty fields select all.

    Attributes:
        platforms: keys of these platforms.
        uploads: keys of rows of these uploads.
        titles: keys with a title of these, as :func:`jobs.viewership.keys.titles.title_key` writes them.
        everything: match every selected key, even if no change affects it, and compare all final rows of the
            selection with those that are due, which repairs what ``verify`` finds.
    """

    platforms: tuple[str, ...] = ()
    uploads: tuple[int, ...] = ()
    titles: tuple[str, ...] = ()
    everything: bool = False

    @property
    def is_part(self) -> bool:
        """Return whether keys of a platform may be left out."""
        return bool(self.uploads or self.titles)


@dataclass(slots=True)
class PlatformResult:
    """Changes that a run made for one platform.

    Attributes:
        looked_at: keys that were matched.
        changed: keys whose match changed.
        entered: final rows that were added.
        left: final rows that were removed.
        updated: final rows with other values, such as another episode or title.
        hours_entered: hours of ``entered``.
        hours_left: hours of ``left``.
        revenue_entered: revenue of ``entered``.
        revenue_left: revenue of ``left``.
    """

    looked_at: int = 0
    changed: int = 0
    entered: int = 0
    left: int = 0
    updated: int = 0
    hours_entered: Decimal = Decimal()
    hours_left: Decimal = Decimal()
    revenue_entered: Decimal = Decimal()
    revenue_left: Decimal = Decimal()

    def add(self, other: Any) -> None:
        """Add the values of another result, or of a row with some of these columns; amounts are added exactly."""
        for one in fields(PlatformResult):
            mine = getattr(self, one.name)
            its: Any = getattr(other, one.name, 0)
            setattr(self, one.name, exact_sum((mine, its)) if isinstance(mine, Decimal) else mine + its)


@dataclass(slots=True)
class Reprocessed:
    """The result of :func:`reprocess`.

    Attributes:
        version: version of the catalogue.
        since: version up to which all keys were matched before.
        keys: keys with a match that no reviewer decided.
        is_full: all of them were matched.
        scopes: scopes whose deal, channel or territory changed.
        refreshed: keys whose columns were computed by older rules.
        failed: names of steps that failed; their keys are unchanged, and the next run retries them.
        inactive_decisions: keys that a reviewer decided for an episode that is now inactive.
        platforms: what changed, by platform.
        seconds: time of each part.
    """

    version: int = 0
    since: int = 0
    keys: int = 0
    is_full: bool = False
    scopes: int = 0
    refreshed: int = 0
    failed: tuple[str, ...] = ()
    inactive_decisions: int = 0
    platforms: dict[str, PlatformResult] = field(default_factory=lambda: defaultdict(PlatformResult))
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> PlatformResult:
        """Return the sums over all platforms."""
        made = PlatformResult()
        for each in self.platforms.values():
            made.add(each)
        return made


@contextmanager
def _units(settings: DatabaseSettings, *, dry_run: bool) -> Iterator[Any]:
    """Yield a function that opens the next transaction; a dry run has a single one, which is rolled back."""
    if not dry_run:
        yield partial(phase_transaction, settings)
        return
    with phase_transaction(settings) as session:
        try:
            yield lambda: nullcontext(session)
        finally:
            session.run("ROLLBACK")


def reprocess(
    settings: DatabaseSettings,
    selection: Selection,
    run_id: str,
    *,
    by: str,
    dry_run: bool = False,
    rules: str = DEFAULT_RULES,
    batch: int = _BATCH,
    progress: Progress | None = None,
) -> Reprocessed:
    """Match affected keys and resolve affected scopes again, batch by batch.

    A killed run loses its current batch: each match names the version of the catalogue that it was found with, and
    a platform is marked as reprocessed only at the end.

    Args:
        settings: where the database is.
        selection: the keys to look at.
        run_id: the run.
        by: user who runs the command.
        dry_run: roll everything back.
        rules: name of the rules.
        batch: keys of one transaction.
        progress: counts the keys.
    """
    with _units(settings, dry_run=dry_run) as unit:
        return _Run(unit, selection, run_id, by, rules).run(batch, progress)


class _Run:
    def __init__(self, unit: Any, selection: Selection, run_id: str, by: str, rules: str) -> None:
        self._unit: Callable[[], AbstractContextManager[DatabaseSession]] = unit
        self._selection = selection
        self._run_id = run_id
        self._by = by
        self._rules = rules
        self._result = Reprocessed()
        self._changes: Changes | None = None
        self._synced: set[int] = set()

    def run(self, batch: int, progress: Progress | None) -> Reprocessed:
        with self._timed("keys"):
            self._refresh(batch)
        with self._timed("scopes"):
            self._scopes()
        with self._timed("search"):
            keys = self._plan()
        with self._timed("match"):
            if progress is not None:
                progress.start(len(keys), "keys")
            for start in range(0, len(keys), batch):
                part = keys[start : start + batch]
                self._match(part)
                if progress is not None:
                    progress.advance(len(part))
        with self._timed("finish"):
            self._finish()
        return self._result

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._result.seconds[name] = time.monotonic() - began

    def _refresh(self, limit: int) -> None:
        """Recompute columns of keys if their rules have changed; the catalogue's come first."""
        while True:
            with self._unit() as session:
                pin(session, self._by)
                count = refresh_key_columns(session, limit)
            self._result.refreshed += count
            if count < limit:
                return

    def _scopes(self) -> None:
        """Resolve scopes again, if deals, channels or territories have changed since they were resolved."""
        chosen = self._selection
        with self._unit() as session:
            version = pin(session, self._by)
            rows = session.rows(
                """
                SELECT s.scope_id, s.platform, s.catalogue_version FROM viewership.scopes s
                WHERE s.catalogue_version IS NOT NULL AND (:every OR s.catalogue_version < :version)
                    AND (:any_platform OR s.platform = ANY (CAST(:platforms AS text[])))
                    AND (:any_upload OR s.scope_id IN (SELECT r.scope_id FROM viewership.platform_viewership r
                        WHERE r.upload_id = ANY (CAST(:uploads AS bigint[]))))
                """,
                version=version,
                every=chosen.everything,
                any_platform=not chosen.platforms,
                platforms=list(chosen.platforms),
                any_upload=not chosen.uploads,
                uploads=list(chosen.uploads),
            )
            since = min((row.catalogue_version for row in rows), default=version)
            if chosen.titles or not rows or not (chosen.everything or places_changed(session, since)):
                return
            lock_final(session, {row.platform for row in rows})
            changed = resolve_scopes(session, [row.scope_id for row in rows], version=version)
            self._sync(session, "scope", changed)
            self._result.scopes = len(changed)

    def _plan(self) -> list[OpenKey]:
        """Return the keys to match."""
        chosen, result = self._selection, self._result
        with self._unit() as session:
            result.version = pin(session, self._by)
            states = session.rows(
                """
                SELECT k.platform, count(*) FILTER (WHERE m.decision_id IS NULL) AS keys,
                    COALESCE(max(r.catalogue_version), min(m.catalogue_version)) AS since
                FROM viewership.keys k JOIN viewership.matches m USING (key_id)
                LEFT JOIN viewership.reprocessed r ON r.platform = k.platform
                WHERE :any_platform OR k.platform = ANY (CAST(:platforms AS text[]))
                GROUP BY k.platform
                """,
                any_platform=not chosen.platforms,
                platforms=list(chosen.platforms),
            )
            result.keys = sum(row.keys for row in states)
            result.since = min((row.since for row in states), default=result.version)
            self._changes = changes = changes_since(session, result.since, result.version)
            every = chosen.everything or changes.everything or bool(chosen.titles)
            every = every or len(changes.series) > _MANY_SERIES
            ids: set[int] = set()
            if not every:
                ids = affected_keys(session, changes, self._rules) | stale_keys(session, result.version, self._rules)
                every = not chosen.uploads and len(ids) > _MANY * result.keys
            result.is_full = every and not chosen.is_part
            return self._open_keys(session, None if every else ids)

    def _open_keys(self, session: DatabaseSession, ids: Collection[int] | None) -> list[OpenKey]:
        """Return keys without a decision; with ``everything``, also those of matched uploads that lack a match."""
        rows = session.rows(
            f"""
            SELECT k.key_id, k.platform, k.content_name, k.content_name_2, k.series, k.season, k.episode, k.content_id
            FROM viewership.keys k LEFT JOIN viewership.matches m USING (key_id)
            WHERE m.decision_id IS NULL AND (:every OR k.key_id = ANY (CAST(:ids AS bigint[])))
                AND (m.key_id IS NOT NULL OR :everything AND EXISTS (
                    SELECT FROM viewership.platform_viewership r JOIN viewership.uploads u USING (upload_id)
                    WHERE r.key_id = k.key_id AND u.status IN ('matched', 'loaded', 'partial')))
                AND {_SELECTED}
            ORDER BY k.platform, k.key_id
            """,  # noqa: S608 - a constant of this module
            every=ids is None,
            ids=list(ids or ()),
            everything=self._selection.everything,
            **self._selected(),
        )
        return [tuple(row) for row in rows]

    def _selected(self) -> dict[str, Any]:
        """Return the values of the condition ``_SELECTED``."""
        chosen = self._selection
        return {
            "any_platform": not chosen.platforms,
            "platforms": list(chosen.platforms),
            "any_upload": not chosen.uploads,
            "uploads": list(chosen.uploads),
            "any_title": not chosen.titles,
            "titles": list(chosen.titles),
        }

    def _decided(self, session: DatabaseSession) -> set[int]:
        """Return the selected keys that a reviewer has decided; none without ``everything``."""
        if not self._selection.everything:
            return set()
        rows = session.rows(
            f"SELECT k.key_id FROM viewership.keys k JOIN viewership.matches m USING (key_id)"  # noqa: S608
            f" WHERE m.decision_id IS NOT NULL AND {_SELECTED}",
            **self._selected(),
        )
        return {row.key_id for row in rows}

    def _match(self, keys: Sequence[OpenKey]) -> None:
        """Match keys in one transaction, and update their final rows."""
        result, platform_of = self._result, {key[0]: key[1] for key in keys}
        platforms = sorted(set(platform_of.values()))
        with self._unit() as session:
            pin(session, self._by)
            matched = match_and_write(
                session, keys, run_id=self._run_id, platforms=platforms, rules=self._rules, again=True
            )
            ids = set(platform_of)
            # Update renamed rows here, not at the end, so that no transaction is much larger than the others.
            if not (self._selection.everything or (self._changes and self._changes.everything)):
                ids = set(matched.changed) | self._renamed(session, platform_of)
            self._sync(session, "key", sorted(ids))
            for platform in platforms:
                looked_at = sum(each == platform for each in platform_of.values())
                status = "partial" if matched.failed else "success"
                log(
                    session,
                    "reprocess",
                    status,
                    run_id=self._run_id,
                    seconds=matched.seconds,
                    platform=platform,
                    rows=looked_at,
                    message=f"failed: {', '.join(matched.failed)}" if matched.failed else None,
                )
                result.platforms[platform].looked_at += looked_at
        self._synced |= ids
        for key in matched.changed:
            result.platforms[platform_of[key]].changed += 1
        result.failed = tuple(dict.fromkeys((*result.failed, *matched.failed)))

    def _renamed(self, session: DatabaseSession, keys: Collection[int] | None) -> set[int]:
        """Return keys whose final rows have values of changed episodes or series, such as their titles."""
        if self._changes is None or not self._changes.episodes:
            return set()
        rows = session.rows(
            "SELECT key_id FROM viewership.matches WHERE episode_id = ANY (CAST(:episodes AS bigint[]))"
            " AND (:every OR key_id = ANY (CAST(:keys AS bigint[])))",
            episodes=list(self._changes.episodes),
            every=keys is None,
            keys=list(keys or ()),
        )
        return {row.key_id for row in rows}

    def _finish(self) -> None:
        """Update final rows of decided keys, and mark the platforms as reprocessed."""
        chosen, result = self._selection, self._result
        with self._unit() as session:
            pin(session, self._by)
            ids = sorted((self._renamed(session, None) | self._decided(session)) - self._synced)
            rows = session.rows(
                "SELECT DISTINCT platform FROM viewership.keys WHERE key_id = ANY (CAST(:ids AS bigint[]))", ids=ids
            )
            lock_final(session, [row.platform for row in rows])
            self._sync(session, "key", ids)
            result.inactive_decisions = session.rows(
                """
                SELECT count(*) FROM viewership.matches m JOIN catalog.episodes e ON e.id = m.episode_id
                JOIN catalog.series s ON s.id = e.series_id
                WHERE m.decision_id IS NOT NULL AND NOT (e.active AND s.status = 'active')
                """
            )[0][0]
            if chosen.is_part or result.failed:
                return
            session.run(
                """
                INSERT INTO viewership.reprocessed AS r (platform, catalogue_version, pipeline_run_id)
                SELECT platform, :version, :run FROM (SELECT DISTINCT platform FROM viewership.keys) p
                WHERE :any_platform OR platform = ANY (CAST(:platforms AS text[])) ORDER BY platform
                ON CONFLICT (platform) DO UPDATE SET catalogue_version = excluded.catalogue_version,
                    pipeline_run_id = excluded.pipeline_run_id, reprocessed_at = now()
                WHERE r.catalogue_version < excluded.catalogue_version
                """,
                version=result.version,
                run=self._run_id,
                any_platform=not chosen.platforms,
                platforms=list(chosen.platforms),
            )

    def _sync(self, session: DatabaseSession, kind: str, ids: Sequence[int]) -> None:
        """Update final rows, and count the rows added and removed."""
        if not ids:
            return
        own = f"SELECT id FROM viewership.platform_viewership WHERE {kind}_id = ANY (:ids)"  # noqa: S608 - a kind of sync
        final = f"viewership_id IN ({own})"
        session.run(
            "CREATE TEMPORARY TABLE IF NOT EXISTS final_before (viewership_id bigint, label text, platform text,"
            " hours numeric, payment_amount numeric, loaded_at timestamptz) ON COMMIT DROP"
        )
        session.run("TRUNCATE final_before")
        session.run(
            "INSERT INTO final_before SELECT viewership_id, label, platform, hours, payment_amount, loaded_at"  # noqa: S608
            f" FROM viewership.episode_details WHERE {final}",
            ids=list(ids),
        )
        sync(session, kind, ids, actor=self._by, reason=f"run {self._run_id}")
        rows = session.rows(
            f"""
            WITH final_after AS (
                SELECT viewership_id, label, platform, hours, payment_amount, loaded_at
                FROM viewership.episode_details WHERE {final}
            )
            SELECT COALESCE(a.platform, b.platform) AS platform,
                count(*) FILTER (WHERE b.viewership_id IS NULL) AS entered,
                count(*) FILTER (WHERE a.viewership_id IS NULL) AS "left",
                count(*) FILTER (WHERE a.loaded_at <> b.loaded_at) AS updated,
                COALESCE(sum(a.hours) FILTER (WHERE b.viewership_id IS NULL), 0) AS hours_entered,
                COALESCE(sum(b.hours) FILTER (WHERE a.viewership_id IS NULL), 0) AS hours_left,
                COALESCE(sum(a.payment_amount) FILTER (WHERE b.viewership_id IS NULL), 0) AS revenue_entered,
                COALESCE(sum(b.payment_amount) FILTER (WHERE a.viewership_id IS NULL), 0) AS revenue_left
            FROM final_after a FULL JOIN final_before b USING (viewership_id, label)
            GROUP BY COALESCE(a.platform, b.platform)
            """,  # noqa: S608
            ids=list(ids),
        )
        for row in rows:
            self._result.platforms[row.platform].add(row)
