"""The content of the window as frozen values for the templates. Pure."""

from dataclasses import dataclass

from services.device.window.sentences import Message
from shared.messages import CodeRef, DeviceId
from shared.pages.texts import Text, plain


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts."""

    label: str
    value: Text


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way from this license to the next: when, and what."""

    when: Text
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A waiting code (R-10): masked, with its message and the steps to its predicted end."""

    code: Text
    message: Message
    notices: tuple[Message, ...]
    facts: tuple[Fact, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateNow:
    """The button and why it is unavailable (R-55, R-62). It names the code that the page shows (R-61)."""

    allowed: bool
    why: Text
    code_ref: CodeRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The way to enter a code, and what to ask: whether it replaces the waiting one, and when it takes over."""

    label: str
    intro: Text
    available: bool
    replaces: Text = ()
    ends_trial: bool = False
    asks_prior: bool = False


@dataclass(frozen=True, slots=True)
class AddOn:
    """Another product on the device, which has its own window (R-42)."""

    product: str
    status: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The content of the whole window."""

    device_id: DeviceId
    device_name: str
    product: str
    headline: str
    message: Message
    facts: tuple[Fact, ...]
    warnings: tuple[Message, ...]
    refusal: Message | None
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
    def announcement(self) -> str:
        """What the live region says when it changes."""
        slots = [slot for slot in (self.reserve, self.incoming) if slot is not None]
        states = [f"{self.headline}.", *(f"New activation code: {slot.message.label}." for slot in slots)]
        return " ".join([*states, plain(self.refusal.happened) if self.refusal else ""]).strip()
