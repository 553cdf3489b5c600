"""Codes that are not simply one more year: trials, discounts, other editions, other versions, shared, and guessed."""

from collections.abc import Callable
from datetime import timedelta

from dateutil.relativedelta import relativedelta

from services.cli.system import System
from shared.ledger.code_generator import new_code
from shared.ledger.identity import new_id
from shared.rules.policy import POLICY
from tests.journeys.logs import COMMANDS, Tool, parked, send
from tests.journeys.people import (
    PRODUCT,
    OwnedDevice,
    Time,
    Vendor,
    client,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
    was_refused,
)
from tests.journeys.waiting import until

YEAR = relativedelta(years=1)

type NewDevice = Callable[[], OwnedDevice]


def test_a_paid_code_on_top_of_a_trial_waits_or_takes_over_now_as_the_user_says(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-26, R-87."""
    patient, eager = new_device(), new_device()
    for device in (patient, eager):
        device.activates(vendor.issue("P30D", kind="trial"))
    trial = eager.license()["license"]["code_ref"]
    waiting, now = vendor.issue(), vendor.issue()
    patient.keeps_in_reserve(waiting)
    expect(202, eager.add(now, when="now"))
    shown = eager.sees(runs_on(now))
    assert shown["license"]["kind"] == "paid"
    assert vendor.http.get(f"/v1/codes/{trial}/devices").json()["devices"] == []
    assert reserve_is(waiting, "ready")(patient.license())


def test_now_is_for_trials_alone(vendor: Vendor, new_device: NewDevice) -> None:
    """R-26, R-56: a license that was paid for is not thrown away."""
    device, running = new_device(), vendor.issue()
    device.activates(running)
    assert expect(409, device.add(vendor.issue(), when="now"))["code"] == "not_expired"
    assert runs_on(running)(device.license())


def test_a_trial_is_refused_as_a_reserve(vendor: Vendor, new_device: NewDevice) -> None:
    """R-26."""
    device = new_device()
    device.activates(vendor.issue())
    expect(202, device.add(vendor.issue("P30D", kind="trial")))
    device.sees(was_refused("trial_not_allowed"))


def test_a_trial_hopper_gets_one_trial(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-136: not by giving it back, nor after its end, nor once it has bought; another device gets its own."""
    device, bought = new_device(), vendor.issue("P1M")
    trials = [vendor.issue("P10D", kind="trial") for _ in range(4)]
    device.activates(trials[0])
    expect(202, device.remove_license())
    device.sees(lambda shown: shown["status"] == "unlicensed")
    expect(202, device.add(trials[1]))
    device.sees(was_refused("trial_not_allowed"))
    time.reaches_the_end_of(device.activates(trials[0]))
    device.sees(lambda shown: shown["status"] == "expired")
    expect(202, device.add(trials[2]))
    device.sees(was_refused("trial_not_allowed"))
    time.reaches_the_end_of(device.activates(bought))
    device.sees(lambda shown: shown["status"] == "expired")
    expect(202, device.add(trials[3]))
    device.sees(was_refused("trial_not_allowed"))
    assert [vendor.holders(trial) for trial in trials[1:]] == [[], [], []]
    new_device().activates(trials[3])


def test_a_discounted_renewal_needs_a_prior_license_its_code_or_less_time(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-30."""
    newcomer, returning = new_device(), new_device()
    renewal, other = (vendor.issue("P1Y", kind="renewal", short_term="P3M") for _ in range(2))
    expect(202, newcomer.add(renewal))
    newcomer.sees(was_refused("no_prior_license"))
    began = time.now()
    expect(202, newcomer.add(renewal, accepts_short_term=True))
    shown = newcomer.sees(runs_on(renewal))
    assert end_of_license(shown) < began + relativedelta(months=4)
    prior = vendor.issue("P1M")
    elsewhere = new_device()
    elsewhere.activates(prior)
    expect(202, returning.add(other, prior_code=prior.text))
    shown = returning.sees(runs_on(other))
    assert end_of_license(shown) > began + relativedelta(months=11)
    third = new_device()
    expect(202, third.add(vendor.issue("P1Y", kind="renewal"), prior_code=prior.text))
    third.sees(was_refused("already_used_for_renewal"))


def test_a_reserve_that_is_worth_less_is_held_with_its_warnings(vendor: Vendor, new_device: NewDevice) -> None:
    """R-28, R-29: the change happens at the switch, and is told before."""
    devices = [new_device() for _ in range(3)]
    running = vendor.issue(seats=3, edition="plus", features=["vpn", "backup"])
    for device in devices:
        device.activates(running)
    shown = devices[0].keeps_in_reserve(vendor.issue("P2Y", seats=1, edition="standard", features=["vpn"]))
    assert set(shown["reserve"]["notices"]) == {"other_edition", "fewer_features", "fewer_seats"}
    assert shown["reserve"]["devices_left_out"] == 2
    assert shown["license"]["edition"] == "plus"


def test_a_code_for_another_version_is_refused_until_that_version_is_installed(system: System, vendor: Vendor) -> None:
    """R-45, R-48."""
    device = OwnedDevice.enrolled(system, product_version="21.3")
    code = vendor.issue(version_min="22.0")
    expect(202, device.add(code))
    device.sees(was_refused("version_incompatible"))
    installed = {"product": PRODUCT, "product_version": "22.1"}
    expect(202, device.http.put(f"{device.path}/installation", json=installed))
    device.activates(code)


def test_a_device_that_was_enrolled_in_the_wrong_country_is_corrected(
    system: System, vendor: Vendor, time: Time
) -> None:
    """R-13, R-45, R-137: its reserve is verified again, and what was refused at the switch is tried again."""
    device, running, british, irish = (
        OwnedDevice.enrolled(system, region="IE"),
        vendor.issue("P1M"),
        vendor.issue(regions=["GB"]),
        vendor.issue(regions=["IE"]),
    )
    shown = device.activates(running)
    expect(202, device.add(british))
    device.sees(was_refused("wrong_region"))
    corrects_region(system, device, "GB")
    device.keeps_in_reserve(british)
    corrects_region(system, device, "IE")
    device.sees(reserve_is(british, "refused"))
    time.reaches_the_end_of(shown)
    device.sees(lambda shown: shown["status"] == "expired" and reserve_is(british, "refused")(shown))
    corrects_region(system, device, "GB")
    device.sees(runs_on(british))
    expect(202, device.add(irish))
    device.sees(was_refused("wrong_region"))


def test_a_fleet_tool_corrects_a_region_and_is_told_of_what_is_no_country(system: System, vendor: Vendor) -> None:
    """R-122, R-137: the same by messages."""
    tool, device_id = Tool(source=f"/fleet/{new_id()}", at=Time(system).now()), f"fleet-{new_id()}"
    wrong, right = (tool.order("EnrollDevice", device_id=device_id, product=PRODUCT, region=it) for it in ("UK", "IE"))
    (place, _) = send(system, COMMANDS, [wrong, right])
    (row,) = until(lambda: parked(system, "device", place), lambda rows: rows)
    assert row["detail"] == "EnrollDevice: region: not_a_country, for the United Kingdom write GB"
    send(system, COMMANDS, [tool.order("CorrectRegion", device_id=device_id, region="GB", note="moved")])
    device = OwnedDevice(system, device_id, system.credentials.operator_key)
    until(lambda: device.http.get(f"{device.path}/license").status_code, lambda status: status == 200)
    device.activates(vendor.issue(regions=["GB"]))


def corrects_region(system: System, device: OwnedDevice, region: str) -> None:
    """An operator corrects the region of the device."""
    with client(system, "device", system.credentials.operator_key) as operator:
        expect(202, operator.put(f"{device.path}/region", json={"region": region, "note": "moved"}))


def test_a_shared_code_that_starts_elsewhere_changes_what_is_foreseen_here(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-67, R-73, R-78: the warning comes before the switch."""
    first, second, shared = new_device(), new_device(), vendor.issue("P1Y", seats=2)
    ends_at = end_of_license(second.activates(vendor.issue("P6M")))
    before = second.keeps_in_reserve(shared)
    assert moment(before["reserve"]["predicted_ends_at"]) == ends_at + YEAR
    began = end_of_license(first.activates(shared)) - YEAR
    after = second.sees(lambda shown: shown["reserve"].get("started_at"))
    assert moment(after["reserve"]["predicted_ends_at"]) == began + YEAR
    assert "less_than_full_term" in after["reserve"]["notices"]
    assert second.event_names()[-1] == "PredictionChanged"


def test_guessing_is_told_and_slowed_down_on_that_device_alone(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-107, R-112: no code is locked by it, and no guess is kept."""
    guesser, honest, code = new_device(), new_device(), vendor.issue()
    for number in range(1, POLICY.guesses_free + 2):
        guess = new_code()
        expect(202, guesser.add(guess.reveal()))
        until(lambda: guesser.event_names().count("CodeRejected"), number.__eq__)
        assert guess.reveal() not in str(guesser.history())
    guesser.sees(lambda shown: shown["adding_available_at"])
    assert "GuessesThrottled" in guesser.event_names()
    refused = guesser.add(code)
    assert expect(429, refused)["code"] == "throttled"
    honest.activates(code)
    time.moves_to(moment(guesser.license()["adding_available_at"]) + timedelta(seconds=1))
    guesser.activates(vendor.issue())


def test_activate_now_is_slowed_down_after_each_refusal_and_says_until_when(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-46, R-59, R-64: the button stays, shows the reason, and says when it can be pressed again."""
    device, running, reserve = new_device(), vendor.issue("P1M"), vendor.issue()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    vendor.block(reserve)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(reserve, "refused"))
    for attempt in range(2):
        expect(202, device.press_activate_now())
        until(lambda: device.event_names().count("ActivationRefused"), (attempt + 2).__eq__)
        device.sees(reserve_is(reserve, "refused"))
    response = device.press_activate_now()
    problem = expect(429, response)
    assert problem["code"] == "throttled"
    assert 1 <= int(response.headers["Retry-After"]) <= 900
    shown = device.license()
    assert shown["activate_now_available_at"] == problem["available_at"]
    assert (shown["reserve"]["reason"], shown["activate_now_reason"]) == ("code_blocked", "throttled")
    vendor.unblock(reserve)
    time.moves_to(moment(problem["available_at"]) + timedelta(seconds=1))
    expect(202, device.press_activate_now())
    device.sees(runs_on(reserve))


def test_every_new_kind_of_order_comes_as_a_message_too(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-25, R-48, R-77, R-84, R-89."""
    device, running, reserve, offline = new_device(), vendor.issue(), vendor.issue(), vendor.issue()
    device.activates(running)
    device.keeps_in_reserve(reserve)
    tool, device_id = Tool(source=f"/fleet/{device.device_id}", at=time.now()), device.device_id
    send(
        system,
        COMMANDS,
        [tool.order("ReportInstallation", device_id=device_id, product=PRODUCT, product_version="9.1")],
    )
    send(system, COMMANDS, [tool.order("RemoveLicense", device_id=device_id)])
    device.sees(runs_on(reserve))
    assert "InstallationChanged" in device.event_names()
    expect(202, device.remove_license())
    device.sees(lambda shown: shown["status"] == "unlicensed")
    at = (time.now() - timedelta(minutes=1)).isoformat()
    told = {"code_ref": offline.ref, "last_group": offline.last_group, "activated_at": at}
    send(system, COMMANDS, [tool.order("ReportOfflineActivation", device_id=device_id, **told)])
    device.sees(runs_on(offline))
