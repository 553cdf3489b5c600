"""Times that come from outside: RFC 3339 with a zone, and such as UTC can tell (R-76, R-134). Pure."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Strict
from pydantic_core import PydanticCustomError

# the seconds may be left out, as our own sentences do; a time without a zone is refused by the name of what it lacks
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def _read(told: Any) -> Any:
    """Return what a text says; pydantic would take digits alone for seconds since 1970."""
    if not isinstance(told, str):
        return told
    try:
        return datetime.fromisoformat(told.upper()) if RFC_3339.fullmatch(told) else _refuse()
    except ValueError:
        return _refuse()


def _refuse() -> Any:
    raise PydanticCustomError("datetime_parsing", "a time is needed as RFC 3339 writes it, with a zone")


def _tellable(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_out_of_range", "in UTC this time is beyond the calendar") from None


ToldMoment = Annotated[AwareDatetime, Strict(), BeforeValidator(_read), AfterValidator(_tellable)]
"""A time that somebody outside tells, converted to UTC."""
