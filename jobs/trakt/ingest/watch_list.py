"""Watch lists: the titles to read, one per line, resolved to Trakt ids once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.trakt.api.resources import lookup, summary
from jobs.trakt.contract.parse import Unreadable, parse
from jobs.trakt.errors import AmbiguousTitle, TitleUnknown
from jobs.trakt.ingest.titles import TitleFacts
from jobs.trakt.model import TitleRef
from shared.errors import DataError, UsageError
from shared.storage import read_uri
from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from jobs.trakt.api.answer import Answer
    from jobs.trakt.model import TitleKind
    from shared.settings.storage import StorageSettings

    class Client(Protocol):
        """A client of the API."""

        async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Answer:
            """Return the answer to a GET."""
            ...


__all__ = ["Entry", "parse_lines", "parse_names", "read_file", "resolve"]

_SLUG: Final = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_ID: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_EXPECTED: Final = "expected movie:SLUG or show:SLUG, such as movie:dune-2021, or show:id:24 for a Trakt id"
_MAX_BYTES: Final = 4 * 2**20
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A title as a watch list names it.

    Attributes:
        kind: movie or show.
        how: ``name`` for a slug or an IMDb id, ``id`` for a Trakt id, ``slug`` for a slug that is a number.
        name: the slug or id.
        place: where it was named, for messages, such as ``titles.txt, line 3``.
    """

    kind: TitleKind
    how: str
    name: str
    place: str

    @property
    def key(self) -> str:
        """Return it as it is stored, such as ``movie:dune-2021``."""
        return f"{self.kind}:{self.name}" if self.how == "name" else f"{self.kind}:{self.how}:{self.name}"

    @property
    def is_number(self) -> bool:
        """Return whether it is a number that may be an id or a slug; only such a name can be ambiguous."""
        return self.how == "name" and self.name.isdecimal()


def parse_lines(text: str, place: str) -> list[Entry]:
    r"""Return the titles of a watch list: one per line; empty lines and text after ``#`` are ignored.

    Args:
        text: the file.
        place: its name, for messages.

    Raises:
        UsageError: some lines are not titles; the message names the first 20, each with its line.

    Example:
        >>> [each.key for each in parse_lines("# films\nmovie:dune-2021\nshow:id:24\n", "titles.txt")]
        ['movie:dune-2021', 'show:id:24']
    """
    return _parse((f"{place}, line {number}", line) for number, line in enumerate(text.split("\n"), 1))


def parse_names(names: Iterable[str], place: str, kind: TitleKind | None = None) -> list[Entry]:
    """Return the titles of a flag or a variable.

    Args:
        names: the names.
        place: the flag or variable, for messages.
        kind: the kind of names that do not state one.

    Raises:
        UsageError: as :func:`parse_lines`.
    """
    return _parse((place, name if ":" in name or kind is None else f"{kind}:{name}") for name in names)


def _parse(lines: Iterable[tuple[str, str]]) -> list[Entry]:
    found: dict[str, Entry] = {}
    wrong = []
    for place, line in lines:
        text = line.partition("#")[0].strip()
        if not text:
            continue
        entry = _entry(text, place)
        if entry is None:
            wrong.append(f"{place}: {one_line(cut(text, 80))!r} is not a title; {_EXPECTED}")
        else:
            found.setdefault(entry.key, entry)
    if wrong:
        more = [f"and {len(wrong) - _SHOWN:,} more"] if len(wrong) > _SHOWN else []
        raise UsageError("\n".join([*wrong[:_SHOWN], *more]))
    return list(found.values())


def _entry(text: str, place: str) -> Entry | None:
    kind, _, name = text.partition(":")
    if kind not in ("movie", "show"):
        return None
    how, colon, rest = name.partition(":")
    if not colon:
        how, rest = "name", name
    known: TitleKind = "movie" if kind == "movie" else "show"
    if how == "id" and _ID.fullmatch(rest) and int(rest):
        return Entry(known, "id", str(int(rest)), place)
    if how in ("name", "slug") and _SLUG.fullmatch(rest):
        # Only a slug of digits can be taken for an id.
        return Entry(known, how if how == "name" or rest.isdecimal() else "name", rest.lower(), place)
    return None


def read_file(place: str, settings: StorageSettings) -> list[Entry]:
    """Return the titles of a watch list.

    Args:
        place: a path, or ``s3://bucket/key``.
        settings: how to reach the store.

    Raises:
        UsageError: the file does not exist, is not UTF-8, names no title, or has lines that are not titles.
    """
    shown = one_line(place)
    if Path(place).is_dir():
        raise UsageError(f"{shown} is a folder; expected a file with one title per line, such as movie:dune-2021")
    try:
        content = read_uri(place, settings)
    except (DataError, ValueError, OSError) as error:
        raise UsageError(f"{shown} cannot be read: {one_line(error)}; {_EXPECTED}, one per line") from error
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{shown} has {len(content):,} bytes; expected a watch list of at most {_MAX_BYTES:,}")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8; {_EXPECTED}, one per line") from error
    found = parse_lines(text, shown)
    if not found:
        raise UsageError(f"{shown} names no title; {_EXPECTED}")
    return found


async def resolve(client: Client, entry: Entry) -> tuple[Answer, TitleFacts]:
    """Return the title that an entry names, by one request; two or more for a name of digits.

    Raises:
        AmbiguousTitle: a number is the id of one title, and the slug of another.
        TitleUnknown: the API knows no such title now.
        PageFailed: the request failed.
    """
    if entry.how == "slug":
        wanted = await _by_slug(client, entry)
        if wanted is None:
            raise _unknown(entry)
        path = summary(wanted.ref)
    elif entry.how == "id":
        path = summary(TitleRef(entry.kind, int(entry.name)))
    else:
        path = lookup(entry.kind, entry.name)
    answer = await client.get(path, {"extended": "full"})
    facts = None if answer.status != 200 else _facts(entry.kind, answer)  # noqa: PLR2004
    if facts is None:
        raise _unknown(entry)
    if entry.is_number and facts.slug != entry.name:
        # The API looks a number up as an id first; comments of the wrong title would be perfectly valid.
        other = await _by_slug(client, entry)
        if other is not None and other.ref != facts.ref:
            by_id = f"{entry.kind}:id:"
            raise AmbiguousTitle(
                f"{entry.place}: {entry.key} is ambiguous: {entry.name} is the id of {_said(facts)}, and the slug of"
                f" {_said(other)}; expected {by_id}{facts.ref.trakt_id} or {by_id}{other.ref.trakt_id}",
                name=entry.key,
                ids=[facts.ref.trakt_id, other.ref.trakt_id],
            )
    return answer, facts


async def _by_slug(client: Client, entry: Entry) -> TitleFacts | None:
    """Return the title with a slug, by a search, because the path of a slug of digits is that of an id."""
    path = "/search/movie" if entry.kind == "movie" else "/search/show"
    answer = await client.get(path, {"query": entry.name, "limit": 50})
    try:
        items = parse(answer.body).value if answer.status == 200 else []  # noqa: PLR2004
    except Unreadable:
        return None
    for item in items if isinstance(items, list) else []:
        document = item.get(entry.kind) if isinstance(item, dict) else None
        facts = TitleFacts.of(entry.kind, document)
        if facts is not None and facts.slug == entry.name:
            return facts
    return None


def _facts(kind: TitleKind, answer: Answer) -> TitleFacts | None:
    try:
        return TitleFacts.of(kind, parse(answer.body).value)
    except Unreadable:
        return None


def _unknown(entry: Entry) -> TitleUnknown:
    return TitleUnknown(
        f"{entry.place}: {entry.key} is not known to the API now (404); expected the slug of an existing title."
        " Some titles come back after a few days, so the next run asks again",
        name=entry.key,
    )


def _said(facts: TitleFacts) -> str:
    name = facts.title or "a title without a name"
    return f"{one_line(cut(name, 80))} ({facts.ref.kind} {facts.ref.trakt_id}, slug {one_line(facts.slug or 'none')})"
