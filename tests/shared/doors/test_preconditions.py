"""ETags in conditional requests (RFC 9110, 8.8.3 and 13.1)."""

import pytest

from shared.doors.preconditions import expected_version, is_known, read_etags, unchanged_since
from shared.doors.preferences import wait_seconds
from shared.doors.problems import Problem

OURS = '"3-0a1b"'


@pytest.mark.parametrize(
    "seen", [OURS, f"W/{OURS}", f'"1-ff", {OURS}', f'"1-ff",W/{OURS} , "9-aa"', "*", f",, {OURS},", f'"a,b", {OURS}']
)
def test_a_client_that_has_it_is_told_nothing_new(seen: str) -> None:
    """The weak comparison: a proxy that compresses makes an ETag weak."""
    assert is_known(OURS, seen)


@pytest.mark.parametrize(
    "seen", [None, "", '"3-0a1c"', "W/3-0a1c", 'w/"3-0a1b"', f"{OURS} {OURS}", f'"{OURS}"', "garbage"]
)
def test_a_client_that_has_another_or_none_gets_it(seen: str | None) -> None:
    assert not is_known(OURS, seen)


@pytest.mark.parametrize(
    ("sent", "versions"),
    [
        (None, None),
        ("*", None),
        (OURS, {3}),
        ("3-0a1b", {3}),
        (f'{OURS}, "4-ff"', {3, 4}),
        (f'W/{OURS}, "4-ff"', {4}),
        ('"of-another-service"', set()),
        ('"²"', set()),
        (f'"{"9" * 5_000}-1"', set()),
    ],
)
async def test_an_order_expects_the_versions_of_strong_etags(sent: str | None, versions: set[int] | None) -> None:
    expected = await expected_version(sent)
    assert expected == versions
    refuse = unchanged_since(expected)
    assert (refuse is None) == (versions is None)
    if refuse:
        assert [version for version in range(6) if refuse(version) is None] == sorted(versions or ())


@pytest.mark.parametrize(
    ("sent", "status"), [("garbage", 400), ("3; drop table", 400), ('"1', 400), ("", 400), (f"W/{OURS}", 412)]
)
async def test_what_is_no_etag_is_malformed_and_what_is_weak_fails(sent: str, status: int) -> None:
    with pytest.raises(Problem) as caught:
        await expected_version(sent)
    assert caught.value.status == status


def test_a_long_list_is_read_in_one_pass() -> None:
    many = ", ".join([OURS] * 20_000)
    assert len(read_etags(many) or ()) == 20_000
    assert read_etags(many + " x") is None


# --- what a client would like -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=20", 20),
        ('wait="20"', 20),
        ("Wait = 20", 20),
        ("wait=1000", 30),
        ("wait=99999999999999999999", 30),
        ("wait=0", 0),
        ("respond-async, wait=10", 10),
        ('return=minimal; foo="a,wait=5", wait=7; bar', 7),
        ("wait=5, wait=9", 5),
        (None, None),
        ("", None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("await=5", None),
        ("x=wait=5", None),
    ],
)
def test_a_wish_to_wait_is_understood(prefer: str | None, seconds: int | None) -> None:
    """RFC 7240."""
    assert wait_seconds(prefer, seconds_max=30) == seconds
