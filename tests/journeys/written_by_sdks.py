"""What the CloudEvents SDKs wrote to Kafka, header by header and byte by byte: recorded by running each of them once.

Each SDK wrote the orders with its own Kafka binding and a Kafka client of its language: in binary mode, in structured
mode, with a key where it can tell one, and without a time where it does not fill one in. JavaScript's binding leaves
the headers undefined that it does not need; they were left out, as its clients need it. Only the code is another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.journeys.logs import Message

CODE = "CODE_REF"
"""Stands for the reference of the code that is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record of an SDK, which is the order `order_id`."""

    order_id: str
    headers: Mapping[str, str]
    value: str
    key: str | None = None

    def about(self, code_ref: str) -> Message:
        """Return the record for a code."""
        headers = [(name, text.replace(CODE, code_ref).encode()) for name, text in self.headers.items()]
        key = code_ref.encode() if self.key == CODE else None
        return Message(value=self.value.replace(CODE, code_ref).encode(), key=key, headers=headers)


BY_SDK: Mapping[str, Sequence[Written]] = {
    "Python 2.2.0": (
        Written(
            order_id="python-binary",
            headers={
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/python",
                "ce_specversion": "1.0",
                "ce_id": "310e7ad3-e82d-4ff7-bafe-414af7182a27",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:55:57.088103Z",
            },
            value='{"code_ref": "CODE_REF", "order_id": "python-binary", "settled": true, "term": "P1D"}',
        ),
        Written(
            order_id="python-key",
            key=CODE,
            headers={
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/python",
                "ce_specversion": "1.0",
                "ce_id": "7cacbefe-c2fc-4e18-8666-2499911b243a",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:55:58.025599Z",
                "ce_partitionkey": "CODE_REF",
            },
            value='{"code_ref": "CODE_REF", "order_id": "python-key", "settled": true, "term": "P1D"}',
        ),
        Written(
            order_id="python-structured",
            headers={"content-type": "application/cloudevents+json"},
            value=(
                '{"type": "RecordPurchase", "source": "/shop/python", "specversion": "1.0"'
                ', "id": "dcb74039-4a2d-4a77-8dbc-fe1a75803d9b", "datacontenttype": "application/json"'
                ', "time": "2026-11-30T17:55:57.659171Z"'
                ', "data": {"code_ref": "CODE_REF", "order_id": "python-structured", "settled": true, "term": "P1D"}}'
            ),
        ),
    ),
    "JavaScript 10.0.0": (
        Written(
            order_id="javascript-binary",
            headers={
                "content-type": "application/json",
                "ce_id": "49b55166-197c-425e-b05a-9fc610c14262",
                "ce_time": "2026-11-30T17:56:24.402Z",
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/javascript",
                "ce_specversion": "1.0",
                "ce_datacontenttype": "application/json",
            },
            value='{"code_ref":"CODE_REF","order_id":"javascript-binary","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="javascript-key",
            key=CODE,
            headers={
                "content-type": "application/json",
                "ce_id": "f89c4ea3-22b8-4559-8f68-efdd025f88f5",
                "ce_time": "2026-11-30T17:56:24.970Z",
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/javascript",
                "ce_specversion": "1.0",
                "ce_datacontenttype": "application/json",
                "ce_partitionkey": "CODE_REF",
            },
            value='{"code_ref":"CODE_REF","order_id":"javascript-key","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="javascript-structured",
            headers={"content-type": "application/cloudevents+json; charset=utf-8"},
            value=(
                '{"id":"3ad28fad-a5b7-426a-bcd5-69758c60e7ac","time":"2026-11-30T17:55:58.898Z"'
                ',"type":"RecordPurchase","source":"/shop/javascript","specversion":"1.0"'
                ',"datacontenttype":"application/json"'
                ',"data":{"code_ref":"CODE_REF","order_id":"javascript-structured","settled":true,"term":"P1D"}}'
            ),
        ),
    ),
    "Go v2.16.2": (
        Written(
            order_id="go-bare",
            headers={
                "ce_id": "8c85f98c-d4ff-4e8c-b44b-ad061551c62a",
                "ce_source": "/shop/go",
                "ce_specversion": "1.0",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
            },
            value='{"code_ref":"CODE_REF","order_id":"go-bare","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="go-binary",
            headers={
                "ce_id": "f523aba5-432f-40f4-9798-56d68edc41c6",
                "ce_source": "/shop/go",
                "ce_specversion": "1.0",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:55:59.190415399Z",
            },
            value='{"code_ref":"CODE_REF","order_id":"go-binary","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="go-key",
            key=CODE,
            headers={
                "ce_id": "6cf0af49-c552-41e5-bcf4-3b17ef31f96e",
                "ce_source": "/shop/go",
                "ce_specversion": "1.0",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:55:59.281334746Z",
            },
            value='{"code_ref":"CODE_REF","order_id":"go-key","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="go-structured",
            headers={"content-type": "application/cloudevents+json"},
            value=(
                '{"specversion":"1.0","id":"a63dc7e4-8600-4995-bd9b-1a8206b4439a","source":"/shop/go"'
                ',"type":"RecordPurchase","datacontenttype":"application/json"'
                ',"time":"2026-11-30T17:55:59.250900741Z"'
                ',"data":{"code_ref":"CODE_REF","order_id":"go-structured","settled":true,"term":"P1D"}}'
            ),
        ),
    ),
    "Java 4.0.1": (
        Written(
            order_id="java-bare",
            headers={
                "ce_specversion": "1.0",
                "ce_id": "73dd577d-9c13-45cf-b924-503ec586d7e3",
                "ce_source": "/shop/java",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
            },
            value='{"code_ref":"CODE_REF","order_id":"java-bare","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="java-binary",
            headers={
                "ce_specversion": "1.0",
                "ce_id": "464835d8-98bb-4c44-8888-e306845af7aa",
                "ce_source": "/shop/java",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:55:59.493403412Z",
            },
            value='{"code_ref":"CODE_REF","order_id":"java-binary","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="java-key",
            key=CODE,
            headers={
                "ce_specversion": "1.0",
                "ce_id": "8598041b-ee86-42f5-87f1-344c2ffb864a",
                "ce_source": "/shop/java",
                "ce_type": "RecordPurchase",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:56:04.743353966Z",
                "ce_partitionkey": "CODE_REF",
            },
            value='{"code_ref":"CODE_REF","order_id":"java-key","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="java-structured",
            headers={"content-type": "application/cloudevents+json"},
            value=(
                '{"specversion":"1.0","id":"657eb3bf-8219-4e82-976f-28a4b2b39094","source":"/shop/java"'
                ',"type":"RecordPurchase","datacontenttype":"application/json"'
                ',"time":"2026-11-30T17:56:02.828864042Z"'
                ',"data":{"code_ref":"CODE_REF","order_id":"java-structured","settled":true,"term":"P1D"}}'
            ),
        ),
    ),
    "Rust 0.9.0": (
        Written(
            order_id="rust-bare",
            headers={
                "ce_specversion": "1.0",
                "ce_id": "765b7b2d-aabf-4ea1-a933-91485bab0d0c",
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/rust",
                "content-type": "application/json",
            },
            value='{"code_ref":"CODE_REF","order_id":"rust-bare","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="rust-binary",
            headers={
                "ce_specversion": "1.0",
                "ce_id": "4981a677-4969-4017-9637-7b21b49b37e9",
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/rust",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:56:05.786728053+00:00",
            },
            value='{"code_ref":"CODE_REF","order_id":"rust-binary","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="rust-key",
            key=CODE,
            headers={
                "ce_specversion": "1.0",
                "ce_id": "a3dba54f-c570-4f8c-aefe-01e9bb642b49",
                "ce_type": "RecordPurchase",
                "ce_source": "/shop/rust",
                "content-type": "application/json",
                "ce_time": "2026-11-30T17:56:06.124203689+00:00",
            },
            value='{"code_ref":"CODE_REF","order_id":"rust-key","settled":true,"term":"P1D"}',
        ),
        Written(
            order_id="rust-structured",
            headers={"content-type": "application/cloudevents+json"},
            value=(
                '{"specversion":"1.0","id":"798735f8-d4dd-4834-a3cb-17e947d9fa1e","type":"RecordPurchase"'
                ',"source":"/shop/rust","datacontenttype":"application/json","time":"2026-11-30T17:56:06.017392448Z"'
                ',"data":{"code_ref":"CODE_REF","order_id":"rust-structured","settled":true,"term":"P1D"}}'
            ),
        ),
    ),
}
