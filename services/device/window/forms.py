"""The window's form fields: a code as it was typed, or what is wrong with it. No rule here."""

from dataclasses import dataclass, field

from shared.pages.forms import Form
from shared.rules.codes import TYPED_CHARACTERS_MAX, Code, MalformedCode, read_code

PAGES = "/devices/"
"""Path prefix of the window's pages; only there may a request body be a form."""
GROUP_COUNT = 4
GROUP_LENGTH = 5
ALL_FIELDS = (1, 2, 3, 4)
ORDINALS = ("first", "second", "third", "fourth")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a typed code (R-06), in a sentence, and the fields to check (from 1).

    `foreign`: it has a symbol of another alphabet, so more typing cannot make it right.
    """

    message: str
    fields: tuple[int, ...]
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class TypedCode:
    """A code as typed or pasted into the four fields. Its repr is empty."""

    groups: tuple[str, ...] = field(default=("",) * GROUP_COUNT, repr=False)

    @classmethod
    def of(cls, form: Form) -> "TypedCode":
        """Return the code fields of a form."""
        return cls(tuple(form.get(f"group{number}", "") for number in range(1, GROUP_COUNT + 1)))

    def shown(self) -> tuple[str, ...]:
        """Return the groups to show again in the same answer, cut to the longest that a code can be typed."""
        return tuple(group[:TYPED_CHARACTERS_MAX] for group in self.groups)

    def read(self) -> Code | Mistake:
        """Return the code, or what is wrong with it."""
        return read_typed_code(self._text(), group_fields=not self._pasted)

    @property
    def _pasted(self) -> bool:
        return any(len(group.strip()) > GROUP_LENGTH for group in self.groups)

    def _text(self) -> str:
        # a whole code pasted into one field is the code; otherwise an empty field is a missing group
        return "-".join(group for group in self.groups if group.strip() or not self._pasted)


def read_typed_code(text: str, *, group_fields: bool = False) -> Code | Mistake:
    """Return the code in a text, or what is wrong with it. `group_fields`: each group has a field of its own."""
    try:
        return read_code(text)
    except MalformedCode as error:
        groups = error.groups if 0 < len(error.groups) < GROUP_COUNT else ()
        ordinals = " and ".join(ORDINALS[number - 1] for number in groups)
        hint = f" Check the {ordinals} group." if ordinals and error.problem == "length" else ""
        fields = (error.groups or ALL_FIELDS) if group_fields else (1,)
        return Mistake(f"{error.message}{hint}", fields, foreign=error.problem == "alphabet")
