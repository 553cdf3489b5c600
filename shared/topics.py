"""The Kafka topics: made once, checked at every start. A topic that could lose history is refused (R-127, R-128)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.slices import check_partition_count

SPREAD_SECONDS_MAX = 20.0
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
EVENT_TOPICS = ("device.events.v1", "activation.events.v1")
ORDER_TOPICS = ("device.commands.v1", "store.purchases.v1")


class WrongTopic(Exception):
    """A topic is missing or could lose history; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How topics are made: partitions (a power of two up to 256) and copies."""

    partitions: int
    replicas: int = 1

    def configs(self) -> dict[str, str]:
        """Return the settings of a topic that keeps history for ever."""
        in_sync = "2" if self.replicas > 2 else "1"  # noqa: PLR2004 - of three copies, one may be away
        return {**FOR_EVER, "min.insync.replicas": in_sync, "unclean.leader.election.enable": "false"}


async def ensure_topics(bootstrap_servers: str, layout: Layout) -> list[str]:
    """Make the topics that are missing and return their names; then check all. Raises `WrongTopic`."""
    check_partition_count(layout.partitions)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        missing = sorted({*EVENT_TOPICS, *ORDER_TOPICS} - set(await admin.list_topics()))
        await _create(admin, missing, layout)
        await _wait_for(admin, missing)
        await _check(admin, (*EVENT_TOPICS, *ORDER_TOPICS))
    finally:
        await admin.close()
    return missing


async def check_topics(bootstrap_servers: str, names: Sequence[str]) -> None:
    """Raise `WrongTopic` unless the topics exist and keep what is written."""
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
            raise WrongTopic(f"topic {name} could not be made: {error.__name__}")


async def _wait_for(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until the cluster has told every broker of the new topics."""
    async with asyncio.timeout(SPREAD_SECONDS_MAX):
        while not set(names) <= set(await admin.list_topics()):
            await asyncio.sleep(0.05)


async def _check(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    existing = set(await admin.list_topics())
    if missing := sorted(set(names) - existing):
        raise WrongTopic(f"topic {missing[0]} does not exist; run `perennial topics ensure`")
    for topic in await admin.describe_topics(list(names)):
        try:
            check_partition_count(len(topic["partitions"]))
        except ValueError as error:
            raise WrongTopic(f"topic {topic['topic']}: {error}; a new topic version is needed") from None
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:  # type: ignore[attr-defined] # the client names no version
            _check_configs(name, {entry[0]: entry[1] for entry in entries})


def _check_configs(topic: str, configs: dict[str, str | None]) -> None:
    for name, wanted in FOR_EVER.items():
        if configs.get(name) != wanted:
            raise WrongTopic(
                f"topic {topic} could lose history: {name} is {configs.get(name)}, it must be {wanted};"
                " change it with Kafka's kafka-configs tool before starting"
            )
