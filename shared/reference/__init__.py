"""The pages for those who integrate: the API (OpenAPI) and the messages (AsyncAPI), both made from the code.

`asyncapi` and `openapi` make the two documents, `pages` puts a document into what a template shows, `door` is the way
out by HTTP. A service hands in what only it knows: its orders, and what its routes answer. Nothing here publishes.
"""

from shared.reference.asyncapi import Application, Orders, asyncapi_of
from shared.reference.described import Described
from shared.reference.door import reference_door
from shared.reference.openapi import openapi_of
from shared.reference.topics import ACTIVATION_TOPIC, DEVICE_TOPIC

__all__ = [
    "ACTIVATION_TOPIC",
    "DEVICE_TOPIC",
    "Application",
    "Described",
    "Orders",
    "asyncapi_of",
    "openapi_of",
    "reference_door",
]
