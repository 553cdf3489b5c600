"""What each field of a request must look like, by the name under which people gave it to the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

DEVICE = "the id of the device: 1 to 64 letters, digits, dots, underscores, colons and hyphens"
ORDER = "the id of the order: 1 to 128 characters, without control characters"
WORD = "1 to 19 lower-case letters, digits and hyphens"
VERSION = "up to four numbers with dots between them, such as 21.3"
CUSTOMER = "--customer: a JSON object with `subject`, and perhaps `name` and `contact`"

FORMS: Mapping[str, str] = {
    "activate_by": "--activate-by: a time such as 2027-03-12T10:00:00Z",
    "after": "--after: a number from 0 to 2147483647",
    "code": "the code: at most 500 characters",
    "count": "--count: a number from 1 to 1000",
    "customer.contact": "--customer: `contact` is a text of 1 to 300 characters",
    "customer": CUSTOMER,
    "device_id": DEVICE,
    "edition": f"--edition: {WORD}",
    "features": f"--feature: {WORD}; at most 100 of them",
    "grace_days": "--grace-days: a number from 0 to 365",
    "kind": "--kind: paid, trial, subscription or renewal",
    "last_group": "--last-group: the last five characters of a code, which are digits and letters",
    "customer.name": "--customer: `name` is a text of 1 to 300 characters",
    "name": "--name: 1 to 100 characters",
    "note": "--reason: 1 to 500 characters, without control characters",
    "order_id": ORDER,
    "product": "--product: 1 to 64 lower-case letters, digits and hyphens",
    "region": "--region: a country of ISO 3166-1 as two capital letters, such as DE",
    "regions": "--region: a country of ISO 3166-1 as two capital letters, such as DE; at most 300 of them",
    "seats": "--seats: a number from 1 to 1000000",
    "short_term": "--short-term: an ISO 8601 duration such as P3M",
    "customer.subject": "--customer: `subject` is 1 to 128 letters, digits and . _ : @ -",
    "term": "--term: an ISO 8601 duration such as P1Y",
    "until": "--until: a time such as 2027-03-12T10:00:00Z",
    "vendor": f"--vendor: {WORD}",
    "version_max": f"--version-max: {VERSION}",
    "version_min": f"--version-min: {VERSION}",
}


def forms_of(problem: Mapping[str, Any]) -> Sequence[str]:
    """Return what each refused field of a problem document must look like; nothing if it names no fields."""
    entries = problem.get("fields", ())
    return [*dict.fromkeys(_hinted(_form(str(entry["field"])), entry.get("hint")) for entry in entries)]


def _hinted(form: str, hint: str | None) -> str:
    """Return the form, or what the service says in its place, after the option's name."""
    return form if hint is None else f"{form.partition(':')[0]}: {hint}"


def _form(field: str) -> str:
    """Return the form of a field, whose name says where it is: `regions.0` is in `regions`."""
    known = (FORMS[part] for part in (field, *reversed(field.split("."))) if part in FORMS)
    return next(known, f"{field}: missing, unknown or wrong")
