from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from jobs.screenalytics.contract.run_manifest import STATUSES
from jobs.screenalytics.contract.versions import ADAPTERS
from jobs.screenalytics.model import ScreenalyticsRun, SkippedRun
from jobs.screenalytics.settings import SchemaSettings
from jobs.screenalytics.steps.schema import EXAMPLE
from shared.failure import Failure
from shared.storage import FileStore
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import DROP, RUN_ID, encode, make_run, manifest_of, read_files, rejected, screentime

if TYPE_CHECKING:
    from pathlib import Path

KEY = f"derived/runs/{RUN_ID}/manifest.json"


def read_run(**changes: Any) -> ScreenalyticsRun:
    run = read_files(make_run(**changes))
    assert isinstance(run, ScreenalyticsRun)
    return run


def with_manifest(body: Any) -> MemoryStore:
    return MemoryStore({**make_run(), KEY: encode(body)})


@pytest.mark.parametrize(
    ("version", "code"),
    [
        pytest.param("9.9", "UNSUPPORTED_VERSION", id="case 1: 9.9"),
        pytest.param("1.1", "UNSUPPORTED_VERSION", id="case 1: 1.1"),
        pytest.param("2.0", "UNSUPPORTED_VERSION", id="case 1: 2.0"),
        pytest.param(DROP, "MISSING_VERSION", id="case 2: missing"),
        pytest.param(None, "MISSING_VERSION", id="case 2: null"),
        pytest.param("", "MISSING_VERSION", id="case 2: empty"),
        pytest.param(1.0, "UNSUPPORTED_VERSION", id="case 3: a number"),
        pytest.param(1, "UNSUPPORTED_VERSION", id="case 3: an integer"),
        pytest.param(True, "UNSUPPORTED_VERSION", id="case 3: true"),
        pytest.param(" 1.0", "UNSUPPORTED_VERSION", id="case 3: a space"),
        pytest.param("1.0\n", "UNSUPPORTED_VERSION", id="case 3: a newline"),
        pytest.param("1.0.0", "UNSUPPORTED_VERSION", id="case 3: 1.0.0"),
        pytest.param(["1.0"], "UNSUPPORTED_VERSION", id="case 3: a list"),
        pytest.param("trr-screenalytics/v1", "UNSUPPORTED_VERSION", id="case 3: a token of another document"),
    ],
)
def test_the_version_is_looked_at_before_all_else(version: Any, code: str) -> None:
    store = MemoryStore(make_run(schema_version=version, run_id_is_gone=1, manifest={"artifacts": "none", "status": 7}))
    error = rejected(store)
    assert (error.code, error.kind, error.exit_code) == (code, "permanent", 65)
    assert error.data["expected"] == '"1.0"'
    assert '"1.0"' in error.message
    assert {key for _, key in store.calls} == {KEY}


def test_case_1_version_2_which_counts_in_milliseconds_is_not_guessed_at() -> None:
    document = manifest_of(make_run())[1] | {"schema_version": "2.0", "run": {"id": RUN_ID}, "outputs": []}
    assert rejected(with_manifest(document)).code == "UNSUPPORTED_VERSION"


def test_case_1_version_1_1_which_only_adds_is_not_guessed_at() -> None:
    store = MemoryStore(make_run(schema_version="1.1", producer={"git": "760c613"}))
    assert rejected(store).code == "UNSUPPORTED_VERSION"
    assert store.count("stream") == 1


def test_case_4_unknown_fields_are_accepted_warned_of_and_not_hashed() -> None:
    plain = read_run()
    run = read_run(producer={"git": "760c613"}, artifact={"colour": "red"}, manifest={"a\0b": 1})
    assert [warning.code for warning in run.warnings] == ["UNKNOWN_FIELD"] * 2
    assert "producer" in run.warnings[0].message
    assert "\0" not in run.warnings[0].message
    assert "colour" in run.warnings[1].message
    assert run.output_hash == plain.output_hash
    assert run.metrics == plain.metrics


def test_case_4_a_thousand_unknown_fields_make_one_short_warning() -> None:
    run = read_run(manifest={f"field_{number}": 1 for number in range(1000)})
    (warning,) = run.warnings
    assert "and 990 more" in warning.message
    assert len(warning.message) < 300


@pytest.mark.parametrize("field", ["run_id", "ep_id", "status", "completed_at", "artifacts"])
def test_case_6_a_missing_field(field: str) -> None:
    error = rejected(make_run(manifest={field: DROP}))
    assert (error.code, error.data["json_pointer"]) == ("FIELD_MISSING", f"/{field}")


@pytest.mark.parametrize("field", ["artifact_key", "artifact_kind", "s3_key", "schema_version"])
def test_case_6_a_missing_field_of_an_artifact(field: str) -> None:
    error = rejected(make_run(artifact={field: DROP}))
    assert (error.code, error.data["json_pointer"]) == ("FIELD_MISSING", f"/artifacts/0/{field}")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"attempt": "3"}, "/attempt", id="case 7: a count as text"),
        pytest.param({"attempt": True}, "/attempt", id="case 7: true as a count"),
        pytest.param({"attempt": 3.5}, "/attempt", id="case 7: half an attempt"),
        pytest.param({"attempt": -1}, "/attempt", id="case 7: a negative count"),
        pytest.param({"attempt": 2**31}, "/attempt", id="case 7: too large a count"),
        pytest.param({"duration_ms": 2580.5}, "/duration_ms", id="case 7: half a millisecond"),
        pytest.param({"duration_ms": 2**63}, "/duration_ms", id="case 7: more than a bigint"),
        pytest.param({"ep_id": 6}, "/ep_id", id="case 7: a number as ep_id"),
        pytest.param({"ep_id": "../x-s01e01"}, "/ep_id", id="case 7: a path as ep_id"),
        pytest.param({"ep_id": ""}, "/ep_id", id="case 7: no ep_id"),
        pytest.param({"manifest": {"run_id": f"{RUN_ID}\n"}}, "/run_id", id="case 7: a newline in run_id"),
        pytest.param({"status": None}, "/status", id="case 7: null as status"),
        pytest.param({"manifest": {"artifacts": {}}}, "/artifacts", id="case 7: artifacts as an object"),
        pytest.param({"manifest": {"artifacts": ["x"]}}, "/artifacts/0", id="case 7: an artifact as text"),
        pytest.param({"completed_at": 1766503000}, "/completed_at", id="case 7: seconds since 1970"),
        pytest.param({"completed_at": "2025-13-23T15:16:12Z"}, "/completed_at", id="case 7: month 13"),
        pytest.param({"completed_at": "2025-12-23"}, "/completed_at", id="case 7: a date"),
        pytest.param({"completed_at": "0001-01-01T00:00:00+05:00"}, "/completed_at", id="case 7: before year 1"),
        pytest.param({"artifact": {"size_bytes": "12"}}, "/artifacts/0/size_bytes", id="case 7: a size as text"),
        pytest.param({"artifact": {"row_count": True}}, "/artifacts/0/row_count", id="case 7: true as a row_count"),
        pytest.param({"artifact": {"artifact_key": " "}}, "/artifacts/0/artifact_key", id="case 7: a blank key"),
        pytest.param({"artifact": {"artifact_key": "a\0"}}, "/artifacts/0/artifact_key", id="case 7: NUL in a key"),
        pytest.param({"artifact": {"artifact_key": "é" * 256}}, "/artifacts/0/artifact_key", id="case 7: a long key"),
    ],
)
def test_case_7_nothing_is_coerced(changes: dict[str, Any], pointer: str) -> None:
    error = rejected(make_run(**changes))
    assert (error.code, error.data["json_pointer"]) == ("FIELD_INVALID", pointer)
    assert pointer in error.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"[]", "NOT_AN_OBJECT", id="case 13: a list"),
        pytest.param(b"null", "NOT_AN_OBJECT", id="case 13: null"),
        pytest.param(b'"1.0"', "NOT_AN_OBJECT", id="case 13: text"),
        pytest.param(b"", "MANIFEST_PARSE", id="case 8: empty"),
        pytest.param(b'{"schema_version": "1.0"', "MANIFEST_PARSE", id="case 8: cut short"),
    ],
)
def test_what_is_no_manifest(body: bytes, code: str) -> None:
    assert rejected(with_manifest(body)).code == code


@pytest.mark.parametrize("body", [b"", b'{"schema_version": "1.0"', '{"a": "é'.encode()[:-1]])
def test_case_8_a_young_manifest_that_is_no_json_is_waited_for(body: bytes) -> None:
    store = with_manifest(body)
    written = store.stat(KEY).modified
    early, late = written + timedelta(minutes=14), written + timedelta(minutes=15)
    error = rejected(store, now=early)
    assert (error.code, error.kind, error.retryable) == ("MANIFEST_INCOMPLETE", "not_ready", True)
    assert rejected(store, now=late).code == "MANIFEST_PARSE"
    assert rejected(store, now=early, grace_min=1).code == "MANIFEST_PARSE"
    # The clock of the store is ahead: by minutes the manifest counts as young, by days it does not.
    assert rejected(store, now=written - timedelta(hours=23)).code == "MANIFEST_INCOMPLETE"
    assert rejected(store, now=written - timedelta(hours=25)).code == "MANIFEST_PARSE"


def test_case_8_a_young_manifest_that_is_wrong_is_not_waited_for() -> None:
    store = with_manifest(b'{"schema_version": "9.9"}')
    assert rejected(store, now=store.stat(KEY).modified).code == "UNSUPPORTED_VERSION"


@pytest.mark.parametrize(
    "status", ["failed", "FAILED", "error", "failure", "blocked", "BLOCKED", "cancelled", "CANCELED"]
)
def test_case_14_a_run_without_success_is_skipped_whatever_else_it_has(status: str) -> None:
    store = MemoryStore(make_run(status=status, manifest={"artifacts": DROP, "completed_at": DROP}))
    run = read_files(store)
    assert isinstance(run, SkippedRun)
    assert run.status == STATUSES[status]
    assert (run.run_id, run.ep_id) == (RUN_ID, "rhoslc-s06e11")
    assert store.count("stream") == 1


@pytest.mark.parametrize("status", ["running", "RUNNING", "pending", "queued", "in_progress", "not_started"])
def test_case_14_a_running_one_is_waited_for_at_any_age(status: str) -> None:
    error = rejected(make_run(status=status))
    assert (error.code, error.kind) == ("RUN_RUNNING", "not_ready")


@pytest.mark.parametrize("status", ["success", "SUCCESS", "complete", "completed", "COMPLETED"])
def test_case_15_words_for_success(status: str) -> None:
    assert read_run(status=status).output_hash == read_run().output_hash


@pytest.mark.parametrize("status", ["Success", "ok", "done", "", "success ", "degraded"])
def test_case_15_any_other_word_is_unknown(status: str) -> None:
    error = rejected(make_run(status=status))
    assert (error.code, error.data["json_pointer"]) == ("UNKNOWN_STATUS", "/status")
    assert "success" in error.message


@pytest.mark.parametrize("checksum", ["0" * 63, "0" * 65, "g" * 64, "", "sha256:" + "0" * 64, "0" * 64 + "\n", 7])
def test_case_19_what_is_no_checksum(checksum: Any) -> None:
    error = rejected(make_run(artifact={"checksum_sha256": checksum}))
    assert (error.code, error.data["json_pointer"]) == ("CHECKSUM_INVALID", "/artifacts/0/checksum_sha256")


def test_case_19_a_checksum_in_capitals_is_the_same() -> None:
    checksum = manifest_of(make_run())[1]["artifacts"][0]["checksum_sha256"]
    run = read_run(artifact={"checksum_sha256": checksum.upper()})
    assert run.artifacts[0].sha256 == checksum


@pytest.mark.parametrize("checksum", [None, DROP])
def test_case_19_without_a_checksum_only_when_that_is_allowed(checksum: Any) -> None:
    files = make_run(artifact={"checksum_sha256": checksum})
    store = MemoryStore(files)
    assert rejected(store).code == "CHECKSUM_MISSING"
    assert store.count("stream") == 1
    run = read_files(files, unverified=True)
    assert isinstance(run, ScreenalyticsRun)
    assert run.artifacts[0].sha256 is None


def test_case_23_a_large_manifest(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(KEY, b" " * 5_000_000)
    assert rejected(store).code == "TOO_LARGE"
    assert store.metrics.snapshot()["bytes_read"] <= 2_100_000


def test_case_23_many_references() -> None:
    reference = {"artifact_key": "x", "artifact_kind": "audio", "s3_key": "x", "schema_version": "1"}
    more = [reference | {"artifact_key": f"x{number}"} for number in range(1000)]
    assert rejected(make_run(more=more)).code == "TOO_MANY"
    assert len(read_run(more=more[:-1]).artifacts) == 1000


def test_case_26_a_repeated_artifact_key() -> None:
    reference = {"artifact_key": "screentime", "artifact_kind": "audio", "s3_key": "x", "schema_version": "1"}
    error = rejected(make_run(more=[reference]))
    assert (error.code, error.data["json_pointer"]) == ("DUPLICATE_ARTIFACT", "/artifacts/1")


def test_case_41_the_manifest_of_another_run() -> None:
    error = rejected(make_run(manifest={"run_id": "run-2"}))
    assert (error.code, error.data["expected"], error.data["actual"]) == ("ID_MISMATCH", RUN_ID, "run-2")


def test_case_60_times_that_cannot_be_are_kept_and_warned_of() -> None:
    early = read_run(completed_at="2025-12-23T15:00:00Z")
    assert [warning.code for warning in early.warnings] == ["CLOCK_SKEW"]
    late = read_run(completed_at="2099-12-23T15:00:00Z")
    assert [warning.code for warning in late.warnings] == ["CLOCK_SKEW"]
    assert late.completed_at == datetime(2099, 12, 23, 15, tzinfo=UTC)


@pytest.mark.parametrize("field", ["started_at", "completed_at"])
def test_case_61_a_time_without_an_offset(field: str) -> None:
    error = rejected(make_run(manifest={field: "2025-12-23T15:16:12"}))
    assert (error.code, error.data["json_pointer"]) == ("NAIVE_TIMESTAMP", f"/{field}")


def test_case_61_times_are_kept_in_utc() -> None:
    run = read_run(completed_at="2025-12-23T10:16:12.123456789-05:00", started_at=None)
    assert run.completed_at == datetime(2025, 12, 23, 15, 16, 12, 123456, tzinfo=UTC)
    assert run.completed_at.tzinfo is UTC
    assert run.started_at is None


def test_the_published_example_validates_and_reads() -> None:
    """The example together with a matching artifact: one person, and the right checksum."""
    reference = EXAMPLE["artifacts"][0]
    row = {"name": "Ana Poe", "person_id": "p_0001", "visual_s": 402.03, "speaking_s": 0.0, "confidence": 0.871}
    files = make_run(document=screentime([row], metadata={}), rows=[row])
    body = next(body for key, body in files.items() if key != KEY)
    made = manifest_of(files)[1]["artifacts"][0]
    facts = {name: made[name] for name in ("size_bytes", "checksum_sha256")}
    run = read_files(
        MemoryStore({reference["s3_key"]: body, KEY: encode(EXAMPLE | {"artifacts": [reference | facts]})})
    )
    assert isinstance(run, ScreenalyticsRun)
    assert (run.warnings, len(run.metrics), run.metrics[0].onscreen_ms) == ((), 1, 402_030)


def test_each_version_of_the_schema_has_an_adapter() -> None:
    assert set(get_args(SchemaSettings.model_fields["manifest_version"].annotation)) == set(ADAPTERS)


def test_a_long_artifact_key_is_stored_as_it_is() -> None:
    assert read_run(artifact={"artifact_key": "é" * 255}).artifacts[0].artifact_key == "é" * 255


STAGE_MANIFEST = {
    "schema_version": "1.0",
    "episode_id": "rhoslc-s06e11",
    "run_id": RUN_ID,
    "stage": "screentime",
    "status": "SUCCESS",
    "started_at": "2025-12-23T15:15:00Z",
    "finished_at": "2025-12-23T15:16:10Z",
    "artifacts": [{"logical_name": "screentime", "path": "/srv/data/screentime.json", "sha256": None}],
}


def test_all_wrong_fields_of_a_manifest_are_reported_at_once() -> None:
    error = rejected(with_manifest({**STAGE_MANIFEST, "attempt": "3", "started_at": "2025-12-23T15:15:00"}))
    told = [(field["json_pointer"], field["code"]) for field in error.data["fields"]]
    assert told == [
        ("/ep_id", "FIELD_MISSING"),
        ("/completed_at", "FIELD_MISSING"),
        ("/started_at", "NAIVE_TIMESTAMP"),
        ("/attempt", "FIELD_INVALID"),
        ("/artifacts/0/artifact_key", "FIELD_MISSING"),
        ("/artifacts/0/artifact_kind", "FIELD_MISSING"),
        ("/artifacts/0/s3_key", "FIELD_MISSING"),
        ("/artifacts/0/schema_version", "FIELD_MISSING"),
    ]
    assert (error.code, error.data["json_pointer"], error.data["fields_omitted"]) == ("FIELD_MISSING", "/ep_id", 0)
    assert error.message.startswith("the manifest has 8 wrong fields: /ep_id is missing; expected 1 to 255 letters")
    assert "/attempt is '3'; expected a whole number from 0 to 2147483647" in error.message
    assert "/started_at is '2025-12-23T15:15:00' (without a UTC offset); expected a timestamp" in error.message
    for pointer, _ in told:
        assert f"{pointer} is " in error.message


def test_all_wrong_declarations_of_a_manifest_are_reported_at_once() -> None:
    wrong = {"s3_key": "/srv/a.json", "schema_version": "screentime.v9", "checksum_sha256": None}
    error = rejected(make_run(artifact=wrong, more=[{**manifest_of(make_run())[1]["artifacts"][0]}]))
    assert [(field["json_pointer"], field["code"]) for field in error.data["fields"]] == [
        ("/artifacts/1", "DUPLICATE_ARTIFACT"),
        ("/artifacts/0/s3_key", "NOT_AN_OBJECT_KEY"),
        ("/artifacts/0/schema_version", "UNSUPPORTED_ARTIFACT_VERSION"),
        ("/artifacts/0/checksum_sha256", "CHECKSUM_MISSING"),
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"artifacts": None}, "/artifacts is null; expected a list of at most 1,000 artifacts"),
        ({"artifacts": ["x"]}, "/artifacts/0 is 'x'; expected an object"),
        ({"duration_ms": 2.5}, "/duration_ms is 2.5; expected a whole number of milliseconds"),
        ({"ep_id": DROP}, "/ep_id is missing; expected 1 to 255 letters, digits"),
        ({"status": "done"}, "/status is 'done'; expected success, complete, completed, running"),
    ],
)
def test_a_wrong_field_is_reported_with_its_value_and_what_is_expected(changes: dict[str, Any], told: str) -> None:
    assert told in rejected(make_run(manifest=changes)).message


def test_a_wrong_run_id_does_not_hide_other_fields() -> None:
    error = rejected(make_run(manifest={"run_id": "run-2", "completed_at": DROP}))
    assert [field["code"] for field in error.data["fields"]] == ["ID_MISMATCH", "FIELD_MISSING"]


def test_a_failed_run_may_have_invalid_other_fields() -> None:
    run = read_files(make_run(status="failed", manifest={"completed_at": 7, "artifacts": "none", "attempt": "x"}))
    assert isinstance(run, SkippedRun)


def test_many_wrong_fields_are_capped_and_the_rest_is_counted() -> None:
    document = {**STAGE_MANIFEST, "artifacts": [{"logical_name": str(number)} for number in range(1000)]}
    error = rejected(with_manifest(document))
    told = len(error.data["fields"])
    assert 5 <= told <= 20
    assert error.data["fields_omitted"] == 4002 - told
    advice = f"write-manifest {RUN_ID} --replace"
    assert f"; and {4002 - told} more. " in error.message
    assert error.message.endswith(advice)
    assert len(error.message) < 1900  # more advice follows
    # Stored and printed messages are truncated to 2000 characters, which must include the count and the command.
    assert f"and {4002 - told} more" in Failure.of(RUN_ID, error).message
    assert advice in Failure.of(RUN_ID, error).message


def test_values_from_outside_are_shown_truncated_and_escaped() -> None:
    error = rejected(make_run(attempt="\x1b[31m" + "x" * 10_000, manifest={"ep_id": ["y"] * 10_000}))
    assert "\x1b" not in error.message
    assert "/ep_id is a list of 10000" in error.message
    assert len(error.message) < 600


def test_an_unknown_status_is_the_only_error_of_a_manifest_that_may_need_no_more() -> None:
    """Only a success has artifacts and an end: `degraded` may be any of the other states."""
    store = MemoryStore(make_run(status="degraded", manifest={"artifacts": DROP}, completed_at=DROP))
    error = rejected(store)
    assert (error.code, error.data["json_pointer"]) == ("UNKNOWN_STATUS", "/status")
    assert error.message.startswith("the manifest: /status is 'degraded'; expected success, ")
    assert "missing" not in error.message
    # What is there and wrong is still told at once, as are the fields that every run needs.
    more = rejected(MemoryStore(make_run(status="degraded", ep_id=DROP, attempt="three", completed_at=DROP)))
    assert [field["json_pointer"] for field in more.data["fields"]] == ["/ep_id", "/status", "/attempt"]
    absent = rejected(MemoryStore(make_run(status=DROP, completed_at=DROP)))
    assert [field["json_pointer"] for field in absent.data["fields"]] == ["/status", "/completed_at"]
