"""Colours of reports and the console: enough contrast in light, dark and print (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[4] / "shared" / "report" / "tokens.css"
SCHEMES = dict(
    zip(
        ("light", "dark", "print"),
        (
            dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
            for block in re.findall(r":root \{(.*?)\}", TOKENS.read_text(encoding="utf-8"), re.DOTALL)
        ),
        strict=True,
    )
)
BACKGROUNDS = ("page", "card", "soft")
TEXT = [
    *((ink, ground) for ink in ("ink", "dim", "link", "bad") for ground in BACKGROUNDS),
    *((name, f"{name}-soft") for name in ("good", "warn", "bad")),
]
# Borders of controls, focus rings and lines of charts.
SHAPES = [(ink, ground) for ink in ("control", "accent") for ground in BACKGROUNDS]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_and_controls_are_readable(scheme: str):
    colours = SCHEMES[scheme]
    wanted = [*((pair, 4.5) for pair in TEXT), *((pair, 3.0) for pair in SHAPES)]
    found = {
        (ink, ground): (round(contrast(colours[ink], colours[ground]), 2), least) for (ink, ground), least in wanted
    }
    assert {pair: ratio for pair, (ratio, least) in found.items() if ratio < least} == {}


def test_the_ratio_is_that_of_wcag():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)
