"""Counts what became of runs and events, and turns it into the report of ingest and replay."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from shared.errors import EXIT_BUG, EXIT_OK, EXIT_TRANSIENT
from shared.failure import Failure
from shared.report import Report, Section, Table
from shared.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.arrival.events import BadEvent
    from jobs.screenalytics.intake.taker import Taken
    from shared.errors import TelecineError
    from shared.report import Status

__all__ = ["COUNTS", "Tally"]

COUNTS: Final = (
    *("seen", "ingested", "unchanged", "replaced", "skipped", "deferred", "failed", "set_aside", "known"),
    *("events", "persons", "warnings"),
)
_SHOWN: Final = 200
# Outcomes that nobody need look at.
_FINE: Final = frozenset({"ingested", "unchanged", "replaced", "skipped", "deferred"})
# What a headline names, as far as there is any.
_TOLD: Final = ("ingested", "replaced", "unchanged", "skipped", "deferred", "failed", "set_aside", "known")


class Tally:
    """Counts while the runs are taken.

    Attributes:
        failures: in their order.
        events: of the outbox, also those that named no run and those that told of one again.
        known: listed manifests that needed nothing.
        set_aside: listed manifests that failed too often.
        ended: store or database do not answer any more: the rest was not looked at.
    """

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.events = 0
        self.known = 0
        self.set_aside = 0
        self.ended = False
        self._silent_outbox = False
        self._outcomes: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._hashes: set[tuple[str, str]] = set()
        self._rows: list[list[Any]] = []
        self._persons = 0
        self._bytes = 0

    def add(self, taken: Taken) -> None:
        """Count one candidate."""
        # A run whose source is gone was dealt with: its rows stay.
        outcome = "skipped" if taken.outcome == "source_deleted" else taken.outcome
        self._outcomes[outcome] += 1
        self._persons += taken.persons
        self._bytes += taken.bytes_read
        self._warnings.update(warned.code for warned in taken.warnings)
        run_id = taken.candidate.ref.run_id
        if taken.output_hash is not None:
            self._hashes.add((run_id, taken.output_hash))
        if taken.failure is not None:
            self._fail(taken.failure, taken.kind or "internal")
        elif taken.outcome == "deferred":
            self._waiting[taken.note] += 1
        if len(self._rows) < _SHOWN:
            warned = tuple(sorted({warned.code for warned in taken.warnings}))
            # A tuple is shown as a mark.
            ended: Any = taken.outcome if taken.outcome in _FINE else (taken.outcome,)
            self._rows.append([run_id, taken.ep_id, ended, taken.persons or None, taken.note or None, warned])

    def add_bad(self, bad: BadEvent, *, dead: bool) -> Failure:
        """Count an event that names no run; return its failure."""
        event, error = bad.event, bad.error
        end = ". It is set aside now, and not looked at again" if dead else ". It is looked at again at the next ingest"
        failure = Failure(
            f"event {event.event_id}",
            error.code,
            error.message.rstrip(". ") + end,
            attempt=event.attempts + 1,
            data={**error.data, "class": "permanent", "aggregate_id": event.aggregate_id},
        )
        self._outcomes["failed"] += 1
        self._fail(failure, "permanent")
        return failure

    def add_outbox(self, error: TelecineError) -> Failure:
        """Count an outbox that does not answer; return its failure. However many are allowed, it is tried again."""
        self._silent_outbox = True
        self._outcomes["failed"] += 1
        message = f"{error.message.rstrip('. ')}. Events wait there; what the listing shows was taken all the same"
        failure = Failure("outbox", error.code, message, retryable=True, data={**error.data, "class": "transient"})
        self._fail(failure, "transient")
        return failure

    def _fail(self, failure: Failure, kind: str) -> None:
        self.failures.append(failure)
        self._classes[kind] += 1
        self._rejects[failure.code] += 1

    @property
    def output_hash(self) -> str:
        """The sha256 over run_id and content of all runs that are in the tables after this."""
        return hashlib.sha256(json.dumps(sorted(self._hashes)).encode()).hexdigest()

    def exit_code(self, max_failed: int) -> int:
        """Return 70 after a bug of ours; 65 when more bad runs than allowed; 75 when those that may pass make it so."""
        if self._classes["internal"]:
            return EXIT_BUG
        transient = self._classes["transient"]
        failed = self._classes["permanent"] + self._classes["quarantine"] + transient
        code = verdict(failed, self._outcomes.total(), max_failed, transient=transient).exit_code
        return code or (EXIT_TRANSIENT if self._silent_outbox else EXIT_OK)

    def counts(self) -> dict[str, int]:
        """Return every count, those of nothing too."""
        found = {
            **self._outcomes,
            "known": self.known,
            "set_aside": self._outcomes["set_aside"] + self.set_aside,
            "events": self.events,
            "persons": self._persons,
            "warnings": self._warnings.total(),
            "seen": self._outcomes.total() + self.known + self.set_aside,
        }
        return {name: found.get(name, 0) for name in COUNTS}

    def report(self, *, max_failed: int, durations: dict[str, float], dry_run: bool = False) -> Report:
        """Return the report.

        Args:
            max_failed: failures that are allowed.
            durations: seconds by part of the work.
            dry_run: nothing was written.
        """
        counts = self.counts()
        code = self.exit_code(max_failed)
        status: Status = "failed" if code else "partial" if self.failures else "success"
        return Report(
            status=status,
            exit_code=code,
            headline=self._headline(counts, dry_run=dry_run),
            # Not those that were only listed: each poll would count them again, and the share of bad ones would vanish.
            items=self._outcomes.total(),
            counts=counts,
            tiles=tuple(name for name in COUNTS if counts[name] or name in ("seen", "ingested", "failed")),
            bytes={"read": self._bytes},
            rates={"runs_per_s": counts["seen"] / seconds} if (seconds := sum(durations.values())) else {},
            rejects=dict(self._rejects.most_common()),
            failures=self.failures,
            outputs={"output_hash": self.output_hash},
            durations=durations,
            sections=list(self._sections(counts["seen"])),
        )

    def _headline(self, counts: dict[str, int], *, dry_run: bool) -> str:
        told = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in _TOLD if counts[name])
        seen = counts["seen"]
        text = f"{seen:,} {'run' if seen == 1 else 'runs'}" + (f": {told}" if told else "")
        if counts["persons"]:
            text += f"; {counts['persons']:,} persons"
        if self.ended:
            text += "; the rest was not looked at"
        return f"dry run, nothing written: {text}" if dry_run else text

    def _sections(self, seen: int) -> Iterator[Section]:
        if len(self.failures) > len(self._rejects):  # else the page's own list of them says as much
            yield Table(
                "Failures by code",
                ["code", "failures", "first", "what happened, and what to do"],
                [[code, count, *self._first(code)] for code, count in self._rejects.most_common()],
                note="Each of them: telecine runs show, or pipeline.item_errors.",
            )
        if self._waiting:
            rows = [[code, count] for code, count in self._waiting.most_common()]
            yield Table("Not ready yet", ["why", "runs"], rows, note="They are looked at again at the next ingest.")
        if self._rows:
            more = seen - len(self._rows)
            yield Table(
                "Runs",
                ["run", "episode", "outcome", "persons", "note", "warnings"],
                self._rows,
                note=f"{more:,} more, most of them known or set aside before." if more > 0 else "",
            )
        if self._warnings:
            yield Table(
                "Warnings",
                ["code", "times"],
                [[code, count] for code, count in self._warnings.most_common()],
                note="They cost no row; screenalytics.runs.warnings has their words.",
            )

    def _first(self, code: str) -> tuple[str, str]:
        failure = next(failure for failure in self.failures if failure.code == code)
        return failure.item, failure.message
