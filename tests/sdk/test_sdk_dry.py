"""A program that waits on a dry station, with a nats-py of after those of 2023."""

import pytest
from clients import HERE, called

pytestmark = pytest.mark.slow


def test_waiting_ends_with_the_one_line_that_the_documentation_quotes_and_whoever_catches_it_goes_on(
    new_python, broker
):
    """A race of nats-py's: a server's answer to an empty pull, and its own timer, fall into the same moment."""
    said, after = called([new_python, str(HERE / "calls.py"), *broker.words, "parch"], {"consumers": 40})
    assert (said, after) == ("memphis: ", ["late"])
    document = (HERE.parents[1] / "docs" / "memphis.md").read_text(encoding="utf-8")
    assert f"\n{said}\n" in document
    assert "nats-py<2.15" in document
