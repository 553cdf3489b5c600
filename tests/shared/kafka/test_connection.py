"""A Kafka connection that ends while something is written to it, on the loop that the services run on."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from shared.kafka.connection import _send, mend
from shared.local.ports import LOOPBACK

READER_SECONDS = 10.0


@pytest.fixture
def mended() -> Iterator[None]:
    """Mend the client, and put it back."""
    mend()
    yield
    AIOKafkaConnection.send = _send  # type: ignore[method-assign] # as it was


async def _write_to_an_ended_connection() -> AIOKafkaConnection:
    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(accept, LOOPBACK, 0)
    host, port = server.sockets[0].getsockname()
    connection = AIOKafkaConnection(host, port)
    connection._reader, connection._writer = await asyncio.open_connection(host, port)
    # the task that reads would close the connection as soon as it hears; the write comes before
    connection._read_task = asyncio.create_task(asyncio.sleep(READER_SECONDS))
    connection._versions = {3: (0, 5)}
    connection._writer.transport.abort()
    while not connection._reader.at_eof():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        connection.send(MetadataRequest([]))
    finally:
        server.close()
    return connection


@pytest.mark.usefixtures("mended")
def test_a_write_to_an_ended_connection_fails_as_the_client_expects() -> None:
    """R-120: any other error ends the client's own tasks, and the consumer stalls."""
    with pytest.raises(KafkaConnectionError):
        uvloop.run(_write_to_an_ended_connection())


def test_without_the_patch_it_fails_differently() -> None:
    """The day this test fails, uvloop or aiokafka have mended themselves and `shared.kafka.connection` can go."""
    with pytest.raises(RuntimeError, match="closed"):
        uvloop.run(_write_to_an_ended_connection())
