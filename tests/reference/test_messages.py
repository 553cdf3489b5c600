"""The message document and the code agree: every event and every command, with an example that the code reads."""

import json
from collections.abc import Iterator
from typing import Any

from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from services.activation.outbox import OUTBOX as ACTIVATION_OUTBOX
from services.device.outbox import OUTBOX as DEVICE_OUTBOX
from shared.kafka.cloudevents import read_envelope, read_position
from shared.kafka.commands import read_command
from shared.kafka.orders import read_order
from shared.ledger.identity import new_id
from shared.messages import ACTIVATION_EVENTS, DEVICE_EVENTS, decode, encode
from shared.reference.asyncapi import SERVICE_FIELDS, Document
from shared.reference.topics import ACTIVATION_TOPIC, DEVICE_TOPIC, EXAMPLES
from tests.reference.served import APPLICATIONS
from tests.shared.golden.files import VERSIONS, example_file
from tests.shared.records import NOON

TOPICS = {DEVICE_TOPIC.name: DEVICE_EVENTS, ACTIVATION_TOPIC.name: ACTIVATION_EVENTS}


def messages_of(document: Document, topic: str) -> dict[str, Any]:
    """Return the messages of a topic by name, with references resolved."""
    return {name: found(document, each["$ref"]) for name, each in document["channels"][topic]["messages"].items()}


def found(document: Document, reference: str) -> Any:
    """Return what a reference in the document points to."""
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_event_is_on_its_topic_with_an_example_that_the_code_reads(asyncapi: Document) -> None:
    for topic, events in TOPICS.items():
        messages = messages_of(asyncapi, topic)
        assert set(messages) == {event.__name__ for event in events}
        for name, message in messages.items():
            assert message["summary"]
            (example,) = message["examples"]
            body = json.dumps(example["payload"]).encode()
            assert decode(name, message["x-version"], body) == EXAMPLES[name]


def test_the_headers_of_every_example_are_those_that_the_inbox_requires(asyncapi: Document) -> None:
    """R-116, R-120."""
    for topic in TOPICS:
        for name, message in messages_of(asyncapi, topic).items():
            headers = message["examples"][0]["headers"]
            assert read_envelope(headers).type_name == name
            assert read_position(headers, message["x-example-key"].encode()).position == 1
            schema = found(asyncapi, message["headers"]["$ref"])
            assert set(schema["required"]) <= set(headers) <= set(schema["properties"])


def test_every_command_has_an_example_that_its_consumer_reads(service: str, asyncapi: Document) -> None:
    commands = APPLICATIONS[service].commands
    messages = messages_of(asyncapi, commands.topic)
    assert set(messages) == {command.__name__ for command in commands.types} == set(commands.examples)
    types = {command.__name__: command for command in commands.types}
    given = {"at": NOON, "request_id": new_id()}
    for name, message in messages.items():
        (example,) = message["examples"]
        headers = [(header, text.encode()) for header, text in example["headers"].items()]
        envelope, body = read_order(headers, json.dumps(example["payload"]).encode(), arrived_at=NOON)
        assert envelope.type_name == name
        filled_in = {field: value for field, value in given.items() if field in types[name].model_fields}
        assert read_command(envelope, body, types=types, filled_in=filled_in)
        schema = found(asyncapi, message["payload"]["$ref"])
        assert not SERVICE_FIELDS & {*schema["properties"], *schema["required"]}
        assert set(schema["required"]) <= set(example["payload"]) <= set(schema["properties"])


def test_the_examples_are_the_golden_ones() -> None:
    """Besides what was added to an event after its golden example was written."""
    for version in VERSIONS:
        golden = json.loads(example_file(version).read_bytes())
        example = json.loads(encode(EXAMPLES[version[0]]))
        assert {name: value for name, value in example.items() if name in golden} == golden


def test_the_topics_and_sources_are_those_of_the_outboxes() -> None:
    for topic, outbox in ((DEVICE_TOPIC, DEVICE_OUTBOX), (ACTIVATION_TOPIC, ACTIVATION_OUTBOX)):
        assert (topic.name, topic.source) == (outbox.topic, outbox.source)


def test_another_implementation_of_asyncapi_reads_the_document(asyncapi: Document) -> None:
    """FastStream has its own models of AsyncAPI 3.0: what they reject is not a valid document."""
    read = ApplicationSchema.model_validate(asyncapi)
    assert read.asyncapi == "3.0.0"
    assert set(read.channels) == set(asyncapi["channels"])
    assert set(read.operations) == set(asyncapi["operations"])


def test_every_reference_leads_somewhere(asyncapi: Document) -> None:
    references = list(_references(asyncapi))
    assert len(references) > 100
    for reference in references:
        assert found(asyncapi, reference) is not None


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)
