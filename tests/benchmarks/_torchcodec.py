"""torchcodec 0.13.0 in a virtual environment of its own, as a process that works when it is told to.

It gets the MP4 itself, not the TAR, and returns frames of the stored size: both are in its favour. The environment has
torchcodec of its own and shares this one's torch, which it is too small to bring twice. It needs FFmpeg's shared
libraries on the machine; where it does not install or load, the table says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.benchmarks._table import Used

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NAME", "TorchCodec"]

VERSION = "0.13.0"
NAME = f"torchcodec {VERSION} (1 thread, approximate)"
_PROGRAM = """
import json, sys, time
from pathlib import Path
from torchcodec.decoders import VideoDecoder

def rchar():
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])

print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    path, times = json.loads(line)
    read, start = rchar(), time.process_time()
    decoder = VideoDecoder(path, seek_mode="approximate", num_ffmpeg_threads=1, dimension_order="NCHW")
    frames = decoder.get_frames_played_at(seconds=times).data
    del decoder
    print(json.dumps([time.process_time() - start, (rchar() - read) / 1e6, list(frames.shape)]), flush=True)
"""


class TorchCodec:
    """The process.

    Attributes:
        missing: why it cannot be used; None when it can.
    """

    def __init__(self) -> None:
        self.missing: str | None = None
        self._process: subprocess.Popen[str] | None = None
        try:
            python = _environment()
            self._process = subprocess.Popen(
                [python, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._answer()
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            self.missing = f"torchcodec {VERSION} is left out: {str(getattr(error, 'stderr', None) or error)[-400:]}"

    def take(self, path: Path, times: Sequence[float]) -> Used:
        """Decode the frames shown at ``times``, as uint8 RGB of the stored size."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(path), list(times)]) + "\n")
        self._process.stdin.flush()
        cpu_s, megabytes, shape = self._answer()
        assert shape[0] == len(times), shape
        return Used(cpu_s, megabytes)

    def _answer(self) -> list:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise RuntimeError(self._process.stderr.read().strip())
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()


def _environment() -> str:
    folder = Path(tempfile.gettempdir()) / f"telecine-bench-torchcodec-{VERSION}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True, text=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", f"torchcodec=={VERSION}"]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=120)
        (site,) = folder.glob("lib/python*/site-packages")
        # Behind its own packages: torch and what torch needs.
        (site / "torch.pth").write_text(sysconfig.get_path("purelib") + "\n")
        done.touch()
    return str(python)
