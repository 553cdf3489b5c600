"""`python -m tests.shared.golden`: writes the golden files that are missing, and changes no example ever."""

import json
import sys

from shared.messages import EVENT_TYPES, encode
from shared.reference.examples import examples
from tests.shared.golden.files import SCHEMAS, VERSIONS, Version, example_file, pinned_schema, schema_file, version_of
from tests.shared.golden.schemas import breaking_changes, schema_of


def main() -> int:
    """Write what is missing; answer 1 and say why when an event changed so that others could not read it."""
    SCHEMAS.mkdir(exist_ok=True)
    problems = []
    for version in VERSIONS:
        today = schema_of(EVENT_TYPES[version])
        if schema_file(version).exists() and (found := breaking_changes(version[0], pinned_schema(version), today)):
            problems += found
            continue
        schema_file(version).write_text(json.dumps(today, indent=2) + "\n")
        if not example_file(version).exists():
            example_file(version).write_bytes(_example(version) + b"\n")
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def _example(version: Version) -> bytes:
    [example] = [event for event in examples() if version_of(event) == version]
    return encode(example)


if __name__ == "__main__":
    sys.exit(main())
