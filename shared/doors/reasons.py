"""HTTP out, at both services: what each reason for a refusal, warning or parked message means. Public."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from shared.doors.preconditions import is_known
from shared.doors.problems import Problem
from shared.reasons import CATALOGUE, Catalogue, Explained

CACHEABLE = "public, max-age=3600"
"""The words change only with a release."""

Word = Annotated[str, Path(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]

_JSON = CATALOGUE.model_dump_json(exclude_none=True).encode()
_ETAG = f'"{hashlib.sha256(_JSON).hexdigest()[:32]}"'


def reasons_door() -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["reasons"])

    @router.get("/reasons", response_model=Catalogue)
    async def reasons(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Every reason that an answer, an event or a page can give: what happened, what to do, what happens next."""
        headers = {"ETag": _ETAG, "Cache-Control": CACHEABLE}
        if is_known(_ETAG, if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(_JSON, media_type="application/json", headers=headers)

    @router.get("/problems/{word}", response_model_exclude_none=True)
    async def problem(word: Word, response: Response) -> tuple[Explained, ...]:
        """One reason, explained: the `type` of a problem links here."""
        if not (entries := CATALOGUE.about(word)):
            raise Problem(404, "not_found", "no problem has this name")
        response.headers["Cache-Control"] = CACHEABLE
        return entries

    return router
