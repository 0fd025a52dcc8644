"""The advice in the message of every rejection code and every verify finding works when followed."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from jobs.screenalytics.contract.kinds import _row
from jobs.screenalytics.contract.run_manifest import MAX_ARTIFACTS
from jobs.screenalytics.errors import CODES, FINDINGS
from jobs.screenalytics.settings import ReplaySettings, VerifySettings
from jobs.screenalytics.steps import verify
from shared.errors import AccessDenied, RequestRefused
from shared.settings.command import parse
from tests.emptied_database import database  # noqa: F401
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import postgres  # noqa: F401
from tests.screenalytics_database import place  # noqa: F401
from tests.screenalytics_runs import DROP, make_run, manifest_of, screentime_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.report import Report
    from tests.screenalytics_database import Place

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

UPLOAD: Final = "Fix the run and upload it again; the next ingest picks it up"
NEXT: Final = "The next ingest retries it"
ROW: Final = "Fix or delete its row in the outbox; the next ingest retries it"
REPLAY: Final = re.compile(r"[Rr]un: telecine screenalytics (replay .+)$")
# Codes that only write-manifest ends with: its message names a flag, and no run is involved.
OTHER_COMMANDS: Final = {"MANIFEST_EXISTS"}


def artifact_of(run_id: str) -> str:
    return f"derived/runs/{run_id}/analytics/screentime.json"


def manifest(run_id: str, change: Callable[[str], str]) -> dict[str, bytes]:
    """Return a run with changed manifest text."""
    files = make_run(run_id)
    key = manifest_of(files)[0]
    return {**files, key: change(files[key].decode()).encode()}


def rows(run_id: str, *changes: Mapping[str, Any]) -> dict[str, bytes]:
    return make_run(run_id, rows=[screentime_row(number + 1, **change) for number, change in enumerate(changes)])


def artifact(run_id: str, **changes: Any) -> dict[str, bytes]:
    return make_run(run_id, artifact=changes)


def without_artifact(run_id: str) -> dict[str, bytes]:
    return {key: body for key, body in make_run(run_id).items() if key != artifact_of(run_id)}


# Permanently invalid runs by code. The advice is to upload a fixed run.
BAD: Final[dict[str, Callable[[str], dict[str, bytes]]]] = {
    "MANIFEST_PARSE": lambda run: manifest(run, lambda text: text[:80]),
    "ENCODING": lambda run: {**make_run(run), f"derived/runs/{run}/manifest.json": b'{"schema_version": "\xff"}'},
    "DUPLICATE_KEY": lambda run: manifest(run, lambda text: text.replace("{", '{"attempt": 1, ', 1)),
    "NON_FINITE": lambda run: manifest(run, lambda text: text.replace("2580000", "NaN")),
    "TOO_LARGE": lambda run: manifest(run, lambda text: text + " " * 1_000_001),
    "TOO_DEEP": lambda run: manifest(run, lambda text: text.replace("{", '{"x": ' + "[" * 50 + "]" * 50 + ", ", 1)),
    "TOO_MANY": lambda run: make_run(run, artifacts=[{"artifact_key": str(n)} for n in range(MAX_ARTIFACTS + 1)]),
    "NOT_AN_OBJECT": lambda run: manifest(run, lambda text: f"[{text}]"),
    "MISSING_VERSION": lambda run: make_run(run, schema_version=DROP),
    "FIELD_MISSING": lambda run: make_run(run, completed_at=DROP),
    "FIELD_INVALID": lambda run: make_run(run, attempt="three"),
    "UNKNOWN_STATUS": lambda run: make_run(run, status="perhaps"),
    "NAIVE_TIMESTAMP": lambda run: make_run(run, completed_at="2025-12-23T15:16:12"),
    "ID_MISMATCH": lambda run: manifest(run, lambda text: text.replace(f'"run_id": "{run}"', '"run_id": "other"')),
    "NO_SUMMARY": lambda run: artifact(run, artifact_kind="candidates"),
    "DUPLICATE_ARTIFACT": lambda run: make_run(run, more=manifest_of(make_run(run))[1]["artifacts"]),
    "KEY_ESCAPE": lambda run: artifact(run, s3_key=f"derived/runs/{run}/../x.json"),
    "FOREIGN_LOCATION": lambda run: artifact(run, s3_key=f"s3://other/derived/runs/{run}/x.json"),
    "CROSS_RUN_REF": lambda run: artifact(run, s3_key="derived/runs/another/x.json"),
    "NOT_AN_OBJECT_KEY": lambda run: artifact(run, s3_key="/srv/data/screentime.json"),
    "ARTIFACT_MISSING": without_artifact,
    "UNSUPPORTED_ARTIFACT_VERSION": lambda run: artifact(run, schema_version="screentime.v9"),
    "CHECKSUM_INVALID": lambda run: artifact(run, checksum_sha256="abc"),
    "CHECKSUM_MISMATCH": lambda run: artifact(run, checksum_sha256="0" * 64),
    "SIZE_MISMATCH": lambda run: artifact(run, size_bytes=7),
    "ROW_COUNT_MISMATCH": lambda run: artifact(run, row_count=7),
    "DECODE": lambda run: artifact(run, content_type="application/gzip"),
    "ARTIFACT_PARSE": lambda run: make_run(run, document=b"{", artifact={"row_count": DROP}),
    "PERSON_ID_INVALID": lambda run: rows(run, {"person_id": " "}),
    "DUPLICATE_PERSON": lambda run: make_run(run, rows=[screentime_row(1), screentime_row(1)]),
    "NEGATIVE": lambda run: rows(run, {"visual_s": -1.0, "face_visible_seconds": -1.0}),
    "OUT_OF_RANGE": lambda run: rows(run, {"visual_s": 9999.0, "face_visible_seconds": 9999.0}),
    "CONFIDENCE_INVALID": lambda run: rows(run, {"confidence": 1.5}),
    "INCONSISTENT": lambda run: rows(run, {"visual_s": 1.0}),
    "PERSON_CONFLICT": lambda run: rows(run, {}, {"person_id": "p_0001", "name": "Bea Poe"}),
}


def said(report: Report) -> dict[str, tuple[str, str]]:
    """Return code and message of each failure by item."""
    return {failure.item: (failure.code, failure.message) for failure in report.failures}


def put(place: Place, files: Mapping[str, bytes]) -> None:
    for key, body in files.items():
        place.store.set(key, body)


def obey(place: Place, message: str) -> Report:
    """Run the replay command at the end of a message."""
    found = REPLAY.search(message)
    assert found is not None, message
    words = shlex.split(found[1])[1:]
    typed = parse(ReplaySettings, "telecine screenalytics replay", "", words)
    return place.replay(typed.run, accept_changed=typed.accept_changed)


def verified(place: Place, **values: Any) -> Report:
    fixed = {"database_url": place.database.url, "bucket": "s3://memory", "grace_min": 0}
    return verify.run(VerifySettings(**{**fixed, **values}), MemoryStageRun())


@pytest.fixture(autouse=True)
def store_of_verify(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "open_source", lambda settings: place.store)


def bad_codes() -> list[str]:
    return [code for code in BAD if code in CODES]


def test_the_next_ingest_picks_up_a_bad_run_that_was_fixed_and_uploaded_again(place):
    for code in bad_codes():
        put(place, BAD[code](code))
    found = said(place.ingest())
    assert {code: found[code][0] for code in bad_codes()} == {code: code for code in bad_codes()}
    ends = {code: message for code, (_, message) in found.items() if not message.endswith(f". {UPLOAD}")}
    assert set(ends) == {"PERSON_CONFLICT", "NAIVE_TIMESTAMP"}
    assert ends["NAIVE_TIMESTAMP"].endswith(
        "/completed_at is '2025-12-23T15:16:12' (without a UTC offset); expected a timestamp with an offset, such as"
        " 2025-12-23T15:16:12Z. Add its offset to the time in the manifest (Z for UTC) and upload the manifest again;"
        " the next ingest picks it up"
    )
    assert ends["PERSON_CONFLICT"].endswith(
        ". Fix the person_id or the name of one of them and upload the run again; the next ingest picks it up"
    )
    for code in bad_codes():
        put(place, make_run(code))
    assert place.ingest().exit_code == 0
    assert place.runs() == sorted(bad_codes())


def test_the_command_in_its_message_picks_up_a_bad_run_that_was_set_aside(place):
    for code in bad_codes():
        put(place, BAD[code](code))
    place.ingest(max_attempts=2)
    found = said(place.ingest(max_attempts=2))
    assert set(found) == set(bad_codes())
    assert place.ingest(max_attempts=2).exit_code == 0
    for code in bad_codes():
        _, message = found[code]
        assert "It failed 2 times and is set aside; once it is fixed, run: " in message
        put(place, make_run(code))
        assert obey(place, message).counts["ingested"] == 1
    assert place.runs() == sorted(bad_codes())


def test_an_artifact_fixed_without_its_manifest_is_picked_up_too(place):
    put(place, without_artifact("r1"))
    assert said(place.ingest())["r1"][1].endswith(UPLOAD)
    put(place, make_run("r1"))
    assert place.ingest().counts["ingested"] == 1


@dataclass(frozen=True)
class Advised:
    """A code with advice other than to upload a fixed run.

    Attributes:
        provoke: provokes the code and returns the report.
        end: the end of its message.
        follow: follows the message and returns the report, which must have no failures.
    """

    provoke: Callable[[Place], Report]
    end: str
    follow: Callable[[Place, str], Report]


def _unsupported(place: Place) -> Report:
    put(place, make_run("r1", schema_version="9.9"))
    return place.ingest()


def _fixed(place: Place, _message: str) -> Report:
    put(place, make_run("r1"))
    return place.ingest()


def _unverified(place: Place, _message: str) -> Report:
    return place.ingest(unverified=True)


def _without_checksum(place: Place) -> Report:
    put(place, artifact("r1", checksum_sha256=DROP))
    return place.ingest()


def _refused(error: RequestRefused) -> Callable[[Place], Report]:
    def provoke(place: Place) -> Report:
        put(place, make_run("r1"))
        place.store.fail("stream", error, key=artifact_of("r1"))
        return place.ingest()

    return provoke


def _again(place: Place, _message: str) -> Report:
    return place.ingest(arrival="both")


def _missing(place: Place) -> Report:
    return place.replay("r1")


def _found(place: Place, message: str) -> Report:
    put(place, make_run("r1"))
    return obey(place, message)


def _deleted(place: Place) -> Report:
    """Delete the manifest after the listing."""
    put(place, make_run("r1"))
    present = [True]
    place.store.on("stream", lambda key: present.pop() and place.store.objects.pop(key) if present else None)
    return place.ingest()


def _changed(place: Place) -> Report:
    put(place, make_run("r1"))
    place.ingest()
    put(place, make_run("r1", persons=2))
    return place.ingest()


def _accepted(place: Place, message: str) -> Report:
    return obey(place, message)


def _collided(place: Place) -> Report:
    put(place, make_run("r1"))
    place.ingest()
    put(place, make_run("r1", ep_id="rhoslc-s06e12"))
    return place.ingest()


def _renamed(place: Place, _message: str) -> Report:
    put(place, make_run("r1"))
    put(place, make_run("r2", ep_id="rhoslc-s06e12"))
    report = place.ingest()
    assert place.runs("run_id, ep_id") == [("r1", "rhoslc-s06e11"), ("r2", "rhoslc-s06e12")]
    return report


def _told(**event: Any) -> Callable[[Place], Report]:
    def provoke(place: Place) -> Report:
        put(place, make_run("r1"))
        place.tell("r1", **event)
        return place.ingest(arrival="events")

    return provoke


def _corrected(place: Place, _message: str) -> Report:
    place.database.rows(
        "UPDATE screenalytics.outbox_events SET event_type = 'screenalytics.run.completed', payload_json = '{}'"
    )
    report = place.ingest(arrival="events")
    assert place.events() == [("r1", True, 1)]
    return report


ADVISED: Final[dict[str, Advised]] = {
    "UNSUPPORTED_VERSION": Advised(_unsupported, "with a release of telecine that supports this version", _fixed),
    "CHECKSUM_MISSING: add it": Advised(_without_checksum, "or accept it unverified with --unverified", _fixed),
    "CHECKSUM_MISSING: accept it": Advised(_without_checksum, "unverified with --unverified", _unverified),
    "ACCESS_DENIED": Advised(_refused(AccessDenied("grant it")), NEXT, _again),
    "OBJECT_REFUSED": Advised(_refused(RequestRefused("restore it")), NEXT, _again),
    "MANIFEST_MISSING": Advised(_missing, "telecine screenalytics replay r1", _found),
    "SOURCE_DELETED": Advised(_deleted, "Upload the run again if it is still needed", _fixed),
    "MANIFEST_CHANGED": Advised(_changed, "telecine screenalytics replay r1 --accept-changed", _accepted),
    "RUN_ID_COLLISION": Advised(_collided, "Give this run a unique id and upload it again", _renamed),
    "UNKNOWN_EVENT": Advised(_told(event_type="x"), ROW, _corrected),
    "EVENT_INVALID": Advised(_told(payload="[]"), ROW, _corrected),
    "ID_MISMATCH: an event": Advised(
        _told(payload='{"manifest_key": "derived/runs/r2/manifest.json"}'), ROW, _corrected
    ),
    "KEY_ESCAPE: an event": Advised(_told(payload='{"manifest_key": "x"}'), ROW, _corrected),
    "CHECKSUM_MISMATCH: an event": Advised(_told(payload=json.dumps({"manifest_sha256": "0" * 64})), ROW, _corrected),
}


@pytest.mark.parametrize(("name", "case"), ADVISED.items(), ids=ADVISED)
def test_other_advice_works_as_well(place, name, case):
    ((code, message),) = said(case.provoke(place)).values()
    assert code == name.partition(":")[0]
    assert message.endswith(case.end), message
    assert case.follow(place, message).exit_code == 0
    assert "r1" in place.runs()


@pytest.mark.parametrize("name", [name for name, case in ADVISED.items() if case.end == ROW])
def test_an_event_that_is_set_aside_is_read_again_as_its_message_says(place, name):
    ADVISED[name].provoke(place)
    ((_, message),) = said(place.ingest(arrival="events", max_attempts=2)).values()
    assert message.endswith(
        "It failed 2 times and is set aside; fix its row in the outbox and set its delivery_attempts to 0"
    )
    assert place.ingest(arrival="events", max_attempts=2).counts["events"] == 0
    place.database.rows(
        "UPDATE screenalytics.outbox_events SET event_type = 'screenalytics.run.completed', payload_json = '{}',"
        " delivery_attempts = 0"
    )
    assert place.ingest(arrival="events", max_attempts=2).exit_code == 0
    assert place.events() == [("r1", True, 0)]


def _young(place: Place, files: Mapping[str, bytes]) -> None:
    put(place, files)
    for key, (body, _) in place.store.objects.items():
        place.store.objects[key] = body, datetime.now(UTC) - timedelta(seconds=9)


NOT_READY: Final = {
    "RUN_RUNNING": (lambda run: make_run(run, status="running"), "{}"),
    "MANIFEST_INCOMPLETE": (BAD["MANIFEST_PARSE"], "{}"),
    "MANIFEST_NOT_YET": (lambda run: {}, "{}"),
    "MANIFEST_OUTDATED": (make_run, json.dumps({"manifest_sha256": "0" * 64})),
    "ARTIFACT_NOT_YET": (without_artifact, "{}"),
}


@pytest.mark.parametrize("code", NOT_READY)
def test_a_later_ingest_loads_a_run_that_was_not_ready(place, code):
    make, payload = NOT_READY[code]
    _young(place, make("r1"))
    place.tell("r1", payload=payload)
    report = place.ingest(arrival="both", grace_min=15)
    assert (report.counts["deferred"], report.exit_code) == (1, 0)
    assert place.item("r1")[2] == code
    put(place, make_run("r1"))  # long ago, for a MemoryStore
    place.ingest(arrival="both", grace_min=15)
    assert place.runs() == ["r1"]


def test_the_advice_of_every_code_is_tested():
    assert {*BAD, *(name.partition(":")[0] for name in ADVISED), *NOT_READY} >= set(CODES) - OTHER_COMMANDS


def _spoil(statement: str) -> Callable[[Place], Report]:
    def provoke(place: Place) -> Report:
        put(place, make_run("r1"))
        place.ingest()
        place.database.rows(statement)
        return verified(place)

    return provoke


def _ingested_then(change: Callable[[Place], object], **values: Any) -> Callable[[Place], Report]:
    def provoke(place: Place) -> Report:
        put(place, make_run("r1"))
        place.ingest()
        change(place)
        return verified(place, **values)

    return provoke


def _bad(make: Callable[[str], dict[str, bytes]]) -> Callable[[Place], Report]:
    def provoke(place: Place) -> Report:
        put(place, make("r1"))
        place.ingest()
        return verified(place)

    return provoke


def _not_ingested(place: Place) -> Report:
    put(place, make_run("r1"))
    return verified(place)


def _obeyed(place: Place, message: str) -> Report:
    obey(place, message)
    return verified(place)


def _uploaded(place: Place, _message: str) -> Report:
    put(place, make_run("r1"))
    place.ingest()
    return verified(place)


def _new_manifest(place: Place, message: str) -> Report:
    """The new artifact is correct: describe it and accept the change."""
    put(place, make_run("r1", persons=2))
    obey(place, message)
    return verified(place)


AS_IT_WAS: Final = "upload a manifest that describes it and run: telecine screenalytics replay r1 --accept-changed"
LAST_CAST: Final = "DELETE FROM screenalytics.cast_metrics WHERE person_id = 'p_0003'"
LAST_PERSON: Final = "DELETE FROM screenalytics.person_metrics WHERE person_id = 'p_0003'"
OTHER_ARTIFACT: Final = make_run("r1", persons=2)[artifact_of("r1")]
SAME_SIZE: Final = make_run("r1")[artifact_of("r1")].replace(b"Person 1", b"Person 7")

VERIFY: Final[dict[str, Advised]] = {
    "NOT_INGESTED: unseen": Advised(
        _not_ingested, "Run: telecine screenalytics ingest", lambda place, _: place.ingest() and verified(place)
    ),
    "NOT_INGESTED: rows gone": Advised(
        _spoil("DELETE FROM screenalytics.runs"), "Run: telecine screenalytics replay r1", _obeyed
    ),
    "NOT_INGESTED: rejected": Advised(_bad(BAD["NEGATIVE"]), UPLOAD, _uploaded),
    "NOT_INGESTED: an unknown version": Advised(
        _bad(lambda run: make_run(run, schema_version="9.9")), "that supports this version", _uploaded
    ),
    "NOT_INGESTED: no checksum": Advised(
        _bad(lambda run: artifact(run, checksum_sha256=DROP)), "unverified with --unverified", _uploaded
    ),
    "SOURCE_DELETED": Advised(
        _ingested_then(lambda place: place.store.objects.clear()), "Its rows are kept", lambda place, _: verified(place)
    ),
    "ETAG_CHANGED": Advised(
        _ingested_then(lambda place: put(place, manifest("r1", lambda text: text + " ")), quick=True),
        "run: telecine screenalytics verify",
        lambda place, _: _obeyed(place, said(verified(place))["r1"][1]),
    ),
    "MANIFEST_CHANGED": Advised(
        _ingested_then(lambda place: put(place, make_run("r1", persons=2))), "replay r1 --accept-changed", _obeyed
    ),
    "ARTIFACT_MISSING": Advised(
        _ingested_then(lambda place: place.store.objects.pop(artifact_of("r1"))), "Upload it again as it was", _uploaded
    ),
    "SIZE_MISMATCH: the old one is right": Advised(
        _ingested_then(lambda place: place.store.set(artifact_of("r1"), OTHER_ARTIFACT)), AS_IT_WAS, _uploaded
    ),
    "SIZE_MISMATCH: the new one is right": Advised(
        _ingested_then(lambda place: place.store.set(artifact_of("r1"), OTHER_ARTIFACT)), AS_IT_WAS, _new_manifest
    ),
    "CHECKSUM_MISMATCH: the old one is right": Advised(
        _ingested_then(lambda place: place.store.set(artifact_of("r1"), SAME_SIZE)), AS_IT_WAS, _uploaded
    ),
    "CHECKSUM_MISMATCH: the new one is right": Advised(
        _ingested_then(lambda place: place.store.set(artifact_of("r1"), SAME_SIZE)), AS_IT_WAS, _new_manifest
    ),
    "CASTS_MISMATCH": Advised(_spoil(LAST_CAST), "run: telecine screenalytics replay r1", _obeyed),
    "PERSONS_MISMATCH": Advised(_spoil(LAST_PERSON), "run: telecine screenalytics replay r1", _obeyed),
    "HASH_MISMATCH": Advised(
        _spoil("UPDATE screenalytics.person_metrics SET onscreen_ms = 1"),
        "run: telecine screenalytics replay r1",
        _obeyed,
    ),
    "HASH_MISMATCH: of a cast": Advised(
        _spoil("UPDATE screenalytics.cast_metrics SET cast_id = 'x' WHERE entry = 2"),
        "run: telecine screenalytics replay r1",
        _obeyed,
    ),
    "HASH_MISMATCH: of the run": Advised(
        _spoil("UPDATE screenalytics.runs SET duration_ms = 1"), "run: telecine screenalytics replay r1", _obeyed
    ),
}


@pytest.mark.parametrize(("name", "case"), VERIFY.items(), ids=VERIFY)
def test_the_advice_of_verify_works(place, name, case):
    # Missing rows produce two findings.
    found = {failure.code: failure.message for failure in case.provoke(place).failures}
    message = found[name.partition(":")[0]]
    assert message.endswith(case.end), message
    assert case.follow(place, message).exit_code == 0


def test_the_advice_of_every_verify_finding_is_tested():
    assert {name.partition(":")[0] for name in VERIFY} == set(FINDINGS)


def test_a_repair_restores_the_rows_and_keeps_the_damaged_ones(place):
    put(place, make_run("r1"))
    place.ingest()
    before = place.persons("r1", "person_id, cast_ids, name, onscreen_ms, speaking_ms, body_ms, confidence")
    hashes = place.runs("run_id, output_hash")
    place.database.rows("UPDATE screenalytics.person_metrics SET onscreen_ms = 1")
    place.database.rows(LAST_PERSON)
    report = place.replay("r1", dry_run=True)
    assert (report.counts["replaced"], place.persons("r1")[0][1]) == (1, 1)
    assert place.replay("r1").counts["replaced"] == 1
    assert place.persons("r1", "person_id, cast_ids, name, onscreen_ms, speaking_ms, body_ms, confidence") == before
    assert place.runs("run_id, output_hash") == hashes
    assert place.database.rows("SELECT revision FROM screenalytics.runs") == [(2,)]
    ((spoilt,),) = place.database.rows("SELECT person_metrics FROM screenalytics.replaced_runs")
    assert [person["onscreen_ms"] for person in spoilt] == [1, 1]
    assert place.replay("r1").counts["unchanged"] == 1
    assert verified(place).exit_code == 0


def test_a_replay_gives_a_uuid_its_one_spelling_in_rows_of_an_earlier_release(place, monkeypatch):
    person = "b7f10000-0000-4000-8000-00000000000a"
    put(place, rows("r1", {"person_id": person.upper()}, {"person_id": person}))
    with monkeypatch.context() as earlier:
        earlier.setattr(_row, "canonical_uuid", lambda text: None)
        place.ingest()
    assert place.persons("r1", "person_id") == [(person.upper(),), (person,)]
    assert verified(place).exit_code == 0
    refused = place.replay("r1")
    assert [failure.code for failure in refused.failures] == ["PERSON_CONFLICT"]
    put(place, rows("r2", {"person_id": person.upper()}))
    with monkeypatch.context() as earlier:
        earlier.setattr(_row, "canonical_uuid", lambda text: None)
        place.ingest()
    assert place.replay("r2").counts["replaced"] == 1
    assert place.persons("r2", "person_id") == [(person,)]
    assert place.replay("r2").counts["unchanged"] == 1
    assert place.database.rows("SELECT DISTINCT person_id FROM screenalytics.cast_metrics WHERE run_id = 'r2'") == [
        (person,)
    ]
