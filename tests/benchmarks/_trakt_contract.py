"""Pages of synthetic comments: parsed, validated and encoded by the contract's check, and by other ways."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator as PythonValidator
from jsonschema_rs import Draft202012Validator as RustValidator

from jobs.trakt.contract.check import check
from jobs.trakt.contract.document import document
from tests.benchmarks._table import machine, measure, print_table
from tests.trakt_answers import comment, encode, feed_item

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["contract", "page"]

_PAGE: Final = 250
_SEED: Final = 20260502
_WORDS: Final = ("slow", "first", "act", "superb", "last hour", "the score", "carries it", "a café scene", "never ends")
_BASELINE: Final = "jsonschema (Python), only validated"
# Of the pages; the pure-Python validator takes four minutes for a million comments.
_SAMPLE: Final = 20


def contract(*, quick: bool = False) -> None:
    """Print items per CPU second of each way to read a million-like set of comments."""
    pages = [page(number) for number in range(20 if quick else 400)]
    items = len(pages) * _PAGE
    body = [encode(page) for page in pages]
    unknown = [encode([{**item, "reactions": {"total": 3}} for item in page]) for page in pages]
    wrapped = [encode([feed_item("movie", comment=item) for item in page]) for page in pages]
    escaped = [json.dumps([*page[:-1], comment(comment="\U0001f600")]).encode() for page in pages]
    one_bad = [encode([*page[:-1], {"id": 0}]) for page in pages]
    python = PythonValidator(document("comment"))
    rust = RustValidator(document("comment"), validate_formats=True)

    def with_python() -> float:
        assert all(python.is_valid(item) for page in pages[:: len(pages) // _SAMPLE] for item in page)
        return len(pages) / len(pages[:: len(pages) // _SAMPLE])

    def with_rust() -> None:
        assert all(rust.is_valid(item) for page in pages for item in page)

    ways: dict[str, Callable[[], float | None]] = {
        _BASELINE: with_python,
        "jsonschema-rs, only validated": with_rust,
        "json.loads, nothing validated": lambda: [json.loads(page) for page in body] and None,
        "check: usual pages": lambda: _accepted(body, items),
        "check: items of feeds": lambda: _accepted(wrapped, items),
        "check: every item has an unknown field": lambda: _accepted(unknown, items),
        "check: one bad item a page": lambda: _accepted(one_bad, items - len(pages)),
        "check: an escaped emoji in every page": lambda: _accepted(escaped, items),
    }
    rows = measure(ways, rounds=3, once=[_BASELINE])
    slowest = next(row.cpu_s for row in rows if row.name == _BASELINE)
    size = sum(map(len, body)) / items
    print(machine())
    print_table(
        f"{items:,} comments of {size:.0f} bytes in pages of {_PAGE} (CPU, medians; check parses, validates, encodes)",
        ["way", "items per CPU s", "us per item", "x jsonschema (Python)"],
        [
            [row.name, f"{items / row.cpu_s:,.0f}", f"{row.cpu_s / items * 1e6:.1f}", f"{slowest / row.cpu_s:.1f}"]
            for row in rows
        ],
    )


def _accepted(bodies: list[bytes], expected: int) -> None:
    accepted = sum(len(check("comment", body).items) for body in bodies)
    assert accepted == expected, f"{accepted} accepted instead of {expected}"


def page(number: int) -> list[dict[str, Any]]:
    """Return the comments of a page, the same ones for the same number."""
    draw = random.Random(_SEED + number)
    return [_comment(draw, number * _PAGE + index + 1) for index in range(_PAGE)]


def _comment(draw: random.Random, number: int) -> dict[str, Any]:
    name = f"user_{draw.randrange(100_000):05d}"
    day = f"{draw.randrange(2012, 2026)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
    is_private = draw.random() < 0.05
    hidden = {} if is_private else {"name": name.title(), "vip": False, "vip_ep": False, "director": False}
    mark = draw.randrange(1, 11)
    return comment(
        id=number,
        created_at=f"{day}T{draw.randrange(24):02d}:04:11.000Z",
        updated_at=f"{day}T23:20:45.000Z",
        comment=" ".join(draw.choices(_WORDS, k=min(400, int(draw.lognormvariate(3, 0.8)) + 5))),
        likes=draw.randrange(50),
        user_rating=mark,
        user_stats={"rating": mark, "play_count": 2, "completed_count": 1},
        user={"username": name, "private": is_private, "deleted": False, **hidden, "ids": {"slug": name}},
    )
