"""Events that announce uploads: what is accepted, what is refused with which code, and what never gets through."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.viewership.arrival.events import Arrival, BadEvent, parse_event
from jobs.viewership.errors import ARRIVALS
from jobs.viewership.settings.formats import FormatsSettings, InterpretationSettings
from jobs.viewership.settings.uploads import UploadSettings
from jobs.viewership.uploads.formats.library import load_formats
from shared.outbox.events import Event
from shared.text import one_line

if TYPE_CHECKING:
    from shared.errors import TelecineError

BUCKET = "s3://viewership"
ID = "0a1b2c3d-0000-4000-8000-000000000001"


def event(**values: Any) -> Event:
    known = {"event_id": ID, "event_type": "viewership.upload.arrived", "aggregate_id": "delivery 7/2025"}
    return Event(**{**known, "payload": {}, "attempts": 0, "subject": "upload", **values})


def parse(payload: Any, bucket: str = BUCKET, *, formats: bool = True, **values: Any) -> Arrival | BadEvent:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return parse_event(bucket, event(**values), text, formats=(lambda: load_formats(None)) if formats else None)


def accepted(payload: Any, bucket: str = BUCKET) -> Arrival:
    found = parse(payload, bucket)
    assert isinstance(found, Arrival), found
    return found


def refused(payload: Any, bucket: str = BUCKET, **values: Any) -> TelecineError:
    found = parse(payload, bucket, **values)
    assert isinstance(found, BadEvent), found
    return found.error


def test_a_key_or_a_uri_names_the_object() -> None:
    by_key = accepted({"key": "uploads/2025/Roku März.csv"})
    by_uri = accepted({"uri": "s3://viewership/uploads/2025/Roku März.csv"})
    for found in (by_key, by_uri):
        assert (found.key, found.uri) == (
            "uploads/2025/Roku März.csv",
            "s3://viewership/uploads/2025/Roku März.csv",
        )
        assert found.event is not None
        assert (found.event.event_id, found.overrides, found.sha256) == (ID, {}, None)


def test_choices_become_settings_of_the_types_that_flags_have() -> None:
    found = accepted(
        {
            "key": "uploads/a.csv",
            "sha256": "AB" * 32,
            "format": "roku",
            "period": "2025-07",
            "domain": "Distribution Partners",
            "on_overlap": "replace",
            "choices": {
                "map": ["hours=Watch Time", "series = Show"],
                "header_line": 3,
                "sheet": "Data",
                "encoding": "cp1252",
                "delimiter": "\t",
                "date_order": "dmy",
                "decimal_mark": ",",
                "clock": None,
                "period": "2025-07",
            },
        }
    )
    assert found.sha256 == "ab" * 32
    chosen = UploadSettings().model_copy(update=found.overrides)
    assert (chosen.format, chosen.period, chosen.domain) == ("roku", "2025-07", "Distribution Partners")
    assert (chosen.map, chosen.header_line, chosen.sheet) == (("hours=Watch Time", "series = Show"), 3, "Data")
    assert (chosen.encoding, chosen.delimiter, chosen.date_order, chosen.decimal_mark) == ("cp1252", "\t", "dmy", ",")
    assert chosen.on_overlap == "replace"
    assert "clock" not in found.overrides
    # The same values pass through the rules of the flags.
    assert UploadSettings(**found.overrides).map == chosen.map


def test_the_docs_have_a_valid_event_and_every_code() -> None:
    page = (Path(__file__).parents[4] / "docs" / "viewership-arrivals.md").read_text(encoding="utf-8")
    (payload,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = accepted(json.loads(payload))
    assert set(found.overrides) == {"format", "period", "domain", "on_overlap", "map", "date_order"}
    assert {code for code in ARRIVALS if f"| `{code}` | " in page} == set(ARRIVALS)
    choices = re.search(r"^\| `choices` \| (.*)$", page, re.MULTILINE)
    assert choices is not None
    names = set(re.findall(r"`(\w+)`", choices[1]))
    assert names == {*InterpretationSettings.model_fields} - {*FormatsSettings.model_fields}


KEY = "uploads/a.csv"
BAD: dict[str, tuple[Any, str]] = {
    "list": ("[1]", "EVENT_INVALID"),
    "null": ("null", "EVENT_INVALID"),
    "text": ('"{}"', "EVENT_INVALID"),
    "not JSON": ("{", "EVENT_INVALID"),
    "5,000 digits": ('{"key": ' + "9" * 5000 + "}", "EVENT_INVALID"),
    "deep list": ('{"key": "a", "domain": ' + "[" * 5000 + "]" * 5000 + "}", "EVENT_INVALID"),
    "deep object": ('{"choices": ' * 5000 + "1" + "}" * 5000, "EVENT_INVALID"),
    "nothing": ({}, "EVENT_INVALID"),
    "key and uri": ({"key": KEY, "uri": f"{BUCKET}/{KEY}"}, "EVENT_INVALID"),
    "key of another type": ({"key": 7}, "EVENT_INVALID"),
    "key is a list": ({"key": [KEY]}, "EVENT_INVALID"),
    "unknown field": ({"key": KEY, "formats_dir": "/tmp"}, "EVENT_INVALID"),
    "unknown choice": ({"key": KEY, "choices": {"formats_dir": "/tmp"}}, "EVENT_INVALID"),
    "bucket as a choice": ({"key": KEY, "choices": {"bucket": "s3://x"}}, "EVENT_INVALID"),
    "choices are a list": ({"key": KEY, "choices": ["map"]}, "EVENT_INVALID"),
    "choices are null": ({"key": KEY, "choices": None}, "EVENT_INVALID"),
    "number as text": ({"key": KEY, "choices": {"header_line": "3"}}, "EVENT_INVALID"),
    "header line 0": ({"key": KEY, "choices": {"header_line": 0}}, "EVENT_INVALID"),
    "header line true": ({"key": KEY, "choices": {"header_line": True}}, "EVENT_INVALID"),
    "map as text": ({"key": KEY, "choices": {"map": "hours=Watch Time"}}, "EVENT_INVALID"),
    "map without =": ({"key": KEY, "choices": {"map": ["hours"]}}, "EVENT_INVALID"),
    "map of no field": ({"key": KEY, "choices": {"map": ["hour=Watch Time"]}}, "EVENT_INVALID"),
    "map of a field twice": ({"key": KEY, "choices": {"map": ["hours=A", "hours =B"]}}, "EVENT_INVALID"),
    "date order": ({"key": KEY, "choices": {"date_order": "ydm"}}, "EVENT_INVALID"),
    "format that does not exist": ({"key": KEY, "format": "no-such-format"}, "EVENT_INVALID"),
    "period": ({"key": KEY, "period": "July"}, "EVENT_INVALID"),
    "two periods": ({"key": KEY, "period": "2025-07", "choices": {"period": "2025-08"}}, "EVENT_INVALID"),
    "empty domain": ({"key": KEY, "domain": ""}, "EVENT_INVALID"),
    "long domain": ({"key": KEY, "domain": "x" * 201}, "EVENT_INVALID"),
    "overlap": ({"key": KEY, "on_overlap": "force"}, "EVENT_INVALID"),
    "digest": ({"key": KEY, "sha256": "abc"}, "EVENT_INVALID"),
    "digest with a line feed": ({"key": KEY, "sha256": "a" * 64 + "\n"}, "EVENT_INVALID"),
    "NUL in a choice": ({"key": KEY, "choices": {"sheet": "a\0b"}}, "EVENT_INVALID"),
    "NUL in a map": ({"key": KEY, "choices": {"map": ["hours=a\0b"]}}, "EVENT_INVALID"),
    "line feed in a map": ({"key": KEY, "choices": {"map": ["hours=a\nrm -rf ~\n"]}}, "EVENT_INVALID"),
    "escape in a sheet": ({"key": KEY, "choices": {"sheet": "a\x1b[2Jb"}}, "EVENT_INVALID"),
    "tab in a sheet": ({"key": KEY, "choices": {"sheet": "\t"}}, "EVENT_INVALID"),
    "line feed as a delimiter": ({"key": KEY, "choices": {"delimiter": "\n"}}, "EVENT_INVALID"),
    "tab in a domain, next to one as a delimiter": (
        {"key": KEY, "domain": "a\tb", "choices": {"delimiter": "\t"}},
        "EVENT_INVALID",
    ),
    "surrogate in a choice": ({"key": KEY, "choices": {"sheet": "\ud800"}}, "EVENT_INVALID"),
    "metadata service": ({"uri": "http://169.254.169.254/latest"}, "EVENT_INVALID"),
    "path without scheme": ({"uri": "/etc/passwd"}, "EVENT_INVALID"),
    "file with a host": ({"uri": "file://host/etc/passwd"}, "EVENT_INVALID"),
    "file, and the bucket is in S3": ({"uri": "file:///etc/passwd"}, "KEY_ESCAPE"),
    "another bucket": ({"uri": "s3://other/uploads/a.csv"}, "KEY_ESCAPE"),
    "a longer bucket": ({"uri": "s3://viewership-2/uploads/a.csv"}, "KEY_ESCAPE"),
    "the bucket in capitals": ({"uri": "S3://viewership/uploads/a.csv"}, "EVENT_INVALID"),
    "only the bucket": ({"uri": "s3://viewership/"}, "KEY_ESCAPE"),
    "above the bucket": ({"uri": "s3://viewership/../other/a.csv"}, "KEY_ESCAPE"),
    "dots in a key": ({"key": "uploads/../../other/a.csv"}, "KEY_ESCAPE"),
    "a dot": ({"key": "./a.csv"}, "KEY_ESCAPE"),
    "empty key": ({"key": ""}, "KEY_ESCAPE"),
    "absolute key": ({"key": "/etc/passwd"}, "KEY_ESCAPE"),
    "folder": ({"key": "uploads/"}, "KEY_ESCAPE"),
    "empty part": ({"key": "uploads//a.csv"}, "KEY_ESCAPE"),
    "NUL": ({"key": "uploads/a\0.csv"}, "KEY_ESCAPE"),
    "line feed": ({"key": "uploads/a\nb.csv"}, "KEY_ESCAPE"),
    "escape sequence": ({"key": "uploads/\x1b[2J.csv"}, "KEY_ESCAPE"),
    "surrogate": ({"key": "uploads/\ud800.csv"}, "KEY_ESCAPE"),
    "long key": ({"key": "x" * 1025}, "KEY_ESCAPE"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_payload_is_refused_with_its_code(name: str) -> None:
    payload, code = BAD[name]
    error = refused(payload)
    assert error.code == code, error.message
    assert ID in error.message
    assert "; expected " in error.message
    assert len(error.message) <= 1500
    assert one_line(error.message) == error.message


def test_the_rows_of_the_outbox_are_checked_before_the_payload() -> None:
    assert refused("{}", event_type="viewership.upload.gone").code == "UNKNOWN_EVENT"
    assert "expected viewership.upload.arrived" in refused("{}", event_type="\x1b[2J").message
    for column in ("event_id", "event_type", "aggregate_id"):
        error = refused({"key": KEY}, **{column: None})
        assert (error.code, f"has no {column}" in error.message) == ("EVENT_INVALID", True)
    found = parse_event(BUCKET, event(event_id=""), None)
    assert isinstance(found, BadEvent)
    assert found.error.message.startswith("an event of upload 'delivery 7/2025' has no event_id")
    for aggregate_id in ("", "x" * 129):
        assert (
            f"an aggregate_id of {len(aggregate_id)} characters"
            in refused({"key": KEY}, aggregate_id=aggregate_id).message
        )
    assert isinstance(parse({"key": KEY}, aggregate_id="x" * 128), Arrival)
    large = parse_event(BUCKET, event(), None, too_large=True)
    assert isinstance(large, BadEvent)
    assert "a payload of more than 64 KB" in large.error.message


def test_text_for_templates_and_shells_stays_as_it_is() -> None:
    for name in ("$(NAME).csv", "{{inputs.parameters.x}}.csv", "$HOME `id` ; rm.csv", "%2e%2e%2fa.csv", "=1+1.csv"):
        found = accepted({"key": f"uploads/{name}"})
        assert found.uri == f"{BUCKET}/uploads/{name}"


def test_a_secret_in_a_location_is_not_shown() -> None:
    error = refused({"uri": "https://user:hunter2@host/a?X-Amz-Signature=abcdef0123456789abcdef0123456789"})
    assert "hunter2" not in error.message
    assert "abcdef0123456789" not in error.message


def test_a_bad_event_names_its_object_if_that_can_be_told() -> None:
    def key(payload: Any) -> str | None:
        found = parse(payload)
        assert isinstance(found, BadEvent)
        return found.key

    assert key({"key": KEY, "period": "July"}) == KEY
    assert key({"uri": f"{BUCKET}/{KEY}", "more": 1}) == KEY
    assert key({"uri": f"s3://other/{KEY}"}) is None
    assert key("[]") is None


def test_a_folder_is_named_with_or_without_the_links_of_its_path(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    for bucket in (f"file://{real}", f"file://{tmp_path}/link"):
        for payload in ({"key": KEY}, {"uri": f"{bucket}/{KEY}"}, {"uri": f"file://{real}/{KEY}"}):
            assert accepted(payload, bucket).uri == f"file://{os.path.realpath(real)}/{KEY}"
        for uri in (f"file://{tmp_path}/{KEY}", f"{bucket}/../{KEY}", f"{bucket}x/{KEY}"):
            assert refused({"uri": uri}, bucket).code == "KEY_ESCAPE"


def test_a_uri_that_does_not_fit_the_table_is_refused() -> None:
    bucket = "file:///" + "/".join(["d" * 200] * 10)
    assert "the URI of more than 2048 characters" in refused({"key": "x" * 200}, bucket).message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("uri", "key", "sha256", "format", "period", "domain", "choices", "on_overlap", "map", "sheet", "more")
KEYS = st.lists(
    st.sampled_from(["..", ".", "", "uploads", "a.csv", "\0", "\\", "%2e"]) | st.text(max_size=5), max_size=5
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON | KEYS.map("/".join), max_size=6) | JSON)
def test_any_payload_is_an_arrival_in_the_bucket_or_a_bad_event(payload: Any) -> None:
    found = parse(payload, formats=False)
    if isinstance(found, BadEvent):
        assert found.error.code in ("EVENT_INVALID", "KEY_ESCAPE")
        assert one_line(found.error.message) == found.error.message
    else:
        UploadSettings().model_copy(update=found.overrides)


@given(KEYS.map("/".join), st.booleans())
def test_no_key_leaves_the_bucket(key: str, as_uri: bool) -> None:
    found = parse({"uri": f"{BUCKET}/{key}"} if as_uri else {"key": key})
    if isinstance(found, Arrival):
        assert found.uri == f"{BUCKET}/{key}"
        assert not {"", ".", ".."} & set(key.split("/"))
        assert "\0" not in key
    else:
        assert found.error.code == "KEY_ESCAPE"
