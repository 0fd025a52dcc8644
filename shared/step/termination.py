"""Write a container's termination message, up to 1,000 characters, which Argo shows at the node."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.text import clean_text, inert

__all__ = ["PATH", "write"]

# Default of a container's terminationMessagePath.
PATH: Final = Path("/dev/termination-log")
# Kubernetes keeps 4 kB per container, but the messages of all nodes must fit in 1 MB of a Workflow's status.
_LENGTH: Final = 1000


def write(text: str, path: Path = PATH) -> None:
    """Write the reason why this process ends; do nothing outside a pod, or if the file is not writable.

    Args:
        text: the reason; secrets are removed, and so is what Argo or Kubernetes would evaluate in it.
        path: the file.
    """
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        # Never create the file, because Kubernetes reads only the one that it has mounted.
        with suppress(OSError), path.open("r+b") as file:
            file.write(inert(clean_text(text, _LENGTH)).encode())
            file.truncate()
