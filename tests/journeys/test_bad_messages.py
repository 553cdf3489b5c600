"""Forged and broken records on the topics: parked with their reason or known already; everything else goes on.

A system of its own: what is written here stands in its topics for ever.
"""

import os
from copy import replace

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from services.cli.system import System
from shared.kafka.parking import stream_of
from shared.ledger.identity import new_id
from shared.ledger.slices import partition_of, slice_of
from tests.journeys.forging import READERS, WRITERS, event, forged, head_of
from tests.journeys.logs import (
    ACTIVATION_EVENTS,
    COMMANDS,
    DEVICE_EVENTS,
    TOPICS,
    Message,
    Place,
    query,
    read_topic,
    send,
    writing_to_ledger,
)
from tests.journeys.people import OwnedDevice, Time, Vendor, expect, reserve_is, runs_on
from tests.journeys.waiting import until

NOBODY = bytes(32)
RUBBISH_BYTES = 2 * 1_048_576
PARKED_VALUE_BYTES_MAX = 1_048_576

every_topic = pytest.mark.parametrize("topic", TOPICS)
event_topics = pytest.mark.parametrize("topic", [DEVICE_EVENTS, ACTIVATION_EVENTS])


@pytest.fixture(scope="module")
def besieged_vendor(besieged: System) -> Vendor:
    return Vendor(besieged)


@pytest.fixture(scope="module")
def neighbour(besieged: System, besieged_vendor: Vendor) -> OwnedDevice:
    """A device that has nothing to do with what is forged."""
    device = OwnedDevice.enrolled(besieged)
    device.activates(besieged_vendor.issue())
    return device


def is_parked(system: System, place: Place, reason: str) -> None:
    """Every reader of the topic set the record aside, in a row and in an event, for the same reason."""
    for service, consumer in READERS[place[0]]:
        sql = 'select * from parked where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4'
        rows = until(lambda: query(system, service, sql, consumer, *place), bool)  # noqa: B023 - asked at once
        assert rows[0]["reason"] == reason, rows[0]["detail"]
        assert len(rows[0]["value"]) <= PARKED_VALUE_BYTES_MAX
        sql = "select type, data->>'reason' as reason from event_json where stream_id = $1"
        told = query(system, service, sql, stream_of(consumer, *place))
        assert [(row["type"], row["reason"]) for row in told] == [("MessageParked", reason)]


def a_stream(system: System, *, partition: int) -> str:
    """Return the name of a stream that nobody uses, in `partition`."""
    names = (f"forged-{new_id()}" for _ in range(10_000))
    return next(name for name in names if partition_of(slice_of(name), system.partitions) == partition)


def goes_on(vendor: Vendor, neighbour: OwnedDevice) -> None:
    """The neighbour can still add a code, have it verified, and take it back: both services hear each other."""
    neighbour.keeps_in_reserve(vendor.issue())
    expect(202, neighbour.remove_reserve())
    neighbour.sees(lambda shown: "reserve" not in shown)


# --- what cannot be read ---------------------------------------------------------------------


@every_topic
@pytest.mark.parametrize(
    "rubbish",
    [
        Message(value=b"no headers", key=b"k"),
        Message(value=None, key=b"nothing at all"),
        Message(value=b"", key=None),
        Message(value=b"x", key=b"\xff\xfe", headers=[("ce_id", b"\xff\xfe"), ("ce_specversion", b"1.0")]),
        Message(value=b"x", key=b"k", headers=[("ce_specversion", b"0.3"), ("ce_id", b"1"), ("position", b"\xd9\xa3")]),
    ],
    ids=["no headers", "no body", "empty", "not UTF-8", "another version"],
)
def test_a_record_without_readable_headers_is_parked(topic: str, rubbish: Message, besieged: System) -> None:
    """R-122."""
    (place,) = send(besieged, topic, [rubbish])
    is_parked(besieged, place, "unreadable_envelope")


@every_topic
def test_two_megabytes_of_rubbish_are_parked_cut(topic: str, besieged: System) -> None:
    """R-122: Kafka's limit is for the compressed batch, so rubbish that shrinks gets in at any size."""
    (place,) = send(besieged, topic, [Message(value=bytes(RUBBISH_BYTES), key=b"k")], compression="gzip")
    is_parked(besieged, place, "unreadable_envelope")


def test_two_megabytes_that_do_not_shrink_are_refused_by_kafka(besieged: System) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        send(besieged, COMMANDS, [Message(value=os.urandom(RUBBISH_BYTES), key=b"k")])


# --- what is not the ledger's ----------------------------------------------------------------


@event_topics
def test_a_position_far_ahead_is_waited_for_then_parked_and_its_partition_goes_on_meanwhile(
    topic: str, besieged: System, besieged_vendor: Vendor, neighbour: OwnedDevice
) -> None:
    """R-36, R-122."""
    code = besieged_vendor.issue()
    stream = neighbour.device_id if topic == DEVICE_EVENTS else code.ref
    partition = partition_of(slice_of(stream), besieged.partitions)
    early = event(a_stream(besieged, partition=partition), "CodeVerified")
    position = head_of(besieged, topic, early.stream_id).position + 1_000
    message = forged(early, position=position, after=NOBODY, partitions=besieged.partitions)
    (place,) = send(besieged, topic, [message])
    # the same partition, behind the record that waits
    expect(202, neighbour.add(code))
    neighbour.sees(reserve_is(code, "ready"))
    for service, consumer in READERS[topic]:
        sql = 'select reason from parked where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4'
        assert query(besieged, service, sql, consumer, *place) == []
    is_parked(besieged, place, "position_gap")
    expect(202, neighbour.remove_reserve())
    neighbour.sees(lambda shown: "reserve" not in shown)


@event_topics
@pytest.mark.parametrize("behind", [0, 1], ids=["equal", "behind"])
def test_a_position_that_is_known_already_changes_nothing(
    topic: str, behind: int, besieged: System, besieged_vendor: Vendor, neighbour: OwnedDevice
) -> None:
    """R-116, R-122: an older one is a repetition and dropped; the last one with other content is a conflict."""
    goes_on(besieged_vendor, neighbour)
    code_ref = neighbour.license()["license"]["code_ref"]
    stream = neighbour.device_id if topic == DEVICE_EVENTS else code_ref
    head, before = head_of(besieged, topic, stream), neighbour.event_names()
    lie = event(stream, "CodeRemoved", device_id=neighbour.device_id, code_ref=code_ref, cause="removed")
    message = forged(lie, position=head.position - behind, after=head.hash, partitions=besieged.partitions)
    (place,) = send(besieged, topic, [message])
    if not behind:
        is_parked(besieged, place, "conflicting_position")
    goes_on(besieged_vendor, neighbour)
    assert neighbour.event_names()[: len(before)] == before
    assert neighbour.license()["status"] == "active"


@event_topics
def test_a_record_that_does_not_continue_the_chain_is_parked_and_the_true_one_is_taken(
    topic: str, besieged: System, besieged_vendor: Vendor, neighbour: OwnedDevice
) -> None:
    """R-127."""
    code_ref = neighbour.license()["license"]["code_ref"]
    stream = neighbour.device_id if topic == DEVICE_EVENTS else code_ref
    head = head_of(besieged, topic, stream)
    lie = event(stream, "LicenseExpired", device_id=neighbour.device_id, code_ref=code_ref)
    message = forged(lie, position=head.position + 1, after=NOBODY, partitions=besieged.partitions)
    (place,) = send(besieged, topic, [message])
    is_parked(besieged, place, "broken_chain")
    goes_on(besieged_vendor, neighbour)


@event_topics
def test_a_record_in_a_partition_that_is_not_its_slices_is_parked(topic: str, besieged: System) -> None:
    """R-122."""
    lost = event(a_stream(besieged, partition=2), "CodeVerified")
    head = head_of(besieged, topic, lost.stream_id)
    message = forged(lost, position=head.position + 1, after=head.hash, partitions=besieged.partitions)
    (place,) = send(besieged, topic, [replace(message, partition=3)])
    is_parked(besieged, place, "wrong_partition")
    (place,) = send(besieged, topic, [replace(message, key=b"another key")])
    is_parked(besieged, place, "unreadable_envelope")


@event_topics
def test_an_event_of_a_release_to_come_is_parked_and_its_slice_goes_on(
    topic: str, besieged: System, besieged_vendor: Vendor, neighbour: OwnedDevice
) -> None:
    """R-122: it stands in the writer's ledger, at its position, in its chain; this release does not know its name."""
    stream = a_stream(besieged, partition=partition_of(slice_of(neighbour.device_id), besieged.partitions))
    strange = event(stream, "LicenseMovedToTheMoon", why="not yet")
    # a name that every reader of the topic reads, with a body that does not fit it
    misfit = event(stream, "CodeAdded" if topic == DEVICE_EVENTS else "CodeBlocked", device_id=7)
    writing_to_ledger(besieged, WRITERS[topic], [strange, replace(misfit, version=2)])
    for event_id, reason in ((strange.event_id, "unknown_event"), (misfit.event_id, "unreadable_event")):
        is_parked(besieged, place_of(besieged, topic, str(event_id)), reason)
    goes_on(besieged_vendor, neighbour)


def place_of(system: System, topic: str, event_id: str) -> Place:
    """Return where an event stands on its topic, once it does."""

    def places() -> list[Place]:
        records = read_topic(system, topic)
        found = [record for record in records if ("ce_id", event_id.encode()) in record.headers]
        return [(topic, record.partition, record.offset) for record in found]

    return until(places, bool)[0]


# --- afterwards ------------------------------------------------------------------------------


@event_topics
def test_after_all_this_the_topic_still_holds_the_whole_ledger(topic: str, besieged: System) -> None:
    """R-120: slice by slice, position by position, the same hash."""
    sql = "select slice, position, hash from event"
    ledger = {(row["slice"], row["position"]): row["hash"].hex() for row in query(besieged, WRITERS[topic], sql)}
    told = {}
    for record in read_topic(besieged, topic):
        headers = dict(record.headers)
        if headers.get("ce_source") == f"/perennial/sandbox/{WRITERS[topic]}".encode():
            told[int(headers["slice"]), int(headers["position"])] = headers["hash"].decode()
    assert told == ledger


def test_after_all_this_a_device_goes_through_the_whole_article(besieged: System, besieged_vendor: Vendor) -> None:
    """R-31."""
    device, running, reserve = OwnedDevice.enrolled(besieged), besieged_vendor.issue("P1M"), besieged_vendor.issue()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    Time(besieged).reaches_the_end_of(shown)
    device.sees(runs_on(reserve))
    for worker in besieged.workers.values():
        assert worker.running
        assert worker.ready()
