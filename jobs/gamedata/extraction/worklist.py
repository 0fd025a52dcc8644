"""List the TARs to read: listing or ``--task-list``, minus finished ones; lines without a TAR become error rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Item
from jobs.gamedata.extraction.passed_over import PassedOver, reason_of
from jobs.gamedata.extraction.resume import QUARANTINE_CODES, History
from jobs.gamedata.extraction.task_list import is_uri, read_task_list
from jobs.gamedata.parts.store import PARTS, next_generation
from jobs.gamedata.pt.file import pt_key
from shared.errors import AccessDenied, ConfigurationError, DataError, ItemError, ObjectMissing
from shared.failure import Failure
from shared.samples import RECORD
from shared.storage import FOLLOW_LINK
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.settings import ExtractSettings
    from shared.errors import TelecineError
    from shared.storage import ObjectStore

__all__ = ["Worklist", "make_worklist", "no_tar"]

# A listing returns 1,000 keys per request. For up to this many keys, stat each one instead of listing the bucket.
_STAT_MAX: Final = 1000
_STAT_THREADS: Final = 16


@dataclass(slots=True)
class Worklist:
    """The TARs a run has to read, and the ones it skips.

    Attributes:
        items: TARs to read, sorted by key.
        missing: lines of the task list without a TAR (``tar_missing``, ``key_invalid``); not committed yet.
        passed_over: objects of the source and lines of the task list that are not read and get no row.
        done: number of TARs already committed.
        left_out: number of TARs skipped by ``--only-failed``.
        failed_before: known failures that are not retried.
        quarantined: how many of ``failed_before`` failed twice in the same way, e.g. by a crash or timeout.
        generation: generation of this run's rows.
    """

    items: list[Item] = field(default_factory=list)
    missing: list[tuple[Item, ItemError]] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)
    done: int = 0
    left_out: int = 0
    failed_before: list[Failure] = field(default_factory=list)
    quarantined: int = 0
    generation: int = 1

    def __len__(self) -> int:
        """Count the TARs and lines that have a row or will get one."""
        return len(self.items) + len(self.missing) + self.done + len(self.failed_before) + self.left_out


@dataclass(frozen=True, slots=True)
class _Listed:
    items: list[Item]
    errors: dict[str, ItemError]  # key -> error
    passed_over: PassedOver


def no_tar(worklist: Worklist, settings: ExtractSettings) -> str:
    """Return the message for a source without anything to read."""
    if settings.task_list is not None:
        text = f"--task-list {settings.task_list} names no TAR"
    elif settings.prefix:
        text = f"no TAR in {settings.source_bucket} has a key that starts with '{settings.prefix}'"
    else:
        text = f"{settings.source_bucket} contains no TAR"
    if not worklist.passed_over:
        return text
    return f"{text}; passed over: {worklist.passed_over}; expected keys that end with .tar"


def make_worklist(settings: ExtractSettings, source: ObjectStore, target: ObjectStore) -> Worklist:
    """List the source, compare it with the committed rows, and return the TARs to read and those to skip.

    Raises:
        UsageError: the task list does not exist or is not text.
        BucketMissing: the source bucket does not exist.
    """
    worklist = Worklist()
    listed = _list_source(settings, source, target)
    worklist.passed_over = listed.passed_over
    history = History(settings, target)
    worklist.generation = next_generation(target)
    items = listed.items + [Item(key, 0, "") for key in listed.errors]
    items.sort(key=lambda item: item.key)
    for item in items:
        decision, attempt, last = history.decide(item)
        if decision == "done":
            worklist.done += 1
        elif decision == "left_out":
            worklist.left_out += 1
        elif decision == "failed_before":
            worklist.failed_before.append(
                Failure(
                    item.key,
                    last["error_code"],
                    last["error_message"] or "",
                    bool(last["error_retryable"]),
                    last["attempt"],
                    item.etag or None,
                )
            )
            worklist.quarantined += last["error_code"] in QUARANTINE_CODES
        else:
            todo = item if attempt == item.attempt else Item(item.key, item.size, item.etag, attempt)
            if item.etag:
                worklist.items.append(todo)
            else:
                worklist.missing.append((todo, listed.errors[todo.key]))
    return worklist


def _list_source(settings: ExtractSettings, source: ObjectStore, target: ObjectStore) -> _Listed:
    if settings.task_list is None:
        found, passed_over = [], PassedOver()
        for info in source.list(settings.prefix):
            reason = reason_of(info.key)
            if reason is None:
                found.append(Item(info.key, info.size, info.etag))
            elif not _is_our_file(info.key, source, target):
                passed_over.add(reason, info.key)
        collisions = _collisions(found)
        return _Listed([item for item in found if item.key not in collisions], collisions, passed_over)
    tasks = read_task_list(settings, source.uri)
    answers = _find(source, tasks.keys)
    found = [answer for answer in answers if isinstance(answer, Item)]
    failed = {key: answer for key, answer in zip(tasks.keys, answers, strict=True) if isinstance(answer, ItemError)}
    return _Listed(found, {**failed, **tasks.invalid}, tasks.passed_over)


def _collisions(items: Sequence[Item]) -> dict[str, ItemError]:
    """Return errors for TARs that would share a ``.pt`` file with another: ``a.TAR`` next to ``a.TAR.tar``."""
    odd = [item.key for item in items if not item.key.endswith(".tar")]
    keys = {item.key for item in items} if odd else set()
    return {
        key: item_error("key_invalid", f"'{key}' and '{key}.tar' would both be stored as '{pt_key(key)}'; rename one")
        for key in odd
        if f"{key}.tar" in keys
    }


def _is_our_file(key: str, source: ObjectStore, target: ObjectStore) -> bool:
    """Return True if telecine wrote the object: the record of a sample set, or results stored in the source."""
    if key.rpartition("/")[2] == RECORD:
        return True
    place = f"{source.uri.rstrip('/')}/{key}"
    if not place.startswith(f"{target.uri.rstrip('/')}/"):
        return False
    inside = place.removeprefix(f"{target.uri.rstrip('/')}/")
    return inside.endswith(".pt") or inside.startswith((PARTS, "_checks/", "_manifests/", "_sprites/"))


def _find(source: ObjectStore, keys: Sequence[str]) -> list[Item | ItemError]:
    if len(keys) > _STAT_MAX:
        listed = {info.key: Item(info.key, info.size, info.etag) for info in source.list(_common_prefix(keys))}
        return [listed.get(key) or _missing_error(source, key) for key in keys]
    with ThreadPoolExecutor(_STAT_THREADS) as pool:
        answers = list(pool.map(lambda key: _stat(source, key), keys))
    refused = [answer for answer in answers if isinstance(answer, ConfigurationError)]
    if len(refused) == len(answers) and refused:
        raise refused[0]
    return [_key_error(answer) if isinstance(answer, ConfigurationError) else answer for answer in answers]


def _common_prefix(keys: Sequence[str]) -> str:
    first, last = min(keys), max(keys)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _stat(source: ObjectStore, key: str) -> Item | ItemError | ConfigurationError:
    """Return the TAR, or what is wrong with its key.

    A ConfigurationError is returned, not raised, if this key alone may have caused it: some stores answer 400 to keys
    that they do not accept.
    """
    try:
        info = source.stat(key)
    except ObjectMissing:
        return _missing_error(source, key)
    except AccessDenied as error:
        if error.data.get("action") != FOLLOW_LINK:
            raise
        return _key_error(error)
    except DataError as error:
        if error.code != "key_invalid":
            raise
        return _key_error(error)
    except ConfigurationError as error:
        if type(error) is not ConfigurationError:
            raise
        return error
    return Item(info.key, info.size, info.etag)


def _key_error(error: TelecineError) -> ItemError:
    return item_error("key_invalid", error.message)


def _missing_error(source: ObjectStore, key: str) -> ItemError:
    if is_uri(key):
        shown = cut(key, 200)
        return item_error("key_invalid", f"'{shown}' is not below {source.uri}; expected a key or a URI below it")
    return item_error("tar_missing", f"{source.uri}/{key} is in the task list but not in the bucket")
