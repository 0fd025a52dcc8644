"""Page objects: the API's answers as received, with request and headers, under keys determined by the request."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from jobs.trakt.model import TitleKind, TitleRef
from shared.errors import DataError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.storage import ObjectStore

__all__ = [
    "FOLDER",
    "WHOLE_ANSWER",
    "ErasedItem",
    "Page",
    "PageObjects",
    "PageRequest",
    "PageResource",
    "check_load_id",
]

PageResource = Literal["comments", "replies", "feed", "comment", "rating", "title", "tmdb"]
"""``comments`` of a title, ``replies`` to a comment and a ``feed`` are lists; the others are single objects."""

FOLDER: Final = "pages"
_LISTS: Final = frozenset({"comments", "replies", "feed"})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_LEVEL: Final = 1  # 598 MB of JSON: 4 s at level 1, 17 s at level 6, for 15 % less
_VERSION: Final = 1
# The contract refuses larger answers; headers and ids of erased items fit into the rest.
_MAX_BYTES: Final = 72 * 2**20
# Session cookies of the server do not belong in a store.
_DROPPED: Final = frozenset({"set-cookie", "set-cookie2"})


def check_load_id(load_id: str) -> str:
    """Return the id of a load if it can be part of a key.

    Raises:
        DataError: it cannot (code ``LOAD_ID``).
    """
    if not _NAME.fullmatch(load_id):
        raise DataError(
            f"{load_id!r} is not a load id; expected at most 100 letters, digits, '-', '_' and '.'",
            code="LOAD_ID",
        )
    return load_id


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request whose answer becomes one page object.

    Attributes:
        load_id: the load that it belongs to.
        resource: the kind of answer.
        title: the requested title; None for feeds, comments and replies.
        sort: sort order of a list; for a feed its name, such as ``updates``.
        page: number of the page, from 1; None unless the answer is a list.
        limit: requested items per page; slices of a bad page have smaller limits.
        season: number of the season, if comments of a season were requested.
        episode: number of the episode, if comments of an episode were requested.
        comment_id: the comment, for ``comment`` and ``replies``.
        read: 1, or higher for further reads of the same page in one load, such as for overlap.
    """

    load_id: str
    resource: PageResource
    title: TitleRef | None = None
    sort: str | None = None
    page: int | None = None
    limit: int | None = None
    season: int | None = None
    episode: int | None = None
    comment_id: int | None = None
    read: int = 1

    @property
    def is_list(self) -> bool:
        """Return whether the answer is a list."""
        return self.resource in _LISTS

    @property
    def key(self) -> str:
        """Return the key of the page object.

        Example:
            >>> PageRequest("load-1", "comments", TitleRef("movie", 12), sort="oldest", page=3, limit=250).key
            'pages/load-1/comments/movie-12/oldest-250-0000003.json.gz'
            >>> PageRequest("load-1", "comment", comment_id=5, read=2).key
            'pages/load-1/comment/5/answer-r2.json.gz'
        """
        subject = "all" if self.comment_id is None else str(self.comment_id)
        if self.title is not None:
            subject = str(self.title)
        if self.season is not None:
            subject += f"-s{self.season}"
        if self.episode is not None:
            subject += f"-e{self.episode}"
        name = "answer"
        if self.is_list:
            name = f"{self.sort or 'default'}-{self.limit or 0:03}-{1 if self.page is None else self.page:07}"
        again = f"-r{self.read}" if self.read > 1 else ""
        return f"{FOLDER}/{check_load_id(self.load_id)}/{self.resource}/{subject}/{name}{again}.json.gz"

    def __post_init__(self) -> None:
        """Check the fields that become part of a key."""
        check_load_id(self.load_id)
        if self.resource not in get_args(PageResource) or (self.sort is not None and not _NAME.fullmatch(self.sort)):
            raise DataError(
                f"{self.resource!r} or its sort {self.sort!r} cannot be part of a key; expected a resource of pages and"
                " at most 100 letters, digits, '-', '_' and '.'",
                code="PAGE_REQUEST",
            )


@dataclass(frozen=True, slots=True)
class ErasedItem:
    """An item of a page whose user was erased.

    Attributes:
        index: its position in the answer.
        id: the comment's id; None if the item had none.
        sha: first 16 hex digits of its payload's SHA-256; None if the item was not accepted.
    """

    index: int
    id: int | None
    sha: str | None


WHOLE_ANSWER: Final = ErasedItem(-1, None, None)
"""Stands for an answer that could not be parsed and whose text contained the name of an erased user."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the API, as received.

    Attributes:
        request: the request.
        path: path and query of the request.
        status: HTTP status, 200 or 404.
        headers: names in lower case; cookies are not stored.
        body: the body, after Content-Encoding is removed.
        requested_at: local time of the request.
        fetched_at: local time when the answer was complete.
        observed_at: when the server was in this state: its Date minus Age.
        attempt: number of attempts that this answer took.
        run_id: the run that sent the request.
        source_system: ``trakt`` or ``replay``.
        is_synthetic: whether the data are generated.
        erased: items of erased users; each is ``null`` in the body's list.
    """

    request: PageRequest
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    requested_at: datetime
    fetched_at: datetime
    observed_at: datetime
    run_id: str
    attempt: int = 1
    source_system: Literal["trakt", "replay"] = "trakt"
    is_synthetic: bool = False
    erased: tuple[ErasedItem, ...] = field(default=())

    @property
    def key(self) -> str:
        """Return the key of the page object."""
        return self.request.key

    def header_number(self, name: str) -> int | None:
        """Return the number in a header; None if it is absent or not a 63-bit number."""
        text = self.headers.get(name, "").strip()
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004

    def without(self, body: bytes, erased: tuple[ErasedItem, ...]) -> Page:
        """Return the page with another body and record of erased items."""
        return replace(self, body=body, erased=erased)


class PageObjects:
    """Page objects of a bucket.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, page: Page) -> str:
        """Write a page object atomically, replacing an existing one, and return its key."""
        self._store.put(page.key, encode(page))
        return page.key

    def get(self, key: str) -> Page:
        """Read a page object.

        Raises:
            ObjectMissing: the object does not exist.
            IntegrityError: the object is damaged, or is not a page object.
        """
        return decode(self._store.read(key), f"{self._store.uri}/{key}")

    def keys(self, load_id: str) -> Iterator[str]:
        """Yield the keys of a load's page objects, in byte order."""
        for info in self._store.list(f"{FOLDER}/{check_load_id(load_id)}/"):
            yield info.key

    def all_keys(self) -> Iterator[str]:
        """Yield the keys of all page objects, in byte order."""
        for info in self._store.list(f"{FOLDER}/"):
            yield info.key


def encode(page: Page) -> bytes:
    """Return the content of a page object: a line of JSON about the answer, then its body, compressed with gzip."""
    request = page.request
    about: dict[str, Any] = {
        "version": _VERSION,
        "request": {
            name: getattr(request, name)
            for name in ("load_id", "resource", "sort", "page", "limit", "season", "episode", "comment_id", "read")
        },
        "title": None if request.title is None else [request.title.kind, request.title.trakt_id],
        "path": page.path,
        "status": page.status,
        "headers": {name.lower(): text for name, text in page.headers.items() if name.lower() not in _DROPPED},
        "requested_at": page.requested_at.astimezone(UTC).isoformat(),
        "fetched_at": page.fetched_at.astimezone(UTC).isoformat(),
        "observed_at": page.observed_at.astimezone(UTC).isoformat(),
        "run_id": page.run_id,
        "attempt": page.attempt,
        "source_system": page.source_system,
        "is_synthetic": page.is_synthetic,
        "erased": [[item.index, item.id, item.sha] for item in page.erased],
    }
    packer = zlib.compressobj(_LEVEL, wbits=31)  # gzip, without a time: equal pages are equal objects
    return packer.compress(json.dumps(about).encode() + b"\n") + packer.compress(page.body) + packer.flush()


def decode(content: bytes, uri: str) -> Page:
    """Return the page of a page object.

    Args:
        content: the object.
        uri: its URI, for the message.

    Raises:
        IntegrityError: the object is damaged, or is not a page object.
    """
    try:
        unpacker = zlib.decompressobj(wbits=31)
        data = unpacker.decompress(content, _MAX_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError("the object is truncated or too large")  # noqa: TRY301
        line, _, body = data.partition(b"\n")
        return _page(json.loads(line), body)
    except (zlib.error, ValueError, KeyError, TypeError, DataError) as error:
        raise IntegrityError(
            f"{uri} is damaged or not a page object ({type(error).__name__}); expected a page object of an ingest; "
            "delete it and ingest again",
            uri=uri,
        ) from error


def _page(about: dict[str, Any], body: bytes) -> Page:
    if about["version"] != _VERSION:
        raise ValueError("unknown version")
    title = about["title"]
    kind: TitleKind
    if title is not None:
        kind, number = title
        title = TitleRef(kind, int(number))
    return Page(
        PageRequest(title=title, **about["request"]),
        path=about["path"],
        status=about["status"],
        headers=MappingProxyType(about["headers"]),
        body=body,
        requested_at=datetime.fromisoformat(about["requested_at"]),
        fetched_at=datetime.fromisoformat(about["fetched_at"]),
        observed_at=datetime.fromisoformat(about["observed_at"]),
        run_id=about["run_id"],
        attempt=about["attempt"],
        source_system=about["source_system"],
        is_synthetic=about["is_synthetic"],
        erased=tuple(ErasedItem(*item) for item in about["erased"]),
    )
