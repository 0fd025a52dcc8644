from __future__ import annotations

import json

import pytest

from shared.errors import UsageError
from shared.samples import choose_kinds, read_record, record_body, record_key
from tests.fakes.store import MemoryStore

KINDS = {"good": 1, "dark": 2}


def test_each_kind_is_chosen_once_in_the_order_asked_for():
    assert choose_kinds(("dark", "good", "dark"), KINDS) == ["dark", "good"]
    assert choose_kinds((), KINDS) == ["good", "dark"]


def test_an_unknown_kind_is_named_with_those_that_exist():
    with pytest.raises(UsageError, match="'bad' is not a kind of sample; expected one of good, dark"):
        choose_kinds(("good", "bad"), KINDS)


@pytest.mark.parametrize("prefix", ["", "derived/x"])
def test_a_record_is_read_as_it_was_written(prefix):
    store = MemoryStore()
    assert read_record(store, "objects", prefix) == {}
    body = record_body("objects", {"b.tar": {"kind": "good"}, "a.tar": {}})
    assert body == record_body("objects", {"a.tar": {}, "b.tar": {"kind": "good"}})
    store.put(record_key(prefix), body)
    assert read_record(store, "objects", prefix) == {"a.tar": {}, "b.tar": {"kind": "good"}}
    assert json.loads(body)["version"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{}", b'{"objects": [1]}', b'{"objects": null}', b"\xff"])
def test_what_is_not_a_record_counts_as_none(body):
    store = MemoryStore()
    store.put(record_key(), body)
    assert read_record(store, "objects") == {}
