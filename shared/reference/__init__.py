"""The reference for integrators: the API (OpenAPI) and the messages (AsyncAPI), both generated from the code.

`asyncapi` and `openapi` make the two documents, `pages` turns a document into the content of a page, `door` serves
them. A service adds what only it knows: its commands, and examples for its routes. Nothing here publishes a message.
"""

from shared.reference.asyncapi import Application, CommandTopic, asyncapi_of
from shared.reference.door import reference_door
from shared.reference.openapi import openapi_of
from shared.reference.route_docs import RouteDocs
from shared.reference.topics import ACTIVATION_TOPIC, DEVICE_TOPIC

__all__ = [
    "ACTIVATION_TOPIC",
    "DEVICE_TOPIC",
    "Application",
    "CommandTopic",
    "RouteDocs",
    "asyncapi_of",
    "openapi_of",
    "reference_door",
]
