"""Text as intended: mojibake and entities repaired, accents folded, invisible characters removed."""

from __future__ import annotations

import html
import re
import unicodedata
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST", "cleaned", "folded", "json_list", "repaired"]

LONGEST: Final = 1000
"""Characters of a text that its key is made of; names of episodes and series are shorter, cells can be megabytes."""

# The bytes 0x80 to 0xFF as cp1252 decodes them; the five bytes it leaves out come as the controls of their number.
_BYTES: Final = {
    (bytes([byte]).decode("cp1252") if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(byte)): byte
    for byte in range(0x80, 0x100)
} | {chr(byte): byte for byte in range(0x80, 0xA0)}
_LEAD: Final = "".join(char for char, byte in _BYTES.items() if byte in range(0xC2, 0xF5))
_TAIL: Final = "".join(char for char, byte in _BYTES.items() if byte in range(0x80, 0xC0))
_MOJIBAKE: Final = re.compile(f"[{re.escape(_LEAD)}][{re.escape(_TAIL)}]{{1,3}}")

# Marks that a reader may leave out: accents of Latin, Greek and Cyrillic, vowels of Arabic and Hebrew. Marks of Indic,
# Thai or Japanese scripts are letters and stay.
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
# Letters without a decomposition.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "đ": "d",
        "ł": "l",
        "\u0131": "i",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "æ": "ae",
        "œ": "oe",
        "ŧ": "t",
        "ŋ": "n",
    }
)
# Typographic dashes and apostrophes, before NFKC takes an accent of its own for a space and a mark.
_TYPOGRAPHY: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D), "-") | dict.fromkeys(
    (0x60, 0xB4, 0x2B9, 0x2BB, 0x2BC, 0x2018, 0x2019, 0x201B, 0x2032, 0xFF07), "'"
)
_ENTITY: Final = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{2,6}|#x[0-9A-Fa-f]{2,5});")
_SPACES: Final = re.compile(r"\s+")


def _decoded(match: re.Match[str]) -> str:
    found = match[0]
    for end in range(len(found), 1, -1):
        try:
            return bytes(_BYTES[char] for char in found[:end]).decode("utf-8") + found[end:]
        except UnicodeDecodeError:
            continue
    return found


def repaired(text: str) -> str:
    """Repair UTF-8 that was decoded as cp1252, where a run of characters is valid UTF-8 again; up to three times.

    Example:
        >>> repaired("caf\u00c3\u00a9")
        'café'
    """
    for _ in range(3):
        if text.isascii():
            break
        better = _MOJIBAKE.sub(_decoded, text)
        if better == text:
            break
        text = better
    return text


def cleaned(text: str) -> str:
    """Return the intended text on one line, with entities and mojibake decoded.

    Invisible characters are removed; dashes and apostrophes have one form.

    Example:
        >>> cleaned(" Law &amp;  Order\u200b "), cleaned("She`s")
        ('Law & Order', "She's")
    """
    text = text[: 4 * LONGEST]
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", repaired(text).translate(_TYPOGRAPHY))
    else:
        text = text.replace("`", "'")
    if text.isprintable():
        # The only white space of printable text is the space.
        return (_SPACES.sub(" ", text) if "  " in text else text).strip()[:LONGEST]
    text = "".join(
        char for char in text if char.isspace() or char.isprintable() or unicodedata.category(char)[0] != "C"
    )
    return _SPACES.sub(" ", text).strip()[:LONGEST]


def folded(text: str) -> str:
    """Fold case and accents, and keep every script.

    Example:
        >>> folded("Élite ÑANDÚ Straße"), folded("Всё"), folded("日本"), folded("हिन्दी")
        ('elite nandu strasse', 'все', '日本', 'हिन्दी')
    """
    if text.isascii():
        return text.lower()
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", plain.casefold()).translate(_LETTERS)


def json_list(values: Iterable[str | None]) -> str:
    r"""Return texts as JSON, like :func:`json.dumps` without its encoder, which takes four times as long.

    Example:
        >>> print(json_list(["café", None, 'a "b"']))
        ["café", null, "a \"b\""]
    """
    return f"[{', '.join(['null' if value is None else encode_basestring(value) for value in values])}]"
