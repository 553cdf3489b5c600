#!/usr/bin/env bash
# FastStream 0.7.8 with fast-depends 3.0.9: a handler that takes the message itself costs a change of thread per message.
#
# Documented: annotate a parameter with `KafkaMessage` to get the message with its headers and its acknowledgement.
# Seen: the parameter is filled in by a synchronous function, which fast-depends runs in anyio's thread pool, once for
# each message, before an otherwise asynchronous handler. A handler that takes the body alone needs no thread, and
# neither does one of a broker with `apply_types=False`.
# Ours: shared/service.py sets `apply_types=False`, and the parser passes the batch on as the body.
set -euo pipefail

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER"
python3 -m venv venv
venv/bin/pip install --quiet "faststream[kafka]==0.7.8" fast-depends==3.0.9 aiokafka==0.14.0
cat >count.py <<'PY'
import asyncio
import sys

import anyio.to_thread
from faststream.kafka import KafkaBroker, KafkaMessage, TestKafkaBroker

MESSAGES = 20
run_sync, changes = anyio.to_thread.run_sync, 0


async def counted(*args, **kwargs):
    global changes
    changes += 1
    return await run_sync(*args, **kwargs)


anyio.to_thread.run_sync = counted


async def main(what):
    broker = KafkaBroker(apply_types=what != "plain", logger=None)
    if what == "body":

        @broker.subscriber("topic")
        async def body(text: str): ...
    else:

        @broker.subscriber("topic")
        async def message(message: KafkaMessage): ...

    async with TestKafkaBroker(broker):
        for _ in range(MESSAGES):
            await broker.publish("hello", "topic")
    print(changes // MESSAGES)


asyncio.run(main(sys.argv[1]))
PY

message=$(venv/bin/python count.py message)
body=$(venv/bin/python count.py body)
plain=$(venv/bin/python count.py plain)
echo "changes of thread per message: KafkaMessage: $message, the body: $body, KafkaMessage without apply_types: $plain"
[ "$message" = 1 ] && [ "$body" = 0 ] && [ "$plain" = 0 ]
