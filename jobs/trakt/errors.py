"""Stable codes of answers and items that break the contract, of oddities that lose no item, and errors of the API.

:class:`PageFailed` costs one page, and the run continues. Every other error here ends the run: 78 if only an operator
can help, 75 if time can.
"""

from __future__ import annotations

from typing import Final

from shared.errors import ConfigurationError, ItemError, TransientError, UsageError

__all__ = [
    "ANSWER_CODES",
    "AUDIT",
    "ITEM_CODES",
    "NOTE_CODES",
    "PAGE_CODES",
    "STALE",
    "SWEEP_CODES",
    "AccountLimit",
    "AccountLocked",
    "AmbiguousTitle",
    "ApiDown",
    "EdgeBlocked",
    "KeyRefused",
    "PageFailed",
    "RateLimited",
    "TitleUnknown",
    "Unauthorized",
    "VipOnly",
]

ANSWER_CODES: Final[dict[str, str]] = {
    "NOT_JSON": "the answer is not JSON, such as an HTML page, or is cut off",
    "NOT_A_LIST": "the answer is a single value; this resource is a list",
    "NOT_AN_OBJECT": "the answer is a list or a plain value; this resource is one object",
    "TOO_LARGE": "the answer exceeds 64 MiB, or has more than 10,000 items",
    "TOO_DEEP": "the answer is nested too deeply to be parsed",
}
"""Code of a whole answer that cannot be read -> meaning; none of its items is accepted."""

ITEM_CODES: Final[dict[str, str]] = {
    "NOT_AN_OBJECT": "the item is a list or a plain value",
    "COMMENT_MISSING": "the item of a feed has no comment",
    "FIELD_MISSING": "a required field is missing",
    "FIELD_INVALID": "a field has the wrong type",
    "NUMBER_RANGE": "a number is NaN or infinite, or outside the range of its field",
    "TEXT_TOO_LONG": "a text is longer than its field permits",
    "TIME_INVALID": "a time is not RFC 3339 with a zone, names no day of the calendar, or is a leap second",
    "TOO_DEEP": "the item is nested more than 32 levels deep",
    "ITEM_TOO_LARGE": "the item exceeds 4 MiB as stored",
}
"""Code of an item that is not accepted -> meaning; the other items of its answer are."""

NOTE_CODES: Final[dict[str, str]] = {
    "HALF_SURROGATE": "a text had half a surrogate pair, which became U+FFFD",
    "NUL_IN_TEXT": "a text contains NUL, which is kept; PostgreSQL refuses it",
    "INVALID_UTF8": "the answer had bytes that are not UTF-8, each of which became U+FFFD",
    "DUPLICATE_KEY": "an object had a key more than once; the last value counts",
    "TIME_OUT_OF_RANGE": "a time is before the site began, or in the future",
    "UNKNOWN_TYPE": "an item of a feed has a type that the contract does not know",
}
"""Code of an oddity of an accepted item or of its answer -> meaning; they are counted."""

PAGE_CODES: Final[dict[str, str]] = {
    "NOT_JSON": "the answer is an HTML page, empty, or not JSON",
    "BODY_INCOMPLETE": "the connection ended in the middle of the answer",
    "TOO_LARGE": "the answer exceeds 64 MiB, once unpacked",
    "SERVER_ERROR": "the API answered 500 or another 5xx",
    "OVERLOADED": "the API or the edge answered 502, 503, 504 or 52x",
    "TIMEOUT": "no complete answer came in time",
    "UNREACHABLE": "no connection, or it ended before the answer",
    "RATE_LIMITED": "the API answered 429 to every attempt",
    "EDGE_LIMIT": "the edge answered 403 or 429 to this request three times, but not to others",
    "EDGE_ANSWER": "the edge answered another 4xx in place of the API",
    "REDIRECTED": "the API redirected the request, which is not followed",
    "REQUEST_REFUSED": "the API refused the request with another 4xx",
}
"""Code of a page that could not be read -> meaning; the run continues with other pages."""


class PageFailed(TransientError):
    """One request failed and its retries are used up (data: ``path``, ``status``, ``attempts``, ``cf_ray``).

    The code is one of :data:`PAGE_CODES`.
    """

    default_code = "SERVER_ERROR"


class RateLimited(TransientError):
    """The API demands a wait that is longer than a run waits (data: ``seconds``)."""

    default_code = "RATE_LIMITED"


class EdgeBlocked(TransientError):
    """The edge in front of the API refuses this client, and has not stopped (data: ``cf_ray``, ``status``)."""

    default_code = "EDGE_BLOCKED"


class ApiDown(TransientError):
    """Several requests in a row failed because the API is overloaded or out of reach (data: ``failed``)."""

    default_code = "API_DOWN"


class KeyRefused(ConfigurationError):
    """The API does not accept the key: 403 (data: ``status``, ``cf_ray``)."""

    default_code = "KEY_REFUSED"


class Unauthorized(ConfigurationError):
    """The API answered 401 to a public resource (data: ``status``, ``cf_ray``)."""

    default_code = "UNAUTHORIZED"


class AccountLimit(ConfigurationError):
    """A limit of the key's account is reached: 420 (data: ``status``, ``cf_ray``)."""

    default_code = "ACCOUNT_LIMIT"


class AccountLocked(ConfigurationError):
    """The key's account is locked or deactivated: 423 (data: ``status``, ``cf_ray``)."""

    default_code = "ACCOUNT_LOCKED"


class VipOnly(ConfigurationError):
    """The resource requires a VIP account: 426 (data: ``status``, ``cf_ray``)."""

    default_code = "VIP_ONLY"


class AmbiguousTitle(UsageError):
    """A number of a watch list is the id of one title and the slug of another (data: ``name``, ``ids``)."""

    default_code = "AMBIGUOUS_TITLE"


class TitleUnknown(ItemError):
    """The API knows no title with this name now (data: ``name``)."""

    default_code = "TITLE_UNKNOWN"
    default_retryable = True


SWEEP_CODES: Final[dict[str, str]] = {
    "PAGE_HEADERS_MISSING": "no answer stated the number of pages",
    "EMPTY_RUN": "20 empty pages in a row, or too many failed pages: the stated number of pages is not plausible",
    "BORDER_UNREAD": "comments may have passed between two pages unseen",
    "BORDER_CHANGED": "the listing changed before the page at which an interrupted sweep resumed",
    "LIMIT_CHANGED": "the API changed the number of comments per page during the sweep",
    "WRONG_PAGE": "the API answered with another page than the one that was asked for",
    "PARTIAL_WINDOW": "only comments since a time were asked for",
    "INTERRUPTED": "the run ended before the page",
    "ABANDONED": "the run was killed, and its sweep was not resumed",
    "NOT_FOUND": "the API answered 404",
    "TITLE_GONE": "the title itself answered 404 on three days",
    "BUSY": "another ingest reads the title",
    "SLICED": "the page failed, and was read in smaller parts",
    "FEED_BARE": "the feed did not say which titles its comments are about",
    "WATERMARK_AHEAD": "the time up to which the feed was read is later than the clock of the API",
    "TOO_LONG": "the feed since the watermark has more pages than a sweep of all titles",
}
"""Code of a sweep, page or title that is not complete -> meaning."""

AUDIT: Final[dict[str, str]] = {
    "PAGE_MISSING": "the page object of a page that the ledger calls good does not exist",
    "PAGE_DAMAGED": "a page object cannot be read",
    "PAGE_DIFFERS": "a page object has other comments, or another status, than the ledger states",
    "ORPHAN": "page objects belong to a load that the ledger does not know",
    "LOAD_MISSING": "the ledger calls a load committed, and the bronze table does not have it",
    "LOAD_WAITING": "a load is not committed yet; the next ingest commits it",
    "ROW_MISSING": "a row that follows from a page object is not in the bronze table",
    "ROW_EXTRA": "a row of the bronze table follows from no page object",
    "ROW_TWICE": "a row is in the bronze table twice",
    "ROW_DAMAGED": "the payload of a row does not match its SHA-256",
    "SILVER_MISSING": "a comment of bronze is not in silver",
    "SILVER_EXTRA": "a comment of silver is not in bronze",
    "SILVER_DIFFERS": "a comment of silver has another value than the one that follows from bronze",
    "SILVER_ABSENT": "this machine has no build of silver, so that nothing was compared",
    "SILVER_STALE": "silver was built from an older version of bronze",
    "GOLD_FILE": "a file of the published build is missing or damaged",
    "GOLD_DIFFERS": "a published table differs from the file of its build",
    "GOLD_STALE": "the newest build is not published",
}
"""Code of a finding of verify -> meaning."""

STALE: Final = frozenset({"LOAD_WAITING", "SILVER_ABSENT", "SILVER_STALE", "GOLD_STALE"})
"""Codes of findings that the next run settles; all others are damage."""
