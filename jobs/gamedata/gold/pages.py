"""Publish the data of session pages: frames, inputs and sprites from the manifest bucket."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.errors import SPRITE_CODES
from jobs.gamedata.gold import frames, lineage, sessions
from jobs.gamedata.gold.results import read_results
from jobs.gamedata.gold.sessions import read_text
from jobs.gamedata.gold.sprites import Failed, Sprites, find_sprites, make_sprites, sweep
from shared.errors import AccessDenied, BucketMissing
from shared.report import Table
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow.parquet as pq

    from jobs.gamedata.gold.results import Results
    from jobs.gamedata.settings import PublishSettings
    from shared.database.merge import Merged, Merger
    from shared.progress import Progress

__all__ = ["Pages"]

_KEY: Final = "s3_key"
_log = logging.getLogger(__name__)


class Pages:
    """The frames, inputs and sprites of the sessions of a manifest.

    Without a manifest bucket, none are published; those of unchanged sessions stay in the tables.

    Args:
        settings: settings of the step.
        file: the manifest.

    Raises:
        BucketMissing: the bucket was set explicitly and does not exist.
        AccessDenied: the bucket was set explicitly and cannot be listed or read.
    """

    def __init__(self, settings: PublishSettings, file: pq.ParquetFile) -> None:
        self._settings = settings
        self._sprites = Sprites()
        self._frames: Merged | None = None
        self._deleted = 0
        self._absent = ""
        self._results: Results | None = None
        manifest = read_text(file, _KEY, "source_etag", "spec_digest", "error_stage", "menu_method")
        try:
            self._store = open_store(settings.manifest_bucket, settings)
            self._results = read_results(self._store, manifest, prefix=settings.prefix)
        except (BucketMissing, AccessDenied) as error:
            if "manifest_bucket" in settings.model_fields_set:
                raise
            self._absent = error.message
            _log.warning("published without frames, inputs and sprites: %s", error.message)

    def make_sprites(self, progress: Progress) -> None:
        """Make missing sprites, up to the limit of the settings."""
        if self._results is None:
            return
        prefix, limit = self._settings.prefix, self._settings.sprites
        listed = find_sprites(self._store, prefix=prefix)
        failed = self._failed() if limit else {}
        self._sprites = make_sprites(self._store, self._results, listed, failed=failed, limit=limit, progress=progress)

    def merge(self, merger: Merger, rows: Iterable[dict[str, Any]]) -> Merged:
        """Merge sessions and frames; return the counts of sessions."""
        found = lineage.Lineage(self._results, self._sprites)
        merged = merger.merge(
            sessions.TABLE,
            found.join(rows),
            key=_KEY,
            columns=(*sessions.COLUMNS, *lineage.COLUMNS),
            unhashed=lineage.COLUMNS,
            compared=lineage.COLUMNS if self._results is not None else (),
        )
        if self._results is None:
            merger.remove_details(frames.TABLE, of=sessions.TABLE, key=_KEY)
            return merged
        measured = frames.FrameRows(self._results)
        self._frames = merger.merge_changed(
            frames.TABLE, measured.hashes(), measured.rows, key=_KEY, columns=frames.COLUMNS
        )
        return merged

    def sweep(self) -> None:
        """Delete unreferenced sprites; call it after the commit."""
        if self._results is None or not self._sprites.listed.difference(
            sprite.text for sprite in self._sprites.keys.values()
        ):
            return
        named = self._query("sprite_key", "sprite_key IS NOT NULL")
        self._deleted = sweep(self._store, self._sprites, {row.sprite_key for row in named})

    def counts(self) -> dict[str, int]:
        """Return the counts of the report; empty without a manifest bucket."""
        if self._results is None or self._frames is None:
            return {}
        return {
            "frames_changed": self._frames.inserted + self._frames.updated,
            "frames_removed": self._frames.removed,
            "frames_missing": self._results.stale + self._results.invalid,
            "sprites": len(self._sprites.keys),
            "sprites_made": self._sprites.made,
            "sprites_failed": len(self._sprites.errors),
            "sprites_left": self._sprites.left,
            "sprites_deleted": self._deleted,
        }

    def bytes(self) -> dict[str, int]:
        """Return the bytes of the report."""
        return {"sprites": self._sprites.bytes} if self._sprites.made else {}

    def bars(self) -> list[tuple[str, list[int]]]:
        """Return the rows of frames that were inserted, updated, left unchanged and removed, as a bar of the report."""
        if self._frames is None:
            return []
        found = self._frames
        return [(frames.TABLE, [found.inserted, found.updated, found.unchanged, found.removed])]

    def section(self) -> Table:
        """Return the report's table of published and missing data."""
        if self._results is None:
            note = f"None: {self._absent}. Pass --manifest-bucket."
            return Table("Frames, inputs and sprites", ["sessions with", "count"], [], note=note)
        reasons = Counter(self._sprites.errors.values())
        rows: list[list[Any]] = [
            ["frames and inputs", len(self._results)],
            ["a sprite", len(self._sprites.keys)],
            ["a sprite left for a later run", self._sprites.left],
            *([f"no sprite: {SPRITE_CODES.get(code, code)}", count] for code, count in sorted(reasons.items())),
            ["missing results, or results that do not match the manifest", self._results.stale],
            ["unusable results", self._results.invalid],
        ]
        note = f"Sprites stopped early: {self._sprites.stopped}" if self._sprites.stopped else ""
        return Table("Frames, inputs and sprites", ["sessions with", "count"], rows, note=note)

    def _failed(self) -> dict[str, Failed]:
        rows = self._query("s3_key, source_etag, spec_digest, sprite_error", "sprite_error IS NOT NULL")
        return {row.s3_key: Failed(row.source_etag, row.spec_digest, row.sprite_error) for row in rows}

    def _query(self, columns: str, condition: str) -> list[Any]:
        from shared.database.migrate import ready
        from shared.database.session import transaction

        ready(self._settings)
        with transaction(self._settings) as session:
            return session.rows(
                f"SELECT {columns} FROM {sessions.TABLE} WHERE {condition} AND starts_with(s3_key, :prefix)",  # noqa: S608
                prefix=self._settings.prefix,
            )
