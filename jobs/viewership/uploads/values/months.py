"""Names of months and weekdays in English, Spanish, French, German, Italian and Portuguese."""

from __future__ import annotations

from typing import Final

__all__ = ["CONNECTORS", "MONTHS", "WEEKDAYS"]

# Without accents, in lower case. Short forms of three letters or more, where a language has them.
_NAMES: Final = (
    "january jan janv januar jaenner janner enero ene janvier gennaio gen janeiro",
    "february feb febr fev fevr februar febrero fevrier febbraio fevereiro",
    "march mar mrz marz maerz marzo mars marco",
    "april apr abr avr abril avril aprile",
    "may mai mayo maggio mag maio",
    "june jun juni junio juin giugno giu junho",
    "july jul juli julio juil juillet luglio lug julho",
    "august aug ago agosto aout",
    "september sep sept septiembre setiembre septembre settembre set setembro",
    "october oct okt oktober octubre octobre ottobre ott outubro out",
    "november nov noviembre novembre novembro",
    "december dec dez dezember diciembre dic decembre dicembre dezembro",
)

MONTHS: Final[dict[str, int]] = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
"""Name or short form of a month -> its number."""

_WEEKDAYS_TEXT: Final = (
    "monday mon tuesday tue tues wednesday wed thursday thu thur thurs friday fri saturday sat sunday sun lunes "
    "martes miercoles jueves viernes sabado domingo lundi mardi mercredi jeudi vendredi samedi dimanche montag "
    "dienstag mittwoch donnerstag freitag samstag sonntag lunedi martedi mercoledi giovedi venerdi domenica segunda "
    "terca quarta quinta sexta feira"
)
WEEKDAYS: Final = frozenset(_WEEKDAYS_TEXT.split())
"""Names of weekdays; they say nothing that a date does not."""

_CONNECTORS_TEXT: Final = "of the de del di da do den der le el"
CONNECTORS: Final = frozenset(_CONNECTORS_TEXT.split())
"""Words between a day, a month and a year."""
