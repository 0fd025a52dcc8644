"""Compute silver again from bronze in plain Python, and compare it with the build of this machine.

For each comment, the newest sighting decides, and of several in one second the one that was changed last; a 404 that is
newer than all sightings means deleted. The history of a comment is compared as one value. Nothing here is shared with
the SQL of the models.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow.parquet as pq

from jobs.trakt.audit.history import NO_TITLE, State, history_of
from jobs.trakt.bronze.data_files import open_parquet
from jobs.trakt.bronze.live_files import snapshot
from jobs.trakt.modelling.environment import salt
from jobs.trakt.modelling.silver import COLUMNS, export_silver
from shared.errors import DataError, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobs.trakt.audit.history import Title
    from jobs.trakt.audit.model import Check
    from jobs.trakt.bronze.live_files import Snapshot
    from jobs.trakt.bronze.place import BronzePlace
    from jobs.trakt.settings import VerifySettings

__all__ = ["check_silver", "is_chosen"]

_BATCH: Final = 65_536
_MIX: Final = 0x9E3779B97F4A7C15
_64_BITS: Final = 2**64
_TITLE: Final = re.compile(r"(movie|show)-([0-9]+)(?:/([0-9]+))?(?:/([0-9]+))?")
_ELSEWHERE: Final = re.compile(r"(season|episode|list)-[0-9]+")
_DIGITS: Final = 16
_BEGAN: Final = datetime(2010, 1, 1, tzinfo=UTC)
_LATE: Final = timedelta(days=7)


class _Sighting(NamedTuple):
    at: datetime
    sha: str
    title: Title | None


@dataclass(slots=True)
class _Comment:
    payloads: dict[str, bytes] = field(default_factory=dict)
    seen: list[_Sighting] = field(default_factory=list)
    gone: list[datetime] = field(default_factory=list)


def is_chosen(comment_id: int, share: float) -> bool:
    """Return whether a comment is in a share of all, which its id decides.

    >>> sum(is_chosen(number, 0.25) for number in range(10_000)) // 100
    25
    """
    return (comment_id * _MIX) % _64_BITS < share * _64_BITS


def check_silver(settings: VerifySettings, place: BronzePlace, check: Check) -> None:
    """Compare the comments of silver with those that follow from bronze.

    Args:
        settings: name the folder of builds, the salt, and the share of comments.
        place: the bronze table.
        check: receives the findings.

    Raises:
        SaltMissing: the salt is not set.
        IntegrityError: the DuckDB file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="telecine-verify-") as folder:
        target = Path(folder) / "silver.parquet"
        build = export_silver(settings, target)
        newest = snapshot(place)
        if build is None or build.table != place.uri:
            if newest.files:
                check.add("SILVER_ABSENT", "silver", "there is no build of this bronze table on this machine")
            return
        if build.version < newest.version:
            message = f"it has version {build.version} of bronze; the newest is {newest.version}"
            check.add("SILVER_STALE", f"build {build.build_id}", message)
        try:
            found = newest if build.version == newest.version else snapshot(place, build.version)
            expected = dict(_expected(place, found, settings, check))
        except (DataError, ObjectMissing):
            # A vacuum has deleted what that version needs.
            return
        _compare(target, expected, settings.silver_share, check)


def _compare(target: Path, expected: dict[int, dict[str, Any]], share: float, check: Check) -> None:
    names = (*COLUMNS, "history")
    with pq.ParquetFile(target) as file:
        for batch in file.iter_batches(_BATCH):
            for row in batch.to_pylist():
                number = row["comment_id"]
                if not is_chosen(number, share):
                    continue
                check.checked += 1
                row["history"] = [State(**state) for state in row["history"] or ()]
                wanted = expected.pop(number, None)
                if wanted is None:
                    check.add("SILVER_EXTRA", f"comment {number}", "bronze has no observation of it")
                elif differing := [name for name in names if row[name] != wanted[name]]:
                    # Names of columns only: a report does not quote what people wrote.
                    message = f"differs from bronze in {', '.join(differing)}"
                    check.add("SILVER_DIFFERS", f"comment {number}", message)
    for number in sorted(expected):
        check.add("SILVER_MISSING", f"comment {number}", "bronze has it, and silver does not")


def _expected(
    place: BronzePlace, found: Snapshot, settings: VerifySettings, check: Check
) -> Iterator[tuple[int, dict[str, Any]]]:
    comments = _observations(place, found, settings.silver_share, check)
    key = salt(settings)
    for number, comment in comments.items():
        seen = [each for each in comment.seen if each.sha in comment.payloads]
        if seen:
            yield number, _state(number, comment, seen, key)


def _observations(place: BronzePlace, found: Snapshot, share: float, check: Check) -> dict[int, _Comment]:
    comments: defaultdict[int, _Comment] = defaultdict(_Comment)
    for kind, row in _rows(place, found):
        at = row["observed_at"]
        title = _title(row["title_kind"], row["title_id_trakt"], row["season"], row["episode"])
        if kind == "page":
            held = json.loads(row["payload"])
            titles = held.get("titles") or [""] * len(held["ids"])
            for number, sha, text in zip(held["ids"], held["sha"], titles, strict=True):
                if number is not None and is_chosen(number, share):
                    comments[number].seen.append(_Sighting(at, sha, title or _parsed(text)))
        elif is_chosen(row["comment_id"], share):
            comment = comments[row["comment_id"]]
            if kind == "comment_gone":
                comment.gone.append(at)
            else:
                sha = row["payload_sha256"][:_DIGITS]
                comment.payloads[sha] = row["payload"].encode()
                if hashlib.sha256(comment.payloads[sha]).hexdigest() != row["payload_sha256"]:
                    check.add("ROW_DAMAGED", f"comment {row['comment_id']}", f"its hash is not {sha}...")
                comment.seen.append(_Sighting(at, sha, title))
    return comments


def _rows(place: BronzePlace, found: Snapshot) -> Iterator[tuple[str, dict[str, Any]]]:
    names = ["comment_id", "payload", "payload_sha256", "observed_at"]
    names += ["title_kind", "title_id_trakt", "season", "episode"]
    for file in found.files:
        if file.kind not in {"comment", "comment_gone", "page"}:
            continue
        with open_parquet(place.store, file.key, file.size) as parquet:
            for batch in parquet.iter_batches(batch_size=_BATCH, columns=names):
                for row in batch.to_pylist():
                    yield file.kind, row


def _title(kind: str | None, number: int | None, season: int | None, episode: int | None) -> Title | None:
    return None if kind is None or number is None else (kind, number, season, episode)


def _parsed(text: str) -> Title | None:
    if _ELSEWHERE.fullmatch(text):
        return NO_TITLE
    found = _TITLE.fullmatch(text)
    if found is None:
        return None
    kind, *numbers = found.groups()
    first, season, episode = (None if each is None else int(each) for each in numbers)
    return _title(kind, first, season, episode)


def _state(number: int, comment: _Comment, seen: Iterable[_Sighting], key: str) -> dict[str, Any]:
    items: dict[str, dict[str, Any]] = {sha: json.loads(comment.payloads[sha]) for sha in {each.sha for each in seen}}
    changed = {sha: _changed(item) for sha, item in items.items()}

    def rank(each: _Sighting) -> Any:
        title = each.title or NO_TITLE
        # None is the smallest of each part, as NULL is last in a descending order.
        parts = (title[0] or "", *(-1 if part is None else part for part in title[1:]), each.title == NO_TITLE)
        return (each.at, changed[each.sha] or datetime.min.replace(tzinfo=UTC), each.sha, parts)

    ordered = sorted(seen, key=rank)
    first_at = ordered[0].at
    last = ordered[-1]
    # At one instant, the highest rank counts.
    first = next(each for each in reversed(ordered) if each.at == first_at)
    winners = list({each.at: each for each in ordered}.values())
    titles = [each.title for each in winners if each.title is not None]
    title = titles[-1] if titles else NO_TITLE
    # Times are whole seconds, and a comment is asked for after it was seen.
    gone = [at for at in comment.gone if at >= last.at]
    values = {sha: _values(item) for sha, item in items.items()}
    created, updated = values[last.sha]["created_at"], values[last.sha]["updated_at"]
    # A time before the site began, or a day after it was seen, has no day.
    is_dated = created is not None and _BEGAN <= created <= first_at + timedelta(days=1)
    return {
        "comment_id": number,
        "payload_sha": last.sha,
        **dict(zip(("title_kind", "title_id_trakt", "season", "episode"), title, strict=True)),
        **values[last.sha],
        "changed_at": changed[last.sha],
        "user_rating_first_seen": values[first.sha]["user_rating"],
        "user_key": _user_key(number, items[last.sha].get("user"), key),
        "first_seen_at": first_at,
        "last_seen_at": last.at,
        "is_deleted": bool(gone),
        "deleted_at": min(gone, default=None),
        "day": created.date() if is_dated else None,
        "is_time_out_of_range": not is_dated
        or (updated is not None and not _BEGAN <= updated <= last.at + timedelta(days=1)),
        "is_edited": None not in {created, updated} and updated > created,
        "is_backfilled": created is None or first_at - created > _LATE,
        "history": history_of(winners, comment.gone, values),
    }


def _values(item: dict[str, Any]) -> dict[str, Any]:
    """Return what a payload says by itself."""
    user, stats = _object(item.get("user")), _object(item.get("user_stats"))
    return {
        "parent_id": _whole(item.get("parent_id")),
        "is_reply": _whole(item.get("parent_id")) not in {None, 0},
        "created_at": _time(item.get("created_at")),
        "updated_at": _time(item.get("updated_at")),
        "body": _text(item.get("comment")),
        "is_spoiler": item.get("spoiler"),
        "is_review": item.get("review"),
        "likes": _whole(item.get("likes")),
        "replies": _whole(item.get("replies")),
        "language": _text(item.get("language")),
        "user_rating": _number(item.get("user_rating")),
        "play_count": _whole(stats.get("play_count")),
        "completed_count": _whole(stats.get("completed_count")),
        "is_private": user.get("private"),
        "is_user_deleted": user.get("deleted"),
        "is_vip": user.get("vip"),
    }


def _changed(item: dict[str, Any]) -> datetime | None:
    times = [at for at in (_time(item.get("created_at")), _time(item.get("updated_at"))) if at is not None]
    return max(times, default=None)


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value.upper())
    except (AttributeError, ValueError):
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)


def _text(value: str | None) -> str | None:
    return None if value is None else value.replace("\0", "\ufffd")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63 else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _user_key(number: int, user: Any, key: str) -> str:
    user = _object(user)
    ids = user.get("ids") or {}
    if ids.get("slug") not in (None, ""):
        name = f"slug:{ids['slug']}"
    elif ids.get("trakt") not in (None, ""):
        name = f"trakt:{ids['trakt']}"
    elif user.get("username") not in (None, "") and user.get("deleted") is not True:
        name = f"name:{user['username']}"
    else:
        name = f"comment:{number}"
    return hashlib.sha256(f"{key}:{name}".encode()).hexdigest()
