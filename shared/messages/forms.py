"""What the values of an event are like beyond their types: pydantic checks it, as it does for doors and orders.

msgspec would, but with Python's regular expressions, which takes longer than all the rest. No rule may come in here.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, BeforeValidator, TypeAdapter, create_model

from shared.messages.facts import Fact

type Check = Callable[[tuple[object, ...]], object]
"""Takes the values of an event in the order of its fields. Raises `pydantic.ValidationError`."""
type Place = Sequence[int | str]


def check_of(event_type: type[Fact]) -> Check:
    """Return the check of what events of this type hold; their types must have been checked."""
    adapter: TypeAdapter[tuple[object, ...]] = TypeAdapter(_values(event_type))
    return adapter.validator.validate_python


def named(fact: type[Fact], place: Place) -> Place:
    """Return the place of a problem that a check found, with the names of fields for their numbers."""
    number, *within = place
    name = fact.__struct_fields__[int(number)]
    inner = _fact_in(_hints(fact)[name])
    if inner is None or not within:
        return [name, *within]
    return [name, within[0], *named(inner, within[1:])]


def as_model(fact: type[Fact]) -> type[BaseModel]:
    """Return the fact as a pydantic model, for its JSON schema."""
    hints = _hints(fact)
    definitions: dict[str, Any] = {
        field.name: (_modeled(hints[field.name]), ... if field.required else field.default)
        for field in msgspec.structs.fields(fact)
    }
    model: type[BaseModel] = create_model(fact.__name__, __doc__=fact.__doc__, **definitions)
    return model


def _values(fact: type[Fact]) -> Any:
    """Return the type of the values of a fact; what has no form may be anything."""
    forms = [_form(hint) if _has_form(hint) else Any for hint in map(_hints(fact).get, fact.__struct_fields__)]
    return tuple.__class_getitem__(tuple(forms))


def _form(hint: Any) -> Any:
    inner = _fact_in(hint)
    return hint if inner is None else Annotated[_list_of(_values(inner)), BeforeValidator(_values_of_each)]


def _values_of_each(facts: tuple[Fact, ...]) -> tuple[tuple[object, ...], ...]:
    return tuple(map(msgspec.structs.astuple, facts))


def _modeled(hint: Any) -> Any:
    inner = _fact_in(hint)
    return hint if inner is None else _list_of(as_model(inner))


def _has_form(hint: Any) -> bool:
    """Whether more is asked of a value than its type, and a time's zone, which is msgspec's."""
    if get_origin(hint) is Annotated:
        return not any(isinstance(asked, msgspec.Meta) for asked in get_args(hint)[1:])
    return _fact_in(hint) is not None or any(map(_has_form, get_args(hint)))


def _fact_in(hint: Any) -> type[Fact] | None:
    """Return the fact that a field has a list of."""
    match get_args(hint):
        case (type() as fact, _) if issubclass(fact, Fact):
            return fact
        case _:
            return None


def _list_of(what: Any) -> Any:
    return tuple.__class_getitem__((what, ...))


@cache
def _hints(fact: type[Fact]) -> dict[str, Any]:
    return get_type_hints(fact, include_extras=True)
