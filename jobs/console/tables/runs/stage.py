"""A run's stages as shown on its page: how they were started, and their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from shared.ledger.origin import KEY
from shared.storage.uris import is_inside, join_uri
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXIT_CODES", "Started", "argo_link", "counts", "report_uri", "started"]

EXIT_CODES: Final = {
    0: "success",
    2: "wrong usage",
    65: "bad data",
    70: "a bug in telecine",
    75: "a transient failure; retry",
    78: "the installation needs an operator",
    130: "stopped by Ctrl-C",
    137: "killed",
    143: "stopped by a signal",
}
"""Descriptions of telecine's exit codes."""


@dataclass(frozen=True, slots=True)
class Started:
    """The start of some stages of a run; stages of one command share it.

    Attributes:
        stages: their names.
        command: the command that reruns them; None if unknown.
        known: True if the ledger records which parameters differ from their defaults.
        changed: names and values of these parameters.
        others: all other parameters.
    """

    stages: list[str]
    command: str | None
    known: bool
    changed: list[tuple[str, Any]]
    others: list[tuple[str, Any]]


def origin(row: Any) -> dict[str, Any]:
    """Return how a stage was started; empty if an older version recorded it."""
    found = row.parameters.get(KEY) if isinstance(row.parameters, dict) else None
    return found if isinstance(found, dict) else {}


def started(stages: Sequence[Any]) -> list[Started]:
    """Return how a run's stages were started, each command once, in order.

    Args:
        stages: rows of ``pipeline.run_stages``.
    """
    found: list[Started] = []
    seen: list[tuple[Any, Any]] = []
    for row in stages:
        how = origin(row)
        values = {name: value for name, value in row.parameters.items() if name != KEY}
        same = (values, how)
        if same in seen:
            found[seen.index(same)].stages.append(row.stage)
            continue
        seen.append(same)
        names = set(_texts(how.get("changed")))
        command = how.get("command")
        found.append(
            Started(
                stages=[row.stage],
                command=command if isinstance(command, str) and _is_one_line(command) else None,
                known="changed" in how,
                changed=[(name, value) for name, value in sorted(values.items()) if name in names],
                others=[(name, value) for name, value in sorted(values.items()) if name not in names],
            )
        )
    return found


def _is_one_line(command: str) -> bool:
    """Return whether a command has neither line breaks, which run it when it is pasted, nor hidden characters."""
    return bool(command) and command.isprintable() and one_line(command) == command


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def argo_link(template: str | None, run: Any, stages: Sequence[Any]) -> str | None:
    """Return the link to a run's Workflow; None without a template, or for a run outside Argo.

    Args:
        template: http(s) URL with ``{namespace}``, ``{workflow}``, ``{run_id}``, ``{pipeline}``.
        run: row of ``pipeline.runs``.
        stages: its stages.
    """
    if not template:
        return None
    how: dict[str, Any] = next((each for row in stages if "workflow" in (each := origin(row))), {})
    values = {"run_id": run.run_id, "pipeline": run.pipeline}
    values |= {name: how[name] for name in ("namespace", "workflow") if isinstance(how.get(name), str)}
    link = template
    for name, value in values.items():
        link = link.replace(f"{{{name}}}", quote(value, safe=""))
    # Without a Workflow's name the link is broken; a scheme such as javascript: would run in this page.
    left = any(f"{{{name}}}" in link for name in ("namespace", "workflow"))
    return None if left or not how or urlsplit(template).scheme not in ("http", "https") else link


def report_uri(row: Any, places: Sequence[str]) -> str | None:
    """Return the location of a stage's report if it is inside one of the places, else None.

    Args:
        row: row of ``pipeline.run_stages``.
        places: allowed buckets and folders; if empty, None is returned.
    """
    how = origin(row)
    found = [how["report"]] if isinstance(how.get("report"), str) else []
    if isinstance(how.get("artifact"), str):
        found += [join_uri(place, how["artifact"]) for place in places if place.startswith("s3://")]
    uri: str
    for uri in found:
        try:
            if places and is_inside(uri, places):
                return uri
        except ValueError:
            continue
    return None


def counts(stages: Sequence[Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return the names and values of counts by stage, without stages that have none."""
    return [(row.stage, list(row.counts.items())) for row in stages if row.counts]
