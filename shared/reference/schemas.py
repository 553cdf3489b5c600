"""Goes out on both services: the JSON Schema of each event and version, generated from its type. Public.

`ce_dataschema` names it: `urn:perennial:schemas/NAME/VERSION` is at `/schemas/NAME/VERSION`.
"""

import json
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Path, Response

from shared.doors.problems import Problem
from shared.kafka.cloudevents import schema_uri
from shared.messages import EVENT_TYPES, as_model

SCHEMA_JSON = "application/schema+json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
CACHEABLE = "public, max-age=300"
"""Within a version, a release may add fields with defaults."""

VERSIONS = {f"{name}/{version}": (name, version) for name, version in EVENT_TYPES}

EventName = Annotated[str, Path(description="The event's name, as in `ce_type`.")]
Version = Annotated[str, Path(description="The version of its body, which ends `ce_dataschema`.")]


def schemas_door() -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["schemas"])

    @router.get("/schemas/{event}/{version}")
    async def schema(event: EventName, version: Version) -> Response:
        """The JSON Schema of an event's body, which its `ce_dataschema` names.

        `urn:perennial:schemas/CodeVerified/1` is at `/schemas/CodeVerified/1`, on both services.
        """
        if (known := VERSIONS.get(f"{event}/{version}")) is None:
            raise Problem(404, "not_found", "no event has this name and version")
        return Response(_document(*known), headers={"Cache-Control": CACHEABLE}, media_type=SCHEMA_JSON)

    return router


@cache
def _document(name: str, version: int) -> bytes:
    schema = as_model(EVENT_TYPES[name, version]).model_json_schema()
    return json.dumps({"$schema": DIALECT, "$id": schema_uri(name, version), **schema}).encode()
