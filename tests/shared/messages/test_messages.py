"""Events are storage: what was written is read for ever, and a change that others could not read is refused."""

import json
from datetime import datetime
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import (
    ACTIVATION_EVENTS,
    DEVICE_EVENTS,
    EVENT_TYPES,
    CodeAdded,
    CodeRef,
    Event,
    UnknownEvent,
    UnreadableEvent,
    decode,
    encode,
)
from shared.rules.codes import generate_code
from tests.shared.golden.files import FOLDER, SCHEMAS, VERSIONS, Version, example_file, pinned_schema
from tests.shared.golden.schemas import added_fields, breaking_changes, schema_of
from tests.shared.records import NOON

SECRET = "QWERT-ASDFG"
WRITE = "run `python -m tests.shared.golden`"


def golden(version: Version) -> bytes:
    return example_file(version).read_bytes().removesuffix(b"\n")


def name_of(version: Version) -> str:
    return ".".join(map(str, version))


def fields_of(version: Version) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(EVENT_TYPES[version])}


every_version = pytest.mark.parametrize("version", VERSIONS, ids=name_of)

# --- what was written ------------------------------------------------------------------------


def test_every_event_version_has_its_golden_files_and_no_file_is_left_over() -> None:
    names = {f"{name_of(version)}.json" for version in VERSIONS}
    assert {file.name for file in FOLDER.glob("*.json")} == names, WRITE
    assert {file.name for file in SCHEMAS.glob("*.json")} == names, WRITE


def test_every_event_of_both_topics_is_known() -> None:
    assert {(event.__name__, event.schema_version) for event in (*DEVICE_EVENTS, *ACTIVATION_EVENTS)} == set(VERSIONS)


@every_version
def test_the_golden_event_is_read_and_written_to_the_same_bytes(version: Version) -> None:
    event = decode(*version, golden(version))
    written = golden(version)
    known_then = set(json.loads(written))
    today = json.loads(encode(event))
    said_then = {name: value for name, value in today.items() if name in known_then}
    assert json.dumps(said_then, ensure_ascii=False, separators=(",", ":")).encode() == written
    # what was added since has its default
    added = {name: field for name, field in fields_of(version).items() if name not in known_then}
    assert {name: getattr(event, name) for name in added} == {name: field.default for name, field in added.items()}
    assert set(today) == known_then | set(added)


@every_version
def test_the_golden_event_has_what_its_readers_need_and_is_not_empty(version: Version) -> None:
    """A field that an example leaves out or at its default would not be pinned."""
    fields = fields_of(version)
    example = json.loads(golden(version))
    assert set(pinned_schema(version)["required"]) <= set(example) <= set(fields)
    event = decode(*version, golden(version))
    assert [
        name for name in example if not fields[name].required and getattr(event, name) == fields[name].default
    ] == []


# --- what may change -------------------------------------------------------------------------


@every_version
def test_no_event_changed_so_that_others_could_not_read_it(version: Version) -> None:
    changes = breaking_changes(version[0], pinned_schema(version), schema_of(EVENT_TYPES[version]))
    assert not changes, "\n".join(changes)


@every_version
def test_every_field_is_pinned(version: Version) -> None:
    added = added_fields(pinned_schema(version), schema_of(EVENT_TYPES[version]))
    assert not added, f"{name_of(version)} has new fields {added}: if they are meant to stay for ever, {WRITE}"


class Base(Event):
    """A planted event, and below what becomes of it."""

    device_id: str
    reason: Literal["stale", "not_expired"]
    seats: int
    ends_at: datetime | None = None


class Removed(Event):
    device_id: str
    reason: Literal["stale", "not_expired"]
    ends_at: datetime | None = None


class Renamed(Event):
    device: str
    reason: Literal["stale", "not_expired"]
    seats: int
    ends_at: datetime | None = None


class OptionalRemoved(Event):
    device_id: str
    reason: Literal["stale", "not_expired"]
    seats: int


class NewRequired(Base):
    region: str


class FewerReasons(Base):
    reason: Literal["stale"]


class MoreReasons(Base):
    reason: Literal["stale", "not_expired", "no_reserve"]  # type: ignore[assignment]


class OtherType(Base):
    seats: str  # type: ignore[assignment]


class NotNullable(Base):
    ends_at: datetime = NOON


class NowNullable(Base):
    seats: int | None  # type: ignore[assignment]


class NowRequired(Base):
    ends_at: datetime | None


class NowOptional(Base):
    seats: int = 1


class OtherDefault(Base):
    ends_at: datetime | None = NOON


class Shorter(Base):
    device_id: CodeRef


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (Removed, "field seats was removed or renamed"),
        (Renamed, "field device_id was removed or renamed"),
        (OptionalRemoved, "field ends_at was removed or renamed"),
        (NewRequired, "new field region has no default"),
        (FewerReasons, "field reason takes other values"),
        (MoreReasons, r"with new \['no_reserve'\]"),
        (OtherType, "field seats takes other values"),
        (NotNullable, "field ends_at takes other values"),
        (NowNullable, "field seats takes other values"),
        (NowRequired, "field ends_at"),
        (NowOptional, "field seats"),
        (OtherDefault, "field ends_at takes other values"),
        (Shorter, "field device_id takes other values"),
    ],
)
def test_a_planted_change_that_others_could_not_read_is_refused(changed: type[Event], said: str) -> None:
    """Each says what to do."""
    changes = "\n".join(breaking_changes("Planted", schema_of(Base), schema_of(changed)))
    with pytest.raises(AssertionError, match=said):
        assert not changes, changes
    assert "make a new version" in changes


def test_a_field_added_with_a_default_and_other_words_are_fine_and_ask_to_be_pinned() -> None:
    class Added(Base):
        """Said otherwise."""

        note: str = ""

    assert breaking_changes("Planted", schema_of(Base), schema_of(Added)) == []
    assert added_fields(schema_of(Base), schema_of(Added)) == ["note"]


def test_a_field_added_with_a_default_reads_the_events_that_exist() -> None:
    class Newer(CodeAdded):
        note: str = ""

    event = msgspec.json.decode(golden(("CodeAdded", 1)), type=Newer)
    before = decode("CodeAdded", 1, golden(("CodeAdded", 1)))
    assert msgspec.structs.asdict(event) == msgspec.structs.asdict(before) | {"note": ""}


# --- what cannot be read ---------------------------------------------------------------------


@every_version
def test_fields_of_a_newer_writer_are_ignored(version: Version) -> None:
    """R-122."""
    newer = json.dumps(json.loads(golden(version)) | {"added_in_2031": {"deep": [1]}}).encode()
    assert decode(*version, newer) == decode(*version, golden(version))


@pytest.mark.parametrize("version", [("CodeAdded", 2), ("CodeAdded", 0), ("codeadded", 1), ("", 1), ("Event", 1)])
def test_a_type_or_version_not_known_here_is_told(version: Version) -> None:
    """R-122."""
    with pytest.raises(UnknownEvent):
        decode(*version, golden(("CodeAdded", 1)))


@every_version
def test_every_field_that_is_missing_or_wrong_is_told_by_name_and_never_quoted(version: Version) -> None:
    """R-112, R-122."""
    example = json.loads(golden(version))
    for field, info in fields_of(version).items():
        if info.required:
            without = {name: value for name, value in example.items() if name != field}
            assert f"{field}: missing" in unreadable(version, without)
        assert field in unreadable(version, example | {field: {SECRET: SECRET}})


TAKES_LINE_FEEDS = {"note", "topic", "reason", "detail"}


@every_version
def test_a_text_ends_where_its_form_ends(version: Version) -> None:
    """R-122: to Python's expressions a line feed more would be as good."""
    example = json.loads(golden(version))
    for field, value in example.items():
        longer = (
            [value[0] + "\n", *value[1:]] if isinstance(value, list) and isinstance(value[0], str) else f"{value}\n"
        )
        assert field in TAKES_LINE_FEEDS or not readable(version, example | {field: longer}), field


@every_version
def test_a_value_of_another_type_is_not_taken_for_what_it_might_mean(version: Version) -> None:
    """R-122: what we wrote is written in one way only."""
    example = json.loads(golden(version))
    for field, value in example.items():
        for other in others_like(value):
            assert field in unreadable(version, example | {field: other}), (field, other)


def others_like(value: Any) -> list[Any]:
    match value:
        case bool():
            return [int(value), str(value).lower()]
        case int():
            return [str(value), value + 0.5, float(value)]
        case str():
            return [[value], 1, True]
        case _:
            return [{"0": value}, value[0]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rule": "13"}, "findings.1.rule: string_pattern_mismatch"),
        ({"reason": SECRET}, "findings.1.reason: literal_error"),
        ({"reason": SECRET + " - at `$.device_id`"}, "findings.1.reason: literal_error"),
        ({"change": "x" * 301}, "findings.1.change: string_too_long"),
        ({"passed": 1}, "findings.1.passed: bool_type"),
    ],
)
def test_a_problem_within_a_fact_is_told_with_its_place(wrong: dict[str, Any], said: str) -> None:
    """R-112, R-122."""
    example = json.loads(golden(("CodeRejected", 1)))
    first, second = example["findings"]
    assert unreadable(("CodeRejected", 1), example | {"findings": [first, second | wrong]}) == f"CodeRejected: {said}"


def unreadable(version: Version, content: Any) -> str:
    with pytest.raises(UnreadableEvent) as refused:
        decode(*version, json.dumps(content).encode())
    assert SECRET not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"QWERT-ASDFG"',
        b"QWERT-ASDFG",
        b"\xff\xfe",
        b"\x00" * 2_000_000,
        b"[" * 200_000,
        b'{"device_id":' * 200_000,
        b'{"device_id": "\\ud800"}',
        b"9" * 100_000,
        b'{"QWERT-ASDFG": 1}',
        b'{"added_in_2031": "\xff", ' + golden(("CodeAdded", 1))[1:],
    ],
    ids=lambda data: repr(data[:20]),
)
def test_rubbish_is_unreadable_and_never_quoted(data: bytes) -> None:
    """R-112, R-122."""
    with pytest.raises(UnreadableEvent) as refused:
        decode("CodeAdded", 1, data)
    assert SECRET not in str(refused.value)
    assert len(str(refused.value)) < 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    version=st.sampled_from(VERSIONS), data=st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode())
)
def test_whatever_the_bytes_are_nothing_else_is_raised(version: Version, data: bytes) -> None:
    """R-122."""
    with pytest.raises(UnreadableEvent):
        decode(*version, data)


@given(version=st.sampled_from(VERSIONS), content=st.data())
def test_whatever_a_field_holds_nothing_else_is_raised_and_nothing_is_quoted(
    version: Version, content: st.DataObject
) -> None:
    """R-112, R-122."""
    field = content.draw(st.sampled_from(sorted(fields_of(version))))
    value = content.draw(json_values | st.just(SECRET + SECRET) | st.datetimes().map(datetime.isoformat))
    data = json.dumps(json.loads(golden(version)) | {field: value}).encode()
    said = refusal(version, data)
    assert SECRET not in said
    assert said == "" or said.startswith(f"{version[0]}: ")


def refusal(version: Version, data: bytes) -> str:
    try:
        decode(*version, data)
    except UnreadableEvent as refused:
        return str(refused)
    return ""


def test_a_time_without_a_zone_is_unreadable() -> None:
    """R-76, R-122."""
    taken = []
    for version in VERSIONS:
        example = json.loads(golden(version))
        moments = [name for name in example if name.endswith(("_at", "_by", "_until"))]
        taken += [(version, name) for name in moments if readable(version, example | {name: "2026-03-01T12:00:00"})]
    assert not taken


def readable(version: Version, content: Any) -> bool:
    return refusal(version, json.dumps(content).encode()) == ""


# --- what is not written ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code_ref": SECRET}, "CodeAdded: code_ref: string_pattern_mismatch"),
        ({"region": "DE\n"}, "CodeAdded: region: string_pattern_mismatch"),
        ({"answer_by": NOON.replace(tzinfo=None)}, "CodeAdded: answer_by: timezone_aware"),
        ({"purpose": SECRET}, "CodeAdded: purpose: literal_error"),
        ({"device_id": None}, "CodeAdded: device_id: string_type"),
        # the bytes are those of an event, but another one than this
        ({"request_id": "0198a1b2-0000-7000-8000-000000000001"}, "CodeAdded: it would be read as another event"),
    ],
)
def test_an_event_that_nobody_could_read_is_not_written(changes: dict[str, Any], said: str) -> None:
    """R-112, R-122: the rules make events of what was checked, and nothing checks them again until here."""
    event = decode("CodeAdded", 1, golden(("CodeAdded", 1))).but(**changes)
    with pytest.raises(ValueError, match=f"^{said}$"):
        encode(event)


# --- codes -----------------------------------------------------------------------------------

NAMED_BY_OTHERS = {"device_id", "part_of", "affected", "product", "order_id", "note", "topic", "reason", "detail"}
"""Fields whose words others choose. No door puts a code into them; everything else must not be able to hold one."""


@every_version
def test_no_field_can_hold_a_full_code(version: Version) -> None:
    """R-112."""
    code = generate_code(lambda count: count - 7).reveal()
    forms = [code, code.lower(), code.replace("-", ""), code.replace("-", "").lower(), code.replace("-", " ")]
    example = json.loads(golden(version))
    takes = {
        field
        for field in fields_of(version)
        if any(
            readable(version, example | {field: form}) or readable(version, example | {field: [form]}) for form in forms
        )
    }
    assert takes <= NAMED_BY_OTHERS
