"""Looks at Kafka: whether it answers, and whether its topics keep history for ever. Its clock dates nothing of ours."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.cli.doctor.diagnosis import Finding, of_kafka
from shared.kafka.topics import COMMAND_TOPICS, EVENT_TOPICS, WrongTopic, check_topics
from shared.ledger.database import UNAVAILABLE

ASK_SECONDS = 5.0


async def of_brokers(bootstrap_servers: str, replicas: int) -> list[Finding]:
    """Return what was found of the brokers and the topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=int(ASK_SECONDS * 1_000))
    topics = (*EVENT_TOPICS, *COMMAND_TOPICS)
    try:
        await admin.start()
        await check_topics(bootstrap_servers, topics)
        brokers = len((await admin.describe_cluster())["brokers"])
        cluster = Finding("well", "Kafka", f"{brokers} brokers answer; the topics keep everything for ever")
        return [cluster, *of_kafka(await admin.describe_topics(list(topics)), replicas)]
    except WrongTopic as error:
        return [Finding("wrong", "Kafka", str(error), "do that, then `perennial topics ensure`")]
    except (KafkaError, *UNAVAILABLE) as error:
        said = f"{bootstrap_servers}: {error!r}"
        return [Finding("away", "Kafka", said, "start the brokers, or name them with --kafka")]
    finally:
        await admin.close()
