"""Tables of schema trakt: titles, sweeps, pages and loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRAKT_PAGES"]

_KIND: Final = "`movie` or `show`; NULL if the row is about no title"
_TITLE: Final = "Trakt id of the title, unique within `kind`"
_RUN: Final = "`run_id` in `pipeline.runs` of the run that reads it; after an interruption, of the run that resumed it"
_OWNER: Final = "the process that reads it; it holds an advisory lock of this name as long as it lives"
_LIMIT: Final = "items per page, as the API's headers state"
_DAY: Final = "day in America/Chicago"
_CODE: Final = "code that explains it; NULL without a reason"

TRAKT_PAGES: Final[Mapping[str, Relation]] = {
    "trakt.titles": Relation(
        "a title that is or was in a watch list",
        {
            "kind": "`movie` or `show`",
            "trakt_id": _TITLE,
            "names": "its names in watch lists, such as `movie:night-ferry-2026`",
            "slug": "slug in the last answer; slugs change",
            "imdb": "id at IMDb",
            "tmdb": "id at TMDb",
            "title": "name",
            "year": "year",
            "released": "release date; of a show, of its first episode",
            "comments": "number of comments according to the API",
            "state": "`tracked`, `gone` (404 on three days) or `dropped` (no longer in the watch list)",
            "not_found_days": "days (UTC) since the last success on which the title itself answered 404",
            "resolved_at": "when its names were last resolved to its id",
            "next_sweep_at": "when its next full sweep is due",
            "tracked_since": "start of the current uninterrupted tracking",
            "state_since": "when `state` last changed",
        },
    ),
    "trakt.loads": Relation(
        "a load: page objects that one commit adds to the bronze table",
        {
            "load_id": "id of the load; the commit is marked with it",
            "run_id": _RUN,
            "owner": _OWNER,
            "started_at": "when its first page was planned",
            "committed_at": "when the commit was confirmed; NULL until then",
            "version": "version of the Delta table that contains it; NULL until committed",
            "pages": "number of page objects",
            "rows": "number of rows that it added",
            "counts": "further counts of the commit",
        },
    ),
    "trakt.sweeps": Relation(
        "a sweep: one pass over all pages of a listing",
        {
            "sweep_id": "number of the sweep",
            "run_id": _RUN,
            "owner": _OWNER,
            "resource": "`comments` of a title, `replies` to a comment, or a `feed`",
            "kind": _KIND,
            "trakt_id": f"{_TITLE}; NULL for the feed",
            "comment_id": "the comment that was replied to; NULL unless `resource` is `replies`",
            "sort": "sort order of the listing",
            "since": "older comments were not requested; for the feed, the watermark to which it was read back",
            "page_limit": _LIMIT,
            "started_at": "when it started",
            "ended_at": "when it ended; NULL while it runs, and if it was interrupted",
            "pages_expected": "largest number of pages that any answer stated",
            "complete": "every page was read, `verified` and `borders` are true, and `since` left nothing out, so an"
            " absent comment was deleted or moved; for a feed, it was read back to `since` without a gap",
            "verified": "the API's headers stated the number of pages",
            "borders": "no comment can have moved unseen from one page to another: no count of items fell, or the page"
            " before was read again",
            "reason": _CODE,
            "notes": "codes of oddities, such as `ITEM_COUNT_MISMATCH`",
        },
    ),
    "trakt.pages": Relation(
        "an expected page and its outcome",
        {
            "page_id": "number of the row",
            "day": f"{_DAY} on which it was planned, or the day of `--as-of`",
            "run_id": _RUN,
            "sweep_id": "the sweep; NULL for a single document",
            "resource": "`comments`, `replies`, `feed`, `rating`, `title` or `comment`",
            "kind": _KIND,
            "trakt_id": f"{_TITLE}; NULL if it is about no title",
            "comment_id": "the comment, of `comment` and `replies`",
            "sort": "sort order of the listing",
            "page": "number of the page, from 1",
            "page_limit": _LIMIT,
            "slice": "it is one of the smaller parts in which a failed page was read again",
            "planned_at": "when it was planned, before it was requested",
            "status": "`planned`, `good`, `good_empty`, `failed` or `skipped`",
            "reason": _CODE,
            "rows": "items of the answer",
            "bad": "items that break the contract, which are dead letters",
            "duplicates": "items that were also on an earlier page of the sweep",
            "bytes": "length of the body",
            "ms": "time of the request with its retries, in ms",
            "attempts": "requests, retries included",
            "http_status": "status of the last answer",
            "observed_at": "when the server was in this state: `Date` minus `Age`",
            "page_key": "key of the page object in the bucket",
            "load_id": "the load that adds it to the bronze table; the page is in the table once it is committed",
            "first_id": "id of the first comment",
            "last_id": "id of the last comment",
            "ids": "ids of the comments, in order; before them, those that only an earlier read of the page had",
            "page_count": "number of pages that the answer stated",
            "item_count": "number of items that the first answer for the page stated",
            "ended_at": "when its outcome was known; NULL while it is planned",
            "throttled": "429 answers among the attempts",
        },
    ),
    "trakt.day_pages": Relation(
        "a page of a day, once however often it was planned; without slices, and without pages beyond the end of a"
        " listing",
        {
            "day": f"{_DAY} on which it was planned",
            "kind": _KIND,
            "trakt_id": f"{_TITLE}; NULL if it is about no title",
            "resource": "`comments`, `replies`, `feed`, `rating`, `title` or `comment`",
            "comment_id": "the comment, of `comment` and `replies`",
            "sort": "sort order of the listing",
            "page": "number of the page, from 1",
            "page_limit": _LIMIT,
            "landed": "a request for it succeeded on the day",
            "reason": "code of its last plan; `PLANNED` if it was never requested",
            "attempts": "the most requests of a plan, retries included",
            "http_status": "the highest status of an answer",
        },
    ),
    "trakt.named_titles": Relation(
        "a tracked title that a read of the feed named, or at which a sweep found a comment that it lacked",
        {
            "sweep_id": "the read of the feed, or the sweep",
            "kind": "`movie` or `show`",
            "trakt_id": _TITLE,
            "day": f"{_DAY} of the read",
            "named_at": "when it was named",
            "comment_ids": "its comments in the feed",
            "action": "`stored`: the feed's items are observations; `sweep`: its listing was due for a sweep",
        },
    ),
    "trakt.feeds": Relation(
        "the last read of a feed",
        {
            "feed": "name of the feed",
            "watermark": "every change up to this time was read; NULL before the first read",
            "read_at": "when it was last read",
            "gap": "the last read did not reach the watermark, which therefore did not move",
            "reason": _CODE,
            "sweep_id": "the sweep of the last read",
        },
    ),
    "trakt.dead_letters": Relation(
        "an item that breaks the contract",
        {
            "dead_letter_id": "number of the row",
            "load_id": "the load",
            "page_key": "key of its page object",
            "item_index": "its position on the page; NULL for a whole answer",
            "path": "JSON pointer to the wrong field; `/` is the item itself",
            "code": "code of the error",
            "message": "the problem and the expected value",
            "payload_start": "beginning of the item as JSON",
            "at": "when it was found",
        },
    ),
    "trakt.tombstones": Relation(
        "a user whose comments were erased and are not ingested again",
        {
            "user_hash": "keyed hash of a name of the user, or of the id of a comment",
            "erased_at": "when it was erased",
            "run_id": "the run that erased it",
        },
    ),
}
