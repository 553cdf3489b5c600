"""Where the golden files lie, and what they hold."""

import json
from pathlib import Path

from shared.messages import EVENT_TYPES, Event
from tests.shared.golden.schemas import Schema

FOLDER = Path(__file__).parent
SCHEMAS = FOLDER / "schemas"

type Version = tuple[str, int]

VERSIONS: list[Version] = sorted(EVENT_TYPES)


def example_file(version: Version) -> Path:
    """Return the file of the example: its bytes, and a line feed."""
    return FOLDER / f"{_name(version)}.json"


def schema_file(version: Version) -> Path:
    """Return the file of the pinned schema."""
    return SCHEMAS / f"{_name(version)}.json"


def pinned_schema(version: Version) -> Schema:
    """Return the schema that the event had when it was pinned."""
    schema: Schema = json.loads(schema_file(version).read_text())
    return schema


def version_of(event: Event) -> Version:
    """Return name and version of an event."""
    return type(event).__name__, event.schema_version


def _name(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
