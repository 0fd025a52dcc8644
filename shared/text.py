"""Text that is safe to store (no NUL, secrets, lone surrogates), to log (escapes), or to hand to Argo; capped."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from shared.scrub import HIDDEN, hide_known, is_secret_name, scrub, scrub_data

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "as_json",
    "brief",
    "clean_data",
    "clean_item",
    "clean_text",
    "cut",
    "duration",
    "escape_json",
    "inert",
    "number",
    "one_line",
    "printable",
    "text_table",
]

MESSAGE_CHARS = 2000
DATA_CHARS = 500
DATA_ENTRIES = 50
DATA_DEPTH = 4
_MINUTE: Final = 60
_HOUR: Final = 3600
# An S3 key has at most 1024 bytes; an entry of a PostgreSQL B-tree at most 2704, for all columns of the key.
ITEM_BYTES = 1024
# Longer than a secret is in any of its spellings: a private key, percent-encoded.
_SECRET_CHARS = 16_384

# Controls except tab and line feed (NUL, which neither text nor jsonb accepts, among them), separators of lines,
# bidirectional and invisible formatting, invisible letters (Hangul fillers), tags, and lone surrogates: anything that
# moves a cursor, ends a line, reorders text or makes two names look alike in a terminal or browser.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# The first character of {{ and of $(, each of which may be one of several in a row.
_TEMPLATES = re.compile(r"(\{(?=\{)|\$(?=\())")


def clean_text(text: str, limit: int = MESSAGE_CHARS) -> str:
    """Return ``text`` without control characters and secrets, at most ``limit`` characters.

    Args:
        text: any string, including one with lone surrogates.
        limit: maximum length in characters; longer text ends with an ellipsis.
    """
    clean = _beginning(text, limit, lambda part: scrub(_UNPRINTABLE.sub(_REPLACEMENT, part)))
    return clean if len(clean) <= limit and len(text) <= limit + _SECRET_CHARS else clean[: limit - 1] + "…"


def cut(text: str, limit: int) -> str:
    """Return the first ``limit`` characters of a text; secrets are hidden first, because half a secret is not found.

    Control characters stay: this is for part of a message, which is cleaned as a whole.
    """
    return _beginning(text, limit, scrub)[:limit]


def brief(text: str | bytes, limit: int = 60) -> str:
    """Return a text in quotes, whole or not at all: for a child process, which knows no secrets that it could hide.

    Its parent hides them, and would not find half of one.

    >>> brief("metadata.json"), brief("a" * 61)
    ("'metadata.json'", '(61 characters)')
    """
    if len(text) <= limit:
        return repr(text)
    return f"({len(text):,} {'characters' if isinstance(text, str) else 'bytes'})"


def _beginning(text: str, limit: int, hide: Callable[[str], str]) -> str:
    """Return the beginning of a text with its secrets hidden: at least ``limit`` characters, minus what was hidden.

    A message of a megabyte costs no more than a short one. Half a secret at the end of the part that is searched is not
    found, and moves to the front when others before it are hidden: the end of the result is left out.
    """
    searched = limit + _SECRET_CHARS
    clean = hide(text[:searched])
    return clean if len(text) <= searched else clean[: max(0, len(clean) - _SECRET_CHARS)]


def printable(text: str) -> str:
    r"""Return text that is safe on a terminal: controls and invisible characters as ``\x1b`` or ``\u202e``.

    Tabs and line breaks are kept; a caller with one line replaces them.
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(value: Any) -> str:
    r"""Return a value as text within a line: :func:`printable`, with ``\n`` and ``\t`` as escapes too."""
    return printable(str(value)).replace("\n", r"\n").replace("\t", r"\t")


def number(value: float) -> str:
    """Return a number with three significant digits, thousands separators and no trailing zeros."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - above it floats skip integers
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Return a duration in the format of every page and log: ``4.2 ms``, ``12.3 s``, ``1 min 23 s``, ``2 h 5 min``."""
    if 0 < seconds < 1:
        return f"{number(max(0.1, round(1000 * seconds, 1)))} ms"
    if seconds < _MINUTE:
        return f"{number(float(f'{seconds:.3g}'))} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows with aligned columns for a terminal; line breaks in a cell become spaces.

    Args:
        head: names of the columns.
        rows: cells, as many as names; the last column is not padded.
    """
    cells = [[one_line(" ".join(cell.split())) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON without secrets and without characters that a terminal obeys.

    Args:
        value: anything; types unknown to JSON become text.
        indent: spaces per level; None writes one line.
    """
    return escape_json(json.dumps(scrub_data(value), ensure_ascii=False, default=_as_text, indent=indent))


def _as_text(value: Any) -> str:
    return scrub(str(value))


def escape_json(text: str) -> str:
    """Return a JSON document with unprintable characters as escapes; its value stays the same.

    JSON may contain any character from U+007F on as it is, also those that a terminal obeys.
    """
    return _UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def inert(text: str) -> str:
    """Return text in which no template of Argo and no reference to a Kubernetes variable can begin.

    ``{{`` becomes ``{ {`` and ``$(`` becomes ``$ (``. It is for text that leaves through Argo or Kubernetes: Workflows
    of other people may insert it into their own templates.
    """
    return _TEMPLATES.sub(r"\1 ", text)


def clean_item(item: str) -> str:
    """Return an item's name as one line, cut to fit an index: at most 1024 bytes; a cut name ends with a digest."""
    # Nothing is hidden by its form: "token=a.tar" and "token=b.tar" are two items.
    clean = _UNPRINTABLE.sub(_REPLACEMENT, hide_known(item)).replace("\n", _REPLACEMENT).replace("\t", _REPLACEMENT)
    raw = clean.encode()
    if len(raw) <= ITEM_BYTES:
        return clean
    digest = hashlib.sha256(raw).hexdigest()[:12]
    return raw[: ITEM_BYTES - 16].decode(errors="ignore") + "…" + digest


def clean_data(value: Any, *, depth: int = DATA_DEPTH, chars: int = DATA_CHARS, entries: int = DATA_ENTRIES) -> Any:
    """Return ``value`` in a form that jsonb accepts.

    Strings are cleaned, NaN and infinity become null, unknown types become text, and everything is capped.

    Args:
        value: anything; mappings and sequences are traversed.
        depth: levels to traverse; anything deeper becomes text.
        chars: maximum length of a string.
        entries: maximum number of members of a mapping or sequence.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)[:chars]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping) and depth:
        kept: dict[str, Any] = {}
        for key, member in list(value.items())[:entries]:
            name = clean_text(str(key), 100)
            hidden = isinstance(member, str) and is_secret_name(name)
            kept[name] = HIDDEN if hidden else clean_data(member, depth=depth - 1, chars=chars, entries=entries)
        return kept
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes | bytearray) and depth:
        members = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [clean_data(member, depth=depth - 1, chars=chars, entries=entries) for member in list(members)[:entries]]
    return clean_text(str(value), chars)
