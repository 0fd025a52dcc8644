"""Names, error codes and sizes that the WorkflowTemplates of viewership have in common."""

from __future__ import annotations

from typing import Final

from jobs.viewership.errors import OUTCOMES, REFUSALS
from workflows._lib.step import Size

__all__ = ["CODES", "HOUR", "LARGE", "NAME"]

NAME: Final = "viewership"
HOUR: Final = 3600

# A file of a million rows takes less than 2 GB. /tmp holds the files of a run and unpacked Excel files.
LARGE: Final = Size("200m", "512Mi", "2", "4Gi", tmp="4Gi", storage="128Mi", storage_limit="5Gi")

# Codes of files that are not stored. Those of rows and of events count as `other`: an exit hook has at most 200
# metrics, and that of `media` has the codes of all pipelines.
CODES: Final = (*REFUSALS, *OUTCOMES)
