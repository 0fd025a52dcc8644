"""Stable codes for answers and items that break the contract, codes for harmless oddities, and the API's errors.

After :class:`PageFailed` the run continues with other pages. Every other API error ends the run: exit code 75 is
transient, 78 needs operator action.
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
    "TMDB_CODES",
    "AccountLimit",
    "AccountLocked",
    "AmbiguousTitle",
    "ApiDown",
    "EdgeBlocked",
    "KeyRefused",
    "MetadataFailed",
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
    "TOO_LARGE": "the answer exceeds 64 MiB, 10,000 items or 1,000,000 values",
    "TOO_DEEP": "the answer is nested too deeply to be parsed",
}
"""Code of an answer that cannot be read -> meaning; none of its items is accepted."""

ITEM_CODES: Final[dict[str, str]] = {
    "NOT_AN_OBJECT": "the item is a list or a plain value",
    "COMMENT_MISSING": "the item of a feed has no comment",
    "FIELD_MISSING": "a required field is missing",
    "FIELD_INVALID": "a field has the wrong type",
    "NUMBER_RANGE": "a number is NaN or infinite, or outside the range of its field",
    "TEXT_TOO_LONG": "a text is longer than its field permits",
    "TIME_INVALID": "a time is not RFC 3339 with a zone, is not a calendar date, or is a leap second",
    "TOO_DEEP": "the item is nested more than 32 levels deep",
    "ITEM_TOO_LARGE": "the item exceeds 4 MiB as stored",
}
"""Code of a rejected item -> meaning; the other items of its answer are accepted."""

NOTE_CODES: Final[dict[str, str]] = {
    "HALF_SURROGATE": "a text had half a surrogate pair, which became U+FFFD",
    "NUL_IN_TEXT": "a text contains NUL, which is kept; PostgreSQL refuses it",
    "INVALID_UTF8": "the answer had bytes that are not UTF-8, each of which became U+FFFD",
    "DUPLICATE_KEY": "an object had a key more than once; the last value counts",
    "TIME_OUT_OF_RANGE": "a time is before the site began, or in the future",
    "UNKNOWN_TYPE": "an item of a feed has a type that the contract does not know",
}
"""Code of an oddity in an accepted item or its answer -> meaning; oddities are only counted."""

PAGE_CODES: Final[dict[str, str]] = {
    "NOT_JSON": "the answer is an HTML page, empty, or not JSON",
    "BODY_INCOMPLETE": "the connection closed in the middle of the answer",
    "TOO_LARGE": "the answer exceeds 64 MiB after decompression",
    "SERVER_ERROR": "the API answered 500 or another 5xx",
    "OVERLOADED": "the API or the edge answered 502, 503, 504 or 52x",
    "TIMEOUT": "no complete answer arrived in time",
    "UNREACHABLE": "the connection failed, or closed before the answer",
    "RATE_LIMITED": "the API answered 429 to every attempt",
    "EDGE_LIMIT": "the edge answered 403 or 429 to this request three times, but let others through",
    "EDGE_ANSWER": "the edge answered another 4xx in place of the API",
    "REDIRECTED": "the API redirected the request; redirects are not followed",
    "REQUEST_REFUSED": "the API refused the request with another 4xx",
}
"""Code of a page that could not be read -> meaning; the run continues with other pages."""


class PageFailed(TransientError):
    """One request failed after all its retries (data: ``path``, ``status``, ``attempts``, ``cf_ray``).

    The code is one of :data:`PAGE_CODES`.
    """

    default_code = "SERVER_ERROR"


class RateLimited(TransientError):
    """The API demands a longer wait than a run allows (data: ``seconds``)."""

    default_code = "RATE_LIMITED"


class EdgeBlocked(TransientError):
    """The edge in front of the API keeps refusing this client (data: ``cf_ray``, ``status``)."""

    default_code = "EDGE_BLOCKED"


class ApiDown(TransientError):
    """Several requests in a row failed because the API is overloaded or unreachable (data: ``failed``)."""

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
    """A number in a watch list is the id of one title and the slug of another (data: ``name``, ``ids``)."""

    default_code = "AMBIGUOUS_TITLE"


class TitleUnknown(ItemError):
    """The API currently has no title with this name (data: ``name``)."""

    default_code = "TITLE_UNKNOWN"
    default_retryable = True


TMDB_CODES: Final[dict[str, str]] = {
    "TMDB_UNAUTHORIZED": "TMDb does not accept the token; set TMDB_READ_ACCESS_TOKEN to an API read access token of"
    " https://www.themoviedb.org/settings/api",
    "TMDB_RATE_LIMITED": "TMDb limits the requests of this address; the next sweep of each title reads its metadata",
    "TMDB_UNAVAILABLE": "TMDb returns no usable answer; the next sweep of each title reads its metadata",
    "TMDB_REFUSED": "TMDb refuses the request; check --tmdb-base-url and the proxy",
}
"""Code of titles without TMDb metadata -> meaning and next step; it is a warning, and fails neither title nor run."""


class MetadataFailed(TransientError):
    """TMDb did not answer about a title (data: ``status``, ``attempts``).

    The code is one of :data:`TMDB_CODES`. It never ends a run.
    """

    default_code = "TMDB_UNAVAILABLE"


SWEEP_CODES: Final[dict[str, str]] = {
    "PAGE_HEADERS_MISSING": "no answer stated the number of pages",
    "EMPTY_RUN": "20 pages in a row without a new comment, or too many failed pages: the stated count is not plausible",
    "BORDER_UNREAD": "comments may have moved unseen from one page to another",
    "BORDER_CHANGED": "the listing changed before the page at which an interrupted sweep resumed",
    "LIMIT_CHANGED": "the API changed the number of comments per page during the sweep",
    "WRONG_PAGE": "the API returned a different page than requested",
    "PARTIAL_WINDOW": "only comments since a given time were requested",
    "INTERRUPTED": "the run ended before the page",
    "ABANDONED": "the run was killed, and its sweep was not resumed",
    "NOT_FOUND": "the API answered 404",
    "TITLE_GONE": "the title itself answered 404 on three days",
    "BUSY": "another ingest is reading the title",
    "SLICED": "the page failed and was read in smaller parts",
    "FEED_BARE": "the feed did not say which titles its comments are about",
    "WATERMARK_AHEAD": "the time up to which the feed was read is later than the clock of the API",
    "TOO_LONG": "the feed since the watermark has more pages than a sweep of all titles would take",
}
"""Code of an incomplete sweep, page or title -> meaning."""

AUDIT: Final[dict[str, str]] = {
    "PAGE_MISSING": "a page is good in the ledger, but its page object does not exist",
    "PAGE_DAMAGED": "a page object cannot be read",
    "PAGE_DIFFERS": "the comments or the status of a page object differ from the ledger",
    "ORPHAN": "page objects belong to a load that the ledger does not know",
    "LOAD_MISSING": "a load is committed in the ledger, but missing from the bronze table",
    "LOAD_WAITING": "a load is not committed yet; the next ingest commits it",
    "PAGE_ROW_MISSING": "a page is good in the ledger and its load is committed, but bronze lacks its `page` row",
    "ROW_MISSING": "a row that a page object produces is not in the bronze table",
    "ROW_EXTRA": "a row of the bronze table comes from no page object",
    "ROW_TWICE": "a row is in the bronze table twice",
    "ROW_DAMAGED": "the payload of a row does not match its SHA-256",
    "SILVER_MISSING": "a comment in bronze is not in silver",
    "SILVER_EXTRA": "a comment in silver is not in bronze",
    "SILVER_DIFFERS": "a value of a comment in silver differs from the one computed from bronze",
    "SILVER_ABSENT": "this machine has no build of silver, so nothing was compared",
    "SILVER_STALE": "silver was built from an older version of bronze",
    "GOLD_FILE": "a file of the published build is missing or damaged",
    "GOLD_DIFFERS": "a published table differs from the file of its build",
    "GOLD_STALE": "the newest build is not published",
}
"""Code of a finding by verify -> meaning."""

STALE: Final = frozenset({"LOAD_WAITING", "SILVER_ABSENT", "SILVER_STALE", "GOLD_STALE"})
"""Codes of findings that the next run resolves; all others are damage."""
