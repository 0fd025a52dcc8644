"""Rights of RBAC: each call takes one, so an account with these rights can do all calls."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Right", "listed"]


@dataclass(frozen=True, slots=True)
class Right:
    """A right to objects of one kind in a namespace.

    Attributes:
        group: API group; empty for the core group.
        version: version of the group.
        resource: plural of the resource.
        verb: verb of RBAC.
    """

    group: str
    version: str
    resource: str
    verb: Literal["get", "list", "create", "delete"]

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    def path(self, namespace: str, name: str | None = None) -> str:
        """Return the path of the collection, or of one object."""
        root = f"/apis/{self.group}" if self.group else "/api"
        path = f"{root}/{self.version}/namespaces/{namespace}/{self.resource}"
        return f"{path}/{name}" if name else path


def listed(rights: Iterable[Right]) -> str:
    """Return rights as text: ``get workflows; create, get, … rayjobs; …``; those of a resource must be adjacent."""
    grouped = groupby(rights, key=lambda right: right.resource)
    return "; ".join(f"{', '.join(right.verb for right in each)} {resource}" for resource, each in grouped)
