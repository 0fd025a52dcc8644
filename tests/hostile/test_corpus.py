from __future__ import annotations

import random
from pathlib import Path

import pytest

from jobs.gamedata.session.child import DecodeChild
from tests.fuzz.seeds import write_seeds
from tests.fuzz.session import SEEDS, check_contract, damaged
from tests.fuzz.targets import TARGETS
from tests.media import numbered_clip, tar_bytes

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name[:20]}")
def test_files_found_by_fuzzing_keep_the_contract(path):
    if path.parent.name == "session":
        with DecodeChild() as child:
            check_contract(child, path.read_bytes())
    else:
        TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_mutated_seeds_keep_the_contract(target, tmp_path):
    write_seeds(target, tmp_path)
    chance = random.Random(target)
    for seed in sorted(tmp_path.iterdir()):
        body = seed.read_bytes()
        TARGETS[target](body)
        for _ in range(50):
            changed = bytearray(body[: chance.choice([len(body), chance.randrange(len(body))])])
            for _ in range(min(chance.choice([1, 8]), len(changed))):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            TARGETS[target](bytes(changed))


def test_damaged_videos_of_every_container_keep_the_contract(tmp_path):
    chance = random.Random(7)
    with DecodeChild() as child:
        for settings in SEEDS.values():
            body = numbered_clip(tmp_path / "clip.mp4", seconds=2, size=(64, 48), **settings).read_bytes()
            assert check_contract(child, tar_bytes(body)) == "ok"
            for _ in range(20):
                check_contract(child, tar_bytes(damaged(body, chance)))


def test_the_corpus_is_small():
    assert KEPT
    assert sum(path.stat().st_size for path in KEPT) <= 1_000_000
