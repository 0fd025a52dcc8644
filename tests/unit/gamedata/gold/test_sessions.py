from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.gamedata.gold.sessions import gold_rows
from jobs.gamedata.settings import ManifestSettings
from jobs.gamedata.steps import manifest
from shared.errors import DataError
from tests.fakes import parts
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.store import MemoryStore


def published(change: dict[str, Any], drop: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    table = manifest_of(change).drop_columns(list(drop))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return list(gold_rows(pq.ParquetFile(stream), name="m.parquet", prefix=""))


def manifest_of(change: dict[str, Any]) -> pa.Table:
    store = MemoryStore()
    parts.commit(store, parts.gameplay("a.tar"))
    table = manifest.build(store, ManifestSettings(manifest_bucket="s3://memory"), MemoryStageRun()).table
    for name, values in change.items():
        column = values if isinstance(values, pa.Array) else pa.array(values)
        position = table.schema.get_field_index(name)
        table = table.append_column(name, column) if position < 0 else table.set_column(position, name, column)
    return table


@pytest.mark.parametrize(
    "change",
    [
        {"s3_key": pa.array([None], pa.string())},
        {"s3_key": [["a.tar"]]},
        {"duration_s": ["ten"]},
        {"sampled": [[1]]},
        {"is_session_empty": [["yes"]]},
        {"check_errors": [1]},
        {"video_metadata": [{"a": 1}]},
        {"error": pa.array([b"\xff"])},
    ],
)
def test_values_of_another_type_are_no_manifest(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="is not a manifest") as caught:
        published(change)
    assert caught.value.code == "manifest_invalid"


def test_text_and_empty_columns_of_other_programs_are_read() -> None:
    (row,) = published({"video_id": pa.array(["v"], pa.large_string()), "warnings": pa.nulls(1), "mine": [b"\xff"]})
    assert (row["video_id"], row["warnings"], row["further_checks"]) == ("v", None, '{"mine": "b\'\\\\xff\'"}')


def test_the_states_say_why_a_flag_is_null() -> None:
    (row,) = published({})
    assert (row["frames_state"], row["inputs_state"]) == ("ok", "ok")
    (row,) = published({"inputs_state": pa.array(["missing"]), "frames_state": pa.nulls(1)})
    assert (row["frames_state"], row["inputs_state"]) == (None, "missing")
    assert row["further_checks"] is None


def test_a_manifest_of_before_the_states_is_published() -> None:
    (row,) = published({}, drop=("frames_state", "inputs_state"))
    assert (row["s3_key"], row["frames_state"], row["inputs_state"]) == ("a.tar", None, None)
    with pytest.raises(DataError, match=r"it lacks empty_reason\. Build it again: telecine gamedata manifest"):
        published({}, drop=("empty_reason",))
