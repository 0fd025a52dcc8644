"""Remove secrets from logs, errors and reports, by known value and by form (URLs, JWTs, key ids, names).

Secrets are found in two ways: by value, if this process knows them (:mod:`shared.secrets`), in any encoding; and by
form, such as ``password=…`` or a password in a URL.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, Final

from shared import secrets
from shared.scrub._spelling import encoded, parts, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HIDDEN", "SHORTEST", "hide_known", "is_secret_name", "scrub", "scrub_data"]

HIDDEN: Final = "***"
# Shorter secrets occur in too many other words: they are hidden only where a rule below recognises them.
SHORTEST: Final = 6
# Words of most messages and paths. As a password, they would make every line unreadable.
_COMMON: Final = frozenset({"default", "gamedata", "localhost", "password", "postgres", "postgresql", "telecine"})

# A name that contains one of these is the name of a secret, both in `name=value` within text and as the key of a value.
_WORDS: Final = r"password|passwd|secret|token|api[_-]?key|access[_-]?key|signature|credential"
_SECRET_NAME: Final = re.compile(rf"(?i){_WORDS}|authorization")
# Each run of name characters is tried once, from its beginning: otherwise "secret-secret-…" takes cubic time.
_ASSIGNED: Final = rf"(?<![\w.-])((?=[\w.-]*?(?:{_WORDS}))[\w.-]++|authorization)(\\*[\"']?\s*[=:]\s*[\[(]?)"
# scheme://user:password@host. User and password may contain an @, and the password a slash: the last @ of the word
# counts. A port and the path after it are left alone. Bounded, or "a://x:a://x:…" takes quadratic time.
_URL: Final = re.compile(
    r"""(?i)\b([a-z][a-z0-9+.-]{0,60}://(?!\[)[^\s:/]{0,300}):(?!\*\*\*@|\d{1,5}(?![^/?#\s"',]))"""
    r"""(?:[^\s"'<>]|["'](?![]:,\s)}])){1,400}@"""
)
_BY_NAME: Final = (
    # A value in quotes, which may contain spaces. The quotes may be escaped, or missing where a text is cut.
    (re.compile(rf"(?i){_ASSIGNED}([bru]{{0,2}})(\\*[\"'])(?!\*\*\*)(?:(?!\4)(?:\\.|[^\\\n]))+"), rf"\1\2\3\4{HIDDEN}"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:(?:bearer|basic)\s+)?(?!\*\*\*)[^\s\"',]+"), rf"\1{HIDDEN}"),
    # With a digit, a capital or a sign: "basic authentication" is left alone.
    (re.compile(r"\b((?i:bearer|basic)\s+)(?=[\w+/=.~-]*[\dA-Z+/=])[\w+/=.~-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i){_ASSIGNED}([\"']?)(?![\[{{(]*(?:\*\*\*|[\s\"'}})\]]|\Z))[^\s\"'&,;}})]+"), rf"\1\2\3{HIDDEN}"),
)
_KEY_ID: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_JWT: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
# Parts of words without which no rule by name matches: finding them costs a hundredth of the rules.
_TRIGGERS: Final = (
    *("passw", "secret", "token", "api", "access", "signature", "credential", "authorization", "bearer", "basic"),
)

# Reading the secrets of the environment costs 20 µs, and of mounted files 0.1 ms; a new one is seen within this time.
FRESH_S: Final = 2.0


def is_secret_name(name: str) -> bool:
    """Return whether a key, header or variable with this name contains a secret."""
    return _SECRET_NAME.search(name) is not None


class _Known:
    """Patterns of all known secrets, compiled again when a secret is added or has changed."""

    def __init__(self) -> None:
        self._version = -1
        self._until = 0.0
        self._values: frozenset[str] = frozenset()
        self._patterns: list[tuple[str, re.Pattern[str]]] = []

    def hide(self, text: str) -> str:
        now = time.monotonic()
        if now >= self._until or self._version != secrets.version():
            self._version, self._until = secrets.version(), now + FRESH_S
            values = secrets.secret_values()
            if values != self._values:
                self._patterns = _compiled(values)
                self._values = values
        for piece, pattern in self._patterns:
            if piece in text:
                text = pattern.sub(HIDDEN, text)
        return text


def _compiled(values: Iterable[str]) -> list[tuple[str, re.Pattern[str]]]:
    """Return a pattern for each secret and each of its encodings, with a piece that every match contains."""
    found = {part for value in values for part in parts(value, is_secret_name) if len(part) >= SHORTEST}
    # Longest first: one secret may contain another.
    found -= {part for part in found if part.casefold() in _COMMON or set(part) <= {"*"}}
    ordered = sorted(found, key=lambda part: (-len(part), part))
    return [spelled(part) for part in ordered] + [pattern for part in ordered for pattern in encoded(part)]


_known: Final = _Known()


def hide_known(text: str) -> str:
    """Return ``text`` with the secrets that this process knows replaced by ``***``, and nothing recognised by form."""
    return _known.hide(text)


def scrub(text: str) -> str:
    """Return ``text`` with known secrets, passwords in URLs, AWS keys and tokens replaced by ``***``."""
    text = _known.hide(text)
    if "://" in text and "@" in text:
        text = _URL.sub(rf"\1:{HIDDEN}@", text)
    folded = text.casefold()
    if any(word in folded for word in _TRIGGERS):
        for pattern, replacement in _BY_NAME:
            text = pattern.sub(replacement, text)
    if "AKIA" in text or "ASIA" in text:
        text = _KEY_ID.sub(HIDDEN, text)
    if "eyJ" in text:
        text = _JWT.sub(HIDDEN, text)
    return text


def scrub_data(value: Any) -> Any:
    """Return ``value`` ready for JSON, with every string scrubbed before it is quoted.

    Scrubbing before quoting keeps escapes out of the rules. Lone surrogates (malformed file names) are escaped, NaN and
    infinity become None, and other types are left as they are.

    Args:
        value: mappings and sequences are traversed; a string under a secret's name (``password``) is hidden entirely.
    """
    return _scrubbed(value, secret=False)


def _scrubbed(value: Any, *, secret: bool) -> Any:
    if isinstance(value, str):
        return HIDDEN if secret else scrub(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {
            scrub(str(key)).encode("utf-8", "backslashreplace").decode(): _scrubbed(
                member, secret=secret or is_secret_name(str(key))
            )
            for key, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrubbed(member, secret=secret) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
