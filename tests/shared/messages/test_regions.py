"""Regions: the countries of ISO 3166-1, and nothing else."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.messages import ToldRegion
from shared.messages.regions import COUNTRIES, INSTEAD

TOLD: TypeAdapter[str] = TypeAdapter(ToldRegion)


def newest() -> Iterator[str]:
    """Return the countries in the time zone database that is installed with this release."""
    for line in files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text().splitlines():
        if not line.startswith("#"):
            yield line.split("\t")[0]


def test_the_countries_are_those_of_the_time_zone_database() -> None:
    """R-137: a country that is new in the world is new here."""
    assert set(newest()) == COUNTRIES


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_every_country_is_taken(country: str) -> None:
    """R-137."""
    assert TOLD.validate_python(country, strict=True) == country


@pytest.mark.parametrize("letters", sorted(INSTEAD))
def test_what_to_write_instead_is_told_and_never_a_country_itself(letters: str) -> None:
    """R-137."""
    assert letters not in COUNTRIES
    with pytest.raises(ValidationError, match=INSTEAD[letters]):
        TOLD.validate_python(letters, strict=True)
