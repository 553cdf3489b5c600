"""The window's texts for every state, notice and refusal: what happened, what happens next, what to do.

Pure texts, no rule. Why something was refused and what a notice warns of is in the catalogue `shared.reasons`; here is
only what it means in this window.
"""

from services.device.window.sentences.device_warnings import (
    clock_warning,
    clone_warning,
    stale_warning,
    throttling_warning,
    unshown_change_message,
)
from services.device.window.sentences.errors import ErrorPage, Failure, error_page, not_opened_page
from services.device.window.sentences.license import LicenseState, headline, license_message
from services.device.window.sentences.message import Message, Tone
from services.device.window.sentences.refusals import notice_messages, refusal_message, why_unavailable
from services.device.window.sentences.reserve import incoming_message, outlook_message, reserve_message

__all__ = [
    "ErrorPage",
    "Failure",
    "LicenseState",
    "Message",
    "Tone",
    "clock_warning",
    "clone_warning",
    "error_page",
    "headline",
    "incoming_message",
    "license_message",
    "not_opened_page",
    "notice_messages",
    "outlook_message",
    "refusal_message",
    "reserve_message",
    "stale_warning",
    "throttling_warning",
    "unshown_change_message",
    "why_unavailable",
]
