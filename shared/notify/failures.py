"""Parse Argo's ``{{workflow.failures}}``: the failed nodes, the one to report, and whether a user stopped the run."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NodeFailure", "first", "parse", "was_stopped"]

_ATTEMPT: Final = re.compile(r"\(\d+\)$")
_EXIT_CODE: Final = re.compile(r"exit code (\d+)")
# Argo 4.0 writes both: the first for nodes that had not started, the second for pods that it ended.
_STOPPED: Final = re.compile(r"(?:shutdown|stopped) with strategy", re.IGNORECASE)
# Pieces of a Go string literal: plain text, or an escape by letter, by two hexadecimal digits, or by four or eight.
_PIECE: Final = re.compile(r"""([^"\\]+)|\\(?:([abfnrtv\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))""")
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {
    each: each for each in "\\\"'"
}
_ASCII_END: Final = 0x80
_NEXT: Final = re.compile(r"[\s,]*(?=\{)")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """One failed node.

    Attributes:
        step: the node's name, without the number of the attempt.
        message: Argo's message, such as ``Error (exit code 78)``.
        phase: Failed or Error.
        pod: name of the pod; empty for nodes that only contain others.
        at: end time, as Argo writes it.
    """

    step: str
    message: str
    phase: str
    pod: str
    at: str

    @property
    def exit_code(self) -> int | None:
        """The exit code in the message."""
        match = _EXIT_CODE.search(self.message)
        return int(match[1]) if match else None


def parse(text: str) -> list[NodeFailure]:
    """Parse the list, sorted by end time; text that cannot be parsed becomes one failure with that text.

    Argo passes the list as JSON in a string literal of Go, or as plain JSON, depending on where it is substituted, and
    ``null`` if nothing failed; without substitution the variable's own name arrives. Of a list that was cut, all
    complete nodes are returned.
    """
    value = text.strip() or "[]"
    if value.startswith('"'):
        value = _unquoted(value)
    nodes = _complete(value)
    if nodes is None:
        return [] if value.startswith("{{") else [NodeFailure("workflow", value, "Failed", "", "")]
    found = [
        NodeFailure(
            step=_ATTEMPT.sub("", str(node.get("displayName") or node.get("templateName") or "workflow")),
            message=str(node.get("message") or ""),
            phase=str(node.get("phase") or ""),
            pod=str(node.get("podName") or ""),
            at=str(node.get("finishedAt") or ""),
        )
        for node in nodes
        if isinstance(node, dict)
    ]
    return sorted(found, key=lambda failure: failure.at)


def _unquoted(text: str) -> str:
    """Return the content of a string literal as Go's ``strconv.Quote`` writes it, up to its end or where it was cut."""
    parts = []
    at = 1
    while piece := _PIECE.match(text, at):
        at = piece.end()
        plain, letter, byte = piece[1], piece[2], piece[3]
        if plain is not None:
            parts.append(plain)
        elif letter is not None:
            parts.append(_LETTERS[letter])
        else:
            code = int(byte or piece[4] or piece[5], 16)
            # Go writes \x80 and above only for bytes that are not UTF-8.
            invalid = (byte is not None and code >= _ASCII_END) or code > sys.maxunicode
            parts.append("\N{REPLACEMENT CHARACTER}" if invalid else chr(code))
    return "".join(parts)


def _complete(text: str) -> list[Any] | None:
    """Return the entries of a JSON list, or the complete ones of a list that was cut; None for any other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        return value if isinstance(value, list) else []
    found: list[Any] = []
    at = 1
    while text.startswith("[") and (start := _NEXT.match(text, at)):
        try:
            entry, at = _DECODER.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            break
        found.append(entry)
    return found or None


def was_stopped(failures: list[NodeFailure]) -> bool:
    """Return whether a user stopped the Workflow (``argo stop``).

    A message with an exit code contains the words of a step, and so perhaps a file's name: it is not asked.
    """
    return any(_STOPPED.search(failure.message) for failure in failures if failure.exit_code is None)


def first(failures: list[NodeFailure]) -> NodeFailure | None:
    """Return the node to report: the last attempt of the first step whose pod ended with an exit code."""
    explained = [failure for failure in failures if failure.message]
    pods = [failure for failure in explained if failure.exit_code is not None]
    chosen = next(iter(pods or explained or failures), None)
    if chosen is None:
        return None
    return [failure for failure in pods or explained or failures if failure.step == chosen.step][-1]
