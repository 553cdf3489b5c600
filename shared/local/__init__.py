"""The local stack: a real PostgreSQL and a real Apache Kafka on this machine, without Docker and without sudo.

Takes a folder for the data and three ports, and runs two servers on 127.0.0.1. Nothing in here knows a rule, a service
or a topic, and no service imports it: only the command line and the tests do.
"""
