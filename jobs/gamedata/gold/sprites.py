"""Find existing sprites, make missing ones, and delete unreferenced ones."""

from __future__ import annotations

import importlib.util
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.gamedata.gold.sprite_keys import SPRITES, SpriteKey, digest_of
from jobs.gamedata.gold.sprite_sheet import TILES, Geometry, encode, geometry
from jobs.gamedata.pt.stored_frames import StoredFrames
from shared.errors import (
    AccessDenied,
    BucketMissing,
    ItemError,
    ObjectChanged,
    StorageFull,
    TelecineError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from jobs.gamedata.gold.results import Results
    from shared.progress import Progress
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["Failed", "Sprites", "find_sprites", "make_sprites", "sweep"]

# Each thread waits for the store, then scales and encodes for 40 ms without the GIL; 12 frames take 8 MB.
_WORKERS: Final = 8
_LONGEST: Final = Geometry(160, 90, 4, TILES)
_UNREADABLE: Final = frozenset({"pt_invalid", "pt_legacy"})
_log = logging.getLogger(__name__)


class Failed(NamedTuple):
    """A failed sprite recorded by an earlier publish: the session's content and the error code."""

    source_etag: str | None
    spec_digest: str | None
    code: str


class _Work(NamedTuple):
    s3_key: str
    digest: str
    info: ObjectInfo
    times_s: list[float]


@dataclass(slots=True)
class Sprites:
    """The sprites of the sessions of a publish.

    Attributes:
        keys: session -> its sprite.
        errors: session -> error code, one of :data:`jobs.gamedata.errors.SPRITE_CODES`.
        listed: sprites in the bucket when the publish began, by key.
        made: number of sprites made.
        bytes: their total size.
        left: number of sprites left for a later publish.
        stopped: the reason that sprites stopped early; empty if they did not.
    """

    keys: dict[str, SpriteKey] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    made: int = 0
    bytes: int = 0
    left: int = 0
    stopped: str = ""


def find_sprites(store: ObjectStore, *, prefix: str) -> frozenset[str]:
    """Return the keys of the sprites of sessions whose key starts with this."""
    return frozenset(info.key for info in store.list(f"{SPRITES}{prefix}") if SpriteKey.parse(info.key))


def make_sprites(
    store: ObjectStore,
    results: Results,
    listed: frozenset[str],
    *,
    failed: Mapping[str, Failed],
    limit: int,
    progress: Progress,
) -> Sprites:
    """Make missing sprites. A failed sprite does not raise; its code is recorded in ``errors``.

    Args:
        store: the manifest bucket.
        results: the results of the sessions.
        listed: see :func:`find_sprites`.
        failed: failures recorded by an earlier publish; these sessions are tried last.
        limit: maximum number of sessions to try.
        progress: counts the sprites.
    """
    sprites = Sprites(listed=listed)
    existing = {(sprite.s3_key, sprite.digest): sprite for key in listed if (sprite := SpriteKey.parse(key))}
    work = _find_work(results, existing, failed, sprites, can_decode=_can_decode())
    work.sort(key=lambda each: (each.s3_key in failed, each.s3_key))
    progress.start(min(len(work), limit), "sprites")
    maker = _Maker(store, sprites, progress)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for _ in pool.map(maker.make, work[:limit]):
            pass
    sprites.left = len(work) - sprites.made - sum(each.s3_key in sprites.errors for each in work)
    progress.finish()
    return sprites


def _find_work(
    results: Results,
    existing: Mapping[tuple[str, str], SpriteKey],
    failed: Mapping[str, Failed],
    sprites: Sprites,
    *,
    can_decode: bool,
) -> list[_Work]:
    """Return the sessions without a sprite that have a ``.pt`` file with frames; record the others in ``sprites``."""
    table = results.table
    columns = [table[name].to_pylist() for name in ("s3_key", "source_etag", "spec_digest", "stored", "pt_key")]
    tiles = results.tiles()
    work = []
    times = table["frame_time_s"]
    for row, (key, etag, spec, stored, pt_key) in enumerate(zip(*columns, strict=True)):
        chosen = tiles[row][tiles[row] >= 0]
        digest = digest_of(key, etag, spec)
        sprite = existing.get((key, digest))
        if sprite is not None and sprite.geometry.tiles == len(chosen):
            sprites.keys[key] = sprite
        elif not stored:
            continue
        elif not SpriteKey(key, digest, _LONGEST).is_valid:
            sprites.errors[key] = "sprite_failed"
        elif not len(chosen):
            sprites.errors[key] = "sprite_no_frames"
        elif failed.get(key) == (etag, spec, "sprite_needs_decoder") and not can_decode:
            sprites.errors[key] = "sprite_needs_decoder"
        elif pt_key in results.listing:
            all_times: list[float] = times[row].as_py()
            work.append(_Work(key, digest, results.listing[pt_key], [all_times[index] for index in chosen]))
    return work


def _can_decode() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("av", "torch"))


class _Maker:
    """Makes sprites in several threads that share the packet decoder."""

    def __init__(self, store: ObjectStore, sprites: Sprites, progress: Progress) -> None:
        self._store = store
        self._sprites = sprites
        self._progress = progress
        self._lock = threading.Lock()
        self._decoding = threading.Lock()
        self._can_decode = _can_decode()

    def make(self, work: _Work) -> None:
        """Make one sprite, or record its error."""
        if self._sprites.stopped:
            return
        code = ""
        size = 0
        try:
            sprite, body = self._draw(work)
            size = self._store.put(sprite.text, body).size
        except (AccessDenied, BucketMissing, StorageFull) as error:
            with self._lock:
                if not self._sprites.stopped:
                    self._sprites.stopped = error.message
                    _log.warning("sprites stopped early: %s", error.message)
            return
        except (TransientError, ObjectChanged) as error:
            _log.info("sprite of %s postponed: %s", work.s3_key, error)
            return
        except ItemError as error:
            code = "sprite_pt_invalid" if error.code in _UNREADABLE else error.code
            code = code if code.startswith("sprite_") else "sprite_failed"
            _log.info("sprite of %s failed: %s", work.s3_key, error)
        except (TelecineError, MemoryError, ValueError, OSError) as error:
            code = "sprite_failed"
            _log.info("sprite of %s failed: %s", work.s3_key, error)
        with self._lock:
            if code:
                self._sprites.errors[work.s3_key] = code
            else:
                self._sprites.keys[work.s3_key] = sprite
                self._sprites.made += 1
                self._sprites.bytes += size
        self._progress.advance()

    def _draw(self, work: _Work) -> tuple[SpriteKey, bytes]:
        stored = StoredFrames(self._store, work.info)
        frames: Iterable[npt.NDArray[np.uint8]]
        if stored.is_packets:
            frames = decoded = self._decoded(work)
            height, width = decoded[0].shape[1:]
        else:
            frames = stored.read(work.times_s)  # large ones one at a time
            height, width = stored.height, stored.width
        place = geometry(height, width, len(work.times_s))
        return SpriteKey(work.s3_key, work.digest, place), encode(frames, place)

    def _decoded(self, work: _Work) -> Sequence[npt.NDArray[np.uint8]]:
        if not self._can_decode:
            raise ItemError("it stores packets, and torch and av are not installed", code="sprite_needs_decoder")
        from jobs.gamedata.pt.file import loads
        from jobs.gamedata.pt.measure import distinct_frames
        from jobs.gamedata.session.child import decode_packets

        with self._decoding:  # each takes a process and 1 GB of memory
            body = self._store.read(work.info.key, etag=work.info.etag)
            data = loads(body, name=work.info.key, decode=decode_packets)
            times, frames = distinct_frames(data)
        place = {time: number for number, time in enumerate(times.tolist())}
        if any(time not in place for time in work.times_s):
            raise ItemError("it does not have the frames of its part", code="sprite_pt_invalid")
        return [frames[place[time]] for time in work.times_s]


def sweep(store: ObjectStore, sprites: Sprites, named: Collection[str]) -> int:
    """Delete sprites that existed when the publish began and are now unreferenced; return their number.

    New sprites of a concurrent publish are not in the listing, so they are kept. The publish of an older manifest may
    delete a sprite that a newer one uses; the next publish remakes it.

    Args:
        store: the manifest bucket.
        sprites: the sprites of this publish.
        named: the keys of sprites that the table of sessions names after the publish.
    """
    unnamed = sprites.listed.difference(named)
    deleted = 0
    for key in sorted(unnamed):
        try:
            store.delete(key)
        except TelecineError as error:
            _log.warning("%d sprites of removed sessions were not deleted: %s", len(unnamed) - deleted, error)
            break
        deleted += 1
    return deleted
