"""Journeys on the real servers: Kafka, PostgreSQL and both services, through their own doors."""
