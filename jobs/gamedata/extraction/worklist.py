"""Decides which TARs a run reads: what is listed, less what is committed for the same content and sampling."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Item
from jobs.gamedata.extraction.resume import TWICE, History
from jobs.gamedata.parts.store import next_generation
from jobs.gamedata.pt.file import pt_key
from shared.errors import ObjectMissing, UsageError
from shared.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.settings import ExtractSettings
    from shared.storage import ObjectStore

__all__ = ["Plan", "make_plan", "parse_task_list", "read_task_list"]

# A listing gives 1,000 keys a call; below this, asking for each key is quicker than listing a large bucket.
_ASK_EACH: Final = 1000
_ASK_AT_ONCE: Final = 16
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Plan:
    """What a run does.

    Attributes:
        items: TARs to read, by key.
        missing: keys of the task list that are not in the bucket, with their error; not yet committed.
        done: how many are committed already.
        left_out: how many ``--only-failed`` leaves out.
        failed_before: known failures that are not tried again.
        quarantined: how many of these failed twice in the same way, as a crash or a timeout.
        ignored: objects in the source that are no TARs.
        generation: of this run's rows.
    """

    items: list[Item] = field(default_factory=list)
    missing: list[tuple[Item, Exception]] = field(default_factory=list)
    done: int = 0
    left_out: int = 0
    failed_before: list[Failure] = field(default_factory=list)
    quarantined: int = 0
    ignored: int = 0
    generation: int = 1


def make_plan(settings: ExtractSettings, source: ObjectStore, target: ObjectStore) -> Plan:
    """List the source and decide.

    Raises:
        UsageError: the task list is not there, or names two keys with one ``.pt`` key.
        BucketMissing: there is no such source.
    """
    plan = Plan()
    found, missing = _listed(settings, source, plan)
    history = History(settings, target)
    plan.generation = next_generation(target)
    found += missing
    found.sort(key=lambda item: item.key)
    for item in found:
        decision, attempt, last = history.decide(item)
        if decision == "done":
            plan.done += 1
        elif decision == "left_out":
            plan.left_out += 1
        elif decision == "failed_before":
            plan.failed_before.append(
                Failure(
                    item.key,
                    last["error_code"],
                    last["error_message"] or "",
                    bool(last["error_retryable"]),
                    last["attempt"],
                    item.etag or None,
                )
            )
            plan.quarantined += last["error_code"] in TWICE
        else:
            todo = item if attempt == item.attempt else Item(item.key, item.size, item.etag, attempt)
            if item.etag:
                plan.items.append(todo)
            else:
                plan.missing.append((todo, _missing_error(todo, source)))
    return plan


def parse_task_list(text: str, *, root: str) -> list[str]:
    """Read TAR keys, one a line, each once, in their order.

    Blank lines and lines that begin with ``#`` are skipped; a full URI below the source's root is a key as well.

    Args:
        text: the list.
        root: the source's URI.
    """
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    keys = (line.removeprefix(f"{root}/") for line in lines if line and not line.startswith("#"))
    return list(dict.fromkeys(keys))


def _listed(settings: ExtractSettings, source: ObjectStore, plan: Plan) -> tuple[list[Item], list[Item]]:
    if settings.task_list is None:
        items = []
        for info in source.list(settings.prefix):
            if info.key.lower().endswith(".tar"):
                items.append(Item(info.key, info.size, info.etag))
            else:
                plan.ignored += 1
        return items, []
    keys = read_task_list(settings, source.uri)
    if len(keys) > _ASK_EACH:
        infos = {info.key: Item(info.key, info.size, info.etag) for info in source.list(_common_prefix(keys))}
        answers = [infos.get(key) for key in keys]
    else:
        with ThreadPoolExecutor(_ASK_AT_ONCE) as pool:
            answers = list(pool.map(lambda key: _ask(source, key), keys))
    missing = [Item(key, 0, "") for key, answer in zip(keys, answers, strict=True) if answer is None]
    return [answer for answer in answers if answer is not None], missing


def read_task_list(settings: ExtractSettings, root: str) -> list[str]:
    """Read ``--task-list``: its keys that begin with the prefix.

    Args:
        settings: they name it.
        root: the source's URI.

    Raises:
        UsageError: it is not there, is no text, or names two keys with one ``.pt`` key.
    """
    from shared.storage import read_uri

    assert settings.task_list is not None
    try:
        text = read_uri(settings.task_list, settings).decode("utf-8")
    except ObjectMissing as error:
        raise UsageError(
            f"--task-list {settings.task_list}: there is no such file. Valid is a file or URI with one TAR key a line; "
            "without --task-list the whole source is listed."
        ) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise UsageError(
            f"--task-list {settings.task_list}: {error}; valid is UTF-8 text, one TAR key a line"
        ) from error
    keys = [key for key in parse_task_list(text, root=root) if key.startswith(settings.prefix)]
    _check_distinct(keys)
    return keys


def _check_distinct(keys: Sequence[str]) -> None:
    taken: dict[str, str] = {}
    for key in keys:
        other = taken.setdefault(pt_key(key), key)
        if other != key:
            raise UsageError(
                f"--task-list: '{other}' and '{key}' would both be stored as '{pt_key(key)}'; leave one out"
            )


def _common_prefix(keys: Sequence[str]) -> str:
    first, last = min(keys), max(keys)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _ask(source: ObjectStore, key: str) -> Item | None:
    try:
        info = source.stat(key)
    except ObjectMissing:
        return None
    return Item(info.key, info.size, info.etag)


def _missing_error(item: Item, source: ObjectStore) -> Exception:
    return item_error("tar_missing", f"{source.uri}/{item.key} is in the task list and not in the bucket")
