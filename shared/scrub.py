"""Remove secrets from text that people read: known values in every encoding, and passwords and tokens by form."""

from __future__ import annotations

import base64
import html
import json
import math
import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from shared import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HIDDEN", "SHORTEST", "is_secret_name", "scrub", "scrub_data"]

HIDDEN: Final = "***"

# A name that contains one of these is the name of a secret, both in `name=value` within text and as the key of a value.
_WORDS: Final = r"password|passwd|secret|token|api[_-]?key|access[_-]?key|signature|credential"
_SECRET_NAME: Final = re.compile(rf"(?i){_WORDS}|authorization")
# Each run of name characters is tried once, from its beginning: otherwise "secret-secret-…" takes cubic time.
_ASSIGNED: Final = rf"(?<![\w.-])(?=[\w.-]*?(?:{_WORDS}))([\w.-]++)([\"']?\s*[=:]\s*[\"']?)(?!\*\*\*)[^\s\"'&,;}})]+"
# The same with a value in quotes, which may contain spaces.
_NAMED: Final = rf"(?<![\w.-])(?=[\w.-]*?(?:{_WORDS}))([\w.-]++)([\"']?\s*[=:]\s*)"
_RULES: Final = (
    # scheme://user:password@host. A password may contain / and @: the last @ of the word counts. Bounded, because each
    # of many URLs without an @ would be searched to the end of the text.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,60}://[^\s:/@]{0,200}):[^\s\"'<>]{1,400}@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:(?:bearer|basic)\s+)?[^\s\"',]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w+/=.~-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(rf"(?i){_NAMED}'(?!\*\*\*')[^'\n]++'"), rf"\1\2'{HIDDEN}'"),
    (re.compile(rf'(?i){_NAMED}"(?!\*\*\*")[^"\n]++"'), rf'\1\2"{HIDDEN}"'),
    (re.compile(rf"(?i){_ASSIGNED}"), rf"\1\2{HIDDEN}"),
)
# Shorter secrets occur in too many other words: they are hidden only where a rule above recognises them.
SHORTEST: Final = 6
# Reading the files of secrets costs 0.1 ms; a mounted Secret that changes is seen within this time.
_FRESH_S: Final = 30.0

_PERCENT: Final = re.compile("%[0-9A-F]{2}")
_USER_INFO: Final = re.compile(r"(?i)^[a-z][a-z0-9+.-]*://[^\s:/@]*:(.+)@")
# A URL that is a credential itself, such as a webhook's; of any other URL, only parts are secret.
_WHOLLY_SECRET: Final = re.compile(r"(?i)^https?://")


def is_secret_name(name: str) -> bool:
    """Return whether a key, header or variable with this name contains a secret."""
    return _SECRET_NAME.search(name) is not None


def _parts(value: str) -> Iterator[str]:
    """Yield the secret parts of a secret: of a URL, its password and parameters with a secret's name."""
    if "://" not in value:
        yield value
        return
    if _WHOLLY_SECRET.match(value):
        yield value
        # A library may print the path and query alone.
        yield value.partition("://")[2].partition("/")[2]
    if match := _USER_INFO.match(value):
        yield match[1]
        yield unquote(match[1])
    for part in value.partition("?")[2].split("&"):
        name, _, text = part.partition("=")
        if is_secret_name(name):
            yield text
            yield unquote_plus(text)


def _forms(value: str) -> Iterator[str]:
    """Yield the texts as which a secret may appear: plain, percent-encoded, escaped in JSON, Python or HTML, base64."""
    data = value.encode("utf-8", "surrogatepass")
    yield value
    for quoted in (quote(data, safe=""), quote(data, safe="/"), quote_plus(data)):
        yield quoted
        yield _PERCENT.sub(lambda match: match[0].lower(), quoted)
    for escaped in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield escaped[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    # Of the secret alone: within a longer text, its base64 depends on what comes before.
    yield base64.b64encode(data).decode().rstrip("=")
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")


class _Known:
    """A pattern of all known secrets in all their forms, compiled again when they change."""

    def __init__(self) -> None:
        self._origin: object = None
        self._until = 0.0
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, text: str) -> str:
        now, origin = time.monotonic(), secrets.origin()
        if origin != self._origin or now > self._until:
            values = secrets.secret_values()
            if values != self._values:
                self._pattern = self._compile(values)
            self._origin, self._until, self._values = origin, now + _FRESH_S, values
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    @staticmethod
    def _compile(values: frozenset[str]) -> re.Pattern[str] | None:
        parts = {part for value in values for part in _parts(value) if len(part) >= SHORTEST}
        # Longest first: one form may contain another.
        forms = sorted({form for part in parts for form in _forms(part)}, key=lambda form: (-len(form), form))
        return re.compile("|".join(map(re.escape, forms))) if forms else None


_known: Final = _Known()


def scrub(text: str) -> str:
    """Return ``text`` with known secrets, passwords in URLs, AWS keys and tokens replaced by ``***``."""
    text = _known.hide(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def scrub_data(value: Any) -> Any:
    """Return ``value`` ready for JSON, with every string scrubbed before it is quoted.

    Scrubbing before quoting keeps escapes out of the rules. Lone surrogates (malformed file names) are escaped, NaN and
    infinity become None, and other types are left as they are.

    Args:
        value: mappings and sequences are traversed; a string under a secret's name (``password``) is hidden entirely.
    """
    if isinstance(value, str):
        return scrub(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(key): _scrub_member(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_data(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _scrub_member(key: str, value: Any) -> Any:
    if isinstance(value, str) and is_secret_name(key):
        return HIDDEN
    return scrub_data(value)
