"""The reader as a whole: any content of a bucket leads to a run or to a typed error."""

from __future__ import annotations

import copy
import hashlib
import json
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.screenalytics.arrival.events import Candidate
from jobs.screenalytics.contract.kinds import KINDS, screentime_v1
from jobs.screenalytics.errors import CODES, Rejected, reject
from jobs.screenalytics.keys import manifest_key
from jobs.screenalytics.model import ManifestRef, ScreenalyticsRun, SkippedRun
from jobs.screenalytics.reading.candidate import CandidateReader
from jobs.screenalytics.settings import IngestSettings
from jobs.screenalytics.tables.ingest_items import Lookup
from shared.text import clean_data
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import (
    NOW,
    RUN_ID,
    cast_row,
    encode,
    make_run,
    manifest_of,
    read_files,
    rejected,
    screentime,
    screentime_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.contract.kinds import ArtifactContext, ArtifactMetrics

ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["1.0", "success", "../x", "person_metrics", "0" * 64, "2025-12-23T15:16:12Z", 2**63, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
SECONDS = st.integers(0, 2_000_000).map(lambda ms: ms / 1000)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield all paths in a document."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


def mutate(draw: st.DrawFn, document: Any) -> Any:
    """Remove a member, replace it, or add another one."""
    document = copy.deepcopy(document)
    *above, last = draw(st.sampled_from(list(places(document))))
    parent = document
    for name in above:
        parent = parent[name]
    how = draw(st.sampled_from(("drop", "replace", "replace", "twice")))
    if how == "drop":
        del parent[last]
    elif how == "replace":
        parent[last] = draw(ODD)
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    else:
        parent[draw(st.text(max_size=8))] = parent[last]
    return document


@st.composite
def broken_runs(draw: st.DrawFn) -> dict[str, bytes]:
    kind = draw(st.sampled_from(list(KINDS)))
    files = make_run(kind=kind, persons=2)
    key, manifest = manifest_of(files)
    artifact = next(each for each in files if each != key)
    body = files[artifact]
    which = draw(st.sampled_from(("manifest", "artifact", "bytes")))
    if which == "manifest":
        for _ in range(draw(st.integers(1, 3))):
            manifest = mutate(draw, manifest)
    elif which == "artifact":
        document = mutate(draw, json.loads(body))
        body = encode(document)
        facts = {"size_bytes": len(body), "checksum_sha256": hashlib.sha256(body).hexdigest()}
        manifest["artifacts"][0] |= facts | {"row_count": None}
    else:
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=4)) + body[place + draw(st.integers(0, 40)) :]
        manifest["artifacts"][0] |= {"size_bytes": None, "checksum_sha256": hashlib.sha256(body).hexdigest()}
    return {artifact: body, key: encode(manifest)}


@given(files=broken_runs())
def test_a_broken_run_is_a_run_or_a_typed_error(files: dict[str, bytes]) -> None:
    try:
        run = read_files(files)
    except Rejected as error:
        assert error.code in CODES  # noqa: PT017  either outcome is right
        assert 0 < len(error.message) < 2000  # noqa: PT017
        json.dumps(clean_data(error.data))
    else:
        if isinstance(run, ScreenalyticsRun):
            assert all(0 <= metric.onscreen_ms < 2**63 for metric in run.metrics)
            assert all("\0" not in f"{metric.person_id}{metric.name}" for metric in run.metrics)
            assert len({metric.person_id for metric in run.metrics}) == len(run.metrics)
            assert len(run.output_hash) == 64
        else:
            assert isinstance(run, SkippedRun)


@given(content=st.binary(max_size=300), which=st.sampled_from((0, 1)))
def test_noise_in_place_of_a_file_is_a_typed_error(content: bytes, which: int) -> None:
    files = make_run(artifact={"size_bytes": None, "checksum_sha256": None})
    files[list(files)[which]] = content
    with pytest.raises(Rejected):
        read_files(files, unverified=True)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"seen": SECONDS, "heard": SECONDS, "share": st.integers(0, 1000), "name": st.text("Zoë ", max_size=9)}
        ),
        max_size=6,
    ),
    kind=st.sampled_from(list(KINDS)),
    order=st.randoms(use_true_random=False),
)
def test_a_good_run_comes_back_exactly_in_whatever_order(rows: list[dict[str, Any]], kind: str, order: Any) -> None:
    def made(number: int, row: dict[str, Any]) -> dict[str, Any]:
        share = row["share"] / 1000
        if kind == "cast_screentime.v1":
            metadata = {"display_name": row["name"]}
            return cast_row(number, screen_time_seconds=row["seen"], confidence_avg=share, metadata=metadata)
        times = {"visual_s": row["seen"], "face_visible_seconds": row["seen"], "speaking_s": row["heard"]}
        return screentime_row(number, confidence=share, name=row["name"], **times)

    entries = [made(number, row) for number, row in enumerate(rows)]
    run = read_files(make_run(kind=kind, rows=entries))
    assert isinstance(run, ScreenalyticsRun)
    assert len(run.metrics) == len(rows)
    for metric, row in zip(run.metrics, rows, strict=True):
        assert metric.onscreen_ms == round(row["seen"] * 1000)
        assert metric.speaking_ms == (None if kind == "cast_screentime.v1" else round(row["heard"] * 1000))
        assert metric.confidence == Decimal(row["share"]) / 1000
        assert metric.name == (row["name"] if row["name"].strip() else None)
    order.shuffle(entries)
    again = read_files(make_run(kind=kind, rows=entries))
    assert isinstance(again, ScreenalyticsRun)
    assert (again.metrics, again.output_hash) == (run.metrics, run.output_hash)


def test_every_manifest_of_one_run_gives_one_hash_whatever_its_layout() -> None:
    files = make_run()
    key, manifest = manifest_of(files)
    spaced = {**files, key: json.dumps(manifest, indent=4, sort_keys=True).encode("utf-8-sig")}
    first, second = read_files(files), read_files(spaced)
    assert isinstance(first, ScreenalyticsRun)
    assert isinstance(second, ScreenalyticsRun)
    assert first.manifest_sha256 != second.manifest_sha256
    assert first.output_hash == second.output_hash


def test_the_hash_covers_what_tables_hold() -> None:
    rows = [screentime_row(1), screentime_row(2)]
    changed = [
        make_run(rows=rows[:1]),
        make_run(rows=rows, attempt=4),
        make_run(rows=rows, completed_at="2025-12-23T15:16:13Z"),
        make_run(rows=rows, duration_ms=None),
        make_run(rows=[rows[0], rows[1] | {"speaking_s": 0.001}]),
        make_run(rows=[rows[0], rows[1] | {"confidence": 0.5}]),
        make_run(document=screentime(rows, diagnostics={"speaking_time_computed": False}), rows=rows),
    ]
    hashes = set()
    for files in (make_run(rows=rows), *changed):
        run = read_files(files)
        assert isinstance(run, ScreenalyticsRun)
        hashes.add(run.output_hash)
    assert len(hashes) == len(changed) + 1


def test_an_empty_prefix() -> None:
    files = make_run(prefix="")
    run = read_files(MemoryStore(files), prefix="")
    assert isinstance(run, ScreenalyticsRun)
    assert run.manifest_key == "runs/Attempt3_2025-12-23_101500EST/manifest.json"


def test_each_code_makes_an_error_of_its_kind() -> None:
    for code, kind in CODES.items():
        error = reject(code, "x")
        assert (error.kind, error.retryable, error.exit_code) == (kind, kind == "not_ready", 65)


def test_persons_of_one_run_are_capped_over_its_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_run(persons=3)
    key, manifest = manifest_of(files)
    (first,) = manifest["artifacts"]
    rows = [screentime_row(number) for number in (7, 8)]
    body = encode(screentime(rows))
    second = first | {
        "artifact_key": "more",
        "s3_key": first["s3_key"].replace("screentime", "more"),
        "size_bytes": len(body),
        "checksum_sha256": hashlib.sha256(body).hexdigest(),
        "row_count": 2,
    }
    files |= {second["s3_key"]: body, key: encode(manifest | {"artifacts": [first, second]})}
    monkeypatch.setattr("jobs.screenalytics.reading.run.MAX_PERSONS", 5)
    run = read_files(files)
    assert isinstance(run, ScreenalyticsRun)
    assert len(run.metrics) == 5
    monkeypatch.setattr("jobs.screenalytics.reading.run.MAX_PERSONS", 4)
    error = rejected(files)
    assert (error.code, error.data["artifact_key"], error.data["expected"]) == ("TOO_MANY", "more", "<= 4")


def test_one_artifact_is_parsed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def slow(document: Any, context: ArtifactContext) -> ArtifactMetrics:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1
        return screentime_v1.read(document, context)

    monkeypatch.setitem(KINDS, "screentime.v1", slow)
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(read_files, [make_run()] * 4))
    assert len(runs) == 4
    assert most == [1]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'{"metrics": [', "ARTIFACT_PARSE"),
        (screentime([screentime_row(visual_s=-1.0)]), "NEGATIVE"),
    ],
)
def test_an_error_that_is_kept_holds_no_document(document: Any, code: str) -> None:
    # About twenty results wait for their turn, and each error held its artifact, as bytes and as values.
    store = MemoryStore(make_run(document=document))
    read = reader(store).read(Candidate(ManifestRef(RUN_ID, manifest_key("derived", RUN_ID)), "poll"))
    assert isinstance(read.error, Rejected)
    assert read.error.code == code
    assert (read.error.__traceback__, read.error.__cause__, read.error.__context__) == (None, None, None)


def test_a_bug_keeps_its_traceback_without_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(document: Any, context: ArtifactContext) -> ArtifactMetrics:
        raise ZeroDivisionError

    monkeypatch.setitem(KINDS, "screentime.v1", broken)
    read = reader(MemoryStore(make_run())).read(Candidate(ManifestRef(RUN_ID, manifest_key("derived", RUN_ID)), "poll"))
    assert isinstance(read.error, ZeroDivisionError)
    frames = [frame for frame, _ in traceback.walk_tb(read.error.__traceback__)]
    assert "broken" in [frame.f_code.co_name for frame in frames]
    assert not any("document" in frame.f_locals for frame in frames)


def reader(store: MemoryStore) -> CandidateReader:
    """Return a reader with an empty database."""
    items = SimpleNamespace(lookup=lambda ref: Lookup(NOW))
    return CandidateReader(
        IngestSettings(), store, items, source=store.uri, accept_changed=False, retry_dead=False, repair=False
    )  # type: ignore[arg-type]
