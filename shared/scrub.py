"""Remove secrets from text that people read: log lines, error messages, reports."""

from __future__ import annotations

import math
import os
import re
from typing import Any, Final

__all__ = ["HIDDEN", "is_secret_name", "scrub", "scrub_data"]

HIDDEN: Final = "***"

# A name that contains one of these is the name of a secret, both in `name=value` within text and as the key of a value.
_WORDS: Final = r"password|passwd|secret|token|api[_-]?key|access[_-]?key|signature|credential"
_SECRET_NAME: Final = re.compile(rf"(?i){_WORDS}|authorization")
# Each run of name characters is tried once, from its beginning: otherwise "secret-secret-…" takes cubic time.
_ASSIGNED: Final = rf"(?<![\w.-])(?=[\w.-]*?(?:{_WORDS}))([\w.-]++)([\"']?\s*[=:]\s*[\"']?)(?!\*\*\*)[^\s\"'&,;}})]+"
_RULES: Final = (
    # scheme://user:password@host; a password may contain an @, so the last one before the path counts
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,60}://[^\s:/@]*):[^\s/]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:(?:bearer|basic)\s+)?[^\s\"',]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w+/=.~-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(rf"(?i){_ASSIGNED}"), rf"\1\2{HIDDEN}"),
)
# Variables whose value is a secret, whatever name a library prints it under.
_VARIABLES: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "TRAKT_CLIENT_SECRET")
_SHORTEST: Final = 8


def is_secret_name(name: str) -> bool:
    """Return whether a key, header or variable with this name contains a secret."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """Return ``text`` with passwords in URLs, AWS keys, tokens and values of secret variables replaced by ``***``."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        # Values of a few characters occur in too many other words.
        if len(value) >= _SHORTEST:
            text = text.replace(value, HIDDEN)
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
