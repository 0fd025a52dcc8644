"""The state of a list in its URL: one strict pydantic model per page, and chips for active filters.

The model of a list inherits :class:`ListQuery`. Each field is a parameter of the query string; an unknown name, a
duplicate or an invalid value is an error that lists the valid ones. Empty values count as absent, because forms send
all their fields.
"""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from jobs.console.errors import BadQuery
from shared.text import clean_text, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from fastapi import Request
    from pydantic.fields import FieldInfo

__all__ = ["Chip", "ListQuery", "Part", "Text", "label_of", "parse", "query_of", "valid_values"]

_Q = TypeVar("_Q", bound="ListQuery")
_MOST_CHARS = 200
# Pages have a dozen parameters, and each unknown one triggers a search for similar names.
_MOST_PAIRS = 64
_MOST_PROBLEMS = 8
# An S3 key of 1,024 bytes as JSON in base64 with each byte escaped is 8,192 characters.
_MOST_CURSOR_CHARS = 10_000


def _without_controls(value: str) -> str:
    # Messages of these checks end "expected …".
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError("text without control characters")
    return value


Text = Annotated[str, StringConstraints(min_length=1, max_length=_MOST_CHARS), AfterValidator(_without_controls)]
"""Free text of a filter: up to 200 characters, without control characters."""

Part = Annotated[str, StringConstraints(min_length=3, max_length=_MOST_CHARS), AfterValidator(_without_controls)]
"""A substring filter: 3 to 200 characters, without control characters."""


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, and the URL without it."""

    label: str
    value: str
    remove: str


class ListQuery(BaseModel):
    """Base class of the parameters of a list.

    A trailing underscore, which avoids Python keywords, is not part of the parameter: ``from_`` is ``from``.

    Attributes:
        sort: name of an order of the list; subclasses declare the valid ones.
        after: cursor of the row before the first one.
        limit: rows on a page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    # Not filters, so they have no chip.
    controls: ClassVar[frozenset[str]] = frozenset({"sort", "after", "limit", "view"})

    sort: str = ""
    after: Annotated[str, StringConstraints(max_length=_MOST_CURSOR_CHARS, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def url(self, path: str, **changes: Any) -> str:
        """Return the URL of the list with some parameters changed; None removes one.

        Changing a filter or the order returns to the first page.

        Args:
            path: path of the page.
            changes: parameters and their new values.
        """
        values = self._given()
        if "after" not in changes:
            values.pop("after", None)
        values.update({name.rstrip("_"): value for name, value in changes.items()})
        kept = {name: value for name, value in values.items() if value not in (None, "")}
        words = {name: _word(value) for name, value in kept.items()}
        return f"{path}?{urlencode(words)}" if words else path

    def filters(self) -> dict[str, Any]:
        """Return the active filters: parameters that are set, except those that only control the list."""
        return {name: value for name, value in self._given().items() if name not in self.controls}

    def _given(self) -> dict[str, Any]:
        """Return the parameters that are set, by their names in the query string."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        return {name.rstrip("_"): value for name, value in values.items()}

    def chips(self, path: str) -> list[Chip]:
        """Return the active filters, each with the URL that removes it."""
        return [
            Chip(label_of(type(self), name), _shown(value), self.url(path, **{name: None}))
            for name, value in self.filters().items()
        ]


def _word(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def label_of(model: type[ListQuery], name: str) -> str:
    """Return the label of a parameter: its title, or its name as words."""
    return model.model_fields[_fields(model)[name]].title or name.replace("_", " ")


def _fields(model: type[ListQuery]) -> dict[str, str]:
    """Return the fields of a list by their names in the query string."""
    return {name.rstrip("_"): name for name in model.model_fields}


def valid_values(field: FieldInfo) -> tuple[str, ...]:
    """Return the values of a field if it is an enumeration, else none."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        if get_origin(annotation) is Literal:
            return tuple(str(value) for value in get_args(annotation) if value != "")
        if annotation is bool:
            return ("true", "false")
    return ()


def query_of(model: type[_Q]) -> Callable[[Request], _Q]:
    """Return a dependency that parses a request's query string.

    Args:
        model: the parameters of the page.
    """

    def dependency(request: Request) -> _Q:
        return parse(model, request.query_params.multi_items())

    # FastAPI evaluates annotations of dependencies at run time, and this type is imported only for checking.
    from fastapi import Request as Given

    dependency.__annotations__ = {"request": Given, "return": model}
    return dependency


def parse(model: type[_Q], pairs: Sequence[tuple[str, str]]) -> _Q:
    """Return the parameters of a list from name and value pairs.

    Args:
        model: the parameters of the page.
        pairs: the raw pairs; empty values count as absent.

    Raises:
        BadQuery: a name is unknown or given twice, or a value is invalid.
    """
    if len(pairs) > _MOST_PAIRS:
        raise BadQuery([f"the URL has {len(pairs):,} parameters; expected at most {_MOST_PAIRS}"])
    values: dict[str, str] = {}
    problems: list[str] = []
    fields = _fields(model)
    for name, value in pairs:
        if name not in fields:
            problems.append(_unknown(fields, name))
        elif value.strip() == "":
            continue
        elif fields[name] in values:
            problems.append(f"'{name}' is given twice; expected one value")
        else:
            values[fields[name]] = value
    try:
        parsed = model.model_validate(values)
    except ValidationError as error:
        problems += [
            # An error across several fields has no name.
            _invalid(model, str(each["loc"][0]), each["msg"], values) if each["loc"] else _words(each["msg"])
            for each in error.errors()
        ]
    else:
        if not problems:
            return parsed
    raise BadQuery(problems[:_MOST_PROBLEMS])


def _unknown(fields: Collection[str], name: str) -> str:
    known = sorted(fields)
    shown = clean_text(one_line(name), 60)
    similar = difflib.get_close_matches(name[:60], known, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"expected one of {', '.join(known)}"
    return f"'{shown}' is not a parameter of this page; {hint}"


def _invalid(model: type[ListQuery], name: str, said: str, values: dict[str, str]) -> str:
    shown = clean_text(one_line(values.get(name, "")), 60)
    field = model.model_fields[name]
    valid = valid_values(field)
    if date in (field.annotation, *get_args(field.annotation)):
        expected = "a day such as 2026-01-31"
    else:
        expected = f"one of {', '.join(valid)}" if valid else _words(said)
    return f"{name.rstrip('_')}='{shown}' is not valid; expected {expected}"


def _words(said: str) -> str:
    """Return pydantic's expectation without its opening words."""
    for opening in ("Input should be ", "String should ", "Value error, "):
        said = said.removeprefix(opening)
    return said[:1].lower() + said[1:]
