"""Count the results of runs and events; derive the exit code (65, 70, 75) and the report of ingest and replay."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.intake.advice import event_advice
from shared.errors import EXIT_BUG, EXIT_OK, EXIT_TRANSIENT
from shared.failure import Failure
from shared.report import Amounts, Part, Report, Section, Shares, Table
from shared.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from jobs.screenalytics.arrival.events import BadEvent
    from jobs.screenalytics.intake.decision import IntakeResult
    from shared.errors import TelecineError
    from shared.report import Status

__all__ = ["COUNTS", "IntakeTally"]

COUNTS: Final = (
    *("seen", "ingested", "unchanged", "replaced", "skipped", "deferred", "failed", "set_aside", "known"),
    *("events", "persons", "warnings"),
)
_SHOWN: Final = 200
# Outcomes that need no attention.
_FINE: Final = frozenset({"ingested", "unchanged", "replaced", "skipped", "deferred"})
_PARTS: Final = (
    Part("ingested", "blue-2"),
    Part("replaced", "violet-2"),
    Part("unchanged", "teal-2"),
    Part("known", "light-gray"),
    Part("skipped", "gray"),
    Part("deferred", "amber"),
    Part("failed", "red"),
    Part("set aside", "dark-red"),
)
# Codes of failures that are drawn; the table has all of them.
_DRAWN: Final = 12
# Counts in a headline, in order, without zeros.
_HEADLINE: Final = ("ingested", "replaced", "unchanged", "skipped", "deferred", "failed", "set_aside", "known")


class IntakeTally:
    """Counts of processed runs.

    Attributes:
        failures: all failures, in order.
        events: events read from the outbox, including invalid and repeated ones.
        known: listed manifests that needed no work.
        set_aside: listed manifests that are set aside.
        ended: the store or the database stopped answering, and the remaining runs were not processed.
        hint: a text for the headline, such as what the bucket has instead of runs.
    """

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.events = 0
        self.known = 0
        self.set_aside = 0
        self.ended = False
        self.hint = ""
        self._outbox_down = False
        self._outcomes: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._hashes: set[tuple[str, str]] = set()
        self._rows: list[list[Any]] = []
        self._persons = 0
        self._bytes = 0
        # Keys of runs whose event alone failed, and how many of them were counted again for their manifest.
        self._event_only: set[str] = set()
        self._repeated = 0

    def add(self, result: IntakeResult) -> None:
        """Count one candidate. A run already counted for its failed event is not counted again."""
        self.add_settled((result.candidate.ref.key,))
        if result.event_only:
            self._event_only.add(result.candidate.ref.key)
        # Nothing failed: the rows of a run whose source is gone stay.
        outcome = "skipped" if result.outcome == "source_deleted" else result.outcome
        self._outcomes[outcome] += 1
        self._persons += result.persons
        self._bytes += result.bytes_read
        self._warnings.update(warned.code for warned in result.warnings)
        run_id = result.candidate.ref.run_id
        if result.output_hash is not None:
            self._hashes.add((run_id, result.output_hash))
        if result.failure is not None:
            self._fail(result.failure, result.failure_class or "internal")
        elif result.outcome == "deferred":
            self._waiting[result.note] += 1
        if len(self._rows) < _SHOWN:
            warned = tuple(sorted({warned.code for warned in result.warnings}))
            # The report renders a tuple as a badge.
            outcome_cell: Any = result.outcome if result.outcome in _FINE else (result.outcome,)
            self._rows.append([run_id, result.ep_id, outcome_cell, result.persons or None, result.note or None, warned])

    def add_settled(self, keys: Collection[str]) -> None:
        """Note manifests of the listing, which may have been counted for an event that failed."""
        again = self._event_only.intersection(keys)
        self._event_only -= again
        self._repeated += len(again)

    def add_bad(self, bad: BadEvent, *, dead: bool) -> Failure:
        """Count an invalid event, and return its failure."""
        event, error = bad.event, bad.error
        end = event_advice(dead=dead, attempt=event.attempts + 1)
        failure = Failure(
            event.name,
            error.code,
            error.message.rstrip(". ") + end,
            attempt=event.attempts + 1,
            data={**error.data, "class": "permanent", "aggregate_id": event.aggregate_id},
        )
        self._outcomes["failed"] += 1
        self._fail(failure, "permanent")
        return failure

    def add_outbox(self, error: TelecineError) -> Failure:
        """Count an unreachable outbox, and return its failure. ``max_failed`` does not excuse it."""
        self._outbox_down = True
        self._outcomes["failed"] += 1
        message = f"{error.message.rstrip('. ')}. Its events stay pending; runs found by the listing were ingested"
        failure = Failure("outbox", error.code, message, retryable=True, data={**error.data, "class": "transient"})
        self._fail(failure, "transient")
        return failure

    def _fail(self, failure: Failure, kind: str) -> None:
        self.failures.append(failure)
        self._classes[kind] += 1
        self._rejects[failure.code] += 1

    @property
    def output_hash(self) -> str:
        """The sha256 over run_id and content of every run seen here that is in the tables now."""
        return hashlib.sha256(json.dumps(sorted(self._hashes)).encode()).hexdigest()

    def exit_code(self, max_failed: int) -> int:
        """Return 70 after an internal error, 65 for too many bad runs, 75 if transient failures make them too many."""
        if self._classes["internal"]:
            return EXIT_BUG
        transient = self._classes["transient"]
        failed = self._classes["permanent"] + self._classes["quarantine"] + transient
        code = verdict(failed, self._outcomes.total(), max_failed, transient=transient).exit_code
        return code or (EXIT_TRANSIENT if self._outbox_down else EXIT_OK)

    def counts(self) -> dict[str, int]:
        """Return every count, zeros included."""
        found = {
            **self._outcomes,
            "known": self.known,
            "set_aside": self._outcomes["set_aside"] + self.set_aside,
            "events": self.events,
            "persons": self._persons,
            "warnings": self._warnings.total(),
            "seen": self._outcomes.total() + self.known + self.set_aside - self._repeated,
        }
        return {name: found.get(name, 0) for name in COUNTS}

    def report(self, *, max_failed: int, durations: dict[str, float], dry_run: bool = False) -> Report:
        """Return the report.

        Args:
            max_failed: number of failures to tolerate.
            durations: seconds per part of the work.
            dry_run: whether nothing was written.
        """
        counts = self.counts()
        code = self.exit_code(max_failed)
        status: Status = "failed" if code else "partial" if self.failures else "success"
        return Report(
            status=status,
            exit_code=code,
            headline=self._headline(counts, dry_run=dry_run),
            # Without runs that were only listed: every poll would count them again, and hide the share of bad ones.
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
        shown = {**counts, "failed": counts["failed"] - self._repeated}
        named = ", ".join(f"{shown[name]:,} {name.replace('_', ' ')}" for name in _HEADLINE if shown[name])
        seen = counts["seen"]
        text = f"{seen:,} {'run' if seen == 1 else 'runs'}" + (f": {named}" if named else "")
        if self._repeated:
            text += f"; {self._repeated:,} {'event' if self._repeated == 1 else 'events'} failed"
        if counts["persons"]:
            text += f"; {counts['persons']:,} persons"
        if self.hint:
            text += f"; {self.hint}"
        if self.ended:
            text += "; the others were not processed"
        return f"dry run, nothing written: {text}" if dry_run else text

    def _charts(self) -> Iterator[Section]:
        counts = self.counts()
        values = [counts[part.name.replace(" ", "_")] for part in _PARTS]
        if any(values):
            note = "Known and set aside: listed manifests that an earlier ingest loaded or set aside."
            yield Shares("Runs and events by outcome", "runs", _PARTS, [("seen", values)], note)
        if len(self._rejects) > 1:
            yield Amounts(
                "Failures by code",
                "failures",
                [Part("failures", "red")],
                [(code, [count]) for code, count in self._rejects.most_common(_DRAWN)],
                total=len(self._rejects),
            )

    def _sections(self, seen: int) -> Iterator[Section]:
        yield from self._charts()
        if len(self.failures) > len(self._rejects):  # otherwise the report's own list of failures says as much
            yield Table(
                "Failures by code",
                ["code", "failures", "first", "what happened and what to do"],
                [[code, count, *self._first(code)] for code, count in self._rejects.most_common()],
                note="All of them: telecine runs show, or the table pipeline.item_errors.",
            )
        if self._waiting:
            rows = [[code, count] for code, count in self._waiting.most_common()]
            yield Table("Not ready yet", ["why", "runs"], rows, note="The next ingest checks them again.")
        if self._rows:
            known = self.known + self.set_aside
            yield Table(
                "Runs",
                ["run", "episode", "outcome", "persons", "note", "warnings"],
                self._rows,
                note=f"The others include {known:,} known or set aside earlier." if known else "",
                total=seen,
                where="screenalytics.runs and screenalytics.ingest_items",
            )
        if self._warnings:
            yield Table(
                "Warnings",
                ["code", "times"],
                [[code, count] for code, count in self._warnings.most_common()],
                note="No rows are lost; the messages are in screenalytics.runs.warnings.",
            )

    def _first(self, code: str) -> tuple[str, str]:
        failure = next(failure for failure in self.failures if failure.code == code)
        return failure.item, failure.message
