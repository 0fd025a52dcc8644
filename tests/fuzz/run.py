"""Fuzz one parser: ``python -m tests.fuzz.run TARGET FOLDER [libFuzzer options]``. See README.md in this folder."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Final

_BLOCK: Final = 512


def main() -> None:
    """Write the seeds to the folder, then fuzz until libFuzzer's options end it."""
    import atheris  # not a dependency of the project

    warnings.simplefilter("ignore")
    name, folder, *options = sys.argv[1:]
    if name == "pt":
        import torch  # noqa: F401  imported before the instrumentation: torch is not fuzzed
    with atheris.instrument_imports(include=["jobs.gamedata"]):
        import jobs.gamedata.pt.file  # noqa: F401
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.seeds import write_seeds

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        """Mutate, and fix the TAR checksums in three of four cases; random bytes never have a valid one."""
        mutated = bytearray(atheris.Mutate(data, len(data)) if seed % 8 else atheris.Mutate(data, max_size))
        for begin in range(0, len(mutated) - _BLOCK + 1, _BLOCK) if seed % 4 else ():
            block = mutated[begin : begin + _BLOCK]
            if block[257:262] == b"ustar":
                total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
                mutated[begin + 148 : begin + 156] = f"{total:06o}\0 ".encode()
        return bytes(mutated)

    Path(folder).mkdir(parents=True, exist_ok=True)
    write_seeds(name, Path(folder))
    more = {"custom_mutator": mutate} if name == "tar" else {}
    atheris.Setup([sys.argv[0], folder, *options], TARGETS[name], **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
