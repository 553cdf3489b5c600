"""How a rebuild or a verification fails: a stable code, and one line that says what happened and where."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from aiokafka.errors import KafkaError

from shared.ledger.database import UNAVAILABLE


class ProjectorFailed(Exception):
    """Nothing was replaced. `code` is stable, `detail` is one line."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@contextmanager
def errors_translated() -> Iterator[None]:
    """Turn the expected errors of PostgreSQL and Kafka into `ProjectorFailed`."""
    try:
        yield
    except (asyncpg.DiskFullError, asyncpg.OutOfMemoryError) as error:
        raise ProjectorFailed("disk_full", f"PostgreSQL has no room for the shadow table: {_line(error)}") from None
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ProjectorFailed("breaks_schema", f"the log violates a constraint of the table: {_line(error)}") from None
    except asyncpg.UndefinedFunctionError as error:
        raise ProjectorFailed("other_release", f"run `perennial migrate`: {_line(error)}") from None
    except KafkaError as error:
        raise ProjectorFailed("unreachable", f"Kafka: {_line(error)}") from None
    except UNAVAILABLE as error:
        raise ProjectorFailed("unreachable", f"the ledger: {_line(error)}") from None


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
