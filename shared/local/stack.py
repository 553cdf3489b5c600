"""PostgreSQL and Kafka together, started and stopped at the same time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.local.kafka import Kafka
from shared.local.ports import Ports
from shared.local.postgres import Postgres


class LocalStack:
    """Both servers, with their data below `folder`."""

    def __init__(self, folder: Path, ports: Ports | None = None, *, partitions: int = 8) -> None:
        self.ports = ports or Ports()
        self.postgres = Postgres(folder / "postgres", self.ports.postgres)
        self.kafka = Kafka(folder / "kafka", self.ports.kafka, self.ports.kafka_controller, partitions=partitions)

    def start(self) -> None:
        """Start both and wait until both accept connections. If one cannot start, neither is left running."""
        with ThreadPoolExecutor(2) as workers:
            starting = [workers.submit(server.start) for server in (self.postgres, self.kafka)]
            try:
                _wait_for_all(starting)
            except BaseException:
                # cancel the start of the other one, wait until it gives up, and clean up what it started
                self.stop()
                _join(starting)
                self.stop()
                raise

    def stop(self) -> None:
        """Stop both cleanly."""
        _at_once(self.postgres.stop, self.kafka.stop)

    def kill(self) -> None:
        """End both at once (SIGKILL)."""
        _at_once(self.postgres.kill, self.kafka.kill)

    def erase(self) -> None:
        """Remove all data of both; stop first."""
        self.postgres.erase()
        self.kafka.erase()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _at_once(*actions: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(actions)) as workers:
        _wait_for_all([workers.submit(action) for action in actions])


def _wait_for_all(futures: list[Future[None]]) -> None:
    for future in as_completed(futures):
        future.result()


def _join(futures: list[Future[None]]) -> None:
    for future in futures:
        future.exception()
