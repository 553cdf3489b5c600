"""The token with which the console acts for an operator: for one service, for a minute, signed by the console."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.doors.credentials import is_operator
from shared.keys.operators import KIND, VALID, OperatorTokens, operator_token
from shared.keys.signing import KeyRing
from tests.scenarios import NOON


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.load_or_create(tmp_path_factory.mktemp("keys") / "activation.pem")


def believed(keys: KeyRing, *, now: datetime = NOON) -> OperatorTokens:
    """Return what the device service believes at a time."""
    return OperatorTokens(keys=keys.public, audience="device", now=lambda: now)


def test_a_fresh_token_is_valid_for_its_operator(keys: KeyRing) -> None:
    token = operator_token(keys, "Ada", audience="device", now=NOON)
    assert believed(keys).operator_of(token) == "Ada"
    assert is_operator(token, "", believed(keys))
    assert not is_operator(token, "", None)


def test_it_expires_after_a_minute(keys: KeyRing) -> None:
    token = operator_token(keys, "Ada", audience="device", now=NOON)
    assert believed(keys, now=NOON + VALID - timedelta(milliseconds=1)).operator_of(token) == "Ada"
    assert believed(keys, now=NOON + VALID).operator_of(token) is None


def test_a_token_for_another_service_of_another_kind_or_by_another_key_is_invalid(
    keys: KeyRing, tmp_path: Path
) -> None:
    other = KeyRing.load_or_create(tmp_path / "device.pem")
    said = {"sub": "Ada", "aud": "device", "exp": (NOON + VALID).timestamp()}
    for token in (
        operator_token(keys, "Ada", audience="activation", now=NOON),
        operator_token(other, "Ada", audience="device", now=NOON),
        keys.sign(said, kind="perennial-license"),
        keys.sign(said, kind=KIND) + "x" * 2_000,
        "made-up",
        "",
    ):
        assert believed(keys).operator_of(token) is None
    assert believed(keys).operator_of(keys.sign(said, kind=KIND)) == "Ada"
