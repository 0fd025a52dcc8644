"""The part of TMDb that telecine reads: metadata of the world's movies and shows, at /3/movie/{id} and /3/tv/{id}."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.answer import Answer
from jobs.trakt.replayer.clock import DAY, START, iso
from jobs.trakt.replayer.draw import mix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.trakt.replayer.world import World

__all__ = ["ROOT", "metadata", "metadata_answer"]

ROOT: Final = "3"
"""First part of the paths."""

# Any token is accepted unless it is too short, so that a test can present an invalid one.
_TOKEN: Final = re.compile(r"Bearer [!-~]{8,4096}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_KINDS: Final = {"movie": "movie", "tv": "show"}
_GENRES: Final = ((18, "Drama"), (53, "Thriller"), (35, "Comedy"), (878, "Science Fiction"), (99, "Documentary"))
# Status, TMDb's own code and words.
_REFUSED: Final = (401, 7, "Invalid API key: You must be granted a valid key.")
_NOT_FOUND: Final = (404, 34, "The resource you requested could not be found.")
_NOT_ALLOWED: Final = (405, 4, "Invalid format: This service doesn't exist in that format.")


def metadata_answer(world: World, method: str, headers: Mapping[str, str], parts: Sequence[str]) -> Answer:
    """Return TMDb's answer at the time of the world.

    Args:
        world: the data.
        method: HTTP method.
        headers: of the request, by name in lower case.
        parts: the path below /3, split at its slashes and decoded.
    """
    if method not in ("GET", "HEAD"):
        return _failed(*_NOT_ALLOWED)
    if not _TOKEN.fullmatch(headers.get("authorization", "")):
        return _failed(*_REFUSED)
    match parts:
        case ["movie" | "tv" as name, text] if _DIGITS.fullmatch(text):
            kind, wanted = _KINDS[name], int(text)
        case _:
            return _failed(*_NOT_FOUND)
    for title in world.catalogue.titles:
        if (title.kind, title.tmdb) == (kind, wanted):
            return Answer(200, _encoded(metadata(world, title.number)), rows=1, from_api=False)
    return _failed(*_NOT_FOUND)


def metadata(world: World, number: int) -> dict[str, Any]:
    """Return a title's metadata. It changes once a day of the world's clock, whatever happens at Trakt.

    Args:
        world: what is true.
        number: of the title.
    """
    title = world.catalogue.titles[number]
    bits = mix(world.seed + 80, number)
    day = (world.now - START) // DAY
    genres = dict.fromkeys(_GENRES[(bits >> shift) % len(_GENRES)] for shift in (0, 8))
    released = iso(world.launch - (mix(world.seed + 47, number) % 30) * DAY)[:10]
    found: dict[str, Any] = {
        "id": title.tmdb,
        "imdb_id": title.imdb,
        "adult": False,
        "original_language": "en",
        "overview": f"A {title.kind} that exists only here.",
        "genres": [{"id": number, "name": name} for number, name in genres],
        # Up to a fifth more or less than usual.
        "popularity": round((1 + bits % 4_000 / 10) * (0.8 + mix(bits, day) % 4_000 / 10_000), 3),
        "vote_average": round(4 + (bits >> 24) % 50 / 10, 1),
        "vote_count": 20 + (bits >> 32) % 900 + 3 * day,
        "status": "Released" if title.kind == "movie" else "Ended",
    }
    if title.kind == "movie":
        more = {"title": title.name, "release_date": released, "runtime": 80 + mix(world.seed + 47, number) % 60}
    else:
        more = {"name": title.name, "first_air_date": released, "episode_run_time": [], "number_of_seasons": 1}
    return found | more


def _failed(status: int, code: int, words: str) -> Answer:
    body = _encoded({"success": False, "status_code": code, "status_message": words})
    return Answer(status, body, from_api=False)


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
