"""List the TARs to read: listing or ``--task-list``, minus finished ones; keys not in the bucket: ``tar_missing``."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Item
from jobs.gamedata.extraction.resume import QUARANTINE_CODES, History
from jobs.gamedata.parts.store import next_generation
from jobs.gamedata.pt.file import pt_key
from shared.errors import ObjectMissing, UsageError
from shared.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.settings import ExtractSettings
    from shared.storage import ObjectStore

__all__ = ["Worklist", "make_worklist", "no_tar", "parse_task_list", "read_task_list"]

# A listing returns 1,000 keys per request. For up to this many keys, stat each one instead of listing the bucket.
_STAT_MAX: Final = 1000
_STAT_THREADS: Final = 16
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Worklist:
    """The TARs a run has to read, and the ones it skips.

    Attributes:
        items: TARs to read, sorted by key.
        missing: keys of the task list that are not in the bucket, with their errors; not committed yet.
        done: number of TARs already committed.
        left_out: number of TARs skipped by ``--only-failed``.
        failed_before: known failures that are not retried.
        quarantined: how many of ``failed_before`` failed twice in the same way, e.g. by a crash or timeout.
        generation: generation of this run's rows.
    """

    items: list[Item] = field(default_factory=list)
    missing: list[tuple[Item, Exception]] = field(default_factory=list)
    done: int = 0
    left_out: int = 0
    failed_before: list[Failure] = field(default_factory=list)
    quarantined: int = 0
    generation: int = 1


def no_tar(source: str, prefix: str) -> str:
    """Return the message for a source in which there is nothing to read.

    Args:
        source: URI of the source.
        prefix: ``--prefix``.
    """
    if not prefix:
        return f"{source} contains no TAR"
    return f"no TAR in {source} has a key that starts with '{prefix}'"


def make_worklist(settings: ExtractSettings, source: ObjectStore, target: ObjectStore) -> Worklist:
    """List the source, compare it with the committed rows, and return the TARs to read and those to skip.

    Raises:
        UsageError: the task list does not exist, or two of its keys map to the same ``.pt`` key.
        BucketMissing: the source bucket does not exist.
    """
    worklist = Worklist()
    items, missing = _list_source(settings, source)
    history = History(settings, target)
    worklist.generation = next_generation(target)
    items += missing
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
                worklist.missing.append((todo, _missing_error(todo, source)))
    return worklist


def parse_task_list(text: str, *, root: str) -> list[str]:
    """Parse a task list: one TAR key per line. Duplicates are dropped; the order is kept.

    Blank lines and lines starting with ``#`` are skipped. A full URI below the source's root also counts as a key.

    Args:
        text: content of the task list.
        root: URI of the source.
    """
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    keys = (line.removeprefix(f"{root}/") for line in lines if line and not line.startswith("#"))
    return list(dict.fromkeys(keys))


def _list_source(settings: ExtractSettings, source: ObjectStore) -> tuple[list[Item], list[Item]]:
    if settings.task_list is None:
        infos = source.list(settings.prefix)
        return [Item(info.key, info.size, info.etag) for info in infos if info.key.lower().endswith(".tar")], []
    keys = read_task_list(settings, source.uri)
    if len(keys) > _STAT_MAX:
        listed = {info.key: Item(info.key, info.size, info.etag) for info in source.list(_common_prefix(keys))}
        answers = [listed.get(key) for key in keys]
    else:
        with ThreadPoolExecutor(_STAT_THREADS) as pool:
            answers = list(pool.map(lambda key: _stat(source, key), keys))
    missing = [Item(key, 0, "") for key, answer in zip(keys, answers, strict=True) if answer is None]
    return [answer for answer in answers if answer is not None], missing


def read_task_list(settings: ExtractSettings, root: str) -> list[str]:
    """Read the keys of ``--task-list`` that start with the prefix.

    Args:
        settings: settings with a ``task_list``.
        root: URI of the source.

    Raises:
        UsageError: the list does not exist, is not text, or two of its keys map to the same ``.pt`` key.
    """
    from shared.storage import read_uri

    assert settings.task_list is not None
    try:
        text = read_uri(settings.task_list, settings).decode("utf-8")
    except ObjectMissing as error:
        raise UsageError(
            f"--task-list {settings.task_list} does not exist; expected a file or URI with one TAR key per line; "
            "omit --task-list to list the whole source"
        ) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise UsageError(
            f"--task-list {settings.task_list} cannot be read ({error}); expected UTF-8 text, one TAR key per line"
        ) from error
    keys = [key for key in parse_task_list(text, root=root) if key.startswith(settings.prefix)]
    _check_distinct(keys)
    return keys


def _check_distinct(keys: Sequence[str]) -> None:
    key_of: dict[str, str] = {}
    for key in keys:
        earlier = key_of.setdefault(pt_key(key), key)
        if earlier != key:
            raise UsageError(
                f"--task-list: '{earlier}' and '{key}' would both be stored as '{pt_key(key)}'; remove one of them"
            )


def _common_prefix(keys: Sequence[str]) -> str:
    first, last = min(keys), max(keys)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _stat(source: ObjectStore, key: str) -> Item | None:
    try:
        info = source.stat(key)
    except ObjectMissing:
        return None
    return Item(info.key, info.size, info.etag)


def _missing_error(item: Item, source: ObjectStore) -> Exception:
    return item_error("tar_missing", f"{source.uri}/{item.key} is in the task list but not in the bucket")
