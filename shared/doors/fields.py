"""Building blocks of requests and answers: bodies, times, pages."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


class Body(BaseModel):
    """A request's JSON body: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _in_calendar(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is beyond the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
"""A time within the calendar, converted to UTC."""


EventNumber = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""The version after which a page of events begins. It fits PostgreSQL's integer."""


async def page_limit(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> int:
    """Return the requested page size, 1 to 500."""
    return limit


PageLimit = Annotated[int, Depends(page_limit)]


def as_json(body: Any) -> Any:
    """Return a pydantic model as JSON values."""
    return body.model_dump(mode="json", exclude_none=True)
