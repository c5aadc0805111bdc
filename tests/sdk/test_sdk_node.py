"""Memphis's SDK for Node.js, and clients that know JetStream alone, at the same stations."""

import json

import numpy as np
import pytest
import stock
from clients import HERE, run

from zakar.loader import partition

pytestmark = pytest.mark.slow


def test_what_node_produces_node_and_python_consume(sdk, node_sdk):
    messages = [{"message": {"n": 1}, "headers": {"k": "v"}}, {"message": "two"}, {"message": {"n": 3}, "msgId": "3"}]
    assert node_sdk("produce", station="Node.One", messages=messages) == ["", "", ""]
    [nodes] = node_sdk("fetch", station="node.one", consumer="Of.Node", sizes=[10])  # it finds no Node.One
    assert [message["data"] for message in nodes] == ['{"n":1}', "two", '{"n":3}']
    assert nodes[0]["headers"] == {"k": "v"}
    [pythons] = sdk("fetch", station="Node.One", consumer="of-python", sizes=[10])
    assert [message["data"] for message in pythons] == ['{"n":1}', "two", '{"n":3}']
    assert {message["headers"]["$memphis_producedBy"] for message in pythons} == {"producer.node"}


def test_what_python_produces_node_hears(sdk, node_sdk):
    sdk("produce", station="to-node", messages=[{"message": str(n)} for n in range(25)])
    assert node_sdk("listen", station="to-node", consumer="hearing", count=25) == [str(n) for n in range(25)]


def test_node_stores_what_it_does_not_wait_for_in_order_and_fetches_it_by_the_thousand(node_sdk):
    assert node_sdk("pour", station="poured", count=5_910) == 5_910
    batches = node_sdk("fetch", station="poured", consumer="c", sizes=[1, 10, 900, 4999, 10])
    assert [len(batch) for batch in batches] == [1, 10, 900, 4999, 0]
    assert [message["data"] for batch in batches for message in batch] == [str(n) for n in range(5_910)]


def test_node_takes_a_key_to_the_partition_before_pythons_and_to_none_before_the_first(node_sdk, broker):
    cells = np.arange(20)
    pythons = partition.numbers(np.zeros(20), cells, 3)
    messages = [{"message": f"(0,{y})", "producerPartitionKey": f"(0,{y})"} for y in cells]
    said = node_sdk("produce", station="node-keys", partitions=3, messages=messages)
    assert [not text for text in said] == [number > 1 for number in pythons]
    for number in (1, 2, 3):
        wanted = [f"(0,{y})" for y in cells if pythons[y] == number + 1]
        assert [m.payload.decode() for m in stock.read(broker.access, f"node-keys${number}")] == wanted


def test_a_client_of_jetstream_reads_what_the_sdks_read(sdk, node, broker):
    sdk("produce", station="stock", messages=[{"message": str(n)} for n in range(1_000)])
    command = [node, str(HERE / "node" / "read.mjs"), broker.url, broker.user, broker.password, "stock$1", "900"]
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [str(n) for n in range(900)]
    assert [message.payload.decode() for message in stock.read(broker.access, "stock$1")] == [
        str(n) for n in range(1_000)
    ]
    assert stock.consumers(broker.access, "stock$1") == {}
