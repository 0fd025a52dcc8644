"""Keys that wait for review: one or more for each test of the review page, told apart by a word of their titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.viewership_rows import catalogue, row, upload

if TYPE_CHECKING:
    from tests.postgres_server import Database

__all__ = ["PAGES", "WORDS", "seed"]

PAGES = (
    "/review",
    "/review?find=storm&scores=hide",
    "/review?view=list&limit=3",
    "/review?q=no-such-title",
    "/review/history?limit=3",
)
# Each test decides on the keys of its own word.
WORDS = ("choose", "alias", "reject", "undo", "twice", "plain", "dead", "back", "held", "phone")
_HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> 'q' \"q\" \u202ertl"


def seed(database: Database) -> None:
    """Write a catalogue, and an upload with three keys a word, and one with a hostile title."""
    catalogue(database)
    upload(
        database,
        [
            *(
                row(
                    f"The Quiet Harvst {word}{number}",
                    str(90 - 3 * place - number),
                    series="Harbour Lights",
                    season="1",
                )
                for place, word in enumerate(WORDS)
                for number in range(3)
            ),
            row(_HOSTILE, "100", series="Harbour Lights", content_id=_HOSTILE),
        ],
    )
