"""The Kafka topics: created once, checked at every start. A topic that could lose history is refused (R-127, R-128)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.ledger.slices import check_partition_count

PROPAGATION_SECONDS_MAX = 20.0
PROPAGATION_CHECKS = 3
"""How many checks in a row must succeed for a new topic: each may reach a different broker."""
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
EVENT_TOPICS = ("device.events.v1", "activation.events.v1")
COMMAND_TOPICS = ("device.commands.v1", "store.purchases.v1")


class WrongTopic(Exception):
    """A topic is missing or could lose history. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How topics are created: the number of partitions (a power of two up to 256) and of replicas."""

    partitions: int
    replicas: int = 1

    def configs(self) -> dict[str, str]:
        """Return the settings of a topic that keeps history for ever."""
        in_sync = "2" if self.replicas > 2 else "1"  # noqa: PLR2004 - of three replicas, one may be down
        return {**FOR_EVER, "min.insync.replicas": in_sync, "unclean.leader.election.enable": "false"}


async def ensure_topics(bootstrap_servers: str, layout: Layout) -> list[str]:
    """Create the missing topics and return their names; then check that all topics have this layout.

    Idempotent. Raises `WrongTopic`: an existing topic is never altered here.
    """
    check_partition_count(layout.partitions)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        missing = sorted({*EVENT_TOPICS, *COMMAND_TOPICS} - set(await admin.list_topics()))
        await _create(admin, missing, layout)
        await _wait_for(admin, missing, layout)
        await _check(admin, (*EVENT_TOPICS, *COMMAND_TOPICS), layout)
    finally:
        await admin.close()
    return missing


async def create_topic(bootstrap_servers: str, name: str, layout: Layout) -> bool:
    """Create one more topic that keeps history for ever, and return whether it was missing. Raises `WrongTopic`."""
    check_partition_count(layout.partitions)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        missing = [] if name in await admin.list_topics() else [name]
        await _create(admin, missing, layout)
        await _wait_for(admin, missing, layout)
        await _check(admin, [name])
    finally:
        await admin.close()
    return bool(missing)


async def layout_of(bootstrap_servers: str, name: str) -> Layout | None:
    """Return the layout of a topic, or None if it does not exist."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        if name not in await admin.list_topics():
            return None
        (topic,) = await admin.describe_topics([name])
    finally:
        await admin.close()
    return Layout(len(topic["partitions"]), max(len(entry["replicas"]) for entry in topic["partitions"]))


async def record_count(bootstrap_servers: str, name: str) -> int:
    """Return the number of records in a topic; 0 if it does not exist."""
    layout = await layout_of(bootstrap_servers, name)
    if layout is None:
        return 0
    partitions = [TopicPartition(name, number) for number in range(layout.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return sum(end[partition] - first[partition] for partition in partitions)


async def check_topics(bootstrap_servers: str, names: Sequence[str]) -> None:
    """Raise `WrongTopic` unless the topics exist and keep everything written to them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await _check(admin, names)
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, names: Sequence[str], layout: Layout) -> None:
    if not names:
        return
    topics = [NewTopic(name, layout.partitions, layout.replicas, topic_configs=layout.configs()) for name in names]
    response = await admin.create_topics(topics)
    for name, error_code, *_ in response.topic_errors:  # type: ignore[attr-defined] # the client names no version
        error = for_code(error_code)
        if error_code and error is not TopicAlreadyExistsError:
            raise WrongTopic(f"topic {name} could not be created: {error.__name__}")


async def _wait_for(admin: AIOKafkaAdminClient, names: Sequence[str], layout: Layout) -> None:
    """Wait until the new topics have reached every broker: each learns of them in its own time."""
    deadline = monotonic() + PROPAGATION_SECONDS_MAX
    for _ in range(PROPAGATION_CHECKS if names else 0):
        while True:
            try:
                await _check(admin, names, layout)
                break
            except WrongTopic:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)


async def _check(admin: AIOKafkaAdminClient, names: Sequence[str], layout: Layout | None = None) -> None:
    existing = set(await admin.list_topics())
    if missing := sorted(set(names) - existing):
        raise WrongTopic(f"topic {missing[0]} does not exist; run `perennial topics ensure`")
    for topic in await admin.describe_topics(list(names)):
        _check_partitions(topic["topic"], topic["partitions"], layout)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:  # type: ignore[attr-defined] # the client names no version
            _check_configs(name, {entry[0]: entry[1] for entry in entries}, layout)


def _check_partitions(topic: str, partitions: Sequence[Mapping[str, Any]], layout: Layout | None) -> None:
    count = len(partitions)
    try:
        check_partition_count(count)
    except ValueError as error:
        raise WrongTopic(f"topic {topic}: {error}; a new topic version is needed") from None
    if layout is None:
        return
    if count != layout.partitions:
        raise WrongTopic(
            f"topic {topic} has {count} partitions, not {layout.partitions}, and can never change that: run this with"
            f" --partitions {count}, or create a new topic version and republish the ledger to it"
        )
    for partition in partitions:
        if (replicas := len(partition["replicas"])) < layout.replicas:
            raise WrongTopic(
                f"partition {partition['partition']} of topic {topic} has {replicas} of {layout.replicas} replicas:"
                " add replicas with Kafka's kafka-reassign-partitions tool, then run this again"
            )


def _check_configs(topic: str, configs: Mapping[str, str | None], layout: Layout | None) -> None:
    wanted_configs = layout.configs() if layout else FOR_EVER
    for name, wanted in wanted_configs.items():
        if configs.get(name) != wanted:
            raise WrongTopic(
                f"topic {topic} could lose history: {name} is {configs.get(name)}, it must be {wanted};"
                f" run `kafka-configs --alter --topic {topic} --add-config {name}={wanted}`"
            )
