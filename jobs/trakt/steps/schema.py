"""The schema command: print the contract of the API's answers as JSON Schema, or write it to a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobs.trakt.contract.document import document
from jobs.trakt.contract.resources import RESOURCES
from shared.errors import UsageError
from shared.storage import put_uri
from shared.text import one_line

if TYPE_CHECKING:
    from jobs.trakt.settings.schema import SchemaSettings

__all__ = ["schema_text", "show"]


def show(settings: SchemaSettings) -> str:
    """Return the schema as JSON, or the place where it was written.

    Raises:
        UsageError: the place does not name an object.
    """
    text = schema_text(settings.resource)
    if settings.output is None:
        return text
    try:
        put_uri(settings.output, f"{text}\n".encode(), settings)
    except ValueError as error:
        raise UsageError(f"--output: {one_line(error)}") from None
    return f"Written: {one_line(settings.output)}"


def schema_text(resource: str) -> str:
    """Return the schema of a resource as JSON; for ``all``, an object with the schema of each.

    The schemas are ASCII: nothing in them needs an escape.
    """
    found = {name: document(name) for name in RESOURCES} if resource == "all" else document(resource)
    return json.dumps(found, indent=2)
