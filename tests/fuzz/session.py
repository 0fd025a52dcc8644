"""Fuzz the whole path: decode damaged sessions in the decoder process, including FFmpeg.

``python -m tests.fuzz.session SECONDS [SEED]`` does not use atheris, which cannot measure coverage in FFmpeg's machine
code. Damage is random, with more of it where containers store their tables. A session that breaks the contract is
written to the current folder as ``crash-*``; move it to ``tests/hostile/corpus/session``.
"""

from __future__ import annotations

import collections
import hashlib
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from jobs.gamedata.errors import CODES
from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.child import DecodeChild
from shared.errors import ItemError
from tests.media import numbered_clip, tar_bytes

__all__ = ["SEEDS", "check_contract", "damaged"]

LIMIT_S: Final = 30.0
LIMIT_KB: Final = 1_500_000
_SMALL: Final = {"seconds": 4, "fps": 10, "gop": 10, "size": (64, 48)}
_SPEC: Final = SamplingSpec(strides=((1.0, 3),))
SEEDS: Final[dict[str, dict[str, object]]] = {
    "h264": {},
    "h264-bframes": {"b_frames": 2, "faststart": True},
    "hevc": {"codec": "libx265"},
    "fragments": {"fragmented": True},
    "audio": {"audio": True},
    "matroska": {"container": "matroska"},
    "transport stream": {"container": "mpegts"},
    "av1": {"codec": "libsvtav1"},
    "vp9": {"codec": "libvpx-vp9", "container": "webm"},
}


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Change bytes, or repeat or remove a stretch; half of the changes hit the tables near the start and the end."""
    changed = bytearray(body)
    for _ in range(chance.choice([1, 1, 2, 4, 16, 64])):
        place = chance.randrange(len(changed))
        if chance.random() < 0.5:
            place = chance.choice([place % 1024, -1 - place % 2048]) % len(changed)
        kind = chance.random()
        if kind < 0.6:
            changed[place] = chance.choice([0, 1, 127, 128, 255, changed[place] ^ 1 << chance.randrange(8)])
        elif kind < 0.8:
            number = chance.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, chance.getrandbits(32)])
            changed[place : place + 4] = number.to_bytes(4, "big")
        elif kind < 0.9:
            stretch = changed[place : place + chance.randrange(1, 2000)]
            changed[place:place] = stretch
        else:
            del changed[place : place + chance.choice([1, 4, 100, 5000])]
        if not changed:
            break
    return bytes(changed)


def check_contract(child: DecodeChild, body: bytes) -> str:
    """Read one session and return its error code, or ``ok``.

    Raises:
        AssertionError: an unknown code, a limit of time or memory exceeded, inconsistent frames.
    """
    child._ready()
    pid, began = child.pid, time.monotonic()
    code = "ok"
    try:
        session = child.extract(BytesSource(body), _SPEC)
    except ItemError as error:
        code = error.code
        assert code in CODES, error  # noqa: PT017  either outcome is valid
        assert "traceback" not in error.data, error.data["traceback"]  # noqa: PT017  our own exception, not a crash of FFmpeg
    else:
        for samples in session.frames.strides.values():
            assert all(0 <= row < len(session.frames) for row in samples.index)
    assert time.monotonic() - began <= LIMIT_S + 5
    if child.pid == pid:
        status = Path(f"/proc/{pid}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) <= LIMIT_KB
    return code


def main() -> None:
    """Damage and read seeds until the time is up, and print the results."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    chance = random.Random(seed)
    os.environ["SVT_LOG"] = "0"  # the AV1 encoder is verbose on standard error
    seeds = {}
    for name, settings in SEEDS.items():
        path = Path(tempfile.gettempdir(), f"telecine-fuzz-{seed}.mp4")
        try:
            numbered_clip(path, **{**_SMALL, **settings})
            seeds[name] = path.read_bytes()
        finally:
            path.unlink(missing_ok=True)
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    began = time.monotonic()
    with DecodeChild(timeout_s=LIMIT_S) as child:
        while time.monotonic() - began < seconds:
            name = chance.choice(sorted(seeds))
            body = tar_bytes(damaged(seeds[name], chance))
            try:
                found[name, check_contract(child, body)] += 1
            except Exception as error:  # noqa: BLE001  any exception is a finding
                place = Path(f"crash-{hashlib.sha1(body).hexdigest()}")
                place.write_bytes(body)
                found[name, f"BROKEN {type(error).__name__}: {error}"] += 1
                print(f"{place}: {error!r}", flush=True)
    print(f"seed {seed}, {found.total():,} sessions in {time.monotonic() - began:.0f} s")
    for (name, code), count in sorted(found.items()):
        print(f"{name:>18}  {code:<24} {count:>7,}")


if __name__ == "__main__":
    main()
