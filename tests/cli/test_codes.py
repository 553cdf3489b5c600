"""`perennial code` against the activation service's doors, as at a terminal."""

import pytest

from services.cli.failures import ExitCode, RefusedByService
from services.cli.field_forms import FORMS
from tests.cli.conftest import Perennial
from tests.cli.test_help import LEAVES

ISSUE = ("code", "issue", "--product", "antivirus")


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ((*ISSUE, "--term", "1Y"), "--term: an ISO 8601 duration such as P1Y"),
        ((*ISSUE, "--term", "P0D"), "--term: an ISO 8601 duration such as P1Y"),
        ((*ISSUE, "--region", "DE", "--region", "Germany"), "--region: a country as two capital letters"),
        ((*ISSUE, "--seats", "0"), "--seats: a number from 1 to 1000000"),
        ((*ISSUE, "--count", "1001"), "--count: a number from 1 to 1000"),
        (("code", "issue", "--product", "Anti Virus"), "--product: 1 to 64 lower-case letters"),
        (("code", "find", "--last-group", "77"), "--last-group: the last five characters"),
        (("code", "find", "--device", "pc 1"), "the id of the device: 1 to 64 letters"),
        (("code", "block", "0" * 32, "--reason", ""), "--reason: 1 to 500 characters"),
        (("code", "refund", "0" * 32, "o-1", "--reason", "x", "--term", "P1W"), "--term: an ISO 8601 duration"),
        (("code", "history", "0" * 32, "--after", "9" * 12), "--after: a number from 0"),
    ],
)
async def test_a_refused_field_is_named_by_its_option_with_the_form_it_must_have(
    perennial: Perennial, words: tuple[str, ...], form: str
) -> None:
    refused = await perennial(*words)
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert refused.stderr.startswith(f"perennial: invalid_fields: {form}")
    assert len(refused.stderr.splitlines()) == 1


async def test_every_refused_field_is_named_once(perennial: Perennial) -> None:
    refused = await perennial(*ISSUE, "--term", "1Y", "--seats", "0", "--region", "x", "--region", "y")
    assert [refused.stderr.count(option) for option in ("--term", "--seats", "--region")] == [1, 1, 1]


def test_the_options_in_the_forms_of_fields_exist() -> None:
    options = {option for command in LEAVES.values() for parameter in command.params for option in parameter.opts}
    assert {form.partition(":")[0] for form in FORMS.values() if form.startswith("--")} <= options


def test_a_field_that_the_command_line_does_not_know_is_named_as_the_service_names_it() -> None:
    refused = RefusedByService({"code": "invalid_fields", "fields": [{"field": "color", "problem": "extra_forbidden"}]})
    assert refused.message == "invalid_fields: color: missing, unknown or wrong"
