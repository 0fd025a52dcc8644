"""Patterns that find a secret in every encoding in which a message may contain it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["encoded", "parts", "spelled"]

# Longer secrets are certificates or whole files; a pattern for each of their characters would take seconds to compile.
_LONGEST: Final = 8192
# A piece of a webhook's path that is this long and no word is its token.
_TOKEN: Final = re.compile(r"(?=[^/]*\d)[\w-]{12,}")
_RUN: Final = re.compile("[A-Za-z0-9]+")
_ESCAPES: Final = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
_NAMED: Final = {"&": "amp;", "<": "lt;", ">": "gt;", '"': "quot;", "'": "apos;"}
# Within quotes of its own kind: '"'"' and '\'' in a shell, doubled in SQL and CSV. Other escapes may follow.
_QUOTED: Final = {"'": (r"'\\*+\"'\\*+\"'", r"'\\++''", "''"), '"': (r'\\*+"\\*+"',)}
_BMP: Final = 0xFFFF


def parts(value: str, is_secret_name: Callable[[str], bool]) -> Iterator[str]:
    """Yield the secret parts of a secret: all of it, or of a URL its password and tokens.

    Args:
        value: the secret, as it was configured.
        is_secret_name: whether a parameter of this name is secret.
    """
    if value != value.strip():
        yield value
        value = value.strip()
    scheme, separator, rest = value.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        yield value
        return
    before, _, query = rest.partition("?")
    if scheme.lower() in {"http", "https"}:
        # The URL itself is a credential, such as a webhook's. A library may print only its path.
        yield value
        path = rest.partition("/")[2]
        yield path
        yield from _TOKEN.findall(path)
    # A password may contain what usually ends it; an @ after the ? is rather one of a parameter.
    ends = [before if "@" in before else rest, re.split("[/?#]", rest)[0]]
    for password in {password for end in ends for password in _passwords(end)}:
        yield password
        yield unquote(password)
    for parameter in query.partition("#")[0].split("&"):
        name, _, text = parameter.partition("=")
        if is_secret_name(name):
            yield text
            yield unquote_plus(text)


def _passwords(text: str) -> Iterator[str]:
    """Yield what may be the password in ``user:password@host``: parsers end it at the first @, or at the last."""
    user, separator, rest = text.partition(":")
    if separator and "/" not in user:
        for password, at, _ in (rest.partition("@"), rest.rpartition("@")):
            # A password equal to the user's name would make every text about the user unreadable.
            if at and password != user:
                yield password


def spelled(secret: str) -> tuple[str, re.Pattern[str]]:
    """Return a pattern for plain, percent-encoded, quoted and escaped text, and a piece of text that every match has.

    Letters and digits of ASCII are the same in all of these; every other character has its own alternatives. Escapes
    may be nested, as in JSON within JSON.
    """
    if len(secret) > _LONGEST:
        return secret, re.compile(re.escape(secret))
    pattern: list[str] = []
    after_backslashes = False
    for match in re.finditer(r"\\+|[\s\S]", secret):
        text = match[0]
        if text[0] == "\\":
            once = r"%(?:25)*5[cC]|&(?:amp;)*#(?:0*92|[xX]0*5[cC]);"
            pattern.append(rf"(?:\\{{{len(text)},}}+|(?:{once}){{{len(text)}}})")
        else:
            pattern.append(_spelled_letter(text, after_backslashes=after_backslashes))
        after_backslashes = text[0] == "\\"
    return _longest_run(secret), re.compile("".join(pattern))


def _spelled_letter(letter: str, *, after_backslashes: bool) -> str:
    if letter.isascii() and letter.isalnum():
        return letter
    code = ord(letter)
    data = letter.encode("utf-8", "surrogatepass")
    # The backslashes of a secret have already consumed those of an escape.
    some, any_number = ("", "") if after_backslashes else (r"\\++", r"\\*+")
    units = [code] if code <= _BMP else [0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)]
    escapes = [r"\\++".join(f"u{_hex(unit, 4)}" for unit in units), f"U{_hex(code, 8)}"]
    if code <= 0xFF:  # noqa: PLR2004 - the last that Python writes with two digits
        escapes.append(f"x{_hex(code, 2)}")
    if letter in _ESCAPES:
        escapes.append(_ESCAPES[letter])
    forms = [
        f"{any_number}{re.escape(letter)}",
        f"{some}(?:{'|'.join(escapes)})",
        "".join(f"%(?:25)*{_hex(byte, 2)}" for byte in data),
        f"&(?:amp;)*#0*{code};",
        f"&(?:amp;)*#[xX]0*{_hex(code, 1)};",
    ]
    if letter in _NAMED:
        forms.append(f"&(?:amp;)*{_NAMED[letter]}")
    if letter in _QUOTED:
        forms = [*_QUOTED[letter], *forms]
    if not letter.isascii():
        forms += _as_bytes(letter, data, some)
    if letter == " ":
        forms.append(r"\+")
    if not letter.isprintable():
        # Stored text has this in place of a control character.
        forms.append("\N{REPLACEMENT CHARACTER}")
    if letter == "&":
        # A named entity contains its own character.
        forms = [*forms[1:], forms[0]]
    return f"(?:{'|'.join(forms)})"


def _as_bytes(letter: str, data: bytes, some: str) -> list[str]:
    """Return the forms of a letter's bytes: escaped, as in ``repr(b"…")``, or decoded with a wrong encoding.

    HTTP headers are decoded as Latin-1, and names of files that are not UTF-8 become surrogates.
    """
    # The first escape of a letter may follow backslashes of the secret itself.
    before = [some] + [r"\\++"] * (len(data) - 1)
    escaped = list(zip(before, data, strict=True))
    forms = [
        "".join(f"{slashes}x{_hex(byte, 2)}" for slashes, byte in escaped),
        "".join(f"{slashes}{byte:03o}" for slashes, byte in escaped),
        # Stored text has the replacement character in place of control characters and surrogates.
        "".join(
            f"(?:{chr(byte)}|{slashes}(?:x|u00){_hex(byte, 2)}|\N{REPLACEMENT CHARACTER})" for slashes, byte in escaped
        ),
        "".join(f"(?:{chr(0xDC00 + byte)}|{slashes}udc{_hex(byte, 2)})" for slashes, byte in escaped),
    ]
    if ord(letter) <= 0xFF:  # noqa: PLR2004 - the last letter of Latin-1
        forms.append(f"%(?:25)*{_hex(ord(letter), 2)}")
    return forms


def encoded(secret: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield patterns for the base64 of any text that contains the secret.

    Base64 encodes three bytes at a time, so there are three, for the possible positions of the secret's first byte.
    Characters that also depend on the text before or after the secret are left out.
    """
    data = secret.encode("utf-8", "surrogatepass")
    if len(data) > _LONGEST:
        return
    for before, skipped in enumerate((0, 2, 3)):
        text = base64.b64encode(b"\0" * before + data).decode()
        core = text[skipped : (before + len(data)) * 8 // 6]
        pattern = "".join(_BASE64.get(letter, letter) for letter in core)
        # The last character and the padding, if the secret ends the text.
        yield _longest_run(core), re.compile(rf"{pattern}(?:[\w+/-]?(?:=|%3[dD]){{1,2}})?")


_BASE64: Final = {"+": r"(?:[+-]|%2[bB])", "/": r"(?:[/_]|\\+/|%2[fF])"}


def _longest_run(text: str) -> str:
    return max(_RUN.findall(text), key=len, default="")


def _hex(code: int, digits: int) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in f"{code:0{digits}x}")
