"""TARs in the node's store."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from jobs.gamedata.steps import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.node import Node

__all__ = ["BAD", "put_tars"]

# A kind of the sample set -> the error code expected from extract.
BAD = {name: truth.error_code for name, truth in sample.GROUND_TRUTH.items() if truth.error_code}


@functools.cache
def _body(kind: str, seconds: float) -> bytes:
    return sample.make(kind, seconds=seconds)


def put_tars(node: Node, kinds: Mapping[str, str], *, seconds: float = 10, bucket: str = "game-data") -> None:
    """Upload TARs: key -> kind."""
    for kind in set(kinds.values()):
        _body(kind, seconds)

    def put(key: str) -> None:
        node.s3.put_object(Bucket=bucket, Key=key, Body=_body(kinds[key], seconds))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, kinds))
