"""Comes in: the code entry form. Parses it, reports mistakes, and orders `AddCode`."""

from dataclasses import dataclass, field
from typing import Literal

from fastapi import Request

from services.device.api.commands import AddByReference
from services.device.decider import AddCode
from services.device.window.forms import Mistake, TypedCode, read_typed_code
from services.device.window.window import Window
from shared.doors.idempotency import Answer
from shared.ledger.identity import new_id
from shared.messages import DeviceId
from shared.pages.forms import Form, idempotency_key_of
from shared.rules.codes import Code

PRIOR_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class EntryOptions:
    """The options beside the code. If something is wrong they are shown again, in that answer only."""

    replace: bool = False
    when: Literal["at_end", "now"] = "at_end"
    prior: str = field(default="", repr=False)
    shorter: bool = False

    @classmethod
    def of(cls, form: Form) -> "EntryOptions":
        """Return the options in a form."""
        return cls(
            replace=form.get("replace") == "yes",
            when="now" if form.get("when") == "now" else "at_end",
            prior=form.get("prior", "").strip()[:PRIOR_CHARACTERS_MAX],
            shorter=form.get("shorter") == "yes",
        )


@dataclass(frozen=True, slots=True)
class CodeForm:
    """A parsed entry form: each code, or what is wrong with it."""

    typed: TypedCode
    options: EntryOptions
    code: Code | Mistake
    prior: Code | Mistake | None

    @classmethod
    def of(cls, form: Form) -> "CodeForm":
        """Parse a form."""
        typed, options = TypedCode.of(form), EntryOptions.of(form)
        return cls(typed, options, typed.read(), read_typed_code(options.prior) if options.prior else None)

    @property
    def mistake(self) -> Mistake | None:
        """What is wrong with the code."""
        return self.code if isinstance(self.code, Mistake) else None

    @property
    def prior_mistake(self) -> Mistake | None:
        """What is wrong with the code of the earlier license."""
        return self.prior if isinstance(self.prior, Mistake) else None


async def add(window: Window, request: Request, device_id: DeviceId, form: Form, entry: CodeForm) -> Answer | None:
    """Order `AddCode` and return the answer; None if a code is malformed. Raises `KeyReused`, `LedgerUnavailable`."""
    code, prior, options = entry.code, entry.prior, entry.options
    if isinstance(code, Mistake) or isinstance(prior, Mistake):
        return None
    named = AddByReference(
        code_ref=code.ref,
        replace=options.replace,
        when=options.when,
        prior_ref=prior.ref if prior else None,
        accepts_short_term=options.shorter,
    )
    command = AddCode(
        device_id=device_id,
        last_group=code.last_group,
        at=window.doors.clock.now(),
        request_id=new_id(),
        **named.model_dump(),
    )
    fields = {"code_ref": code.ref, "last_group": code.last_group}
    return await window.doors.submit_request(
        request, command, fields=fields, key=f"window/{idempotency_key_of(form)}", body=named
    )
