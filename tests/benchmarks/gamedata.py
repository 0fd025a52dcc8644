"""gamedata: ten minutes of video against the alternatives, workers, processes and Ray, requests, manifest, memory,
``.pt`` files, plans; every kind of video against a full decode, and the speed against another commit.

Figures are CPU seconds (user + system) unless a column says otherwise, so that other programs on the machine matter
little. Alternatives run alternately, and medians are reported. docs/performance.md explains them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tests.benchmarks._clips import CLIPS, SECONDS, session
from tests.benchmarks._paper import cold_help, compaction, manifest_over_parts, plan_a_million, pt_formats
from tests.benchmarks._pools import pools
from tests.benchmarks._requests import per_run, per_session
from tests.benchmarks._table import machine, measure, progress, ratios
from tests.benchmarks._torchcodec import NAME, TorchCodec
from tests.benchmarks._versions import DEFAULT_REF, versions
from tests.benchmarks._ways import EXACT_SEEK, FULL, TIMES, WHOLE, baselines, keyframe_bytes, ours
from tests.benchmarks._workers import dispatch, memory, scaling
from tests.benchmarks.detectors import detectors
from tests.benchmarks.pictures import pictures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks._clips import Clip

__all__ = ["main"]

_ROUNDS = 3


def main(only: str = "", *, quick: bool = False, against: str = DEFAULT_REF) -> None:
    """Print all tables.

    Args:
        only: prefix of the name of one part, see ``_parts``.
        quick: the smallest size, one round, smaller sets.
        against: the commit to compare the speed with.

    Raises:
        SystemExit: there is no such part, or a picture is wrong and not marked.
    """
    parts = _parts(quick=quick, against=against)
    chosen = {name: part for name, part in parts.items() if name.startswith(only)}
    if not chosen:
        raise SystemExit(f"gamedata has no part '{only}'; there are: {', '.join(parts)}")
    print(f"gamedata, {machine()}")
    for name, part in chosen.items():
        progress(name)
        part()


def _parts(*, quick: bool, against: str) -> dict[str, Callable[[], None]]:
    clips = CLIPS[:1] if quick else CLIPS

    def sessions(*wanted: Clip) -> list[tuple[Clip, Path]]:
        return [(clip, session(clip, inputs=True)) for clip in wanted]

    def small() -> Path:
        return session(CLIPS[0], inputs=True)

    return {
        "sampling": functools.partial(_sampling, clips, quick=quick),
        "workers": lambda: scaling(small(), 4 if quick else 16, 1 if quick else 3),
        "pools": lambda: pools((1, 3) if quick else (1, 3, 10, 50, 200), 1 if quick else 3),
        "dispatch": functools.partial(dispatch, 100 if quick else 1000),
        "requests": lambda: (per_session(sessions(*clips)), per_run(small(), 4))[0],
        "manifest": functools.partial(manifest_over_parts, (2_753,) if quick else (2_753, 200_000)),
        "compact": functools.partial(compaction, 80 if quick else 320),
        "memory": lambda: memory(sessions(*dict.fromkeys((clips[0], clips[-1])))),
        "pt": lambda: pt_formats(small(), 1 if quick else 5),
        "help": functools.partial(cold_help, 3 if quick else 9),
        "plan": functools.partial(plan_a_million, 100_000 if quick else 1_000_000),
        "detectors": functools.partial(detectors, quick=quick),
        "versions": functools.partial(versions, against, quick=quick),
        "pictures": functools.partial(pictures, quick=quick),
    }


def _sampling(clips: tuple[Clip, ...], *, quick: bool) -> None:
    with TorchCodec() as other:
        for clip in clips:
            tar, vision = session(clip, inputs=True), session(clip, inputs=False)
            ways = baselines(tar)
            if other.missing is None:
                ways |= {NAME: functools.partial(other.take, tar.with_suffix(".mp4"), TIMES)}
            rows = measure(
                ways | ours(tar, vision),
                rounds=1 if quick else _ROUNDS,
                once=() if clip.name == "360p" else (FULL, WHOLE),
            )
            ratios(
                f"one session: {SECONDS} s of {clip.width}x{clip.height} at 60 fps, GOP 250, "
                f"{tar.stat().st_size / 1e6:.0f} MB, {keyframe_bytes(tar) / 1e3:.0f} kB per keyframe; "
                f"{len(TIMES)} distinct times",
                rows,
                [FULL, EXACT_SEEK, NAME],
            )
        if other.missing:
            print(other.missing)
