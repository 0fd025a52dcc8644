"""Turn counts of failed and transient items into a step's exit code and status: the rule of ``--max-failed``."""

from __future__ import annotations

from typing import Literal, NamedTuple

from shared.errors import EXIT_DATA, EXIT_OK, EXIT_TRANSIENT

__all__ = ["Verdict", "verdict"]


class Verdict(NamedTuple):
    """The exit code and status of a step that handled many items.

    Attributes:
        exit_code: 0, 65 or 75.
        status: ``failed`` for a nonzero exit code, ``partial`` if some items failed, else ``success``.
    """

    exit_code: int
    status: Literal["success", "partial", "failed"]


def verdict(failed: int, total: int, max_failed: int | None, *, transient: int = 0) -> Verdict:
    """Judge a step by how many of its items failed.

    Args:
        failed: items without a result, including those that failed in earlier runs.
        total: items requested.
        max_failed: the number of failures that are allowed; None allows any number short of all items.
        transient: how many of the failed items a retry may still process. Exit code 75 means that there are too many
            failures, but no longer if these succeed.

    Example:
        >>> verdict(2, 9, 1).exit_code
        65
        >>> verdict(2, 9, 1, transient=1).exit_code
        75
        >>> verdict(2, 9, None)
        Verdict(exit_code=0, status='partial')
    """

    def too_many(count: int) -> bool:
        return count > max_failed if max_failed is not None else 0 < total <= count

    code = EXIT_DATA if too_many(failed - transient) else EXIT_TRANSIENT if too_many(failed) else EXIT_OK
    return Verdict(code, "failed" if code else "partial" if failed else "success")
