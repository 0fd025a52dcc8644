"""gamedata: sessions of ten minutes against the alternatives, workers, the manifest, memory, the ``.pt`` file, plans.

Figures are CPU seconds (user + system) unless a column says otherwise, so that other programs on the machine matter
little; what is compared runs in turns, and medians count. docs/performance.md says what they mean.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tests.benchmarks._clips import CLIPS, SECONDS, session
from tests.benchmarks._paper import cold_help, manifest_over_parts, plan_a_million, pt_formats
from tests.benchmarks._table import cpu_model, measure, progress, ratios
from tests.benchmarks._torchcodec import NAME, TorchCodec
from tests.benchmarks._ways import EXACT_SEEK, FULL, TIMES, WHOLE, baselines, keyframe_bytes, ours
from tests.benchmarks._workers import memory, scaling

if TYPE_CHECKING:
    from tests.benchmarks._clips import Clip

__all__ = ["main"]

_ROUNDS = {"360p": 3, "720p": 3, "1080p": 1}


def main(only: str = "", *, quick: bool = False) -> None:
    """Print all tables.

    Args:
        only: begins the name of one part: sampling, workers, manifest, memory, pt, help, plan.
        quick: the smallest size, one round, smaller sets.
    """
    print(f"gamedata, {cpu_model()}")
    clips = CLIPS[:1] if quick else CLIPS
    parts = {
        "sampling": functools.partial(_sampling, clips, quick=quick),
        "workers": functools.partial(scaling, session(CLIPS[0], inputs=True), 4 if quick else 16, 1 if quick else 3),
        "manifest": functools.partial(manifest_over_parts, (2_753,) if quick else (2_753, 200_000)),
        "memory": functools.partial(memory, [(clip, session(clip, inputs=True)) for clip in (clips[0], clips[-1])]),
        "pt": functools.partial(pt_formats, session(CLIPS[0], inputs=True), 1 if quick else 5),
        "help": functools.partial(cold_help, 3 if quick else 9),
        "plan": functools.partial(plan_a_million, 100_000 if quick else 1_000_000),
    }
    for name, part in parts.items():
        if name.startswith(only):
            progress(name)
            part()


def _sampling(clips: tuple[Clip, ...], *, quick: bool) -> None:
    with TorchCodec() as other:
        for clip in clips:
            tar, vision = session(clip, inputs=True), session(clip, inputs=False)
            ways = baselines(tar)
            if other.missing is None:
                ways |= {NAME: functools.partial(other.take, tar.with_suffix(".mp4"), TIMES)}
            rows = measure(
                ways | ours(tar, vision),
                rounds=1 if quick else _ROUNDS[clip.name],
                once=() if clip.name == "360p" else (FULL, WHOLE),
            )
            ratios(
                f"one session: {SECONDS} s of {clip.width}x{clip.height} at 60 fps, GOP 250, "
                f"{tar.stat().st_size / 1e6:.0f} MB, a keyframe has {keyframe_bytes(tar) / 1e3:.0f} kB; "
                f"{len(TIMES)} distinct times",
                rows,
                [FULL, EXACT_SEEK, NAME],
            )
        if other.missing:
            print(other.missing)
