"""Roles, and the user of a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Principal", "Role"]


class Role(Enum):
    """A set of rights; each role includes the previous ones.

    ``PUBLIC`` marks routes that need no user: the login form, static files and probes.
    """

    PUBLIC = 0
    VIEWER = 1
    UPLOADER = 2
    REVIEWER = 3

    def includes(self, other: Role) -> bool:
        """Return whether this role has all rights of another role."""
        return self.value >= other.value

    @property
    def word(self) -> str:
        """Return the role's name as shown to users."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request.

    Attributes:
        name: name in pages and in the audit log.
        role: what the user may do.
        method: ``local``, ``proxy``, ``session`` or ``bearer``.
    """

    name: str
    role: Role
    method: str
