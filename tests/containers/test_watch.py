"""What operators see: every query is of something that is measured, and each alert fires for its fault."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httpx
import pytest
import yaml

from services.cli.names import SERVICES
from services.cli.system import System
from tests.containers.deployment import HOUSE, Deployment, run, wait_until_healthy
from tests.containers.faulty_series import FAULTS, STEPS, WELL, Series
from tests.containers.watcher import RULES, Watcher
from tests.journeys.logs import COMMANDS, Message, send
from tests.journeys.people import OwnedDevice, Vendor

DASHBOARD = HOUSE / "deploy" / "grafana" / "dashboards" / "perennial.json"
METRIC = re.compile(r"perennial_[a-z_]+")
SUFFIXES = re.compile(r"_(bucket|sum|count|created)$")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def expressions() -> list[str]:
    """Return every query of the dashboard and the alerts."""
    rules = yaml.safe_load(RULES.read_text())
    panels = json.loads(DASHBOARD.read_text())["panels"]
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in panels for target in panel.get("targets", [])]


@needs_promtool
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    said = run("promtool", "check", "config", str(RULES.with_name("prometheus.yml")))
    assert "SUCCESS" in said


def test_every_alert_has_its_fault_and_says_what_to_do() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in rules} == set(FAULTS)
    assert all(rule["annotations"]["summary"] and rule["annotations"]["do"] for rule in rules)


@needs_promtool
@pytest.mark.parametrize("alert", FAULTS)
def test_an_alert_fires_for_its_fault_alone_and_for_no_other(alert: str, tmp_path: Path) -> None:
    assert fired(WELL, tmp_path) == set()
    assert fired({**WELL, **FAULTS[alert]}, tmp_path) == {alert}


def fired(series: Series, folder: Path) -> set[str]:
    """Return which alerts fire in the end, by promtool: it tells what it got where that is not what was expected."""
    names = sorted(FAULTS)
    expectations = [{"eval_time": f"{5 * STEPS}s", "alertname": name, "exp_alerts": []} for name in names]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "5s", "input_series": inputs, "alert_rule_test": expectations}
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "5s", "tests": [test]}))
    outcome = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    said = outcome.stdout + outcome.stderr
    assert outcome.returncode == 0 or "alertname:" in said, said
    return {name for name in names if f"alertname: {name}," in said}


@pytest.mark.timeout(120)
def test_every_query_is_of_something_that_is_measured(
    deployment: Deployment, vendor: Vendor, new_device: Callable[[], OwnedDevice]
) -> None:
    """A renewal, too, so that there is a time from purchase to view."""
    code, device = vendor.issue("P1M"), new_device()
    shown = device.activates(code)
    vendor.sell_renewal(code, "watched", settled=True)
    device.sees(lambda now: now["license"]["ends_at"] > shown["license"]["ends_at"])
    measured = " ".join(
        httpx.get(f"{url}/metrics", trust_env=False).text for name in SERVICES for url in deployment.urls(name)
    )
    assert re.search(r"^perennial_freshness_seconds_count [1-9]", measured, re.MULTILINE)
    assert re.search(r'^perennial_verdict_seconds_count\{verdict="LicenseActivated"\} [1-9]', measured, re.MULTILINE)
    known = {name.removesuffix("_total") for name in METRIC.findall(measured)}
    asked = {SUFFIXES.sub("", name).removesuffix("_total") for text in expressions() for name in METRIC.findall(text)}
    # without a parked record there is no such series
    assert {SUFFIXES.sub("", name) for name in asked} - {SUFFIXES.sub("", name) for name in known} == {
        "perennial_parked_records"
    } - known


@pytest.mark.timeout(200)
def test_alerts_fire_for_real_faults_and_end_with_them(deployment: Deployment, watcher: Watcher) -> None:
    if watcher.url is None:
        pytest.skip("prometheus is not installed")
    send(cast("System", deployment), COMMANDS, [Message(value=b"no order", key=b"nobody")])
    watcher.until_fired("RecordsParked")
    ledger, workers = deployment.container("postgres-activation"), deployment.containers("activation")
    ledger.kill()
    watcher.until_fired("LedgerAway")
    ledger.start()
    wait_until_healthy(ledger)
    for worker in workers:
        worker.kill()
    watcher.until_fired("NoWorker")
    for worker in workers:
        worker.start()
    for worker in workers:
        wait_until_healthy(worker)
    watcher.until_ended("LedgerAway", "NoWorker", "WorkerNotReady")
