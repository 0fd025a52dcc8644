"""Currencies: ISO 4217 codes, and the symbols that money is written with."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PATTERN", "currency_of", "one_currency"]

_CODES_TEXT: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD "
    "HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD "
    "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN "
    "PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY "
    "TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
_CODES: Final = frozenset(_CODES_TEXT.split())
"""Currencies in use, by ISO 4217."""

_SYMBOLS: Final[dict[str, str]] = {
    "US$": "USD",
    "U$S": "USD",
    "CA$": "CAD",
    "C$": "CAD",
    "AU$": "AUD",
    "A$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "NT$": "TWD",
    "S$": "SGD",
    "MX$": "MXN",
    "R$": "BRL",
    "$": "$",
    "\u20ac": "EUR",
    "\u00a3": "GBP",
    "\u00a5": "\u00a5",
    "\u20b9": "INR",
    "\u20bd": "RUB",
    "\u20a9": "KRW",
    "\u20ba": "TRY",
    "\u20aa": "ILS",
    "\u20ab": "VND",
    "\u20b4": "UAH",
    "\u20a6": "NGN",
    "\u20b1": "PHP",
    "\u0e3f": "THB",
    "\u20b8": "KZT",
    "\u20b5": "GHS",
    "z\u0142": "PLN",
    "K\u010d": "CZK",
    "Ft": "HUF",
    "kr.": "kr",
    "kr": "kr",
    "Rs.": "Rs",
    "Rs": "Rs",
    "Rp": "IDR",
    "RM": "MYR",
}
"""Symbol -> ISO code, or the symbol itself if several currencies share it ($, \u00a5, kr, Rs)."""

_DOLLARS: Final = "USD CAD AUD NZD HKD TWD SGD MXN ARS CLP COP UYU DOP JMD TTD BBD BSD BZD BMD XCD FJD NAD"
_SHARED: Final[dict[str, tuple[str, ...]]] = {
    "$": tuple(_DOLLARS.split()),
    "\u00a5": ("JPY", "CNY"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "Rs": ("INR", "PKR", "LKR", "NPR", "MUR", "SCR"),
}
"""Symbol -> currencies that share it."""

PATTERN: Final = "|".join(
    sorted(map(re.escape, (*_SYMBOLS, *_CODES, *(code.lower() for code in _CODES))), key=len, reverse=True)
)
"""Alternatives for a regular expression, longest first."""


def currency_of(symbol: str) -> str:
    """Return the ISO code of a symbol or code; a symbol that several currencies share stays as it is.

    >>> currency_of("\u20ac"), currency_of("usd"), currency_of("$")
    ('EUR', 'USD', '$')
    """
    return _SYMBOLS.get(symbol) or symbol.upper()


def one_currency(first: str | None, second: str) -> str | None:
    """Return the currency of a number that names one twice; None if the two differ.

    >>> one_currency("$", "CAD"), one_currency("$", "EUR")
    ('CAD', None)
    """
    if first is None or first == second or second in _SHARED.get(first, ()):
        return second
    return first if first in _SHARED.get(second, ()) else None
