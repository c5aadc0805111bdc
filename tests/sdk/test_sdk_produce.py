"""What the Memphis SDK for Python produces is in JetStream as it should be."""

import json
from pathlib import Path

import numpy as np
import pytest
import stock

from zakar.broker.station import stream_name
from zakar.loader import partition

pytestmark = pytest.mark.slow

SIDE = 30


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(2_000)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("blocking", {}),
        ("nonblocking", {"nonblocking": True}),
        ("limited", {"nonblocking": True, "concurrent_task_limit": 500}),
    ],
)
def test_every_message_is_stored_once_and_in_order(sdk, broker, lines, name, options):
    sdk("publish", station=name, file=str(lines), **options)
    stored = stock.read(broker.access, stream_name(name))
    assert [message.payload for message in stored] == lines.read_bytes().splitlines()


def test_a_message_has_its_producers_name_and_connection_and_the_headers_that_it_was_given(sdk, broker):
    assert sdk(
        "produce", station="Headers.One", messages=[{"message": {"a": 1}, "headers": {"k": "v", "k2": "é"}}]
    ) == [""]
    [message] = stock.read(broker.access, "headers#one$1")
    assert message.subject == "headers#one$1.final"
    assert json.loads(message.payload) == {"a": 1}
    assert len(message.headers.pop("$memphis_connectionId")) == len("01234567-89ab-cdef-0123-456789abcdef")
    assert message.headers == {"k": "v", "k2": "é", "$memphis_producedBy": "producer.one"}


def test_a_station_asked_for_again_is_the_one_that_is_there(sdk, broker):
    assert sdk("station", name="Again.One", partitions_number=3) == ["again.one", "again#one"]
    assert sdk("station", name="again.one", partitions_number=5) == ["again.one", "again#one"]
    assert [name for name in stock.streams(broker.access) if name.startswith("again#one$")] == [
        stream_name("again#one", number) for number in (1, 2, 3)
    ]


def test_a_partition_is_chosen_by_its_number(sdk, broker):
    sdk("station", name="numbered", partitions_number=3)
    messages = [{"message": str(number), "producer_partition_number": number} for number in (1, 2, 3, 4)]
    said = sdk("produce", station="numbered", messages=messages)
    assert said == ["", "", "", "memphis: Partition number is out of range"]
    assert _by_partition(broker, "numbered", 3) == [["1"], ["2"], ["3"]]


def test_without_a_choice_partitions_take_turns(sdk, broker):
    sdk("station", name="turns", partitions_number=3)
    sdk("produce", station="turns", messages=[{"message": str(n)} for n in range(7)])
    assert _by_partition(broker, "turns", 3) == [["0", "3", "6"], ["1", "4"], ["2", "5"]]


@pytest.mark.parametrize("of", [3, 7])
def test_a_cell_as_the_key_chooses_the_partition_that_zakar_loads_the_cells_messages_into(sdk, broker, of):
    x, y = np.divmod(np.arange(SIDE * SIDE), SIDE)
    cells = [f"({a},{b})" for a, b in zip(x, y, strict=True)]
    sdk("station", name=f"keys-{of}", partitions_number=of)
    sdk("produce", station=f"keys-{of}", messages=[{"message": c, "producer_partition_key": c} for c in cells])
    zakars = [
        [cell for cell, number in zip(cells, partition.numbers(x, y, of), strict=True) if number == wanted]
        for wanted in range(1, of + 1)
    ]
    assert _by_partition(broker, f"keys-{of}", of) == zakars


def test_a_message_id_dedupes_by_the_header_of_stock_nats_and_not_by_the_sdks_own(sdk, broker):
    twice = {"message": "a", "msg_id": "same"}
    sdk("produce", station="by-msg-id", messages=[twice, twice])
    assert [m.headers["msg-id"] for m in stock.read(broker.access, "by-msg-id$1")] == ["same", "same"]
    twice = {"message": "a", "headers": {"Nats-Msg-Id": "same"}}
    sdk("produce", station="by-nats-msg-id", messages=[twice, twice])
    assert len(stock.read(broker.access, "by-nats-msg-id$1")) == 1


def _by_partition(broker, station: str, of: int) -> list[list[str]]:
    return [
        [message.payload.decode() for message in stock.read(broker.access, stream_name(station, number))]
        for number in range(1, of + 1)
    ]
