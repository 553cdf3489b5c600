"""Lets aiokafka survive the end of a broker on uvloop.

Between the end of a connection and the news of it, a write fails: aiokafka expects `OSError`, and uvloop raises
`RuntimeError`. Unhandled, that ended aiokafka's metadata task, and its consumer stood still for ever while the process
lived on (seen by killing Kafka under load, about once in ten kills). No topic and no rule may come in here.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send: Callable[..., Any] = AIOKafkaConnection.send


def mend() -> None:
    """Make every connection of this process fail as aiokafka expects; done twice, nothing changes."""
    AIOKafkaConnection.send = _send_or_close  # type: ignore[method-assign] # there is no other way in


def _send_or_close(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send(self, request, expect_response)
    except RuntimeError as error:
        if self._writer is None or not self._writer.transport.is_closing():
            raise
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error
