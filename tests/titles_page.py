"""Read the pages of Trakt's titles: their words, and the table of peer groups."""

from __future__ import annotations

import html
import re

__all__ = ["groups_of", "plain"]


def plain(text: str) -> str:
    """Return the words of a part of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def groups_of(text: str) -> dict[str, list[str]]:
    """Return the cells of each peer group by its name: titles, peers, both medians, and the titles of each quadrant."""
    body = text[text.index('aria-label="Peer groups"') :]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", body[: body.index("</table>")], re.DOTALL)[1:]:
        name, *cells = (plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL))
        found[name] = [cell.replace(",", "") for cell in cells]
    return found
