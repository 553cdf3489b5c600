"""Cuts a fetch short that still waits for records.

A broker answers the requests of one connection one after the other, and aiokafka sends no second fetch while one is
on its way. Without this, a consumer that reads on from elsewhere, or got other partitions, would first wait out the
old fetch. No topic and no rule may come in here.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import CloseReason
from aiokafka.protocol.fetch import FetchRequest_v0

FETCH = FetchRequest_v0.API_KEY


def cut_short(consumer: AIOKafkaConsumer) -> None:
    """Close the connections on which a fetch waits; the next fetch opens another at once.

    Other requests on them fail as they do when a broker ends, and aiokafka repeats them. Heartbeats and commits have
    a connection of their own. aiokafka has no public way to do this.
    """
    for connection in list(consumer._client._conns.values()):
        fetches = [answered for _, request, answered in connection._requests if _is_fetch(request)]
        for answered in fetches:
            # aiokafka forgets a cancelled fetch; it logs a failed one as an error and pauses before the next
            answered.cancel()
        if fetches:
            connection.close(reason=CloseReason.SHUTDOWN)


def _is_fetch(request: Any) -> bool:
    return request is not None and request.API_KEY == FETCH
