"""Checks of an audit: how much each compared, what it found, and the places of the first findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.errors import AUDIT, STALE

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["MOST_NAMED", "Check", "Finding", "Scope", "tell"]

MOST_NAMED: Final = 50
"""Findings of a check that are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The uploads that an audit covers.

    Attributes:
        uploads: their numbers.
        whole: all uploads are covered, including values that belong to none.
    """

    uploads: tuple[int, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that differs from the one recomputed from the stored raw rows.

    Attributes:
        code: one of :data:`jobs.viewership.errors.AUDIT`.
        message: what is stored and what is expected.
        upload_id: the upload; None if the value belongs to several.
        line: its line.
        item: what it is otherwise, such as ``key 12``.
    """

    code: str
    message: str
    upload_id: int | None = None
    line: int | None = None
    item: str | None = None

    @property
    def place(self) -> str:
        """Return where it is: upload, line and item.

        >>> Finding("SUMS", "", upload_id=3, line=7).place
        'upload 3, line 7'
        """
        parts = (
            None if self.upload_id is None else f"upload {self.upload_id}",
            None if self.line is None else f"line {self.line}",
            self.item,
        )
        return ", ".join(filter(None, parts))


@dataclass(slots=True)
class Check:
    """One comparison.

    Attributes:
        name: what is compared.
        checked: number of values that were compared.
        wrong: number that differ but must not.
        stale: number that differ because the catalogue or the rules have changed since.
        findings: the first of each code.
        codes: number of values by code.
    """

    name: str
    checked: int = 0
    wrong: int = 0
    stale: int = 0
    findings: list[Finding] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding, count: int = 1) -> None:
        """Count a finding, and keep it if it is among the first of its code.

        Args:
            finding: the finding.
            count: how many values it is about.

        Raises:
            KeyError: the code is unknown.
        """
        if finding.code not in AUDIT:
            raise KeyError(finding.code)
        if finding.code in STALE:
            self.stale += count
        else:
            self.wrong += count
        self.codes[finding.code] += count
        if sum(each.code == finding.code for each in self.findings) < MOST_NAMED:
            self.findings.append(finding)


def tell(session: DatabaseSession, check: Check, code: str, statement: str, message: str, /, **values: Any) -> None:
    """Add a finding for each row of a statement.

    Args:
        session: the transaction.
        check: receives the findings.
        code: their code.
        statement: its rows have ``upload_id``, ``line`` and ``item``, any of which may be null, and the names in the
            message.
        message: a format for the columns of a row.
        values: of the statement.
    """
    rows = session.rows(
        f"WITH found AS MATERIALIZED ({statement}) SELECT *, (SELECT count(*) FROM found) AS total FROM found"  # noqa: S608
        f" ORDER BY upload_id NULLS FIRST, line NULLS FIRST, item LIMIT {MOST_NAMED}",
        **values,
    )
    for number, row in enumerate(rows, 1):
        named = {name: "empty" if value is None else value for name, value in row._asdict().items()}
        # The last row that is named also counts the rest.
        count = 1 if number < len(rows) else row.total - number + 1
        check.add(Finding(code, message.format(**named), row.upload_id, row.line, row.item), count)
