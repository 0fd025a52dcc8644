"""What a person may do about a run that was not ingested: the end of each message."""

from __future__ import annotations

from typing import Final

__all__ = ["advice"]

_COMMAND: Final = "telecine screenalytics replay"
_SELF_CONTAINED: Final = frozenset({"MANIFEST_CHANGED", "RUN_ID_COLLISION", "UNSUPPORTED_VERSION", "CHECKSUM_MISSING"})


def advice(code: str, run_id: str, *, dead: bool, attempt: int) -> str:
    """Return one or two sentences, with a space before them; none where the message has its own.

    Args:
        code: of the error.
        run_id: of the run.
        dead: whether it is set aside now.
        attempt: which it was.
    """
    if dead:
        times = "once" if attempt == 1 else f"{attempt} times"
        return f". It failed {times} and is set aside; when it is mended: {_COMMAND} {run_id}"
    if code in _SELF_CONTAINED:
        return ""
    if code == "ACCESS_DENIED":
        return ". Allow s3:GetObject on it to these credentials; the next ingest looks again"
    if code == "SOURCE_DELETED":
        return ". Upload the run again if it is wanted"
    if code == "MANIFEST_MISSING":
        return f". Check run and prefix; when the manifest is there: {_COMMAND} {run_id}"
    return ". Mend the run and upload it again; the next ingest looks at it"
