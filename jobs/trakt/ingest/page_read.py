"""A page that was asked for: its request, its answer, and its outcome in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from jobs.trakt.api.answer import Answer
from jobs.trakt.bronze.pages import PageRequest
from jobs.trakt.contract.parse import Unreadable
from jobs.trakt.ingest.ledger_rows import Outcome
from jobs.trakt.ingest.listing import read_list

if TYPE_CHECKING:
    from jobs.trakt.bronze.pages import Page, PageResource
    from jobs.trakt.ingest.listing import Listing

__all__ = ["NOT_FOUND", "OK", "Read", "Request", "answer_of", "judged", "outcome_of", "outcome_of_answer"]

OK: Final = 200
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Read:
    """A page that was asked for.

    Attributes:
        answer: the answer; None if it failed.
        listing: its comments, if it is a list.
        code: why it failed; None if it did not.
        is_gone: a title or a comment answered 404, which is an observation, not a failure.
    """

    answer: Answer | None = None
    listing: Listing | None = None
    code: str | None = None
    is_gone: bool = False

    @property
    def is_missing(self) -> bool:
        """True if the API answered 404."""
        return self.answer is not None and self.answer.status == NOT_FOUND


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its load, which is known only when the object is put."""

    resource: str
    ref: Any = None
    comment_id: int | None = None
    sort: str | None = None
    page: int | None = None
    limit: int | None = None

    def of(self, load: str) -> PageRequest:
        """Return the request in a load."""
        return PageRequest(
            load,
            cast("PageResource", self.resource),
            self.ref if self.resource in ("comments", "rating", "title") else None,
            sort=self.sort,
            page=self.page,
            limit=self.limit,
            comment_id=self.comment_id,
        )


def outcome_of(page_id: int, page: Page) -> Outcome:
    """Return the outcome of a page whose object was put before its row could be written.

    Args:
        page_id: number of the row.
        page: the page object.
    """
    answer = answer_of(page)
    request = Request(page.request.resource, page=page.request.page)
    outcome = outcome_of_answer(page_id, page.request.load_id, judged(request, answer), answer, 0)
    outcome.page_key = page.key
    return outcome


def answer_of(page: Page) -> Answer:
    """Return the answer that a page object holds."""
    return Answer(
        page.status,
        page.headers,
        page.body,
        page.requested_at,
        page.observed_at,
        page.attempt,
        (page.fetched_at - page.requested_at).total_seconds(),
    )


def judged(request: Request, answer: Answer) -> Read:
    """Return what became of a request that was answered with 200 or 404."""
    if answer.status != OK:
        return Read(answer, code="NOT_FOUND", is_gone=request.resource in ("title", "comment"))
    if request.page is None:
        return Read(answer)
    try:
        return Read(answer, read_list(answer))
    except Unreadable as error:
        return Read(answer, code=error.code)


def outcome_of_answer(page_id: int, load: str, read: Read, answer: Answer, repeated: int) -> Outcome:
    """Return the outcome of a page that was answered.

    Args:
        page_id: number of the row.
        load: the load of the page object.
        read: from :func:`judged`.
        answer: the answer.
        repeated: how many of its comments an earlier page had too.
    """
    status = "good"
    if read.code is not None and not read.is_gone:
        status = "failed"
    elif read.listing is not None and not read.listing.rows:
        status = "good_empty"
    outcome = Outcome(
        page_id,
        status,
        load,
        reason=read.code,
        duplicates=repeated,
        bytes=len(answer.body),
        ms=round(answer.elapsed_s * 1000),
        attempts=answer.attempts,
        throttled=answer.throttled,
        http_status=answer.status,
        observed_at=answer.observed_at.isoformat(),
        page_count=answer.page_count,
        item_count=answer.item_count,
    )
    if read.listing is not None:
        ids = list(read.listing.facts.ids)
        outcome.rows = read.listing.rows
        outcome.bad = read.listing.rows - len(ids)
        outcome.ids = ids
        outcome.first_id, outcome.last_id = (ids[0], ids[-1]) if ids else (None, None)
    elif status == "good":
        outcome.rows = 0 if read.is_missing else 1
    return outcome
