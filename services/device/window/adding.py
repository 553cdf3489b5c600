"""Comes in: a code that a person typed into the window. Reads it, says what is wrong with it, orders the Add."""

from dataclasses import dataclass, field
from typing import Literal

from fastapi import Request

from services.device.api.commands import AddByReference
from services.device.decider import AddCode
from services.device.window.forms import Typed, Wrong, read_typed
from services.device.window.opening import Window
from shared.doors.idempotency import Answer
from shared.ledger.identity import new_id
from shared.messages import DeviceId
from shared.pages.forms import Form, order_of
from shared.rules.codes import Code

PRIOR_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person said beside the code: shown again, in the same answer only, when something is wrong."""

    replace: bool = False
    when: Literal["at_end", "now"] = "at_end"
    prior: str = field(default="", repr=False)
    shorter: bool = False

    @classmethod
    def of(cls, form: Form) -> "Asked":
        """Return what a form says."""
        return cls(
            replace=form.get("replace") == "yes",
            when="now" if form.get("when") == "now" else "at_end",
            prior=form.get("prior", "").strip()[:PRIOR_CHARACTERS_MAX],
            shorter=form.get("shorter") == "yes",
        )


@dataclass(frozen=True, slots=True)
class Entered:
    """A form of the entry page, read: each code, or what is wrong with it."""

    typed: Typed
    asked: Asked
    code: Code | Wrong
    prior: Code | Wrong | None

    @classmethod
    def of(cls, form: Form) -> "Entered":
        """Return what a form says."""
        typed, asked = Typed.of(form), Asked.of(form)
        return cls(typed, asked, typed.read(), read_typed(asked.prior) if asked.prior else None)

    @property
    def wrong(self) -> Wrong | None:
        """What is wrong with the code."""
        return self.code if isinstance(self.code, Wrong) else None

    @property
    def prior_wrong(self) -> Wrong | None:
        """What is wrong with the code of the earlier license."""
        return self.prior if isinstance(self.prior, Wrong) else None


async def add(window: Window, request: Request, device_id: DeviceId, form: Form, entered: Entered) -> Answer | None:
    """Order the Add and return its answer; None if a code cannot be read. Raises `KeyReused`, `LedgerUnavailable`."""
    code, prior, asked = entered.code, entered.prior, entered.asked
    if isinstance(code, Wrong) or isinstance(prior, Wrong):
        return None
    named = AddByReference(
        code_ref=code.ref,
        replace=asked.replace,
        when=asked.when,
        prior_ref=prior.ref if prior else None,
        accepts_short_term=asked.shorter,
    )
    command = AddCode(
        device_id=device_id,
        last_group=code.last_group,
        at=window.doors.clock.now(),
        request_id=new_id(),
        **named.model_dump(),
    )
    said = {"code_ref": code.ref, "last_group": code.last_group}
    return await window.doors.submit_request(request, command, fields=said, key=f"window/{order_of(form)}", body=named)
