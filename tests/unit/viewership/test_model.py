from __future__ import annotations

import re
from pathlib import Path

from jobs.viewership.model import FATES, STATUSES, Fate
from shared.database import migrations


def test_every_fate_and_status_has_its_sentence():
    assert list(FATES) == list(Fate)
    source = (Path(migrations.__file__).parent / "versions/0007_viewership.py").read_text(encoding="utf-8")
    (listed,) = re.findall(r"status text NOT NULL CHECK \(status IN \(('received'.*?)\)\)", source, re.DOTALL)
    assert set(STATUSES) == set(re.findall(r"'(\w+)'", listed))
