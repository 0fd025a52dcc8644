"""Reports of tests that cost little to send from a worker of pytest-xdist to its controller.

execnet serialises value by value, in Python, and wakes the other process with each message. A passed test's six
messages took 1.4 ms of processor time, 23 s in a whole run. The two that remain take 0.5 ms.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["pytest_report_from_serializable", "pytest_sessionstart"]

_TEXT = "text"
# --durations leaves out shorter ones, too.
_SHOWN_S = 0.005


def pytest_sessionstart(session: pytest.Session) -> None:
    """Shorten what this process sends, if it is a worker."""
    for plugin in session.config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            plugin.sendevent = _shortened(plugin.sendevent, is_verbose=session.config.get_verbosity() > 0)


@pytest.hookimpl(tryfirst=True)
def pytest_report_from_serializable(data: dict[str, Any]) -> None:
    """Restore a shortened report, for the next plugin to read."""
    if _TEXT in data:
        data.update(json.loads(data.pop(_TEXT)))


def _shortened(send: Callable[..., None], *, is_verbose: bool) -> Callable[..., None]:
    def shortened(name: str, **values: Any) -> None:
        if name in ("logstart", "logfinish") and not is_verbose:
            return
        # A report of a failure or skip has tuples, which JSON would not keep.
        if name == "testreport" and (data := values["data"])["outcome"] == "passed":
            if data["when"] != "call" and data["duration"] < _SHOWN_S and not data["sections"]:
                return
            values["data"] = {_TEXT: json.dumps({**data, "keywords": {}})}
        send(name, **values)

    return shortened
