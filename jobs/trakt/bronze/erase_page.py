"""Erase users' items from a page object, which keeps the items' ids and hashes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobs.trakt.bronze.erased_items import author_marks, names_in_text, without_users
from jobs.trakt.bronze.pages import WHOLE_ANSWER, ErasedItem
from jobs.trakt.bronze.rows import observed_item
from jobs.trakt.contract.check import check
from jobs.trakt.contract.parse import Unreadable, parse

if TYPE_CHECKING:
    from jobs.trakt.bronze.erased_items import Erased
    from jobs.trakt.bronze.pages import Page

__all__ = ["rewrite_erased"]


def rewrite_erased(page: Page, erased: Erased) -> Page:
    """Return a page without the items of erased users; the same page if it has none.

    An item becomes ``null``, so that the others keep their positions; its id and hash are stored in the header. A user
    elsewhere, such as the owner of a list, becomes ``null``. If an answer cannot be parsed and contains an erased name,
    its body is emptied. Mentions in the text of other users' comments stay. TMDb is another site with users of its own.

    Args:
        page: a page object.
        erased: the users.
    """
    if page.request.resource == "tmdb":
        return page
    try:
        # As the contract reads it: what that accepts of an invalid text must not be lost with the user.
        value = parse(page.body).value
    except Unreadable:
        has_name = erased.holds(names_in_text(page.body.decode(errors="replace")))
        return page.without(b"", (WHOLE_ANSWER,)) if has_name else page
    items = value if isinstance(value, list) else [value]
    gone = [index for index, item in enumerate(items) if erased.holds(author_marks(item))]
    scrubbed = sum(without_users(item, erased) for index, item in enumerate(items) if index not in set(gone))
    if not gone and not scrubbed:
        return page
    sightings = _sightings(page, gone)
    for index in gone:
        items[index] = None
    body = json.dumps(items if isinstance(value, list) else items[0]).encode()
    return page.without(body, tuple(sorted((*page.erased, *sightings), key=lambda item: item.index)))


def _sightings(page: Page, gone: list[int]) -> list[ErasedItem]:
    """Return the ids and hashes that the items would have in their page's row."""
    request = page.request
    checked = check("comment", page.body, single=not request.is_list, now=page.fetched_at)
    found = {item.index: observed_item(page, item) for item in checked.items if item.index in set(gone)}
    return [
        ErasedItem(index, found[index].id, (found[index].sha256 or "")[:16])
        if index in found
        else ErasedItem(index, None, None)
        for index in gone
    ]
