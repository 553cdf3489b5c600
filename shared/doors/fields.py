"""Building blocks of requests and answers: bodies and pages."""

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's JSON body: unknown fields are errors, and so is a value of another type (R-134).

    JSON has only lists, so a field that is a tuple says `strict=False`; its values are checked strictly all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


EventNumber = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""The version after which a page of events begins. It fits PostgreSQL's integer."""


async def page_limit(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> int:
    """Return the requested page size, 1 to 500."""
    return limit


PageLimit = Annotated[int, Depends(page_limit)]


def as_json(body: Any) -> Any:
    """Return a pydantic model as JSON values."""
    return body.model_dump(mode="json", exclude_none=True)
