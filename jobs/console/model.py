"""Roles, and the user behind a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Principal", "Role"]


class Role(Enum):
    """A set of rights; each role includes the ones before it.

    ``PUBLIC`` marks routes that need no user: the login form, static files and probes.
    """

    PUBLIC = 0
    VIEWER = 1
    UPLOADER = 2
    REVIEWER = 3

    def includes(self, other: Role) -> bool:
        """Return whether a user with this role may do what the other role may."""
        return self.value >= other.value

    @property
    def word(self) -> str:
        """Return the role's name as users type and read it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Principal:
    """The user behind a request.

    Attributes:
        name: name for display and for the audit log.
        role: what the user may do.
        method: ``local``, ``proxy``, ``session`` or ``bearer``.
    """

    name: str
    role: Role
    method: str
