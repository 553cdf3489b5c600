"""The parts of states are written in the same bytes, whatever way their values came."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.activation.forecast import Switchover
from services.activation.projection import CodeView
from services.device.projection import LicenseView
from shared.rules.decider import Part

SINGLE_OBJECTS: tuple[Any, ...] = (None, False, 0, ())
NEVER_WRITTEN = {"holders"}


def parts_of(kind: type[Part]) -> Iterator[type[Part]]:
    for each in kind.__subclasses__():
        yield each
        yield from parts_of(each)


PARTS = [*parts_of(Part)]


def test_all_states_are_made_of_parts() -> None:
    """The other test looks at nothing without them."""
    assert {CodeView, LicenseView, Switchover} < set(PARTS)


@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.__name__)
def test_a_default_that_is_left_out_is_one_object(kind: type[Part]) -> None:
    """R-118: of two equal texts one may be the default's object and one not."""
    for field in msgspec.structs.fields(kind):
        single = any(field.default is each for each in (msgspec.NODEFAULT, *SINGLE_OBJECTS))
        assert single or field.name in NEVER_WRITTEN, field.name
