import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker.memphis import answers, consumers, members, names, requests, stations
from zakar.broker.memphis.journal import Journal
from zakar.broker.memphis.members import Member
from zakar.broker.memphis.names import CONSUMER, PRODUCER, STATION, RefusedError
from zakar.broker.memphis.requests import (
    CONSUMER_CREATION,
    PRODUCER_CREATION,
    STATION_CREATION,
    CreateConsumer,
    CreateStation,
    DestroyConsumer,
    Layout,
)
from zakar.broker.station import Stream

_SAFE = re.compile(r"[a-z0-9]([a-z0-9_#-]*[a-z0-9])?")
_DAY = 86_400 * 10**9


def _stream(name: str = "a#b$1", **changes: Any) -> Stream:
    plain = Stream(name, 1, 0, 0, 0, -1, (f"{name}.>",), {}, batched=False)
    return replace(plain, **changes)


def _station(**options: Any) -> Layout:
    """The layout that comes of the Python SDK's request for a station, but for some options."""
    usual = {"name": "A.b", "retention_type": "message_age_sec", "retention_value": 1209600, "storage_type": "file"}
    usual |= {"replicas": 1, "idempotency_window_in_ms": 120000, "schema_name": "", "partitions_number": 1}
    order = requests.order(STATION_CREATION, json.dumps({**usual, **options}).encode())
    assert isinstance(order, CreateStation)
    assert order.station == "a#b"
    if isinstance(order.layout, RefusedError):
        raise order.layout
    return order.layout


def _consumer(**options: Any) -> CreateConsumer:
    """What comes of the Python SDK's request for a consumer, but for some options."""
    usual = {"name": "Con.A", "station_name": "A.b", "connection_id": "id", "consumer_type": "application"}
    usual |= {"consumers_group": "", "max_ack_time_ms": 30000, "max_msg_deliveries": 2, "req_version": 4}
    usual |= {"start_consume_from_sequence": 1, "last_messages": -1, "username": "root"}
    order = requests.order(CONSUMER_CREATION, json.dumps({**usual, **options}).encode())
    assert isinstance(order, CreateConsumer)
    return order


# The texts and the numbers below are what the Memphis broker 1.4.4 answered and made.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Station name can not be empty"),
        ("x" * 129, "Station should be under 128 characters"),
        ("x" * 100_000, "Station should be under 128 characters"),
        (".", "Station name can not start or end with non alphanumeric character"),
        *((name, "Station name can not start or end with non alphanumeric character") for name in ("-a", "a_", "..")),
        *(
            (name, "Only alphanumeric and the '_', '-', '.' characters are allowed in Station")
            for name in ("a b", "a*", "*", ">", "a.>", "a#b", "a$1", "a/b", "a\\b", "../x", "é", "a\n", "a\0b", "$JS")
        ),
    ],
)
def test_what_is_no_name_is_refused_as_memphis_refused_it(name: str, text: str):
    with pytest.raises(RefusedError, match=f"^{re.escape(text)}$"):
        names.checked(STATION, name)


@pytest.mark.parametrize(
    ("name", "known"), [("A.B-C_1", "a#b-c_1"), ("1", "1"), ("a..b", "a##b"), ("x" * 128, "x" * 128)]
)
def test_a_name_is_lower_case_and_has_no_dots_in_jetstream(name: str, known: str):
    assert names.internal(names.checked(STATION, name)) == known
    assert names.is_internal(known)


def test_a_name_that_is_refused_says_of_what_it_was_to_be():
    for kind in (STATION, PRODUCER, CONSUMER):
        with pytest.raises(RefusedError, match=kind):
            names.checked(kind, "a b")


@given(st.text(max_size=140) | st.text(".-_aA0$*> ", max_size=10))
def test_a_name_is_either_refused_or_safe_in_a_subject_and_a_file_name(name: str):
    try:
        known = names.internal(names.checked(STATION, name))
    except RefusedError:
        return
    assert _SAFE.fullmatch(known)
    assert len(known) <= 128
    assert names.shown(known) == name.lower()


@pytest.mark.parametrize(
    ("options", "layout"),
    [
        ({}, Layout(max_age=14 * _DAY)),
        ({"retention_type": "messages", "retention_value": 10}, Layout(max_age=0, max_messages=10)),
        ({"retention_type": "MESSAGES", "retention_value": 7}, Layout(max_age=0, max_messages=7)),
        ({"retention_type": "bytes", "retention_value": 4096}, Layout(max_age=0, max_bytes=4096)),
        ({"retention_type": "ack_based", "retention_value": 0}, Layout(max_age=0, interest=True)),
        ({"retention_value": 0}, Layout()),
        ({"retention_type": "bytes", "retention_value": 0}, Layout()),
        ({"retention_type": "messages", "retention_value": -1}, Layout()),
        ({"retention_type": "", "retention_value": 9}, Layout()),
        ({"retention_type": None, "retention_value": None, "storage_type": None, "replicas": None}, Layout()),
        ({"storage_type": "memory"}, Layout(max_age=14 * _DAY, storage="memory")),
        ({"storage_type": "FILE"}, Layout(max_age=14 * _DAY)),
        ({"idempotency_window_in_ms": 0}, Layout(max_age=14 * _DAY)),
        ({"idempotency_window_in_ms": -5}, Layout(max_age=14 * _DAY)),
        ({"idempotency_window_in_ms": 1}, Layout(max_age=14 * _DAY, window=10**8)),
        ({"idempotency_window_in_ms": 86_400_000}, Layout(max_age=14 * _DAY, window=_DAY)),
        ({"partitions_number": 20}, Layout(max_age=14 * _DAY, partitions=20)),
        *(
            ({"replicas": asked}, Layout(max_age=14 * _DAY, replicas=made))
            for asked, made in ((-1, 1), (0, 1), (2, 3), (3, 3), (4, 3), (5, 5), (9, 5))
        ),
    ],
)
def test_a_station_gets_the_layout_that_memphis_gave_it(options: dict[str, Any], layout: Layout):
    assert _station(**options) == layout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"retention_type": "x"},
            "retention type can be one of the following message_age_sec/messages/bytes/ack_based",
        ),
        ({"storage_type": "disk"}, "storage type can be one of the following file/memory"),
        ({"idempotency_window_in_ms": 86_400_001}, "idempotency window can not exceed 24 hours"),
        ({"retention_value": 60}, "idempotency window cannot be greater than the station retention"),
        ({"partitions_number": 0}, "you are using an old SDK, make sure to update your SDK"),
        ({"partitions_number": -1}, "cannot create station with -1 partitions (max:10000 min:1): Station -  a.b, "),
        (
            {"partitions_number": 10_001},
            "cannot create station with 10001 partitions (max:10000 min:1): Station -  a.b, ",
        ),
        ({"schema_name": "s"}, "Schema s does not exist: zakar keeps no schemas"),
        ({"retention_value": 2**62}, "messages can be kept for 9223372036 seconds at most"),
    ],
)
def test_options_that_make_no_station_are_refused_with_a_text(options: dict[str, Any], text: str):
    with pytest.raises(RefusedError, match=f"^{re.escape(text)}$"):
        _station(**options)


def test_a_partition_is_the_stream_that_memphis_made():
    assert stations.config("a#b$3", _station(partitions_number=3)) == {
        "name": "a#b$3",
        "subjects": ["a#b$3.>"],
        "retention": "limits",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 14 * _DAY,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "discard": "old",
        "storage": "file",
        "num_replicas": 1,
        "duplicate_window": 120 * 10**9,
        "metadata": {"zakar.partitions": "3"},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a"},
        {"name": "A$1"},
        {"name": "a$0"},
        {"name": "a$01"},
        {"name": "a$"},
        {"name": "a$1$1"},
        {"name": "$1"},
        {"name": "KV_a$1"},
        {"name": "a$²"},
        {"subjects": ("orders.>",)},
        {"subjects": ("a#b$1.>", "orders")},
        {"subjects": ("a#b$1.final",)},
        {"subjects": ()},
        {"retention": "workqueue"},
        {"copies": True},
    ],
)
def test_a_stream_of_another_kind_is_no_partition(changes: dict[str, Any]):
    name = changes.get("name", "a#b$1")
    assert stations.laid_out(_stream())
    assert not stations.laid_out(_stream(**{"name": name, "subjects": (f"{name}.>",), **changes}))


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"consumers_group": "Gr.P"}, {"durable_name": "gr#p"}),
        ({"max_ack_time_ms": 1}, {"ack_wait": 10**6}),
        ({"max_ack_time_ms": -1}, {}),
        ({"max_msg_deliveries": 10}, {"max_deliver": 10}),
        *(({"max_msg_deliveries": given}, {"max_deliver": 10}) for given in (-1, 0, 11)),
        ({"last_messages": 0}, {"deliver_policy": "new"}),
        ({"last_messages": 3}, {"deliver_policy": "by_start_sequence", "opt_start_seq": 18}),
        ({"last_messages": 1000}, {"deliver_policy": "by_start_sequence", "opt_start_seq": 1}),
        ({"start_consume_from_sequence": 5}, {"deliver_policy": "by_start_sequence", "opt_start_seq": 5}),
    ],
)
def test_a_group_is_the_durable_that_memphis_made(options: dict[str, Any], changes: dict[str, Any]):
    assert consumers.config(_stream(last=20), _consumer(**options)) == {
        "durable_name": "con#a",
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": 30 * 10**9,
        "max_deliver": 2,
        "filter_subject": "a#b$1.final",
        "replay_policy": "instant",
        "max_ack_pending": -1,
        "num_replicas": 0,
        **changes,
    }


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"start_consume_from_sequence": 0}, "startConsumeFromSequence has to be a positive number"),
        ({"start_consume_from_sequence": None}, "startConsumeFromSequence has to be a positive number"),
        ({"last_messages": -2}, "min value for LastMessages is -1"),
        (
            {"last_messages": 5, "start_consume_from_sequence": 5},
            "consumer creation options can't contain both startConsumeFromSequence and lastMessages",
        ),
        ({"consumer_type": "x"}, "consumer type has to be one of the following application/connector and not x"),
        ({"name": ""}, "Consumer name can not be empty"),
        ({"consumers_group": "*"}, "Only alphanumeric and the '_', '-', '.' characters are allowed in Consumer"),
        ({"station_name": ""}, "Station name can not be empty"),
        ({"req_version": 0}, "to consume from this station please upgrade your SDK version"),
        ({"max_ack_time_ms": 2**60}, "an acknowledgement can be waited for 9223372036854 milliseconds at most"),
    ],
)
def test_a_consumer_of_no_use_is_refused_in_plain_text_since_an_sdk_hides_the_rest(options: dict[str, Any], text: str):
    with pytest.raises(RefusedError, match=f"^{re.escape(text)}$"):
        _consumer(**options)
    assert answers.failure(CONSUMER_CREATION, text) == text.encode()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"producer_type": "x"}, "producer type has to be one of the following application/connector"),
        ({"name": "a b"}, "Only alphanumeric and the '_', '-', '.' characters are allowed in Producer"),
        ({"req_version": 0}, "to produce to this station please upgrade your SDK version"),
    ],
)
def test_a_producer_of_no_use_is_refused_as_json_that_an_sdk_reads(options: dict[str, Any], text: str):
    usual = {"name": "p", "station_name": "a", "producer_type": "application", "req_version": 4}
    with pytest.raises(RefusedError, match=f"^{re.escape(text)}$"):
        requests.order(PRODUCER_CREATION, json.dumps({**usual, **options}).encode())
    answer = json.loads(answers.failure(PRODUCER_CREATION, text))
    assert answer["error"] == text
    assert answer["partitions_update"] == {"partitions_list": None}
    assert answer.keys() == json.loads(answers.producer([1])).keys()


_DEEP = b"[" * 200_000
_BODIES = [
    b"",
    b"hello",
    b"[]",
    b"5",
    b'{"name": "x',
    b'{"name": 5}',
    b"\xff\xfe",
    _DEEP,
    b'{"x":' * 100_000,
    b" " * 2**21,
]
_BODIES += [
    b'{"name": "a", "partitions_number": 1e999}',
    b'{"name": "a", "retention_value": 1.5}',
    b'{"name":"\\ud800"}',
]


@pytest.mark.parametrize("subject", requests.SUBJECTS)
@pytest.mark.parametrize("body", _BODIES, ids=range(len(_BODIES)))
def test_what_cannot_be_read_is_refused_with_a_text(subject: str, body: bytes):
    with pytest.raises(RefusedError, match=r"\w"):
        requests.order(subject, body)


_NAMES = st.text(max_size=8) | st.sampled_from(
    ["a", "A.b", "*", ">", "a.>", "..", "../a", "a/b", "a\0", " ", "x" * 200]
)
_NUMBERS = st.integers(-(2**65), 2**65) | st.integers(-2, 12)
_VALUES = st.none() | st.booleans() | _NUMBERS | st.floats() | _NAMES | st.lists(st.none(), max_size=1)
_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("name", "station_name", "consumers_group", "dls_station"), _NAMES | _VALUES),
    **dict.fromkeys(("connection_id", "schema_name"), _NAMES | _VALUES),
    "producer_type": st.just("application") | _VALUES,
    "consumer_type": st.just("application") | _VALUES,
    "retention_type": st.sampled_from(["message_age_sec", "messages", "bytes", "ack_based"]) | _VALUES,
    "storage_type": st.sampled_from(["file", "memory"]) | _VALUES,
    **dict.fromkeys(
        ("retention_value", "replicas", "idempotency_window_in_ms", "partitions_number"), _NUMBERS | _VALUES
    ),
    **dict.fromkeys(("max_ack_time_ms", "max_msg_deliveries", "last_messages", "req_version"), _NUMBERS | _VALUES),
    "start_consume_from_sequence": st.just(1) | _NUMBERS | _VALUES,
}


@given(
    st.sampled_from(requests.SUBJECTS),
    st.fixed_dictionaries({}, optional=_FIELDS).map(json.dumps).map(str.encode) | st.binary(max_size=60),
)
def test_whatever_is_asked_touches_streams_and_durables_of_stations_alone(subject: str, body: bytes):
    try:
        order = requests.order(subject, body)
    except RefusedError:
        return
    touched = [order.station]
    if isinstance(order, CreateStation) and order.dead_letters:
        touched.append(order.dead_letters)
    if isinstance(order, CreateConsumer | DestroyConsumer):
        touched.append(order.name)
    if isinstance(order, CreateConsumer):
        touched.append(order.group)
        made = consumers.config(_stream(f"{order.station}$1"), order)
        assert made["filter_subject"] == f"{order.station}$1.final"
        assert 0 < made["ack_wait"] < 2**63
        assert 1 <= made.get("opt_start_seq", 1) < 2**63
    if isinstance(order, CreateStation) and isinstance(order.layout, Layout):
        made = stations.config(f"{order.station}$1", order.layout)
        assert all(-1 <= value < 2**63 for value in made.values() if isinstance(value, int))
    assert all(_SAFE.fullmatch(name) for name in touched)


def test_the_answer_to_a_producer_is_byte_for_byte_that_of_memphis():
    assert answers.producer([1, 2, 3]) == (
        b'{"schema_update":{"schema_name":"","active_version":{"version_number":0,"descriptor":"","schema_content":"",'
        b'"message_struct_name":""},"type":""},"partitions_update":{"partitions_list":[1,2,3]},"schemaverse_to_dls":true,'
        b'"send_notification":false,"station_version":2,"station_partitions_first_functions":{},"error":""}'
    )


@given(st.lists(st.builds(Member, st.text(max_size=64), st.text("ab#", min_size=1, max_size=5)), max_size=600))
def test_members_are_read_as_they_were_written_and_fit_into_metadata(group: list[Member]):
    metadata = members.written({"other": "kept"}, group)
    assert metadata["other"] == "kept"
    assert members.read(metadata) == group[-500:]


@pytest.mark.parametrize("letter", ["x", "\0", "\U0001f600"])
def test_of_too_many_members_the_newest_are_remembered_in_the_room_that_a_server_gives(letter: str):
    group = [Member(letter * 64, f"{number:0128}") for number in range(1_000)]
    metadata = members.written({}, group)
    remembered = members.read(metadata)
    assert sum(len(key) + len(value.encode()) for key, value in metadata.items()) < 128 << 10
    assert remembered == group[-len(remembered) :]
    assert len(remembered) >= 150


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[["a"]]', '[["a", "b", "c"]]', "[" * 200_000])
def test_metadata_that_tells_nothing_of_members_has_none(text: str):
    assert members.read({"zakar.members": text}) == []
    assert members.known(None) == members.known({}) == []


def test_the_journal_passes_on_a_screenful_and_counts_the_rest():
    said: list[str] = []
    now = 0.0
    journal = Journal(said.append, lambda: now)
    for number in range(100):
        journal.tell(f"line {number}\n\x1b[2J{'x' * 1000}")
    journal.once("it", "first")
    assert len(said) == 30
    assert all(line.isprintable() and len(line) <= 400 for line in said)
    now = 10.0
    journal.once("that", "that")
    journal.once("that", "that again")
    assert said[30:] == ["... and 71 more lines", "that"]
