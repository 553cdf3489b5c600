"""What a page is made of: frozen values that a template draws. Pure."""

from dataclasses import dataclass

from services.device.window.sentences import Said
from shared.messages import CodeRef, DeviceId
from shared.pages.texts import Text, plain


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts."""

    label: str
    told: Text


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the way from this license to the next: when, and what."""

    when: Text
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A code that waits (R-10): masked, with what is said of it, and the way to its end."""

    code: Text
    said: Said
    notices: tuple[Said, ...]
    facts: tuple[Fact, ...]
    road: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateNow:
    """The button, and why it is unavailable (R-55, R-62). It names the code that the page shows (R-61)."""

    allowed: bool
    why: Text
    code_ref: CodeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The way to enter a code, and what has to be asked: shall it replace the one that waits, and when is its turn."""

    label: str
    intro: Text
    available: bool
    replaces: Text = ()
    ends_trial: bool = False
    asks_prior: bool = False


@dataclass(frozen=True, slots=True)
class AddOn:
    """A further product on the device, which has a window of its own (R-42)."""

    product: str
    told: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole window."""

    device_id: DeviceId
    device_name: str
    product: str
    headline: str
    said: Said
    facts: tuple[Fact, ...]
    noticed: tuple[Said, ...]
    refused: Said | None
    reserve: Slot | None
    incoming: Slot | None
    activate_now: ActivateNow | None
    may_remove: bool
    entry: Entry
    add_ons: tuple[AddOn, ...]
    as_of: Text
    etag: str
    pending: bool

    @property
    def announced(self) -> str:
        """What a live region says when it changes."""
        slots = [slot for slot in (self.reserve, self.incoming) if slot is not None]
        told = [f"{self.headline}.", *(f"New activation code: {slot.said.label}." for slot in slots)]
        return " ".join([*told, plain(self.refused.happened) if self.refused else ""]).strip()
