"""Stations that zakar has loaded over plain NATS, under calls of Memphis's SDKs that read a message's headers."""

import json

import pytest
from helpers import zakar

from zakar.dataset.schema import ALERTS, TWEETS

pytestmark = pytest.mark.slow

TWO = {"$memphis_producedBy", "$memphis_connectionId"}


@pytest.fixture(scope="module")
def loaded(broker, sample):
    """The sample, loaded as the documentation says: how often a batch was begun anew."""
    where = ["--server", broker.url, "--user", broker.user, "--password", broker.password]
    done = zakar("load", str(sample.root), *where, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["mode"] == "batch"
    return report["retries"]


def test_python_may_put_off_acknowledge_twice_and_read_the_headers_of_every_message(sdk, loaded, sample):
    read, said = sdk("headers", station=TWEETS.station, consumer="heading")
    assert said[0] == ""
    assert "message was already acknowledged" in said[1] + said[2]
    assert "TypeError" not in said[1] + said[2]
    assert len(read) == sample.manifest.tables[TWEETS.name].rows + 1  # the first one comes again
    others = [number for number, headers in enumerate(read) if set(headers) != TWO]
    assert len(others) <= loaded  # the first one of a batch that was begun anew says what it expects
    assert others[:1] != [0]
    assert {headers["$memphis_producedBy"] for headers in read} == {"zakar"}


def test_nodes_example_of_a_consumer_reads_the_headers_of_every_message_and_sees_none_of_ours(node_sdk, loaded, sample):
    del loaded
    rows = sample.manifest.tables[ALERTS.name].rows
    assert node_sdk("headers", station=ALERTS.station, consumer="heading-node", count=rows) == [{}] * rows
