"""A real Prometheus beside a deployment, with the deployment's own alert rules, every one without its patience."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from shared.local.ports import LOOPBACK, free_port
from tests.containers.deployment import HOUSE

RULES = HOUSE / "deploy" / "prometheus" / "alerts.yml"
START_SECONDS = 20.0
POLL_SECONDS = 0.2
SEEN = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[2h]))'
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


@dataclass(frozen=True, slots=True)
class Watcher:
    """What Prometheus says. Without a Prometheus on this machine it says nothing, and waits for nothing."""

    url: str | None = None

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the result of a query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10, trust_env=False)
        assert answer.is_success, answer.text
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def alerts(self, query: str = FIRING) -> set[str]:
        """Return the names of the alerts that fire."""
        return {entry["metric"]["alertname"] for entry in self.ask(query)}

    def until_fired(self, *names: str, seconds: float = 60.0) -> None:
        """Return when all these alerts have fired at least once."""
        deadline = time.monotonic() + seconds
        while self.url and (missing := set(names) - self.alerts(SEEN)):
            assert time.monotonic() < deadline, f"did not fire in {seconds:.0f} s: {sorted(missing)}"
            time.sleep(POLL_SECONDS)

    def until_ended(self, *names: str, seconds: float = 40.0) -> None:
        """Return when none of these alerts fires any more."""
        deadline = time.monotonic() + seconds
        while self.url and (still := set(names) & self.alerts()):
            assert time.monotonic() < deadline, f"still firing after {seconds:.0f} s: {sorted(still)}"
            time.sleep(POLL_SECONDS)


def impatient_rules() -> str:
    """Return the rules of the deployment, each firing as soon as it holds."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = "0s"
    return yaml.safe_dump(rules)


def configuration(project: str) -> str:
    """Return a configuration that finds a project's workers by asking the engine: its DNS does not answer here."""
    label = "__meta_docker_container_label_com_docker_compose_service"
    relabel = [
        {"source_labels": [label], "regex": "device|activation", "action": "keep"},
        {"source_labels": [label], "target_label": "service"},
        {"source_labels": [label], "target_label": "job"},
        {"source_labels": ["__meta_docker_network_ip"], "target_label": "__address__", "replacement": "$1:8100"},
    ]
    finding = {
        "host": "unix:///var/run/docker.sock",
        "refresh_interval": "1s",
        "filters": [{"name": "label", "values": [f"com.docker.compose.project={project}"]}],
    }
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [{"job_name": "x", "docker_sd_configs": [finding], "relabel_configs": relabel}],
        }
    )


@contextmanager
def watching(project: str, folder: Path) -> Iterator[Watcher]:
    """Yield who watches a project."""
    program = shutil.which("prometheus")
    if program is None:
        yield Watcher()
        return
    (folder / "alerts.yml").write_text(impatient_rules())
    (folder / "prometheus.yml").write_text(configuration(project))
    url = f"{LOOPBACK}:{free_port()}"
    options = (f"--web.listen-address={url}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / 'prometheus.yml'}", *options], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"http://{url}", process)
        yield Watcher(f"http://{url}")
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_SECONDS)
    raise AssertionError("Prometheus did not start")
