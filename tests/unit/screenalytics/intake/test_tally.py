"""Counts, exit codes and report of ingest and replay."""

from __future__ import annotations

import pytest

from jobs.screenalytics.arrival.events import BadEvent, Candidate, Event
from jobs.screenalytics.commands import STEPS
from jobs.screenalytics.errors import reject
from jobs.screenalytics.intake.advice import advice
from jobs.screenalytics.intake.decision import IntakeResult
from jobs.screenalytics.intake.prefetch import WaitTimes, prefetch
from jobs.screenalytics.intake.tally import COUNTS, IntakeTally
from jobs.screenalytics.model import ManifestRef, RunWarning
from jobs.screenalytics.reading.candidate import ReadResult
from shared.failure import Failure
from shared.report import Table
from shared.report.page import render


def taken(run_id: str = "r1", outcome: str = "ingested", **values) -> IntakeResult:
    return IntakeResult(Candidate(ManifestRef(run_id, f"runs/{run_id}/manifest.json"), "poll"), outcome, **values)


def failed(run_id: str, kind: str, code: str = "FIELD_INVALID") -> IntakeResult:
    return taken(run_id, "failed", failure_class=kind, failure=Failure(run_id, code, f"{run_id} is bad"), note=code)


def report_of(*results: IntakeResult, max_failed: int = 0, **values):
    tally = IntakeTally()
    for result in results:
        tally.add(result)
    return tally.report(max_failed=max_failed, durations={}, **values)


@pytest.mark.parametrize(
    ("kinds", "max_failed", "code", "status"),
    [
        ([], 0, 0, "success"),
        (["permanent"], 0, 65, "failed"),
        (["quarantine"], 0, 65, "failed"),
        (["transient"], 0, 75, "failed"),
        (["transient", "permanent"], 0, 65, "failed"),
        (["permanent"], 1, 0, "partial"),
        (["transient"], 1, 0, "partial"),
        (["transient", "permanent"], 1, 75, "failed"),
        (["permanent", "quarantine"], 1, 65, "failed"),
        (["internal"], 9, 70, "failed"),
        (["internal", "permanent"], 0, 70, "failed"),
    ],
)
def test_how_a_step_ends(kinds, max_failed, code, status):
    results = [failed(f"r{number}", kind) for number, kind in enumerate(kinds)]
    report = report_of(taken("good"), *results, max_failed=max_failed)
    assert (report.exit_code, report.status) == (code, status)


def test_every_count_is_there_and_sums_up():
    tally = IntakeTally()
    for outcome in ("ingested", "unchanged", "replaced", "skipped", "source_deleted", "deferred", "set_aside"):
        tally.add(taken(outcome, outcome, persons=2 if outcome in ("ingested", "replaced") else 0))
    tally.add(failed("bad", "permanent"))
    tally.events, tally.known, tally.set_aside = 3, 4, 5
    counts = tally.counts()
    assert tuple(counts) == COUNTS
    assert counts == {
        "seen": 17,
        "ingested": 1,
        "unchanged": 1,
        "replaced": 1,
        "skipped": 2,
        "deferred": 1,
        "failed": 1,
        "set_aside": 6,
        "known": 4,
        "events": 3,
        "persons": 4,
        "warnings": 0,
    }
    report = tally.report(max_failed=1, durations={})
    assert report.items == 8, "a poll every quarter of an hour counts no known run as done"
    assert report.headline.startswith("17 runs: 1 ingested, 1 replaced")


def test_the_hash_depends_on_runs_and_content_alone():
    one, two = taken("a", output_hash="1" * 64), taken("b", "unchanged", output_hash="2" * 64)
    digest = report_of(one, two).outputs["output_hash"]
    assert report_of(two, one, failed("c", "permanent")).outputs["output_hash"] == digest
    assert report_of(one).outputs["output_hash"] != digest
    assert report_of(one, taken("b", output_hash="3" * 64)).outputs["output_hash"] != digest


def test_the_page_shows_runs_failures_and_what_waits():
    report = report_of(
        taken("r1", ep_id="show-s01e01", persons=3, warnings=(RunWarning("EPISODE_UNLINKED", "x"),)),
        failed("r2", "permanent", "CHECKSUM_MISMATCH"),
        failed("r3", "permanent", "CHECKSUM_MISMATCH"),
        taken("r4", "deferred", note="RUN_RUNNING"),
    )
    tables = {section.title: section for section in report.sections if isinstance(section, Table)}
    assert tables["Failures by code"].rows == [["CHECKSUM_MISMATCH", 2, "r2", "r2 is bad"]]
    assert tables["Not ready yet"].rows == [["RUN_RUNNING", 1]]
    assert tables["Runs"].rows[0] == ["r1", "show-s01e01", "ingested", 3, None, ("EPISODE_UNLINKED",)]
    assert tables["Runs"].rows[1][2] == ("failed",), "a mark"
    assert tables["Warnings"].rows == [["EPISODE_UNLINKED", 1]]
    assert report.rejects == {"CHECKSUM_MISMATCH": 2}
    page = render(report)
    assert "show-s01e01" in page
    assert "CHECKSUM_MISMATCH" in page


def test_a_long_list_of_runs_is_cut_and_says_so():
    report = report_of(*(taken(f"r{number}") for number in range(250)))
    (table,) = [section for section in report.sections if section.title == "Runs"]
    assert len(table.rows) == 200
    assert table.left_out == "200 of 250 shown; all are in screenalytics.runs and screenalytics.ingest_items."


def test_a_dry_run_says_so():
    assert report_of(taken(), dry_run=True).headline.startswith("dry run, nothing written: 1 run: 1 ingested")


@pytest.mark.parametrize("dead", [False, True])
def test_an_event_that_names_no_run_is_a_failure_of_its_own(dead):
    tally = IntakeTally()
    error = reject("UNKNOWN_EVENT", "event e1 is of type 'x'. Correct it.", actual="x\0y")
    failure = tally.add_bad(BadEvent(Event("e1", "x", "r1", {}, 2), error), dead=dead)
    assert (failure.item, failure.code, failure.attempt) == ("event e1", "UNKNOWN_EVENT", 3)
    assert failure.data["class"] == "permanent"
    assert ("set aside" in failure.message) is dead
    assert tally.report(max_failed=0, durations={}).exit_code == 65


def test_every_message_ends_with_what_to_do():
    for code in ("CHECKSUM_MISMATCH", "ACCESS_DENIED", "SOURCE_DELETED", "MANIFEST_MISSING"):
        assert advice(code, "r1", None, dead=False, attempt=1).startswith(". ")
    for code in ("CHECKSUM_MISMATCH", "MANIFEST_CHANGED"):
        assert advice(code, "r1", None, dead=True, attempt=5).endswith("telecine screenalytics replay r1")


def test_a_message_with_a_command_has_no_other_advice():
    message = "It is a stage manifest; to make a RunManifest, run: telecine screenalytics write-manifest r1 --replace"
    assert advice("FIELD_MISSING", "r1", None, message=message, dead=False, attempt=1) == ""
    dead = advice("FIELD_MISSING", "r1", None, message=message, dead=True, attempt=5)
    assert dead == ". It failed 5 times and is set aside until its manifest changes"


def test_candidates_are_read_ahead_and_handed_on_in_order():
    asked: list[int] = []

    def candidates():
        for number in range(50):
            asked.append(number)
            yield Candidate(ManifestRef(f"r{number}", f"k{number}"), "poll")

    pairs = prefetch(candidates(), lambda candidate: ReadResult(error=ValueError(candidate.ref.run_id)), 3, WaitTimes())
    candidate, read = next(pairs)
    assert (candidate.ref.run_id, str(read.error)) == ("r0", "r0")
    assert len(asked) == 7
    assert [(candidate.ref.run_id, str(read.error)) for candidate, read in pairs] == [
        (f"r{number}", f"r{number}") for number in range(1, 50)
    ]


def test_a_listing_that_fails_ends_the_reading():
    def candidates():
        yield Candidate(ManifestRef("r0", "k0"), "poll")
        raise ConnectionError

    pairs = prefetch(candidates(), lambda candidate: ReadResult(), 2, WaitTimes())
    with pytest.raises(ConnectionError):
        list(pairs)


def test_ingest_and_replay_are_the_same_stage():
    stages = {step.name: getattr(step, "stage", None) for step in STEPS}
    assert stages["ingest"] == stages["replay"] == ("sync_screenalytics", 6)
    assert set(stages) == {"ingest", "replay", "verify", "write-manifest", "sample", "schema"}
