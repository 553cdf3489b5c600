"""Checks Kafka: whether it is reachable and its topics keep history forever. Its clock does not matter to us."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.cli.doctor.diagnosis import Finding, diagnose_topics
from services.cli.output import plural
from shared.kafka.topics import COMMAND_TOPICS, EVENT_TOPICS, WrongTopic, check_topics
from shared.ledger.database import UNAVAILABLE

REQUEST_SECONDS_MAX = 5.0


async def check_kafka(bootstrap_servers: str, replicas: int) -> list[Finding]:
    """Return the findings about brokers and topics."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, request_timeout_ms=int(REQUEST_SECONDS_MAX * 1_000)
    )
    topics = (*EVENT_TOPICS, *COMMAND_TOPICS)
    try:
        await admin.start()
        await check_topics(bootstrap_servers, topics)
        brokers = len((await admin.describe_cluster())["brokers"])
        cluster = Finding(
            "well", "Kafka", f"{plural(brokers, 'broker')} reachable; the topics keep all records forever"
        )
        return [cluster, *diagnose_topics(await admin.describe_topics(list(topics)), replicas)]
    except WrongTopic as error:
        return [Finding("wrong", "Kafka", str(error), "fix the topic, then run `perennial topics ensure`")]
    except (KafkaError, *UNAVAILABLE) as error:
        found = f"{bootstrap_servers} is unreachable: {error!r}"
        return [Finding("away", "Kafka", found, "start the brokers, or set the right address with --kafka")]
    finally:
        await admin.close()
