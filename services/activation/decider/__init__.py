"""The rules of the activation service, as three pure functions: `Code()`, `decide` and `evolve`.

No clock, chance, id or I/O may come in here: time and ids come in with the command.
`commands` and `state` are what is asked and known, `requests` what the devices' events ask, `checks`
the rules for a code as named values, `verdicts` and `operations` what is decided.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from services.activation.decider.checks import Check, first_broken
from services.activation.decider.commands import (
    Activate,
    BlockCode,
    Command,
    IssueCode,
    Question,
    RecordPurchase,
    ReleaseSeat,
    UnblockCode,
    Verify,
)
from services.activation.decider.operations import block, issue, record_purchase, release_seat, unblock
from services.activation.decider.policy import POLICY, Policy
from services.activation.decider.requests import commands_for
from services.activation.decider.state import Code, PendingPurchase, evolve
from services.activation.decider.term import end_of
from services.activation.decider.verdicts import activate, verify
from shared.decider import Decider, Refused
from shared.messages import CodeEvent

__all__ = [
    "DECIDER",
    "POLICY",
    "Activate",
    "BlockCode",
    "Check",
    "Code",
    "CodeEvent",
    "Command",
    "IssueCode",
    "PendingPurchase",
    "Policy",
    "Question",
    "RecordPurchase",
    "ReleaseSeat",
    "UnblockCode",
    "Verify",
    "commands_for",
    "decide",
    "devices_of",
    "end_of",
    "evolve",
    "first_broken",
]


def decide(  # noqa: PLR0911 - one line per command
    command: Command, codes: Mapping[str, Code]
) -> Sequence[CodeEvent]:
    """Return the facts that `command` makes. Raises `Refused` for an order about a code that nobody issued."""
    code = codes.get(command.code_ref, Code())
    match command:
        case Verify():
            return verify(command, codes)
        case Activate():
            return activate(command, codes)
        case IssueCode():
            return issue(code, command)
        case _ if code.code_ref is None:
            raise Refused("unknown_code", f"no code {command.code_ref} was issued")
        case RecordPurchase():
            return record_purchase(code, command)
        case BlockCode():
            return block(code, command)
        case UnblockCode():
            return unblock(code, command)
        case ReleaseSeat():
            return release_seat(code, command)
        case _:
            assert_never(command)


def devices_of(command: Command) -> Sequence[str]:
    """Return the devices whose seats the decision looks at: all that `Code.holders` must know."""
    match command:
        case Verify() | Activate() | ReleaseSeat():
            return (command.device_id,)
        case IssueCode() | RecordPurchase() | BlockCode() | UnblockCode():
            return ()
        case _:
            assert_never(command)


def _streams(command: Command) -> Sequence[str]:
    match command:
        case Activate(current_ref=str() as current_ref) if current_ref != command.code_ref:
            return (command.code_ref, current_ref)
        case _:
            return (command.code_ref,)


def _stream_of(event: CodeEvent) -> str:
    # only a refusal of the device service may lack a code; in this log each names the code that was asked about
    return event.code_ref or ""


DECIDER = Decider(initial=Code(), streams=_streams, decide=decide, evolve=evolve, stream_of=_stream_of)
