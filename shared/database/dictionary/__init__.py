"""The data dictionary: what every table, view and column means, one module per schema.

docs/tables.md is generated from it and from a migrated database's catalog, which has the types. A test compares the
two: a migration that adds a column adds its description here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.catalog import CATALOG
from shared.database.dictionary.console import CONSOLE
from shared.database.dictionary.gamedata import FRAME_ROWS, FRAMES, SESSIONS
from shared.database.dictionary.ledger import LEDGER
from shared.database.dictionary.relation import Relation
from shared.database.dictionary.screenalytics import CAST_PERSONS, PERSONS, SCREENALYTICS
from shared.database.dictionary.trakt import TRAKT
from shared.database.dictionary.trakt_gold import TRAKT_GOLD
from shared.database.dictionary.trakt_pages import TRAKT_PAGES
from shared.database.dictionary.viewership import VIEWERSHIP

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DICTIONARY", "Relation"]

DICTIONARY: Final[Mapping[str, Relation]] = {
    "gold.gamedata_sessions": SESSIONS,
    "gold.gamedata_frames": FRAMES,
    "gold.gamedata_frame_rows": FRAME_ROWS,
    "gold.screenalytics_persons": PERSONS,
    "gold.screenalytics_casts": CAST_PERSONS,
    **VIEWERSHIP,
    **CATALOG,
    **SCREENALYTICS,
    **TRAKT_PAGES,
    **TRAKT,
    **TRAKT_GOLD,
    **LEDGER,
    **CONSOLE,
}
