"""The rules of the activation service, as three pure functions: `Code()`, `decide` and `evolve`.

No I/O, clock, chance or id may come in here: time and ids come in with the command. `commands` and `state` are the
input, `requests` turns the devices' events into commands. `checks`, `seats` and `switch_checks` are the rules as named
values, applied to a `case`. `verdicts`, `purchases` and `operations` make the decisions; `evolve` and `renewals` change
the state.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from services.activation.decider.case import Case, Check, case_of
from services.activation.decider.checks import renews_until
from services.activation.decider.commands import (
    Activate,
    BlockCode,
    CancelPurchase,
    Command,
    EraseCustomer,
    IssueCode,
    LicenseTerm,
    Question,
    RecordPurchase,
    RecordRefund,
    ReleaseSeat,
    ReturnSeat,
    SetAutoRenewal,
    UnblockCode,
    Verify,
)
from services.activation.decider.evolve import evolve
from services.activation.decider.operations import block, erase_customer, issue, release_seat, return_seat, unblock
from services.activation.decider.purchases import cancel, record_purchase, refund, set_auto_renewal
from services.activation.decider.requests import commands_for
from services.activation.decider.state import EARLY_MAX, HOLDERS_NAMED_MAX, NOBODY, Code, PendingPurchase, Renewal
from services.activation.decider.switch_checks import checks_for
from services.activation.decider.verdicts import activate, verify
from shared.messages import CodeEvent
from shared.rules.checks import Looked, first_broken, looked_at
from shared.rules.decider import Decider, Refused
from shared.rules.policy import POLICY, Policy, decided_by
from shared.rules.term import end_of

__all__ = [
    "DECIDER",
    "EARLY_MAX",
    "HOLDERS_NAMED_MAX",
    "NOBODY",
    "POLICY",
    "Activate",
    "BlockCode",
    "CancelPurchase",
    "Case",
    "Check",
    "Code",
    "CodeEvent",
    "Command",
    "EraseCustomer",
    "IssueCode",
    "LicenseTerm",
    "Looked",
    "PendingPurchase",
    "Policy",
    "Question",
    "RecordPurchase",
    "RecordRefund",
    "ReleaseSeat",
    "Renewal",
    "ReturnSeat",
    "SetAutoRenewal",
    "UnblockCode",
    "Verify",
    "case_of",
    "checks_for",
    "commands_for",
    "decide",
    "decider",
    "devices_of",
    "end_of",
    "evolve",
    "first_broken",
    "looked_at",
    "names_holders",
    "renews_until",
]


def decide(command: Command, codes: Mapping[str, Code], policy: Policy = POLICY) -> Sequence[CodeEvent]:
    """Return the events that `command` causes under `policy`, each with the policy's version (R-54).

    Raises `Refused` for a command about a code that was never issued.
    """
    return decided_by(policy, _facts(command, codes, policy))


def _facts(  # noqa: PLR0911, PLR0912 - one line per command
    command: Command, codes: Mapping[str, Code], policy: Policy
) -> Sequence[CodeEvent]:
    code = codes.get(command.code_ref, Code())
    match command:
        case Verify():
            return verify(command, codes, policy)
        case Activate():
            return activate(command, codes, policy)
        case IssueCode():
            return issue(code, command)
        case ReturnSeat():
            return return_seat(code, command)
        case _ if code.code_ref is None:
            raise Refused("unknown_code", f"no code {command.code_ref} was issued")
        case RecordPurchase():
            return record_purchase(code, command, policy)
        case CancelPurchase():
            return cancel(code, command)
        case RecordRefund():
            return refund(code, command, policy)
        case SetAutoRenewal():
            return set_auto_renewal(code, command)
        case BlockCode():
            return block(code, command, policy)
        case UnblockCode():
            return unblock(code, command)
        case ReleaseSeat():
            return release_seat(code, command)
        case EraseCustomer():
            return erase_customer(code, command)
        case _:
            assert_never(command)


def devices_of(command: Command) -> Sequence[str]:
    """Return the devices whose seats the decision depends on: `Code.holders` must know them."""
    match command:
        case Verify() | Activate() | ReleaseSeat() | ReturnSeat():
            return (command.device_id,)
        case IssueCode() | RecordPurchase() | CancelPurchase() | RecordRefund() | SetAutoRenewal():
            return ()
        case BlockCode() | UnblockCode() | EraseCustomer():
            return ()
        case _:
            assert_never(command)


def names_holders(command: Command) -> bool:
    """Tell whether the decision names other holders of the code; `HOLDERS_NAMED_MAX` of them are enough (R-77)."""
    return isinstance(command, Activate) and command.activated_at is not None


def _streams(command: Command) -> Sequence[str]:
    match command:
        case Verify() | Activate():
            asked = (command.code_ref, command.current_ref, command.prior_ref)
            return tuple(dict.fromkeys(code_ref for code_ref in asked if code_ref is not None))
        case _:
            return (command.code_ref,)


def _stream_of(event: CodeEvent) -> str:
    # only a refusal by the device service may lack a code; every event in this log names one
    return event.code_ref or ""


def decider(policy: Policy) -> Decider[Command, Code, CodeEvent]:
    """Return the decider under `policy`."""

    def under_policy(command: Command, codes: Mapping[str, Code]) -> Sequence[CodeEvent]:
        return decide(command, codes, policy)

    return Decider(initial=Code(), streams=_streams, decide=under_policy, evolve=evolve, stream_of=_stream_of)


DECIDER = decider(POLICY)
