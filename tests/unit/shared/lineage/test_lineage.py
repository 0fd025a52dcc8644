"""Lineage events: valid by the published schema, and never the reason why a run fails."""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from shared.errors import DataError, Stopped
from shared.lineage.event import Dataset, Job, run_event, run_uuid
from shared.lineage.settings import LineageSettings
from shared.lineage.trace import trace
from shared.lineage.transport import send
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.sinks import WebhookSink, webhook_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = Job("trakt.publish", "trakt")
TITLES = Dataset(
    "gold.trakt_titles",
    {"title_id_trakt": "bigint", "title": "text"},
    {"title": [("gold_files.trakt_titles", "title")]},
    version="v3",
    rows=7,
)

# The rules of RunEvent in version 2-0-2 of the specification, and of the facets that are sent.
_URI = {"type": "string", "format": "uri", "pattern": "^[a-z]+:"}
_FACET = {
    "type": "object",
    "properties": {
        "_producer": _URI,
        "_schemaURL": {**_URI, "pattern": r"^https://openlineage\.io/spec/facets/\d-\d-\d/"},
    },
    "required": ["_producer", "_schemaURL"],
}
_FIELD_OF = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("namespace", "name", "field")},
    "required": ["namespace", "name", "field"],
}


def _facets(**known: Any) -> dict[str, Any]:
    return {"type": "object", "properties": known, "additionalProperties": False}


def _facet(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"allOf": [_FACET, {"type": "object", "properties": properties, "required": required}]}


_NAMED = {"namespace": {"type": "string"}, "name": {"type": "string"}}
_DATASET = {
    "type": "object",
    "properties": {
        **_NAMED,
        "facets": _facets(
            schema=_facet(
                ["fields"],
                fields={"type": "array", "items": {"type": "object", "required": ["name", "type"], "minProperties": 2}},
            ),
            columnLineage=_facet(
                ["fields"],
                fields={
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {"inputFields": {"type": "array", "items": _FIELD_OF}},
                        "required": ["inputFields"],
                    },
                },
            ),
            version=_facet(["datasetVersion"], datasetVersion={"type": "string"}),
        ),
        "outputFacets": _facets(outputStatistics=_facet(["rowCount"], rowCount={"type": "integer"})),
    },
    "required": ["namespace", "name"],
    "additionalProperties": False,
}
_RUN = {"type": "object", "properties": {"runId": {"type": "string", "format": "uuid"}}, "required": ["runId"]}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
        "producer": _URI,
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            **_RUN,
            "properties": {
                **_RUN["properties"],  # type: ignore[dict-item]
                "facets": _facets(
                    errorMessage=_facet(
                        ["message", "programmingLanguage"],
                        message={"type": "string"},
                        programmingLanguage={"type": "string"},
                    ),
                    parent=_facet(["run", "job"], run=_RUN, job={"type": "object", "required": ["namespace", "name"]}),
                ),
            },
        },
        "job": {
            "type": "object",
            "properties": {
                **_NAMED,
                "facets": _facets(jobType=_facet(["processingType", "integration"], processingType={"type": "string"})),
            },
            "required": ["namespace", "name"],
        },
        "inputs": {"type": "array", "items": _DATASET},
        "outputs": {"type": "array", "items": _DATASET},
    },
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "additionalProperties": False,
}
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)


def event(kind: Any = "COMPLETE", **values: Any) -> dict[str, Any]:
    known = {"run_id": "wf-1", "attempt": 1, "namespace": "telecine", "at": datetime(2026, 11, 29, 11, 5, tzinfo=UTC)}
    return run_event(kind, JOB, **{**known, **values})


@pytest.fixture
def hook() -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        yield sink


def settings(place: object, **values: Any) -> LineageSettings:
    return LineageSettings(lineage=str(place), **values)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "made",
    [
        event("START"),
        event(inputs=[TITLES], outputs=[TITLES]),
        event("FAIL", error="it failed", outputs=[Dataset("gold.trakt_titles")]),
        event("ABORT", error=""),
    ],
    ids=lambda made: str(made["eventType"]),
)
def test_events_are_valid(made):
    VALIDATOR.validate(made)


def test_the_rules_catch_what_is_not_valid():
    made = event(outputs=[TITLES])
    for broken in (
        {**made, "eventType": "DONE"},
        {**made, "run": {"runId": "wf-1"}},
        {**made, "eventTime": "yesterday"},
    ):
        assert not VALIDATOR.is_valid(broken)
    del made["outputs"][0]["facets"]["schema"]["_schemaURL"]
    assert not VALIDATOR.is_valid(made)


def test_sources_and_rows_belong_to_outputs_only():
    made = event(inputs=[TITLES], outputs=[TITLES])
    (given,), (written,) = made["inputs"], made["outputs"]
    assert set(given["facets"]) == {"schema", "version"}
    assert "outputFacets" not in given
    assert set(written["facets"]) == {"schema", "version", "columnLineage"}
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 7


def test_the_id_of_an_attempt_is_a_uuid_that_its_names_determine():
    first = run_uuid("telecine-x7k2p", "trakt.publish", 1)
    assert uuid.UUID(first).version == 5
    others = {run_uuid(*each) for each in (("wf-2", "trakt.publish", 1), ("telecine-x7k2p", "trakt.model", 1))}
    assert len({first, run_uuid("telecine-x7k2p", "trakt.publish", 2), *others}) == 4
    assert event(run_id="a")["run"]["facets"]["parent"]["run"] == {"runId": run_uuid("a", "trakt")}


def test_nothing_of_an_event_names_a_host_of_ours():
    hosts = set(re.findall(r"https?://([^/\"]+)", json.dumps(event(outputs=[TITLES], error="x"))))
    assert hosts == {"openlineage.io"}


def test_a_step_is_reported_from_start_to_end(tmp_path):
    place = tmp_path / "events.jsonl"
    with trace(settings(place), JOB, MemoryStageRun(run_id="wf-1"), inputs=[TITLES]) as traced:
        assert [each["eventType"] for each in lines(place)] == ["START"]
        traced.outputs.append(TITLES)
    start, complete = lines(place)
    assert (start["outputs"], len(complete["outputs"]), complete["eventType"]) == ([], 1, "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    for each in (start, complete):
        VALIDATOR.validate(each)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DataError("the file is not valid"), "FAIL", "the file is not valid"),
        # The message of a bug may quote anything.
        (KeyError("hush"), "FAIL", "KeyError"),
        (Stopped(15), "ABORT", "stopped by SIGTERM"),
    ],
)
def test_a_step_that_ends_early_is_reported_with_its_error(tmp_path, error, kind, message):
    place = tmp_path / "events.jsonl"
    with pytest.raises(type(error)), trace(settings(f"file://{place}"), JOB, MemoryStageRun()):
        raise error
    last = lines(place)[-1]
    VALIDATOR.validate(last)
    assert (last["eventType"], last["run"]["facets"]["errorMessage"]["message"]) == (kind, message)


def test_without_a_place_nothing_is_sent(monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("sent")

    monkeypatch.setattr("shared.lineage.trace.send", refuse)
    with trace(LineageSettings(), JOB, MemoryStageRun()):
        pass


def test_a_url_receives_events_with_its_key(hook):
    base = hook.url.partition("/hook")[0]
    with trace(settings(base, lineage_api_key="hush-hush"), JOB, MemoryStageRun()):
        pass
    assert [each["eventType"] for each in hook.got] == ["START", "COMPLETE"]
    assert {each["Authorization"] for each in hook.headers} == {"Bearer hush-hush"}


def test_a_url_without_a_path_gets_the_usual_one(monkeypatch):
    asked = []

    class Opener:
        def open(self, request: Any, timeout: float) -> Any:
            asked.append((request.full_url, timeout))
            raise OSError("away")

    monkeypatch.setattr("shared.post.urllib.request.build_opener", lambda *_: Opener())
    for url in ("https://lineage.example", "https://lineage.example/", "https://lineage.example/own"):
        with trace(settings(url), JOB, MemoryStageRun()):
            pass
    usual = "https://lineage.example/api/v1/lineage"
    assert asked == [(usual, 5.0), (usual, 5.0), ("https://lineage.example/own", 5.0)]


@pytest.mark.parametrize("status", [301, 401, 404, 500])
def test_a_server_that_refuses_costs_one_warning(hook, caplog, status):
    hook.answers = [status] * 9
    with trace(settings(hook.url), JOB, MemoryStageRun()):
        pass
    (warning,) = caplog.messages
    assert warning == (f"the lineage server at 127.0.0.1 answered {status}; lineage of trakt.publish is not recorded")
    assert len(hook.answers) == 8, "it is not asked again"


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x", "/proc/telecine/x", "/dev/full", "/tmp", "file:///tmp/%00x"])
def test_a_place_that_is_away_costs_one_warning_and_never_the_run(caplog, place):
    with trace(settings(place), JOB, MemoryStageRun()):
        pass
    (warning,) = caplog.messages
    assert "lineage of trakt.publish is not recorded" in warning
    assert place not in warning


def test_events_of_steps_at_once_do_not_mix(tmp_path):
    place = tmp_path / "events.jsonl"
    # Longer than what one write to a pipe takes as a whole.
    wide = event(outputs=[Dataset("x", {"column" * 10_000: "text"})])
    threads = [
        threading.Thread(target=lambda: [send(wide, str(place), LineageSettings()) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(place)) == 80


@pytest.mark.parametrize(
    "place",
    ["s3://bucket/events", "ftp://host/x", "https://", "https://user:word@host/x", "https://host:x", "file://host/x"],
)
def test_a_place_that_cannot_work_is_refused(place):
    with pytest.raises(ValidationError, match="expected"):
        settings(place)


@pytest.mark.parametrize("key", ["hush\nhush", "hush hush", "h\u00fcsh", ""])
def test_a_key_that_no_header_can_have_is_refused_without_being_shown(key):
    with pytest.raises(ValidationError, match="expected a token") as caught:
        LineageSettings(lineage="https://lineage.example", lineage_api_key=key)
    assert "hush" not in str(caught.value)


def test_the_variables_of_other_tools_are_read(monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_URL", "https://lineage.example")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "media")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "hush-hush")
    found = LineageSettings()
    assert (found.lineage, found.lineage_namespace) == ("https://lineage.example", "media")
    assert "hush" not in repr(found)
