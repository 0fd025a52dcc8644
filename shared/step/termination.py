"""The last word of a container: Kubernetes keeps it in the pod's status, Argo shows it at the node."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.text import clean_text

__all__ = ["PLACE", "leave"]

# The default of a container's terminationMessagePath.
PLACE: Final = Path("/dev/termination-log")
# Kubernetes keeps 4 kB a container; a Workflow's status holds that of each node, in 1 MB for all.
_LENGTH: Final = 1000


def leave(text: str, place: Path = PLACE) -> None:
    """Write why this process ends; nothing outside a pod, or where the file may not be written.

    Args:
        text: for people; secrets are taken out.
        place: the file.
    """
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        # Opened as it is: a file that is not there is no place where Kubernetes looks.
        with suppress(OSError), place.open("r+b") as file:
            file.write(clean_text(text, _LENGTH).encode())
            file.truncate()
