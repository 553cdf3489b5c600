"""`perennial demo` and `make run` as people start and stop them. The tests share a data folder and run in order."""

import json
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.local.ports import LOOPBACK
from tests.cli.running import PERENNIAL, Running, erase, surroundings, until

READY = '"kind": "ready"'
WALKTHROUGH = [
    ["DeviceEnrolled"],
    ["CodeAdded", "LicenseActivated"],
    ["CodeAdded", "CodeVerified"],
    ["ActivationRefused"],
    ["LicenseExpired", "LicenseActivated"],
    ["ActivationRefused"],
    ["LicenseRenewed"],
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    data = tmp_path_factory.mktemp("demo") / "data"
    yield surroundings(data)
    erase(data)


def test_the_demo_plays_the_walkthrough_and_sigint_stops_everything(environment: dict[str, str]) -> None:
    """R-01, R-31, R-44, R-55, R-56, R-90."""
    with Running(PERENNIAL, "demo", "--json", environment=environment) as demo:
        demo.wait_for(READY)
        steps = demo.lines("step")
        assert [step["events"] for step in steps] == WALKTHROUGH
        for step, words in zip(
            steps,
            ("enrolled", "days remaining", "waits in reserve", "not_expired", "takes over", "already_activated", "730"),
            strict=True,
        ):
            assert words in step["words"]
        (window,) = demo.lines("window")
        with httpx.Client(follow_redirects=True, trust_env=False) as browser:
            assert "days remaining" in browser.get(window["url"]).raise_for_status().text
        demo.send(signal.SIGINT)
        assert demo.exit_code() == 0
        assert len(demo.descendants) > 4
        assert demo.left() == []
    credentials = Path(environment["PERENNIAL_DATA"]) / "credentials.json"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    keys = [line["operator_key"] for line in demo.lines("operator_key")]
    assert keys == [json.loads(credentials.read_text())["operator_key"]]


def test_a_second_start_keeps_the_data_and_ctrl_c_at_the_terminal_ends_make_with_0(environment: dict[str, str]) -> None:
    with Running("make", "run", environment=environment, terminal=True) as make:
        make.wait_for("events as they happen")
        assert "operator key" not in make.output
        assert "[LicenseExpired, LicenseActivated]" in make.output
        assert "\x1b[" in make.output
        make.press(b"\x03")
        assert make.exit_code() == 0
        assert make.left() == []


@pytest.mark.parametrize("whom", ["make alone", "make's group"])
def test_a_signal_to_make_leaves_no_process(environment: dict[str, str], whom: str) -> None:
    with Running("make", "run", environment=environment) as make:
        make.wait_for("starting Perennial")
        until(lambda: any("guard" in word for child in make.refresh() for word in child.cmdline()))
        if whom == "make alone":
            make.send(signal.SIGINT)
        else:
            make.send_to_group(signal.SIGINT)
        # GNU make kills itself with a signal that it got, whatever the exit code of its program
        assert make.exit_code() in {0, -signal.SIGINT}
        assert "everything is stopped" in make.output
        assert "\x1b[" not in make.output
        assert make.left() == []


def test_a_port_in_use_is_one_line_with_its_own_exit_code(environment: dict[str, str]) -> None:
    port = environment["PERENNIAL_POSTGRES_PORT"]
    with (
        socket.create_server((LOOPBACK, int(port))),
        Running(PERENNIAL, "demo", "--once", "--json", environment=environment) as demo,
    ):
        assert demo.exit_code() == 4
    last = demo.output.splitlines()[-1]
    assert last.startswith("perennial: ")
    assert port in last
    assert "PERENNIAL_POSTGRES_PORT" in last
    assert "Traceback" not in demo.output
    assert demo.left() == []
