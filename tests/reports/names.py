"""Names as hostile or careless people choose them."""

from __future__ import annotations

__all__ = ["EVIL", "LONG", "MESSAGE", "NAMES", "RTL"]

EVIL = '2026/<script>alert("1")</script><img src=x onerror=alert(2)>.tar'
LONG = f"2026/11/30/{'a-name-that-never-ends_' * 6}.tar"
RTL = "الحلقة الأولى \u202e3pm.exe"
NAMES = (EVIL, LONG, RTL, *(f"2026/11/30/session-{number:04d}.tar" for number in range(9)))
MESSAGE = (
    "the index of the video (moov) is missing, so it cannot be read; expected a complete MP4; record it again, or"
    " remove /a/path/without/a/space/that/is/much/longer/than/a/phone/is/wide/recording-0001.mp4 from the source"
)
