from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.screenalytics.contract.kinds import KINDS
from jobs.screenalytics.contract.kinds._row import to_ms
from jobs.screenalytics.model import PersonMetric, ScreenalyticsRun
from tests.fakes.store import MemoryStore
from tests.screenalytics_runs import (
    DROP,
    RUN_ID,
    cast_row,
    encode,
    make_run,
    read_files,
    rejected,
    screentime,
    screentime_row,
)

C = "cast_screentime.v1"


def read_run(files: Any = None, **changes: Any) -> ScreenalyticsRun:
    run = read_files(files or make_run(**changes))
    assert isinstance(run, ScreenalyticsRun)
    return run


def one(**row: Any) -> PersonMetric:
    (metric,) = read_run(rows=[screentime_row(**row)]).metrics
    return metric


def wrong(pointer: str, **row: Any) -> str:
    error = rejected(make_run(rows=[screentime_row(**row)]))
    assert error.data["json_pointer"] == f"/metrics/0/{pointer}"
    assert error.data["artifact_key"] == "screentime"
    return error.code


def second(files: dict[str, bytes], rows: list[dict[str, Any]], **changes: Any) -> dict[str, bytes]:
    """Add a second summary to a run."""
    body = encode(screentime(rows))
    key = f"derived/runs/{RUN_ID}/second.json"
    reference = {
        "artifact_key": "second",
        "artifact_kind": "person_metrics",
        "s3_key": key,
        "schema_version": "screentime.v1",
        "checksum_sha256": hashlib.sha256(body).hexdigest(),
    }
    return {**files, **make_run(more=[reference | changes]), key: body}


def test_a_real_shaped_screentime() -> None:
    """A row with every field that the producer writes."""
    row = {
        "name": "Ana Poe",
        "cast_id": "6a1f",
        "person_id": "p_0001",
        "face_visible_seconds": 402.03,
        "body_visible_seconds": 451.5,
        "body_only_seconds": 49.47,
        "gap_bridged_seconds": 3.1,
        "visual_s": 402.03,
        "speaking_s": 0.0,
        "both_s": 0.0,
        "confidence": 0.871,
        "tracks_count": 24,
        "faces_count": 3011,
    }
    run = read_run(document=screentime([row], diagnostics={"speaking_time_computed": False}), rows=[row])
    assert run.warnings == ()
    assert run.metrics == (
        PersonMetric("p_0001", ("6a1f",), "Ana Poe", 402_030, None, None, 451_500, Decimal("0.871"), "screentime"),
    )


def test_a_real_shaped_cast_screentime() -> None:
    """A row with every field that the producer writes."""
    person_id = "b7f1c3de-0000-4000-8000-00000000abcd"
    row = {
        "person_id": person_id,
        "screen_time_seconds": 402.03,
        "frame_count": 402,
        "confidence_avg": 0.8712,
        "metadata": {"display_name": "Ana Poe", "segment_count": 402},
    }
    run = read_run(kind=C, rows=[row])
    assert run.warnings == ()
    assert run.artifacts[0].schema_version == C
    assert run.metrics == (
        PersonMetric(person_id, (), "Ana Poe", 402_030, None, None, None, Decimal("0.871"), "screentime"),
    )


@pytest.mark.parametrize("version", ["screentime.v2", "screentime.v1 ", "Screentime.v1", "1.0", "cast_screentime/v1"])
def test_case_5_an_unknown_version_of_a_summary(version: str) -> None:
    store = MemoryStore(make_run(artifact={"schema_version": version}))
    error = rejected(store)
    assert (error.code, error.data["json_pointer"]) == ("UNSUPPORTED_ARTIFACT_VERSION", "/artifacts/0/schema_version")
    assert all(kind in error.message for kind in KINDS)
    assert store.count("stream") == 1


def test_case_5_no_artifact_is_fetched_when_one_of_two_is_of_an_unknown_version() -> None:
    store = MemoryStore(second(make_run(), [], schema_version="screentime.v9"))
    assert rejected(store).code == "UNSUPPORTED_ARTIFACT_VERSION"
    assert store.count("stream") == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"checksum_sha256": None}, "CHECKSUM_MISSING"), ({"size_bytes": 5_000_000_000}, "TOO_LARGE")],
)
def test_nor_when_one_of_two_is_wrong_already_in_the_manifest(changes: dict[str, Any], code: str) -> None:
    store = MemoryStore(second(make_run(), [], **changes))
    assert rejected(store).code == code
    assert store.count("stream") == 1


def test_artifacts_of_other_kinds_are_recorded_and_not_fetched() -> None:
    more = [
        {"artifact_key": "a", "artifact_kind": "audio", "s3_key": "/srv/a.wav", "schema_version": "audio_sg_v1"},
        {
            "artifact_key": "z",
            "artifact_kind": "segments",
            "s3_key": "https://x/y?X-Amz-Signature=0f",
            "schema_version": "7",
        },
    ]
    store = MemoryStore(make_run(more=more))
    run = read_run(store)
    assert [(each.artifact_key, each.fetched) for each in run.artifacts] == [
        ("a", False),
        ("screentime", True),
        ("z", False),
    ]
    assert run.artifacts[0].s3_key == "/srv/a.wav"
    assert "0f" not in run.artifacts[2].s3_key
    assert store.count("stream") == 2


@pytest.mark.parametrize("changes", [{"artifact": {"artifact_kind": "audio"}}, {"manifest": {"artifacts": []}}])
def test_case_25_no_summary(changes: dict[str, Any]) -> None:
    error = rejected(make_run(**changes))
    assert (error.code, error.data["json_pointer"]) == ("NO_SUMMARY", "/artifacts")


@pytest.mark.parametrize("kind", list(KINDS))
def test_case_27_nobody_seen(kind: str) -> None:
    assert read_run(kind=kind, persons=0).metrics == ()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("count", [0, 2, 4])
def test_case_28_another_row_count(kind: str, count: int) -> None:
    error = rejected(make_run(kind=kind, artifact={"row_count": count}))
    assert (error.code, error.data["expected"], error.data["actual"]) == ("ROW_COUNT_MISMATCH", count, 3)


def test_case_29_one_person_under_two_casts_is_summed_in_whatever_order() -> None:
    rows = [
        screentime_row(
            1, cast_id="b", name="B", visual_s=1.5, face_visible_seconds=1.5, speaking_s=1.005, confidence=0.9
        ),
        screentime_row(1, cast_id="a", name="", visual_s=0.5, face_visible_seconds=0.5, speaking_s=2, confidence=0.5),
    ]
    run = read_run(rows=rows)
    (metric,) = run.metrics
    assert (metric.person_id, metric.cast_ids, metric.name) == ("p_0001", ("a", "b"), "B")
    assert (metric.onscreen_ms, metric.speaking_ms, metric.confessional_ms) == (2000, 3005, None)
    assert metric.confidence == Decimal("0.800")  # (0.9 * 1500 + 0.5 * 500) / 2000
    assert [warning.code for warning in run.warnings] == ["MERGED_CASTS"]
    again = read_run(rows=rows[::-1])
    assert (again.metrics, again.output_hash) == (run.metrics, run.output_hash)
    assert run.artifacts[0].row_count == 2


def two_casts(timeline: Any, *, seen: tuple[float, float] = (300.0, 610.0), **changes: Any) -> dict[str, bytes]:
    rows = [
        screentime_row(1, cast_id=cast, name="Ana Poe", visual_s=each, face_visible_seconds=each, **changes)
        for cast, each in zip(("aaaa", "bbbb"), seen, strict=True)
    ]
    return make_run(document=screentime(rows, timeline=timeline), rows=rows)


def shows(cast_id: Any, *intervals: Any) -> dict[str, Any]:
    return {"name": "Ana Poe", "cast_id": cast_id, "intervals": list(intervals)}


def test_case_29_each_cast_is_kept_as_the_producer_wrote_it() -> None:
    rows = [
        screentime_row(2, cast_id="bbbb", person_id="p_0001", name="Ana Poe", visual_s=610, face_visible_seconds=610),
        screentime_row(1, cast_id="aaaa", person_id="p_0001", name="Ana Poe", visual_s=300, face_visible_seconds=300),
        screentime_row(3, cast_id=None),
    ]
    run = read_run(rows=rows)
    assert [(cast.entry, cast.person_id, cast.cast_id, cast.name, cast.onscreen_ms) for cast in run.casts] == [
        (0, "p_0001", "bbbb", "Ana Poe", 610_000),
        (1, "p_0001", "aaaa", "Ana Poe", 300_000),
        (2, "p_0003", None, "Person 3", 406_090),
    ]
    assert {cast.artifact_key for cast in run.casts} == {"screentime"}
    assert [(each.person_id, each.onscreen_ms) for each in run.metrics] == [("p_0001", 910_000), ("p_0003", 406_090)]
    # 600 s and 310 s add up to the same person but are different content.
    for row, seconds in zip(rows, (600, 310), strict=False):
        row |= {"visual_s": seconds, "face_visible_seconds": seconds}
    other = read_run(rows=rows)
    assert other.metrics[0].onscreen_ms == run.metrics[0].onscreen_ms
    assert other.output_hash != run.output_hash


def test_a_run_with_one_cast_per_person_keeps_its_hash_from_before_casts_were_stored() -> None:
    for kind in KINDS:
        run = read_run(kind=kind)
        assert len(run.casts) == 3
        assert replace(run, casts=()).output_hash == run.output_hash
    # A fixed value, because the hash is stored and verify compares it.
    assert read_run().output_hash == "ccb0efa1fd0192ed79cc220a0864150553e47b9bb86f55953f58ac44df5dc334"


@pytest.mark.parametrize(
    ("timeline", "onscreen_ms"),
    [
        pytest.param([shows("aaaa", [0, 300]), shows("bbbb", [250, 860])], 860_000, id="50 s twice"),
        pytest.param([shows("bbbb", [0.0, 610.0]), shows("aaaa", [100, 250], [300, 450])], 610_000, id="one within"),
        pytest.param([shows("aaaa", [0, 300]), shows("bbbb", [300, 910])], 910_000, id="one after the other"),
        pytest.param([shows("aaaa", [0, 300.04]), shows("bbbb", [250, 860])], 859_960, id="rounded"),
        pytest.param([shows("aaaa", [0, 300])], 910_000, id="one is not shown"),
        pytest.param([shows("aaaa", [0, 300]), shows("bbbb", [250, 300])], 910_000, id="another time than the row"),
        pytest.param([shows("aaaa", [0, 300]), shows("bbbb", [860, 250])], 910_000, id="backwards"),
        pytest.param([shows("aaaa", [0, 300]), shows("bbbb", "all")], 910_000, id="no list"),
        pytest.param([shows("aaaa", [0, 300])] + [shows("bbbb", [250, 860])] * 2, 910_000, id="shown twice"),
        pytest.param([shows("aaaa", [0, 300]), shows(None, [250, 860])], 910_000, id="unassigned"),
        pytest.param({"aaaa": [[0, 300]]}, 910_000, id="an object"),
        pytest.param(None, 910_000, id="null"),
        pytest.param(DROP, 910_000, id="none"),
    ],
)
def test_case_29_overlapping_intervals_in_the_timeline_count_once(timeline: Any, onscreen_ms: int) -> None:
    run = read_run(two_casts(timeline))
    (metric,) = run.metrics
    assert metric.onscreen_ms == onscreen_ms
    assert [cast.onscreen_ms for cast in run.casts] == [300_000, 610_000]
    (warning,) = run.warnings
    assert ("counted once" in warning.message) == (
        onscreen_ms != 910_000 or timeline == [shows("aaaa", [0, 300]), shows("bbbb", [300, 910])]
    )


def test_case_29_single_frames_last_as_long_as_the_producer_counts_them() -> None:
    frames = [[number, number] for number in range(10)]
    run = read_run(two_casts([shows("aaaa", *frames), shows("bbbb", [0, 610])], seen=(0.33, 610.0)))
    assert run.metrics[0].onscreen_ms == 610_000


def test_case_29_overlapping_casts_may_together_exceed_the_video_but_their_person_may_not() -> None:
    both = [shows("aaaa", [0, 1500]), shows("bbbb", [500, 2000])]
    assert read_run(two_casts(both, seen=(1500, 1500))).metrics[0].onscreen_ms == 2_000_000
    assert rejected(two_casts(None, seen=(1500, 1500))).code == "OUT_OF_RANGE"


def test_case_29_a_time_missing_from_one_cast_is_unknown() -> None:
    rows = [screentime_row(1, cast_id="a", confessional_s=5), screentime_row(1, cast_id="b")]
    assert read_run(rows=rows).metrics[0].confessional_ms is None


def test_case_29_casts_of_one_person_with_different_names_are_not_summed() -> None:
    rows = [
        screentime_row(1, cast_id="aaaa", name="Ana Poe"),
        screentime_row(2),
        screentime_row(1, cast_id="bbbb", name="Bea Quist"),
    ]
    error = rejected(make_run(rows=rows))
    assert (error.code, error.kind, error.exit_code) == ("PERSON_CONFLICT", "permanent", 65)
    assert error.data["json_pointer"] == "/metrics/2/name"
    assert (error.data["expected"], error.data["actual"]) == ("'Ana Poe'", "'Bea Quist'")
    for named in ("'p_0001'", "'Ana Poe' under cast 'aaaa'", "'Bea Quist' under cast 'bbbb'"):
        assert named in error.message


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("Ana Poe", "ana  poe ", "Ana Poe"),
        ("Zo\u00eb", "Zoe\u0308", "Zo\u00eb"),
        ("Unknown", "Ana Poe", "Ana Poe"),
        ("p_0001", "Ana Poe", "Ana Poe"),
        (None, "Ana Poe", "Ana Poe"),
        ("", "Unknown", "Unknown"),
    ],
)
def test_case_29_names_that_do_not_differ(one: Any, other: Any, name: str) -> None:
    rows = [screentime_row(1, cast_id="a", name=one), screentime_row(1, cast_id="b", name=other)]
    for ordered in (rows, rows[::-1]):
        assert read_run(rows=ordered).metrics[0].name == name


def test_case_29_casts_that_were_never_seen_have_the_lowest_confidence() -> None:
    nothing = {"visual_s": 0, "face_visible_seconds": 0}
    rows = [screentime_row(1, cast_id=cast, confidence=value, **nothing) for cast, value in (("a", 0.7), ("b", 0.4))]
    assert read_run(rows=rows).metrics[0].confidence == Decimal("0.400")


def test_case_29_a_thousand_casts_make_one_short_warning() -> None:
    none = {"visual_s": 0.5, "face_visible_seconds": 0.5, "body_visible_seconds": 0, "speaking_s": 0}
    run = read_run(rows=[screentime_row(1, cast_id=f"cast-{number:04d}", **none) for number in range(1000)])
    assert len(run.metrics[0].cast_ids) == 1000
    assert len(run.warnings[0].message) <= 500


def test_case_30_the_same_cast_twice() -> None:
    error = rejected(make_run(rows=[screentime_row(1), screentime_row(2), screentime_row(1)]))
    assert (error.code, error.data["json_pointer"]) == ("DUPLICATE_PERSON", "/metrics/2/person_id")


def test_case_30_the_same_person_without_casts_twice() -> None:
    assert rejected(make_run(rows=[screentime_row(1, cast_id=None)] * 2)).code == "DUPLICATE_PERSON"


def test_case_30_the_same_uuid_twice_also_in_capitals() -> None:
    row = cast_row(1)
    for twin in (row, row | {"person_id": row["person_id"].upper()}):
        error = rejected(make_run(kind=C, rows=[row, twin]))
        assert (error.code, error.data["json_pointer"]) == ("DUPLICATE_PERSON", "/1/person_id")


def test_two_summaries_are_valid_when_no_person_is_in_both() -> None:
    run = read_run(second(make_run(), [screentime_row(7)]))
    assert [(each.person_id, each.artifact_key) for each in run.metrics] == [
        *(("p_0001", "screentime"), ("p_0002", "screentime"), ("p_0003", "screentime"), ("p_0007", "second")),
    ]
    error = rejected(second(make_run(), [screentime_row(2, cast_id="x")]))
    assert (error.code, error.data["artifact_key"]) == ("DUPLICATE_PERSON", "second")


@pytest.mark.parametrize("person_id", ["", "  ", "p\0", "p\n", "p" * 1_000_000, "é" * 128, 7, True, ["p"]])
def test_case_31_what_is_no_person_id(person_id: Any) -> None:
    assert wrong("person_id", person_id=person_id) == "PERSON_ID_INVALID"


def test_case_31_composed_and_decomposed_letters_are_two_persons() -> None:
    composed, decomposed = "p_\u00e9", "p_e\u0301"
    rows = [screentime_row(1, person_id=composed), screentime_row(2, person_id=decomposed)]
    assert {metric.person_id for metric in read_run(rows=rows).metrics} == {composed, decomposed}


def test_case_31_a_cast_without_a_person_has_the_producers_name_for_it() -> None:
    assert one(person_id=None, cast_id="6a1f").person_id == "cast:6a1f"
    assert wrong("person_id", person_id=None, cast_id=None) == "PERSON_ID_INVALID"
    assert one(person_id=None, cast_id="x" * 250).person_id == "cast:" + "x" * 250
    assert wrong("cast_id", person_id=None, cast_id="x" * 251) == "PERSON_ID_INVALID"


UUID = "b7f10000-0000-4000-8000-00000000000a"
SPELLINGS = [UUID.upper(), f"{{{UUID}}}", f"urn:uuid:{UUID}", f"URN:UUID:{UUID.upper()}", f" {UUID} "]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_uuid_in_two_spellings_is_one_person(spelling: str) -> None:
    rows = [
        screentime_row(1, person_id=UUID, cast_id="a", name="Ana Poe"),
        screentime_row(2, person_id=spelling, cast_id="b", name=spelling),
    ]
    for ordered in (rows, rows[::-1]):
        run = read_run(rows=ordered)
        assert [(metric.person_id, metric.cast_ids, metric.name) for metric in run.metrics] == [
            (UUID, ("a", "b"), "Ana Poe")
        ]
        assert {cast.person_id for cast in run.casts} == {UUID}
        assert [warning.code for warning in run.warnings] == ["MERGED_CASTS"]
    twice = rejected(make_run(rows=[rows[0], rows[1] | {"cast_id": "a"}]))
    assert (twice.code, twice.data["json_pointer"]) == ("DUPLICATE_PERSON", "/metrics/1/person_id")
    named = rejected(make_run(rows=[rows[0], rows[1] | {"name": "Bea Poe"}]))
    assert named.code == "PERSON_CONFLICT"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_uuid_in_two_spellings_is_one_person_of_the_catalogue_in_all_artifacts(spelling: str) -> None:
    entry = cast_row(1, person_id=spelling)
    assert [metric.person_id for metric in read_run(kind=C, rows=[entry]).metrics] == [UUID]
    assert rejected(make_run(kind=C, rows=[entry, entry | {"person_id": UUID}])).code == "DUPLICATE_PERSON"
    body = encode([cast_row(1, person_id=UUID)])
    reference = {
        "artifact_key": "second",
        "artifact_kind": "person_metrics",
        "s3_key": f"derived/runs/{RUN_ID}/second.json",
        "schema_version": C,
        "checksum_sha256": hashlib.sha256(body).hexdigest(),
    }
    files = make_run(rows=[screentime_row(1, person_id=spelling)], more=[reference])
    error = rejected({**files, reference["s3_key"]: body})
    assert (error.code, error.data["artifact_key"]) == ("DUPLICATE_PERSON", "second")


@pytest.mark.parametrize(
    "person_id",
    [
        *(UUID.replace("-", ""), f"{{{UUID}", f"{UUID}}}", f"urn:uuid:{{{UUID}}}", f"cast:{UUID.upper()}"),
        UUID.upper()[:-1],
    ],
)
def test_what_only_resembles_a_uuid_stays_as_it_is(person_id: str) -> None:
    assert one(person_id=person_id).person_id == person_id


@pytest.mark.parametrize("person_id", ["p_0001", "", None, DROP, "b7f1" * 8])
def test_a_catalogues_person_id_is_a_uuid(person_id: Any) -> None:
    error = rejected(make_run(kind=C, rows=[cast_row(1, person_id=person_id)]))
    assert error.code in {"PERSON_ID_INVALID", "FIELD_MISSING"}
    assert error.data["json_pointer"] == "/0/person_id"


@pytest.mark.parametrize(
    "field",
    [
        *("visual_s", "face_visible_seconds", "body_visible_seconds", "body_only_seconds", "gap_bridged_seconds"),
        *("speaking_s", "both_s", "confessional_s", "tracks_count", "faces_count"),
    ],
)
@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(-1, "NEGATIVE", id="case 32: negative"),
        pytest.param("4", "FIELD_INVALID", id="case 7: text"),
        pytest.param(True, "FIELD_INVALID", id="case 7: true"),
        pytest.param([], "FIELD_INVALID", id="case 7: a list"),
    ],
)
def test_times_and_counts(field: str, value: Any, code: str) -> None:
    assert wrong(field, **{field: value}) == code


def test_case_32_a_hundredth_below_zero() -> None:
    assert wrong("visual_s", visual_s=-0.01) == "NEGATIVE"
    error = rejected(make_run(kind=C, rows=[cast_row(1, screen_time_seconds=-0.001)]))
    assert (error.code, error.data["json_pointer"]) == ("NEGATIVE", "/0/screen_time_seconds")


def test_case_33_minus_zero_is_zero() -> None:
    metric = one(visual_s=-0.0, face_visible_seconds=0.0, speaking_s=-0.0, confidence=-0.0)
    assert (metric.onscreen_ms, metric.speaking_ms, str(metric.confidence)) == (0, 0, "0.000")
    assert metric.facts() == one(visual_s=0, face_visible_seconds=0, speaking_s=0, confidence=0).facts()


@pytest.mark.parametrize("kind", list(KINDS))
def test_case_34_nobody_is_seen_for_longer_than_the_video(kind: str) -> None:
    def files(seconds: float, **more: Any) -> dict[str, bytes]:
        rows = [
            cast_row(number, screen_time_seconds=seconds)
            if kind == C
            else screentime_row(number, visual_s=seconds, face_visible_seconds=seconds, body_visible_seconds=0)
            for number in (1, 2)
        ]
        return make_run(kind=kind, rows=rows, **more)

    # The sum over persons may exceed the video; for one person, a second is tolerated.
    assert len(read_run(files(2581.0)).metrics) == 2
    error = rejected(files(2581.001))
    assert (error.code, error.data["actual"]) == ("OUT_OF_RANGE", "2581001")
    assert len(read_run(files(99_999, duration_ms=None)).metrics) == 2


def test_case_34_the_sum_over_casts_is_one_persons() -> None:
    rows = [screentime_row(1, cast_id=cast, visual_s=1500, face_visible_seconds=1500) for cast in "ab"]
    assert rejected(make_run(rows=rows)).code == "OUT_OF_RANGE"


def test_case_35_heard_for_longer_than_seen() -> None:
    metric = one(visual_s=1, face_visible_seconds=1, speaking_s=300.5)
    assert (metric.onscreen_ms, metric.speaking_ms) == (1000, 300_500)


@pytest.mark.parametrize(
    ("diagnostics", "speaking_ms"),
    [
        pytest.param({"speaking_time_computed": False}, None, id="case 36: not computed"),
        pytest.param({"speaking_time_computed": True}, 0, id="case 36: computed"),
        pytest.param({}, None, id="case 36: an old file"),
        pytest.param({"speaking_time_computed": None}, None, id="case 36: null"),
        pytest.param(None, None, id="case 36: null diagnostics"),
        pytest.param(DROP, None, id="case 36: no diagnostics"),
    ],
)
def test_speaking(diagnostics: Any, speaking_ms: int | None) -> None:
    row = screentime_row(1, speaking_s=0.0)
    run = read_run(document=screentime([row], diagnostics=diagnostics), rows=[row])
    assert run.metrics[0].speaking_ms == speaking_ms


@pytest.mark.parametrize("value", [None, DROP])
def test_case_36_speaking_time_is_required_only_if_it_was_computed(value: Any) -> None:
    row = screentime_row(1, speaking_s=value)
    run = read_run(document=screentime([row], diagnostics={"speaking_time_computed": False}), rows=[row])
    assert run.metrics[0].speaking_ms is None
    assert wrong("speaking_s", speaking_s=value) == ("FIELD_INVALID" if value is None else "FIELD_MISSING")


def test_case_36_a_flag_that_is_none() -> None:
    files = make_run(document=screentime([], diagnostics={"speaking_time_computed": "no"}), rows=[])
    assert rejected(files).data["json_pointer"] == "/diagnostics/speaking_time_computed"


@pytest.mark.parametrize(
    ("metadata", "body_ms"),
    [
        ({"body_tracking_enabled": True, "body_metrics_available": True}, 451_500),
        ({"body_tracking_enabled": True, "body_metrics_available": False}, None),
        ({"body_tracking_enabled": False, "body_metrics_available": True}, None),
        ({"body_tracking_enabled": True}, None),
        (DROP, None),
    ],
)
def test_a_body_is_measured_only_when_both_flags_say_so(metadata: Any, body_ms: int | None) -> None:
    row = screentime_row(1, body_visible_seconds=451.5)
    assert read_run(document=screentime([row], metadata=metadata), rows=[row]).metrics[0].body_ms == body_ms


def test_a_body_that_should_be_measured_and_is_not() -> None:
    assert wrong("body_visible_seconds", body_visible_seconds=DROP) == "FIELD_MISSING"


def test_confessionals_are_only_what_an_entry_says() -> None:
    assert one().confessional_ms is None
    assert one(confessional_s=12.5).confessional_ms == 12_500


@pytest.mark.parametrize("confidence", [1.5, 1.001, -0.1, "87%", "0.87", True, None, []])
def test_case_37_what_is_no_confidence(confidence: Any) -> None:
    assert wrong("confidence", confidence=confidence) == "CONFIDENCE_INVALID"


def test_case_37_a_missing_confidence() -> None:
    assert wrong("confidence", confidence=DROP) == "FIELD_MISSING"
    for value in (None, DROP):
        assert read_run(kind=C, rows=[cast_row(1, confidence_avg=value)]).metrics[0].confidence is None
    assert rejected(make_run(kind=C, rows=[cast_row(1, confidence_avg=1.5)])).code == "CONFIDENCE_INVALID"


@pytest.mark.parametrize(("value", "kept"), [(0, "0.000"), (1, "1.000"), (0.8705, "0.871"), (0.99951, "1.000")])
def test_a_confidence_has_three_decimals_half_up(value: float, kept: str) -> None:
    assert str(one(confidence=value).confidence) == kept


@pytest.mark.parametrize("seconds", [9_223_372_036_854_775.808, 10**30, 1e300])
def test_case_38_more_than_a_bigint(seconds: float) -> None:
    files = make_run(rows=[screentime_row(1, visual_s=seconds, face_visible_seconds=DROP)], duration_ms=None)
    error = rejected(files)
    assert (error.code, error.data["json_pointer"]) == ("OUT_OF_RANGE", "/metrics/0/visual_s")


def test_case_38_a_sum_over_casts_that_is_more_than_a_bigint() -> None:
    half = 9_000_000_000_000_000
    rows = [screentime_row(1, cast_id=cast, visual_s=half, face_visible_seconds=half) for cast in "ab"]
    assert rejected(make_run(rows=rows, duration_ms=None)).code == "OUT_OF_RANGE"
    assert read_run(rows=rows[:1], duration_ms=None).metrics[0].onscreen_ms == half * 1000


def test_case_39_milliseconds_are_exact() -> None:
    assert int(2.01 * 1000) == 2009
    assert one(visual_s=2.01, face_visible_seconds=2.01).onscreen_ms == 2010
    assert read_run(kind=C, rows=[cast_row(1, screen_time_seconds=0.0005)]).metrics[0].onscreen_ms == 1


@given(ms=st.integers(0, 2**63 - 1), rest=st.decimals("0", "0.0004999", places=7))
def test_case_39_milliseconds_survive_seconds(ms: int, rest: Decimal) -> None:
    seconds = Decimal(f"{ms // 1000}.{ms % 1000:03d}")
    assert to_ms(seconds) == ms
    exact = Decimal(f"{seconds}{str(f'{rest:f}')[5:]}")
    assert to_ms(exact) == ms
    assert to_ms(Decimal(f"{seconds}5")) == ms + 1
    # Thirty digits more than the default context: rounded only once.
    assert to_ms(Decimal(f"{seconds}4{'9' * 50}")) == ms


def test_case_40_two_times_that_must_agree() -> None:
    assert wrong("visual_s", visual_s=402.04, face_visible_seconds=402.03) == "INCONSISTENT"
    assert one(visual_s=402.0, face_visible_seconds=402).onscreen_ms == 402_000
    assert one(visual_s=DROP, face_visible_seconds=1.25).onscreen_ms == 1250
    assert one(visual_s=1.25, face_visible_seconds=None).onscreen_ms == 1250
    assert wrong("visual_s", visual_s=DROP, face_visible_seconds=DROP) == "FIELD_MISSING"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"run_id": "run-2"}, "/run_id", id="case 41: run"),
        pytest.param({"ep_id": "rhoslc-s06e12"}, "/episode_id", id="case 41: episode"),
        pytest.param({"run_id": 7}, "/run_id", id="case 41: a number"),
    ],
)
def test_an_artifact_of_another_run(changes: dict[str, Any], pointer: str) -> None:
    error = rejected(make_run(document=screentime([], **changes), rows=[]))
    assert (error.code, error.data["json_pointer"]) == ("ID_MISMATCH", pointer)


def test_case_41_an_old_artifact_names_no_run() -> None:
    assert read_run(document=screentime([], run_id=None), rows=[]).metrics == ()


def test_case_4_unknown_fields_of_an_artifact() -> None:
    row = screentime_row(1, hair="red")
    run = read_run(document=screentime([row], weather="rain"), rows=[row])
    assert [warning.code for warning in run.warnings] == ["UNKNOWN_FIELD"] * 2
    assert run.output_hash == read_run(persons=1).output_hash
    (warning,) = read_run(kind=C, rows=[cast_row(1, hair="red")]).warnings
    assert "hair" in warning.message


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ({}, "FIELD_MISSING", "/metrics"),
        ({"metrics": {}}, "FIELD_INVALID", "/metrics"),
        ({"metrics": None}, "FIELD_INVALID", "/metrics"),
        ({"metrics": [[]]}, "FIELD_INVALID", "/metrics/0"),
        ({"metrics": [], "diagnostics": []}, "FIELD_INVALID", "/diagnostics"),
    ],
)
def test_case_6_the_shape_of_a_screentime(document: Any, code: str, pointer: str) -> None:
    error = rejected(make_run(document=document, artifact={"row_count": None}))
    assert (error.code, error.data["json_pointer"]) == (code, pointer)


def test_case_6_the_shape_of_a_cast_screentime() -> None:
    for document, pointer in (({}, ""), ([[]], "/0"), ([cast_row(1, metadata="x")], "/0/metadata")):
        error = rejected(make_run(kind=C, document=document, artifact={"row_count": None}))
        assert (error.code, error.data["json_pointer"]) == ("FIELD_INVALID", pointer)
    error = rejected(make_run(kind=C, rows=[cast_row(1, screen_time_seconds=DROP)]))
    assert (error.code, error.data["json_pointer"]) == ("FIELD_MISSING", "/0/screen_time_seconds")


@pytest.mark.parametrize("name", ["x" * 1001, "a\0b", 7])
def test_what_is_no_name(name: Any) -> None:
    assert wrong("name", name=name) == "FIELD_INVALID"


def test_names_are_verbatim_and_blank_ones_are_none() -> None:
    assert one(name="Unknown").name == "Unknown"
    assert [one(name=name).name for name in ("", "  ", None, DROP)] == [None] * 4
