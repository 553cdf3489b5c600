"""What the window's forms say: a code as it was typed, or what is wrong with it. No rule may come in here."""

from dataclasses import dataclass, field

from shared.pages.forms import Form
from shared.rules.codes import TYPED_CHARACTERS_MAX, Code, MalformedCode, read_code

PAGES = "/devices/"
"""Where the window's pages are: only there a body may be a form."""
GROUP_COUNT = 4
GROUP_LENGTH = 5
ALL_FIELDS = (1, 2, 3, 4)
ORDINALS = ("first", "second", "third", "fourth")


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with what was typed (R-06), for people, and the fields to look at (from 1).

    `foreign`: no more typing makes it right.
    """

    message: str
    fields: tuple[int, ...]
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """A code as it was typed or pasted into the four fields. It shows nothing of itself."""

    groups: tuple[str, ...] = field(default=("",) * GROUP_COUNT, repr=False)

    @classmethod
    def of(cls, form: Form) -> "Typed":
        """Return what a form has in its fields."""
        return cls(tuple(form.get(f"group{number}", "") for number in range(1, GROUP_COUNT + 1)))

    def shown(self) -> tuple[str, ...]:
        """Return the groups as they may be shown again in the same answer: no longer than any code is typed."""
        return tuple(group[:TYPED_CHARACTERS_MAX] for group in self.groups)

    def read(self) -> Code | Wrong:
        """Return the code, or what is wrong with it."""
        return read_typed(self._text(), group_fields=not self._pasted)

    @property
    def _pasted(self) -> bool:
        return any(len(group.strip()) > GROUP_LENGTH for group in self.groups)

    def _text(self) -> str:
        # a whole code in one field is the code; else an empty field is a group that is missing
        return "-".join(group for group in self.groups if group.strip() or not self._pasted)


def read_typed(text: str, *, group_fields: bool = False) -> Code | Wrong:
    """Return the code that a text is, or what is wrong with it; groups have fields of their own, or share the first."""
    try:
        return read_code(text)
    except MalformedCode as error:
        groups = error.groups if 0 < len(error.groups) < GROUP_COUNT else ()
        named = " and ".join(ORDINALS[number - 1] for number in groups)
        hint = f" Look at the {named} group." if named and error.problem == "length" else ""
        fields = (error.groups or ALL_FIELDS) if group_fields else (1,)
        return Wrong(f"{error.message}{hint}", fields, foreign=error.problem == "alphabet")
