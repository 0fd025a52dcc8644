"""The advice for an operator that ends a message about a rejected run or event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.screenalytics.settings import next_step

if TYPE_CHECKING:
    from jobs.screenalytics.settings import SourceSettings

__all__ = ["advice", "event_advice"]

_COMMAND: Final = "run: telecine "
_FIX: Final = ". Fix the run and upload it again; the next ingest picks it up"
# Empty if the message already ends with the next command. For a refused object, the store's message says what to do:
# grant a right, replace the link, restore the object, enable its key.
_OTHERS: Final = {
    "NAIVE_TIMESTAMP": ". Add its offset to the time in the manifest (Z for UTC) and upload the manifest again; the"
    " next ingest picks it up",
    "MANIFEST_CHANGED": "",
    "RUN_ID_COLLISION": "",
    "UNSUPPORTED_VERSION": "",
    "CHECKSUM_MISSING": "",
    "ACCESS_DENIED": ". The next ingest retries it",
    "OBJECT_REFUSED": ". The next ingest retries it",
    "SOURCE_DELETED": ". Upload the run again if it is still needed",
    "MANIFEST_MISSING": ". Check the run id and --prefix; once the manifest exists, run: {replay}",
    "PERSON_CONFLICT": ". Fix the person_id or the name of one of them and upload the run again; the next ingest"
    " picks it up",
}


def advice(
    code: str, run_id: str, settings: SourceSettings | None, *, message: str = "", dead: bool, attempt: int
) -> str:
    """Return the text to append to a message, or an empty string if the message is complete.

    Args:
        code: code of the rejection.
        message: the message; one with a command needs no other advice, which might contradict it.
        run_id: id of the run.
        settings: settings of the command that prints the message; None for a command without flags.
        dead: True if the run is now set aside.
        attempt: number of this attempt, from 1.
    """
    replay = next_step(settings, "replay", run_id)
    is_complete = _COMMAND in message.lower()
    if dead:
        times = "once" if attempt == 1 else f"{attempt} times"
        if is_complete:
            return f". It failed {times} and is set aside until its manifest changes"
        return f". It failed {times} and is set aside; once it is fixed, run: {replay}"
    return "" if is_complete else _OTHERS.get(code, _FIX).format(replay=replay)


def event_advice(*, dead: bool, attempt: int) -> str:
    """Return the text to append to a message about an event.

    Args:
        dead: True if the event is now set aside.
        attempt: number of this attempt, from 1.
    """
    if not dead:
        return ". Fix or delete its row in the outbox; the next ingest retries it"
    times = "once" if attempt == 1 else f"{attempt} times"
    return f". It failed {times} and is set aside; fix its row in the outbox and set its delivery_attempts to 0"
