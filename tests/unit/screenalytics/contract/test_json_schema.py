"""The published schema and ingest agree: both accept and refuse the same manifests."""

from __future__ import annotations

import copy
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from jobs.screenalytics.contract.run_manifest import RunManifest
from jobs.screenalytics.errors import Rejected
from jobs.screenalytics.keys import manifest_key
from jobs.screenalytics.model import ManifestObject, ManifestRef
from jobs.screenalytics.reading.run import read_manifest
from jobs.screenalytics.reading.selection import select_summaries
from jobs.screenalytics.settings import IngestSettings, SchemaSettings
from jobs.screenalytics.steps.schema import manifest_schema, show
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import DROP, NOW, RUN_ID, encode, make_run, manifest_of

VALIDATOR = Draft202012Validator(manifest_schema())
# Without an installation's limits.
SETTINGS = IngestSettings(max_artifact_mb=10**13)
STORE = MemoryStore({})
MANIFEST = manifest_of(make_run())[1]
REFERENCE = MANIFEST["artifacts"][0]
OTHER = {"artifact_key": "a", "artifact_kind": "audio", "s3_key": "x", "schema_version": "1"}
# Comparisons that a schema cannot express: of the manifest with its key, with itself, or with folders.
BEYOND = {
    *("ID_MISMATCH", "DUPLICATE_ARTIFACT"),
    *("KEY_ESCAPE", "CROSS_RUN_REF", "NOT_AN_OBJECT_KEY", "FOREIGN_LOCATION"),
}


def refusal(body: bytes) -> set[str]:
    """Return the codes with which ingest refuses a manifest before it reads an artifact; none if it accepts it."""
    ref = ManifestRef(RUN_ID, manifest_key("derived", RUN_ID))
    manifest = ManifestObject(ref, body, hashlib.sha256(body).hexdigest(), "etag", datetime(2026, 1, 1, tzinfo=UTC))
    try:
        parsed = read_manifest(manifest, SETTINGS, now=NOW)
        if isinstance(parsed, RunManifest):
            select_summaries(STORE, parsed, SETTINGS)
    except Rejected as error:
        codes = {error.code, *(field["code"] for field in error.data.get("fields", ()))}
        return codes - {"RUN_RUNNING"}  # accepted, and read again later
    return set()


def agree(body: bytes) -> bool:
    """Return the common verdict of schema and ingest on a manifest; fail if they differ."""
    codes = refusal(body)
    valid = VALIDATOR.is_valid(json.loads(body))
    if valid:
        assert codes <= BEYOND, f"the schema accepts what ingest refuses: {codes} {body!r}"
    else:
        assert codes, f"the schema refuses what ingest accepts: {body!r}"
    return valid and not codes


def made(artifact: dict[str, Any] | None = None, **fields: Any) -> bytes:
    document = {**MANIFEST, "artifacts": [{**REFERENCE, **(artifact or {})}], **fields}
    document["artifacts"] = [
        {name: value for name, value in each.items() if value is not DROP} if isinstance(each, dict) else each
        for each in (document["artifacts"] if isinstance(document["artifacts"], list) else [])
    ] or document["artifacts"]
    return encode({name: value for name, value in document.items() if value is not DROP})


def head(**fields: Any) -> bytes:
    return encode({"schema_version": "1.0", "run_id": RUN_ID, "ep_id": "a-s01e01", "status": "failed", **fields})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(made(), id="as it is"),
        pytest.param(made(duration_ms=2580000.0), id="2580000.0"),
        pytest.param(made(attempt=3.0), id="3.0"),
        pytest.param(made({"row_count": 206.0, "size_bytes": 18211.0}), id="206.0"),
        pytest.param(made().replace(b'"attempt": 3', b'"attempt": 3e0'), id="3e0"),
        pytest.param(made().replace(b'"attempt": 3', b'"attempt": 1E2'), id="1E2"),
        pytest.param(made().replace(b'"attempt": 3', b'"attempt": -0.0'), id="-0.0"),
        pytest.param(made(duration_ms=2**63 - 1, attempt=2**31 - 1), id="largest"),
        pytest.param(made(attempt=None, duration_ms=None, started_at=None), id="nulls"),
        pytest.param(made({"content_type": None, "size_bytes": None, "row_count": None}), id="nulls of an artifact"),
        pytest.param(made({"checksum_sha256": "0F" * 32}), id="a checksum in capitals"),
        pytest.param(made(artifacts=[REFERENCE, OTHER]), id="another kind without a checksum"),
        pytest.param(made(artifacts=[REFERENCE, {**OTHER, "checksum_sha256": None}]), id="another kind with null"),
        pytest.param(made(completed_at="2025-12-23T15:16:12.1234567890Z"), id="ten digits"),
        pytest.param(made(completed_at="2025-12-23t15:16:12.1z"), id="small letters"),
        pytest.param(made(completed_at="2024-02-29T23:59:59-23:59"), id="a leap day"),
        pytest.param(made(completed_at="0001-01-01T00:00:00Z", started_at="9999-12-31T23:59:59.9+14:00"), id="ends"),
        pytest.param(head(), id="failed"),
        pytest.param(head(status="BLOCKED", completed_at=7, artifacts={}, attempt="x"), id="blocked with anything"),
        pytest.param(head(status="in_progress"), id="running"),
        pytest.param(made(producer={"git": "x"}, **{"a\0": 1}), id="further fields"),
        pytest.param(made({"artifact_key": "é" * 255, "s3_key": REFERENCE["s3_key"]}), id="255 characters"),
    ],
)
def test_both_accept(body: bytes) -> None:
    assert agree(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(made(schema_version="1.1"), id="version"),
        pytest.param(made(run_id=f"{RUN_ID}\n"), id="a line feed at the end"),
        pytest.param(made(ep_id="a-s01e01\n"), id="a line feed at the end of ep_id"),
        pytest.param(made(status="Success"), id="status"),
        pytest.param(made(attempt=3.5), id="3.5"),
        pytest.param(made(attempt="3"), id="text"),
        pytest.param(made(attempt=True), id="true"),
        pytest.param(made(attempt=2**31), id="too large"),
        pytest.param(made(duration_ms=-1), id="negative"),
        pytest.param(made(duration_ms=1e300), id="1e300"),
        pytest.param(made({"checksum_sha256": None}), id="checksum null"),
        pytest.param(made({"checksum_sha256": DROP}), id="no checksum"),
        pytest.param(made({"checksum_sha256": "0" * 64 + "\n"}), id="checksum with a line feed"),
        pytest.param(made({"schema_version": "screentime.v9"}), id="version of the artifact"),
        pytest.param(made({"artifact_key": " \u2003"}), id="blank"),
        pytest.param(made({"content_type": ""}), id="empty"),
        pytest.param(made({"content_type": "a\x85"}), id="a control character"),
        pytest.param(made({"s3_key": "x" * 1025}), id="a long key"),
        pytest.param(made(artifacts=[]), id="no artifacts"),
        pytest.param(made(artifacts=None), id="artifacts null"),
        pytest.param(made(artifacts={}), id="artifacts as an object"),
        pytest.param(made(artifacts=[OTHER]), id="no summary"),
        pytest.param(made(artifacts=[{**REFERENCE, "artifact_key": f"s{n}"} for n in range(17)]), id="17 summaries"),
        pytest.param(made(artifacts=[REFERENCE] + [OTHER] * 1000), id="1001 artifacts"),
        pytest.param(made(completed_at="Z"), id="Z"),
        pytest.param(made(completed_at="2025-12-23T15:16:12"), id="no offset"),
        pytest.param(made(completed_at="2025-12-23T15:16:12Z\n"), id="time with a line feed"),
        pytest.param(made(completed_at="2025-12-23T15:16:12,5Z"), id="a comma"),
        pytest.param(made(completed_at="2025-12-23T15:16:12.Z"), id="no digits"),
        pytest.param(made(completed_at="2025-02-29T15:16:12Z"), id="no leap year"),
        pytest.param(made(completed_at="1900-02-29T15:16:12Z"), id="no leap year either"),
        pytest.param(made(completed_at="2016-12-31T23:59:60Z"), id="a leap second"),
        pytest.param(made(completed_at="0000-01-01T00:00:00Z"), id="year 0"),
        pytest.param(made(completed_at="0001-01-01T00:00:00+00:01"), id="before year 1"),
        pytest.param(made(completed_at="9999-12-31T23:59:59-00:01"), id="after 9999"),
        pytest.param(made(completed_at="\u0662025-12-23T15:16:12Z"), id="digits of another script"),
        pytest.param(made(completed_at=DROP), id="no completed_at"),
        pytest.param(head(status=None), id="status null"),
        pytest.param(head(ep_id=""), id="failed without an episode"),
    ],
)
def test_both_refuse(body: bytes) -> None:
    assert not agree(body)


BLANKS = [chr(code) for code in range(0x11000) if chr(code).isspace()]
TEXTS = st.one_of(
    st.sampled_from(["", " ", "a", "1.0", "x" * 255, "x" * 256, "é" * 255, "x" * 1024, "x" * 1025, "a\n", "\ufeff"]),
    st.sampled_from(["\u180e", "\u200b", "a\0", "a\x7f", "a\x9f", "\x1f", *BLANKS]),
    st.sampled_from(["person_metrics", "screentime.v1", "cast_screentime.v1", "success", "FAILED", "Running"]),
    st.text(max_size=5),
)
DIGITS = st.one_of(st.just(""), st.just("."), st.just(",5"), st.integers(1, 12).map(lambda count: "." + "9" * count))


@st.composite
def times(draw: st.DrawFn) -> str:
    year = draw(st.sampled_from([0, 1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999]) | st.integers(0, 9999))
    month, day = draw(st.integers(0, 13)), draw(st.sampled_from([0, 1, 28, 29, 30, 31, 32]) | st.integers(1, 28))
    hour, minute, second = draw(st.integers(0, 24)), draw(st.integers(0, 60)), draw(st.integers(0, 60))
    between = draw(st.sampled_from(["T", "T", "T", "t", " ", ""]))
    offset = draw(
        st.sampled_from(["Z", "Z", "z", "+00:00", "-00:00", "+23:59", "-23:59", "+24:00", "-00:30", "+05:60", "+0530"])
        | st.sampled_from(["", "Z\n", "Z ", "+5:00"])
    )
    return f"{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{draw(DIGITS)}{offset}"


GOOD_TIMES = st.datetimes(
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
).map(datetime.isoformat)
NUMBERS = st.one_of(
    st.integers(0, 2**31 - 1),
    st.sampled_from([-1, 0, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**99, True, False, -0.0, 1e300, 0.5, 3.0]),
    st.integers(-5, 2**40),
    st.integers(-5, 2**40).map(float),
    st.floats(-10, 2**40, allow_nan=False),
)
CHECKSUMS = st.one_of(
    st.text("0123456789abcdefABCDEFg", min_size=63, max_size=65), st.just("0" * 64), st.just("0" * 64 + "\n")
)
ANYTHING = st.one_of(
    st.none(), TEXTS, NUMBERS, times(), CHECKSUMS, st.just([]), st.just({}), st.just([1]), st.just({"a": 1})
)
PLACES: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("schema_version", TEXTS),
    ("run_id", TEXTS),
    ("ep_id", TEXTS),
    ("status", st.sampled_from(["success", "FAILED", "running", "Blocked", "completed", "error"])),
    *((name, GOOD_TIMES | times()) for name in ("completed_at", "started_at")),
    *((name, NUMBERS) for name in ("attempt", "duration_ms")),
    ("artifacts", st.lists(st.sampled_from([REFERENCE, OTHER, {}, 7]), max_size=18)),
]
INNER: list[tuple[str, st.SearchStrategy[Any]]] = [
    *((name, TEXTS) for name in ("artifact_key", "artifact_kind", "s3_key", "schema_version", "content_type")),
    *((name, NUMBERS) for name in ("size_bytes", "row_count")),
    ("checksum_sha256", CHECKSUMS),
]


@st.composite
def manifests(draw: st.DrawFn) -> bytes:
    """A valid manifest with up to three changed fields: a value of its kind, any value, or none."""
    document = copy.deepcopy(MANIFEST)
    if draw(st.booleans()):
        document["artifacts"].append(copy.deepcopy(OTHER))
    for _ in range(draw(st.integers(0, 3))):
        artifacts = document.get("artifacts")
        inner = isinstance(artifacts, list) and artifacts and draw(st.booleans())
        target = draw(st.sampled_from(artifacts)) if inner else document
        name, values = draw(st.sampled_from(INNER if inner else PLACES))
        if not isinstance(target, dict):
            continue
        change = draw(st.sampled_from([*["kind"] * 6, "anything", "null", "drop"]))
        if change == "drop":
            target.pop(name, None)
        else:
            target[name] = None if change == "null" else copy.deepcopy(draw(values if change == "kind" else ANYTHING))
    return json.dumps(document, allow_nan=False).encode()


@given(manifests())
@settings(max_examples=250)
@example(made({"artifact_kind": "person_metrics", "checksum_sha256": None}))
@example(head())
def test_schema_and_ingest_agree_on_any_manifest(body: bytes) -> None:
    agree(body)


@given(times())
@settings(max_examples=250)
def test_schema_and_ingest_agree_on_any_time(text: str) -> None:
    agree(made(completed_at=text))


def test_the_strategies_make_both_kinds() -> None:
    verdicts: list[bool] = []

    @given(manifests())
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    def collect(body: bytes) -> None:
        verdicts.append(agree(body))

    collect()
    assert min(verdicts.count(True), verdicts.count(False)) > len(verdicts) / 10


def test_the_published_schema_is_this_one() -> None:
    schema = json.loads(show(SchemaSettings()))
    assert schema == manifest_schema()
    Draft202012Validator.check_schema(schema)
    assert agree(encode(json.loads(show(SchemaSettings(example=True))) | {"run_id": RUN_ID}))


def test_the_schema_has_only_patterns_that_every_engine_knows() -> None:
    """RE2 (Go, Rust) has no look-around and escapes code points differently."""
    found: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(each for name, each in value.items() if name == "pattern" and isinstance(each, str))
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    collect(manifest_schema())
    assert len(found) > 10
    for pattern in found:
        assert not any(text in pattern for text in ("(?", r"\d", r"\s", r"\w", r"\u", r"\p")), pattern
