"""Real proxies that compress, in front of a service. `python -m tests.journeys.proxies` installs them if it can.

They run with configurations of their own, on loopback and on free ports.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from shared.local.ports import LOOPBACK, free_port
from tests.browser.chromium import install
from tests.journeys.waiting import until

PROGRAMS = ("nginx", "haproxy")
MISSING = (
    f"the tests behind proxies need {' and '.join(PROGRAMS)}: install the packages; "
    "without a program its tests are skipped"
)
START_SECONDS = 10.0
STOP_SECONDS = 10.0
INIT_SYSTEM = Path("/run/systemd/system")
"""Where there is one, installing the packages would also start their services."""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types application/json;
    gzip_min_length 1;
    gzip_proxied any;
    server {{
        listen {address}:{port};
        location / {{
            proxy_pass http://{service};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend door
    bind {address}:{port}
    default_backend service
backend service
    compression algo gzip
    compression type application/json
    server one {service}
"""

type Command = Callable[[str, Path], list[str]]

KINDS: Mapping[str, tuple[str, Command]] = {
    "nginx": (NGINX, lambda program, file: [program, "-e", "stderr", "-p", str(file.parent), "-c", str(file)]),
    "haproxy": (HAPROXY, lambda program, file: [program, "-f", str(file)]),
}


def find(name: str) -> str | None:
    """Return the path of a proxy, or None. Debian keeps them where not every user looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


@contextmanager
def running_proxy(name: str, service_url: str, folder: Path) -> Iterator[str]:
    """Run the proxy in front of a service, and yield its address."""
    program = find(name)
    assert program, MISSING
    text, command = KINDS[name]
    port, file = free_port(), folder / f"{name}.conf"
    file.write_text(text.format(folder=folder, address=LOOPBACK, port=port, service=urlsplit(service_url).netloc))
    process = subprocess.Popen(command(program, file), stdin=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None, bool, seconds=START_SECONDS)
        assert process.poll() is None, f"{name} ended while it started"
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def main() -> None:
    """Make sure that the proxies are there, or say in one line why not."""
    missing = [name for name in PROGRAMS if find(name) is None]
    if not missing:
        return
    print(f"installing {' and '.join(missing)} for the tests behind proxies", file=sys.stderr)
    wrong = "their services would be started" if INIT_SYSTEM.exists() else install(missing)
    if any(find(name) is None for name in missing):
        print(f"{MISSING} ({wrong or 'the packages brought none'})", file=sys.stderr)


if __name__ == "__main__":
    main()
