"""The Trakt replayer on this machine, where pods reach it, and a watch list in the node's store."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.node import ROOT, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.installation import Installation
    from tests.e2e.node import Node

__all__ = ["BUCKET", "KEY", "PORT", "Site", "replaying", "values", "watch"]

BUCKET: Final = "trakt"
KEY: Final = "an-e2e-client-id"
PORT: Final = 8790
"""The installation names the site once; the scenarios follow each other on the same port."""
_WATCH_LIST: Final = "watch-list.txt"


def values(node: Node) -> dict[str, Any]:
    """Return the values of an installation that asks the replayer of this machine.

    Waits that the site demands move its clock in place of ours, which needs a quota of 0.
    """
    return {
        "trakt": {
            "sourceSystem": "replay",
            "baseUrl": f"http://{node.host_ip}:{PORT}",
            "requestQuota": 0,
            "watchList": f"s3://{BUCKET}/{_WATCH_LIST}",
            "clientId": KEY,
            "users": {"salt": "a-salt-of-the-tests"},
        },
        "extraEnv": [{"name": "TELECINE_TRAKT_ADVANCE_REPLAYER", "value": "true"}],
    }


class Site:
    """A replayer that serves a scenario."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_replayer/{path}", timeout=10) as response:
            return json.load(response)

    def titles(self) -> list[dict[str, Any]]:
        """Return the titles, with the number of their visible comments."""
        found: list[dict[str, Any]] = self.ask("truth")["titles"]
        return found

    def requests(self) -> list[dict[str, Any]]:
        """Return the journal of the first 1,000 requests."""
        found: list[dict[str, Any]] = self.ask("journal")
        return found


@contextmanager
def replaying(node: Node, scenario: str, seed: int = 7) -> Iterator[Site]:
    """Serve a scenario on the host's end of the link to the node, until the block ends."""
    process = subprocess.Popen(
        [
            ROOT / ".venv/bin/telecine", "trakt", "replayer", f"--scenario={scenario}", f"--seed={seed}",
            f"--host={node.host_ip}", f"--port={PORT}", "--quota=0",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    site = Site(f"http://{node.host_ip}:{PORT}")
    try:
        wait_for(lambda: process.poll() is None and site.ask("health"), 30, f"the replayer serves {scenario}")
        yield site
    finally:
        process.terminate()
        process.wait(30)


def watch(installation: Installation, titles: list[dict[str, Any]]) -> None:
    """Write a watch list of titles of the site."""
    lines = "".join(f"{each['kind']}:id:{each['trakt']}\n" for each in titles)
    installation.node.s3.put_object(Bucket=BUCKET, Key=_WATCH_LIST, Body=lines.encode())
