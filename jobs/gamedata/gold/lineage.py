"""Columns of ``gold.gamedata_sessions`` from the manifest bucket: the ``.pt`` file, the sprite and the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.gold.results import INPUTS
from jobs.gamedata.gold.sessions import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobs.gamedata.gold.results import Results
    from jobs.gamedata.gold.sprites import Sprites

__all__ = ["COLUMNS", "Lineage"]

_SPRITE: Final = (
    *("sprite_key", "sprite_tile_width", "sprite_tile_height", "sprite_columns", "sprite_tiles", "sprite_times_s"),
    "sprite_error",
)
COLUMNS: Final = ("pt_key", *_SPRITE, *INPUTS)
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(COLUMNS)


class Lineage:
    """These columns of S sessions.

    Args:
        results: the results of the sessions; None if there is no manifest bucket.
        sprites: their sprites.
    """

    def __init__(self, results: Results | None, sprites: Sprites) -> None:
        self._sprites = sprites
        self._rows: dict[str, int] = {}
        self._columns: dict[str, list[Any]] = {}
        if results is not None:
            self._tiles = results.tiles()
            self._times = results.table["frame_time_s"]
            names = ("s3_key", "stored", "pt_key", *INPUTS)
            self._columns = {name: results.table[name].to_pylist() for name in names}
            self._rows = {key: row for row, key in enumerate(self._columns["s3_key"])}

    def join(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows of sessions with these columns, NULL for a session without results."""
        for row in rows:
            yield row | self._of(row["s3_key"])

    def _of(self, key: str) -> dict[str, Any]:
        row = self._rows.get(key)
        if row is None:
            return _NOTHING
        values = {name: clean(self._columns[name][row]) for name in INPUTS}
        values |= dict.fromkeys(_SPRITE)
        values["pt_key"] = clean(self._columns["pt_key"][row]) if self._columns["stored"][row] else None
        values["sprite_error"] = self._sprites.errors.get(key)
        if sprite := self._sprites.keys.get(key):
            times = self._times[row].as_py()
            values["sprite_key"] = sprite.text
            values["sprite_times_s"] = [times[frame] for frame in self._tiles[row] if frame >= 0]
            for name, value in sprite.geometry._asdict().items():
                values[f"sprite_{name}"] = value
        return values
