"""Checks of an audit: how much each compared, what it found, and the first findings of each code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from jobs.trakt.errors import AUDIT, STALE

__all__ = ["MOST_NAMED", "Check", "Finding"]

MOST_NAMED: Final = 20
"""Findings of a code that are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that differs from the one it should follow from.

    Attributes:
        code: one of :data:`jobs.trakt.errors.AUDIT`.
        place: a page object, a comment, a load or a table.
        message: what is stored, and what is expected.
    """

    code: str
    place: str
    message: str


@dataclass(slots=True)
class Check:
    """One comparison.

    Attributes:
        name: the things that are compared.
        checked: number of values that were compared.
        codes: number of findings by code.
        findings: the first of each code.
        seconds: time that it took.
    """

    name: str
    checked: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> int:
        """Return the number of findings that are damage."""
        return sum(number for code, number in self.codes.items() if code not in STALE)

    @property
    def stale(self) -> int:
        """Return the number of findings that the next run settles."""
        return self.codes.total() - self.wrong

    def add(self, code: str, place: str, message: str, count: int = 1) -> None:
        """Count a finding, and keep it if it is among the first of its code.

        Args:
            code: one of :data:`jobs.trakt.errors.AUDIT`.
            place: where it is.
            message: what is stored, and what is expected.
            count: how many values it is about.

        Raises:
            KeyError: the code is unknown.
        """
        if code not in AUDIT:
            raise KeyError(code)
        if sum(each.code == code for each in self.findings) < MOST_NAMED:
            self.findings.append(Finding(code, place, message))
        self.codes[code] += count
