"""Regions that come from outside: countries of ISO 3166-1, and what to write for what many take for one (R-137). Pure.

An event may name another region, for an earlier release took in any two letters.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from shared.messages.fields import Region

# source: iso3166.tab of the IANA time zone database 2025b, in the public domain; ISO 3166-1 as of N1108 (2023-04-05)
_ASSIGNED = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_ASSIGNED.split())
"""The 249 officially assigned alpha-2 codes."""

INSTEAD: Mapping[str, str] = {
    "UK": "for the United Kingdom write GB",
    "EN": "for England write GB",
    "XI": "for Northern Ireland write GB",
    "EU": "the European Union is no country: name each country",
    "EL": "for Greece write GR",
    "XK": "Kosovo has no code of its own in ISO 3166-1",
    "AN": "for the Netherlands Antilles write BQ, CW or SX",
    "CS": "write CZ, SK, RS or ME",
    "SU": "name the country that was part of the Soviet Union",
    "YU": "name the country that was part of Yugoslavia",
    "DD": "for Germany write DE",
    "FX": "for France write FR",
    "TP": "for Timor-Leste write TL",
    "ZR": "for the Congo write CD",
    "BU": "for Myanmar write MM",
    "IC": "for the Canary Islands write ES",
}
"""Letters that people and their tools write, and what to write instead."""

FORM = "a country of ISO 3166-1 as two capital letters, such as DE"


def _country(told: Any) -> Any:
    """Return what is a country. What no two letters could be is refused by its form."""
    if not isinstance(told, str) or told in COUNTRIES:
        return told
    letters = told.upper()
    if letters in INSTEAD:
        _refuse(INSTEAD[letters])
    if letters in COUNTRIES:
        _refuse(f"write {letters}")
    return _refuse(FORM)


def _refuse(hint: str) -> Any:
    raise PydanticCustomError("not_a_country", "{hint}", {"hint": hint})


ToldRegion = Annotated[Region, BeforeValidator(_country)]
"""A region that somebody outside tells."""
