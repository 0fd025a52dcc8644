"""What becomes of one candidate: its rows, or why there are none, and what is noted of it. Nothing is printed here."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jobs.screenalytics._reader import Read, Reader
from jobs.screenalytics._setbacks import ENDS_THE_STAGE, Class, Outcome, Setbacks, Taken, entry_of
from jobs.screenalytics.deleted import mark_present
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.items import Items, at_database
from jobs.screenalytics.model import SkippedRun
from jobs.screenalytics.source import source_uri
from jobs.screenalytics.write import Written, write_run
from shared.errors import AccessDenied, ConfigurationError, ObjectMissing

if TYPE_CHECKING:
    from jobs.screenalytics.arrival import Candidate
    from jobs.screenalytics.items import Look
    from jobs.screenalytics.model import ManifestObject, Run
    from jobs.screenalytics.settings import IngestSettings, ReplaySettings
    from shared.database.session import DatabaseSession
    from shared.ledger import StageRun
    from shared.storage import ObjectStore

__all__ = ["ENDS_THE_STAGE", "Class", "Outcome", "Read", "Taken", "Taker"]


class Taker:
    """Takes candidates of one source, for one run of a step: :meth:`read` in any thread, :meth:`take` in one.

    Args:
        settings: of the step.
        store: the runs.
        stage_run: its run_id is kept with every row.
        accept_changed: replace runs whose content changed.
        max_attempts: failures after which an item is set aside; None: never, and each count begins at one.
    """

    def __init__(
        self,
        settings: IngestSettings | ReplaySettings,
        store: ObjectStore,
        stage_run: StageRun,
        *,
        accept_changed: bool = False,
        max_attempts: int | None = None,
    ) -> None:
        self.source = source_uri(settings)
        self.items = Items(settings, self.source, stage_run.run_id)
        self._reader = Reader(
            settings,
            store,
            self.items,
            source=self.source,
            accept_changed=accept_changed,
            look_at_dead=max_attempts is None,
        )
        self._settings = settings
        self._store = store
        self._run_id = stage_run.run_id
        self._accept = accept_changed
        self._setbacks = Setbacks(settings, store, self.items, source=self.source, max_attempts=max_attempts)
        self._readable: str | None = None

    def read(self, candidate: Candidate) -> Read:
        """Read and check one candidate; safe beside itself, writes nothing."""
        return self._reader.read(candidate)

    def is_undecided(self, read: Read) -> bool:
        """Whether a manifest was refused while none could be read: its own trouble, or that of all."""
        return isinstance(read.error, AccessDenied) and read.manifest is None and self._readable is None

    def finds_readable(self) -> bool:
        """Ask for manifests that were read some time ago, where none could be in this run of the step."""
        for key in [] if self._readable is not None else self.items.ingested():
            with suppress(AccessDenied, ObjectMissing):
                self._store.stat(key)
                self._readable = key
                break
        return self._readable is not None

    def take(self, candidate: Candidate, read: Read) -> Taken:
        """Write what was read, and note how it ended.

        Raises:
            ConfigurationError: the database, or the store as a whole, is not open to us.
        """
        try:
            taken = self._settle(candidate, read)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - one run must not end the others
            taken = self._setbacks.pass_over(candidate, read, error)
        taken.read_s = read.seconds
        if not taken.bytes_read and read.manifest is not None:
            taken.bytes_read = len(read.manifest.body)
        return taken

    def _settle(self, candidate: Candidate, read: Read) -> Taken:
        error = read.error
        if read.manifest is not None:
            self._readable = candidate.ref.key
        if error is None:
            try:
                return self._write(candidate, read)
            except Rejected as found:
                error = found
        elif isinstance(error, AccessDenied) and read.manifest is None and self._readable is not None:
            # This manifest is closed to us, or all are by now: ask for one that was open.
            with suppress(ObjectMissing):
                self._store.stat(self._readable)
            error = reject("ACCESS_DENIED", error.message)
        if isinstance(error, ConfigurationError):
            raise error
        return self._setbacks.sort(candidate, read, error)

    def _write(self, candidate: Candidate, read: Read) -> Taken:
        manifest, look, run = read.manifest, read.look, read.run
        assert manifest is not None
        assert look is not None
        if read.verdict == "set_aside":
            return Taken(candidate, "set_aside")
        if isinstance(run, SkippedRun):
            if not self._settings.dry_run:
                entry = entry_of(candidate, read, "skipped")
                at_database(self._settings, lambda session: self.items.note(session, entry, "skipped"))
            return Taken(candidate, "skipped", run.ep_id, note=run.status)
        if run is None:
            return self._again(candidate, read, manifest, look)
        if self._settings.dry_run:
            written = Written("replaced" if look.known else "ingested", run.output_hash, run.warnings)
        else:
            written = at_database(self._settings, lambda session: self._rows(session, candidate, read, run))
        return Taken(
            candidate,
            written.outcome,
            run.ep_id,
            0 if written.outcome == "unchanged" else len(run.metrics),
            written.output_hash,
            warnings=written.warnings,
            bytes_read=run.bytes_read,
        )

    def _rows(self, session: DatabaseSession, candidate: Candidate, read: Read, run: Run) -> Written:
        written = write_run(session, run, source=self.source, pipeline_run_id=self._run_id, accept_changed=self._accept)
        self.items.note(session, entry_of(candidate, read, written.outcome), "ingested")
        return written

    def _again(self, candidate: Candidate, read: Read, manifest: ManifestObject, look: Look) -> Taken:
        known, item = look.known, look.item
        assert known is not None
        back = known.status != "ingested" and self._setbacks.is_ours(look, candidate)
        settled = item is not None and (item.state, item.etag) == ("ingested", manifest.etag)

        def note(session: DatabaseSession) -> None:
            if back:
                mark_present(session, candidate.ref.run_id)
            self.items.note(session, entry_of(candidate, read, "unchanged"), "ingested")

        if (back or not settled) and not self._settings.dry_run:
            at_database(self._settings, note)
        return Taken(candidate, "unchanged", known.ep_id, output_hash=known.output_hash)
