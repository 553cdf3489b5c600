"""The local stack: a real PostgreSQL and a real Apache Kafka on this machine, without Docker and without sudo.

Takes a folder for the data and three ports, and runs two servers on 127.0.0.1. Nothing in here knows a rule, a service
or a topic, and no service imports it: only the command line and the tests do.
"""

from shared.local.failures import LocalStackError
from shared.local.kafka import Kafka
from shared.local.ports import Ports, free_ports
from shared.local.postgres import Postgres
from shared.local.stack import LocalStack

__all__ = ["Kafka", "LocalStack", "LocalStackError", "Ports", "Postgres", "free_ports"]
