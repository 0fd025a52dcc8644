"""`/sessions/by-key`: one session with its pictures, values over time and lineage."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from jobs.console.access.guard import GuardedRoute, allow
from jobs.console.errors import BadQuery, Refused
from jobs.console.model import Role
from jobs.console.pages.gamedata.sessions import LISTING, PATH, SESSION_PATH, SessionsQuery, flags_of, name_of
from jobs.console.pages.gamedata.sprites import Sprite, picture
from jobs.console.tables.gamedata import sessions
from jobs.console.tables.gamedata.sessions import TooLarge
from jobs.console.web.listing import Condition
from jobs.console.web.neighbours import neighbours
from jobs.console.web.query import parse
from jobs.console.web.state import console
from jobs.console.web.tree import tree
from shared.report import series
from shared.text import clean_text, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.console.tables.gamedata.sessions import Frames
    from jobs.console.web.tree import Node

__all__ = ["router"]

router = APIRouter(route_class=GuardedRoute)

# Defaults of gamedata: the table does not store a manifest's thresholds.
_DARK_LUMA: Final = 15.0
_STILL_SHARE: Final = 0.6
_MOST_KEY_BYTES: Final = 1_024
# Longer series are thinned out, because a chart is 860 units wide.
_MOST_FRAMES: Final = 400
# Maximum number of parent folders shown as links.
_MOST_FOLDERS: Final = 12
_MOST_FILTER_CHARS: Final = 200


class _Asked(NamedTuple):
    s3_key: str
    query: SessionsQuery


class _Tile(NamedTuple):
    """One picture of a session: its place in the sprite, and its time."""

    x: int
    y: int
    time: str


def _asked(request: Request) -> _Asked:
    """Return the key, including its spaces, and the query of the list that links here."""
    pairs = request.query_params.multi_items()
    keys = [value for name, value in pairs if name == "key"]
    if len(keys) != 1 or not keys[0] or "\0" in keys[0] or len(keys[0].encode("utf-8", "replace")) > _MOST_KEY_BYTES:
        raise BadQuery(
            ["'key' is missing, given twice or too long; expected the key of one session, as in its TAR key"]
        )
    return _Asked(keys[0], parse(SessionsQuery, [(name, value) for name, value in pairs if name != "key"]))


@router.get(SESSION_PATH)
@allow(Role.VIEWER)
def session(request: Request, asked: Annotated[_Asked, Depends(_asked)]) -> HTMLResponse:
    """Show a session."""
    s3_key, query = asked
    with console(request).database.read() as database:
        found = sessions.session(database, s3_key)
        if found is None:
            raise Refused(
                404,
                f"there is no session '{clean_text(one_line(s3_key), 200)}'; telecine gamedata publish writes"
                " sessions, and removes those that are no longer in the manifest",
                code="session_missing",
            )
        frames = sessions.frames(database, s3_key)
        identity = Condition("key", "s.s3_key = :s3_key", {"s3_key": s3_key})
        before, after = neighbours(database, LISTING, query, identity)
    sprite = picture(found)
    return console(request).pages.render(
        request,
        "gamedata/session.html.j2",
        session={name: sessions.finite(value) for name, value in found._asdict().items()},
        name=name_of(s3_key),
        folders=_folders(s3_key),
        flags=flags_of(found),
        sprite=sprite,
        tiles=_tiles(sprite, found.sprite_times_s or ()) if sprite else [],
        charts=_charts(frames, found.duration_s) if frames and frames.time_s else None,
        frames=frames,
        devices=_devices(found),
        inputs=_inputs(found),
        video=_tree(found, "video_metadata"),
        metadata=_tree(found, "session_metadata"),
        further=_tree(found, "further_checks"),
        query=query,
        list_path=PATH,
        before=before and query.url(SESSION_PATH, key=before.s3_key),
        after=after and query.url(SESSION_PATH, key=after.s3_key),
    )


def _tree(row: Any, name: str) -> Node | TooLarge:
    """Return the tree of a JSON column; its beginning if it is too large."""
    value = sessions.json_value(getattr(row, name), getattr(row, f"{name}_bytes"))
    return value if isinstance(value, TooLarge) else tree(value)


def _folders(s3_key: str) -> list[tuple[str, str | None]]:
    """Return the key's folders with links to their sessions; None where the filter cannot contain the folder."""
    parts = s3_key.split("/")[:-1]
    found: list[tuple[str, str | None]] = []
    for index, part in enumerate(parts[:_MOST_FOLDERS], 1):
        prefix = "/".join(parts[:index]) + "/"
        usable = prefix == prefix.strip() and len(prefix) <= _MOST_FILTER_CHARS and prefix.isprintable()
        found.append((part, SessionsQuery().url(PATH, prefix=prefix) if usable else None))
    return found


def _tiles(sprite: Sprite, times_s: Sequence[float | None]) -> list[_Tile]:
    shown = [*times_s[: sprite.tiles], *[None] * sprite.tiles][: sprite.tiles]
    return [
        _Tile(*sprite.place(index), "" if at is None or not math.isfinite(at) else series.clock(at))
        for index, at in enumerate(shown)
    ]


def _charts(frames: Frames, duration_s: float | None) -> dict[str, Any]:
    """Return the charts of a session."""
    every = max(1, math.ceil(len(frames.time_s) / _MOST_FRAMES))
    end_s = sessions.finite(duration_s) or 0.0
    time_s = frames.time_s[::every]

    def part(values: list[Any]) -> list[Any]:
        return values[::every]

    def middle(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    bars = {side: middle(getattr(frames, f"border_{side}")) for side in ("top", "bottom", "left", "right")}
    menus = None
    if frames.is_menu is not None:
        words = {True: "menu", False: "no menu", None: "unknown"}
        states = [
            "damaged" if corrupt else words[menu]
            for menu, corrupt in zip(part(frames.is_menu), part(frames.is_corrupt), strict=True)
        ]
        menus = series.ribbon(time_s, states, end_s=end_s)
    return {
        "luma": series.line(
            time_s,
            part(frames.luma_mean),
            end_s=end_s,
            top=255.0,
            band=(part(frames.luma_p01), part(frames.luma_p99)),
            limit=_DARK_LUMA,
        ),
        "still": series.line(time_s, part(frames.static_share), end_s=end_s, top=1.0, limit=_STILL_SHARE),
        "menus": menus,
        "bars": bars,
        "bars_figure": series.borders(160, 90, **bars),
        "shown": len(time_s),
    }


def _devices(row: Any) -> list[tuple[str, int, int]]:
    """Return seconds per device, each with its share of the longest in percent."""
    found = [("keyboard or mouse", row.input_desk_s), ("gamepad", row.input_gamepad_s)]
    known = [(name, max(0, seconds)) for name, seconds in found if seconds is not None]
    longest = max((seconds for _, seconds in known), default=0) or 1
    return [(name, seconds, round(100 * seconds / longest)) for name, seconds in known]


def _inputs(row: Any) -> list[tuple[str, int]]:
    names = ("events", "keyboard", "mouse", "gamepad", "unordered", "invalid")
    found = [(name, getattr(row, f"input_{name}")) for name in names]
    return [(name, value) for name, value in found if value is not None]
