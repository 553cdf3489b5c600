"""The topics of a running system keep history for ever, and one that could lose it is refused."""

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.cli.system import System
from shared.kafka.topics import COMMAND_TOPICS, EVENT_TOPICS, FOR_EVER, WrongTopic, check_topics
from shared.ledger.identity import new_id
from tests.journeys.waiting import until


def settings_of(system: System, topic: str) -> Mapping[str, str]:
    """Return what Kafka itself says of a topic."""
    return asyncio.run(_settings(system.stack.kafka.bootstrap, topic))


async def _settings(bootstrap_servers: str, topic: str) -> Mapping[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        [response] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    [(_, _, _, _, entries)] = response.resources  # type: ignore[attr-defined] # the client names no version
    return {entry[0]: entry[1] for entry in entries}


def make(system: System, topic: str, settings: Mapping[str, str]) -> None:
    """Make a topic as somebody else would."""
    asyncio.run(_make(system.stack.kafka.bootstrap, topic, settings))
    until(lambda: settings_of(system, topic), bool)


async def _make(bootstrap_servers: str, topic: str, settings: Mapping[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=dict(settings))])
    finally:
        await admin.close()


@pytest.mark.parametrize("topic", [*EVENT_TOPICS, *COMMAND_TOPICS])
def test_no_topic_of_the_system_is_compacted_or_ever_emptied(topic: str, system: System) -> None:
    """R-127, R-128."""
    settings = settings_of(system, topic)
    kept = {name: settings[name] for name in ("cleanup.policy", "retention.ms", "retention.bytes")}
    assert kept == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000000000"),
    ],
)
def test_a_topic_that_could_lose_history_is_refused_with_what_to_change(name: str, value: str, system: System) -> None:
    """R-127, R-128."""
    topic = f"made-by-hand-{new_id()}"
    make(system, topic, {**FOR_EVER, name: value})
    with pytest.raises(WrongTopic, match=f"{name} is {value}, it must be {FOR_EVER[name]}"):
        asyncio.run(check_topics(system.stack.kafka.bootstrap, [topic]))


def test_a_topic_that_keeps_history_is_taken(system: System) -> None:
    """R-127, R-128."""
    topic = f"made-well-{new_id()}"
    make(system, topic, FOR_EVER)
    asyncio.run(check_topics(system.stack.kafka.bootstrap, [topic]))
    assert settings_of(system, topic)["cleanup.policy"] == "delete"
