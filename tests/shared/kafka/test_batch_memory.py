"""What FastStream keeps of a batch: nothing once it is handled, so that memory does not wait for garbage collection."""

import gc
import weakref

from faststream.kafka.message import KafkaAckableMessage

from shared.kafka.consumer import _records_of


async def test_a_batch_is_freed_with_its_last_reference() -> None:
    gc.disable()
    try:
        message = KafkaAckableMessage(raw_message=(), body=b"", consumer=None)
        message.set_decoder(_records_of)
        assert await message.decode() == ()
        freed = weakref.ref(message)
        del message
        assert freed() is None
    finally:
        gc.enable()
