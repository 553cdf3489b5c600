"""Which devices and codes an event names: every field of every event that holds one is known."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from services.cli.event_names import FIELDS, Kind
from shared.messages import EVENT_TYPES, CodeRef, DeviceId


def parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from parts(part)


@pytest.mark.parametrize(("kind", "form"), [("device", DeviceId), ("code", CodeRef)])
def test_every_field_that_holds_an_identity_is_compared(kind: Kind, form: Any) -> None:
    fields = {
        name
        for event in EVENT_TYPES.values()
        for name, hint in get_type_hints(event, include_extras=True).items()
        if form in parts(hint)
    }
    assert fields == FIELDS[kind]
