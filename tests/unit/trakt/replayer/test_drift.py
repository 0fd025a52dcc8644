"""The contract accepts or rejects each comment of the scenario ``drift`` as the replayer's own record of it demands."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from jobs.trakt.contract.check import check
from jobs.trakt.replayer import drift
from jobs.trakt.replayer.site import Site
from tests.unit.trakt.replayer.client import ask

REJECTED = {
    "no-text": ("FIELD_MISSING", "/comment"),
    "likes-text": ("FIELD_INVALID", "/likes"),
    "likes-fraction": ("FIELD_INVALID", "/likes"),
    "likes-64-bit": ("NUMBER_RANGE", "/likes"),
    "rating-11": ("NUMBER_RANGE", "/user_rating"),
    "no-zone": ("TIME_INVALID", "/updated_at"),
    "leap-second": ("TIME_INVALID", "/created_at"),
    "no-such-day": ("TIME_INVALID", "/created_at"),
    "user-null": ("FIELD_INVALID", "/user"),
}
# Kind -> codes of the item, its unknown fields, and notes of the answer, one for each such comment.
ACCEPTED: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]] = {
    "": ((), (), ()),
    "unknown-field": ((), ("/pinned", "/sentiment"), ()),
    "oldest-shape": ((), (), ()),
    "year-1": (("TIME_OUT_OF_RANGE",), (), (("TIME_OUT_OF_RANGE", "/created_at"),)),
    "updated-before-created": ((), (), ()),
    "nul": (("NUL_IN_TEXT",), (), (("NUL_IN_TEXT", "/"),)),
    "half-surrogate": (("HALF_SURROGATE",), (), (("HALF_SURROGATE", "/"),)),
    "duplicate-key": ((), (), (("DUPLICATE_KEY", "likes"),)),
    "no-comment": ((), (), ()),
}
# These concern a text or a key of the answer, wherever it is.
WITHOUT_PATH = ("/", "likes")


def test_the_table_names_every_kind_of_drift_once():
    assert REJECTED.keys().isdisjoint(ACCEPTED)
    assert REJECTED.keys() | ACCEPTED.keys() == {"", *drift.KINDS}


def test_every_drifted_comment_is_a_dead_letter_with_its_code_and_path_or_accepted_and_counted():
    site = Site("drift", 1, quota=0, step=0)
    kinds = {each["comment"]["id"]: each["drift"] for each in site.truth().comments()}
    seen: Counter[str] = Counter()
    shapes = set()
    page, count = 1, 2
    while page <= count:
        answer = ask(site, f"/comments/updates/all/all?limit=250&page={page}")
        count = int(dict(answer.headers)["X-Pagination-Page-Count"])
        page += 1
        items = json.loads(answer.body)
        is_wrapped = "type" in items[0]
        shapes.add(is_wrapped)
        seen += checked(answer.body, items, kinds, "/comment" if is_wrapped else "")
    assert shapes == {True, False}
    assert seen == Counter(kinds.values())
    assert {"", *drift.KINDS} == set(seen)


def checked(body: bytes, items: list[dict[str, Any]], kinds: dict[int, str], prefix: str) -> Counter[str]:
    """Check one page of a feed, and return how many comments of each kind it has."""
    found = check("comment", body)
    assert found.failure is None
    seen: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    notes: Counter[tuple[str, str]] = Counter()
    for bad in found.bad:
        comment = items[bad.index].get("comment") if prefix else items[bad.index]
        kind = "no-comment" if comment is None else kinds[comment["id"]]
        seen[kind] += 1
        expected = ("COMMENT_MISSING", "/") if comment is None else (REJECTED[kind][0], prefix + REJECTED[kind][1])
        assert (bad.code, bad.path) == expected, kind
    for item in found.items:
        kind = kinds[(item.value["comment"] if prefix else item.value)["id"]]
        seen[kind] += 1
        codes, fields, counted = ACCEPTED[kind]
        assert item.notes == codes, kind
        # A wrapped item without its comment is never accepted.
        assert not (prefix and kind == "no-comment")
        unknown.update(prefix + field for field in fields)
        notes.update((code, path if path in WITHOUT_PATH else prefix + path) for code, path in counted)
    assert found.unknown == unknown
    assert found.notes == notes
    assert [each.index for each in found.items] == sorted(set(range(len(items))) - {bad.index for bad in found.bad})
    return seen
