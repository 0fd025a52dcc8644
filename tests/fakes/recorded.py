"""A ``.pt`` file in a store, and the row of the part that records it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.pt import file as pt
from tests.fakes import parts
from tests.fakes.sessions import make_session

if TYPE_CHECKING:
    from shared.storage import ObjectStore

__all__ = ["session"]

_SPEC = SamplingSpec()


def session(
    store: ObjectStore,
    key: str = "a/v.tar",
    *,
    spec: SamplingSpec = _SPEC,
    seed: int = 0,
    size: tuple[int, int] = (32, 18),
    **columns: Any,
) -> dict[str, Any]:
    """Put a .pt file; return the row that records it.

    Args:
        store: the manifest bucket.
        key: key of the TAR.
        spec: sampling spec.
        seed: seed of the statistics.
        size: width and height of a frame.
        columns: as :func:`tests.fakes.parts.part_row` takes them.
    """
    made = make_session(spec=spec, seed=seed, size=size)
    body = bytes(pt.dump(made, s3_key=key, source_etag="e", spec=spec, extracted_at="2026-01-01T00:00:00+00:00"))
    info = store.put(pt.pt_key(key), body)
    digest = hashlib.sha256(body).hexdigest()
    recorded = {"pt_key": info.key, "pt_sha256": digest, "pt_etag": info.etag, "pt_size": info.size}
    return parts.part_row(key, times=made.frames.time_s, stored=True, **{**recorded, **columns})
