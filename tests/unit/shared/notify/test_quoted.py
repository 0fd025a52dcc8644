"""Argo's list of failed nodes is JSON inside a string literal of Go, and may be cut anywhere."""

from __future__ import annotations

import json
import os
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.closing import Closed
from shared.notify.commands import _message
from shared.notify.failures import parse
from shared.notify.settings import CloseSettings
from shared.settings.base import encoded

_LETTERS = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", '"': '"', "\\": "\\"}
MESSAGES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ['displayName":', "\\", '"', "{{=1+1}}", "\x7f\x80\u00ad\u2028\U000e0001\U0001f600", "}]", ","]
)


def go_quoted(text: str) -> str:
    """Write a literal as ``strconv.Quote`` does."""
    parts = []
    for each in text:
        if each in _LETTERS:
            parts.append("\\" + _LETTERS[each])
        elif each.isprintable():
            parts.append(each)
        elif ord(each) < 0x20 or ord(each) == 0x7F:
            parts.append(f"\\x{ord(each):02x}")
        else:
            parts.append(f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}")
    return f'"{"".join(parts)}"'


def listed(messages: list[str]) -> str:
    nodes = [
        {"displayName": f"step({at})", "message": text, "finishedAt": f"{at:09}"} for at, text in enumerate(messages)
    ]
    return go_quoted(json.dumps(nodes, ensure_ascii=False))


@given(st.lists(MESSAGES, max_size=5))
def test_both_layers_are_decoded(messages: list[str]) -> None:
    assert [failure.message for failure in parse(listed(messages))] == messages


@given(st.lists(MESSAGES, min_size=1, max_size=5), st.data())
def test_of_a_cut_list_every_complete_node_is_kept(messages: list[str], data: st.DataObject) -> None:
    text = listed(messages)
    at = data.draw(st.integers(1, len(text)))
    found = [failure for failure in parse(text[:at]) if failure.step == "step"]
    whole = sum(text.startswith(listed(messages[: number + 1])[:-2], 0, at) for number in range(len(messages)))
    assert [failure.message for failure in found] == messages[:whole]


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.data())
def test_the_variable_may_end_within_a_character(messages: list[str], data: st.DataObject) -> None:
    import base64

    content = listed([*messages, "é" * 20]).encode()
    cut = content[: data.draw(st.integers(1, len(content)))]
    variables = {"TELECINE_RUNS_FAILURES_BASE64": base64.b64encode(cut).decode()}
    with patch.dict(os.environ, variables):
        settings = CloseSettings(workflow_status="Failed")
    assert content.decode().startswith(settings.failures)
    parse(settings.failures)


@pytest.mark.parametrize(
    "text", ["\\", '"\\', '"\\u12', '"\\Uffffffff', '"\\xff', '"[', '"[[', '"[{', "[" * 100_000, '"' * 9]
)
def test_other_text_is_an_answer_and_no_crash(text: str) -> None:
    assert len(parse(text)) <= 1


def message(total: int | None, listed_nodes: int, text: str = "extract: it failed") -> str:
    settings = CloseSettings(workflow_status="Failed", failures_total=total, run_id="run-1")
    closed = Closed("gamedata", "failed", "extract", text, 65)
    left_out = max(0, (total or 0) - listed_nodes)
    return _message(settings, closed, None, left_out, "webhook", failed=True).message


def test_a_notification_says_how_many_were_left_out() -> None:
    assert message(None, 3) == message(3, 3) == "extract: it failed"
    assert message(90, 72) == "extract: it failed (and 18 more failed nodes, which the hook left out)"
    assert message(90, 72, "x" * 9000).endswith("… (and 18 more failed nodes, which the hook left out)")


def test_an_encoded_list_overrides_the_plain_one() -> None:
    with patch.dict(
        os.environ, {"TELECINE_RUNS_FAILURES_BASE64": encoded(listed(["a"])), "TELECINE_RUNS_FAILURES": "x"}
    ):
        assert parse(CloseSettings(workflow_status="Failed").failures)[0].message == "a"
