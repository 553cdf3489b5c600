"""The headers of messages as JSON schemas: CloudEvents 1.0 in Kafka's binary mode, and an event's position."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
ID: dict[str, Any] = {"type": "string", "format": "uuid"}
NUMBER: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{1,18}$"}

EVENT_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "Headers are UTF-8 text. A reader that accepts only position last + 1 of each slice reads every "
    "event exactly once; hash chains the events of a slice.",
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_subject",
        "ce_dataschema",
        "slice",
        "position",
        "hash",
    ],
    "properties": {
        "content-type": {"const": "application/json"},
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**ID, "description": "The event's id."},
        "ce_source": {**TEXT, "description": "The ledger that wrote it; a sandbox ledger says so."},
        "ce_type": {**TEXT, "description": "The event's name."},
        "ce_time": {**TIME, "description": "When it happened."},
        "ce_subject": {**TEXT, "description": "The stream it belongs to: the record's key."},
        "ce_dataschema": {
            **TEXT,
            "description": "`urn:perennial:schemas/NAME/VERSION`: its JSON Schema, at `/schemas/NAME/VERSION` of "
            "both services, and the version of the body. Records of earlier releases have the path alone.",
        },
        "ce_recordedtime": {**TIME, "description": "When it was recorded, which may be later."},
        "ce_streamversion": {**NUMBER, "description": "Its number in the stream, from 1."},
        "ce_correlationid": {**ID, "description": "The same for everything that one command caused."},
        "ce_causationid": {**ID, "description": "The event that caused it."},
        "ce_ignorable": {"const": "true", "description": "A reader that does not know this event may skip it."},
        "traceparent": {**TEXT, "description": "The W3C trace context."},
        "slice": {**NUMBER, "description": "Which of the 256 slices, determined by the key."},
        "position": {**NUMBER, "description": "Its place in the slice: 1, 2, 3, without gaps."},
        "hash": {**TEXT, "description": "SHA-256 over the previous hash, id, type, subject, time and body; hex."},
    },
}

ORDER_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "Of a message in binary mode; headers beside these may say what they like. In structured mode, with "
    "the content type `application/cloudevents+json`, the same attributes stand in the body, without `ce_`. "
    "A pair of ce_source and ce_id counts once, however often it is sent.",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**TEXT, "maxLength": 256, "description": "The sender's own id for the command."},
        "ce_source": {**TEXT, "maxLength": 256, "description": "The sender."},
        "ce_type": {**TEXT, "maxLength": 256, "description": "The command's name."},
        "ce_time": {**TIME, "description": "When it was sent. Without it, the command is dated by its arrival."},
        "ce_correlationid": {**TEXT, "description": "A UUID is passed on to everything that follows."},
        "traceparent": {**TEXT, "description": "The W3C trace context; also as ce_traceparent."},
    },
}
