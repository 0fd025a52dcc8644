"""Read matching rules from a YAML file: a name, and the numbers that differ from shipped rules."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError, model_validator

from jobs.viewership.matching.model import RULES
from jobs.viewership.uploads.formats.model import near_miss
from jobs.viewership.uploads.formats.strict_yaml import EXPECTED, find_value, load_yaml
from shared.errors import ConfigurationError, UsageError
from shared.storage import holds_secrets, open_regular
from shared.text import one_line

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from jobs.viewership.matching.model import MatchRules

__all__ = ["RulesFile", "RulesInvalid", "find_rules", "parse_rules", "read_rules"]

_MOST_BYTES: Final = 1 << 20
_SHOWN: Final = 10
_NAMES: Final = " or ".join(RULES)

_Points = Annotated[StrictInt | StrictFloat, Field(ge=0, le=100)]


class RulesInvalid(ConfigurationError):
    """A rules file is not valid."""

    default_code: ClassVar[str] = "rules_invalid"


class RulesFile(BaseModel):
    """The keys of a rules file; absent ones have the values of the base."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=60)]
    base: str = next(iter(RULES))
    cut: _Points | None = None
    margin: _Points | None = None
    proposed: _Points | None = None
    truncated: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    lost: Annotated[StrictInt | StrictFloat, Field(ge=0, le=1)] | None = None
    series_cut: _Points | None = None
    candidates: Annotated[StrictInt, Field(ge=1, le=20)] | None = None
    common: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    similar: StrictBool | None = None

    @model_validator(mode="after")
    def _check(self) -> RulesFile:
        if self.name in RULES:
            raise ValueError(f"the name {self.name} is used by shipped rules; expected another name")
        if self.base not in RULES:
            raise ValueError(f"the base is unknown; expected {_NAMES}{near_miss(self.base, RULES)}")
        rules = self.rules()
        if rules.proposed > rules.cut:
            raise ValueError(f"proposed {rules.proposed:g} is above cut {rules.cut:g}; expected at most the cut")
        return self

    def rules(self) -> MatchRules:
        """Return the rules."""
        given = self.model_dump(exclude_none=True, exclude={"base"})
        return replace(RULES[self.base], **given)


def find_rules(name: str) -> MatchRules:
    """Return shipped rules.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in RULES:
        raise UsageError(f"the rules '{one_line(name)}' are unknown; expected {_NAMES}{near_miss(name, RULES)}")
    return RULES[name]


def read_rules(place: str) -> MatchRules:
    """Return the rules of a file.

    Args:
        place: its path.

    Raises:
        RulesInvalid: each problem has a line of its own.
        UsageError: the file cannot be read.
    """
    name = one_line(place)
    # Error messages quote the file.
    secret = UsageError(f"'{name}' is in a folder of secrets or processes; expected a YAML file")
    if holds_secrets(os.path.realpath(place)):
        raise secret
    try:
        with open_regular(place) as file:
            if holds_secrets(file.fileno()):
                raise secret
            body = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"'{name}' cannot be read: {reason}; expected a YAML file") from None
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RulesInvalid(f"{name}: not UTF-8 at byte {error.start}; expected YAML") from None
    return parse_rules(text, source=name)


def parse_rules(text: str, *, source: str) -> MatchRules:
    """Return the rules of a YAML document.

    Args:
        text: content of the file.
        source: name of the file, for messages.

    Raises:
        RulesInvalid: each problem has a line of its own.
    """
    node, content = load_yaml(text, source=source, keys="name and cut", error=RulesInvalid)
    try:
        return RulesFile.model_validate(content).rules()
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False):
            # A union names its branch after the key.
            place = [part for part in detail["loc"][:1] if part != "[key]"]
            line, value = find_value(node, place, on_key=detail["type"] == "extra_forbidden")
            problems.append((line, _message(detail, str(place[0]) if place else "", value)))
        lines = [f"{source}: line {line}: {message}" for line, message in dict.fromkeys(sorted(problems))]
        raise RulesInvalid("\n".join(lines[:_SHOWN])) from None


def _message(detail: ErrorDetails, name: str, value: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    shown = f" '{one_line(value)}'" if value else ""
    if kind == "extra_forbidden":
        guess = near_miss(name, RulesFile.model_fields) or f"; expected one of {', '.join(RulesFile.model_fields)}"
        return f"unknown key '{one_line(name)}'{guess}"
    if kind == "missing":
        return f"the key '{name}' is missing"
    if not name:
        return one_line(detail["msg"].removeprefix("Value error, "))
    return f"{one_line(name)}{shown} is not valid; expected {_expected(kind, context)}"


def _expected(kind: str, context: dict[str, Any]) -> str:
    return EXPECTED.get(kind, "a number").format(**context)
