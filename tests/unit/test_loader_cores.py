"""The loader's pure parts: frames, dialects, window, plan."""

import dataclasses
import json
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zakar.broker.account import Account
from zakar.broker.connection import Delivery
from zakar.broker.station import Stream
from zakar.dataset.schema import ALERTS
from zakar.loader import frames, plan
from zakar.loader.dialect import AckEach, Answer, FastBatch
from zakar.loader.plan import Action, Target
from zakar.loader.window import Window

PAYLOADS = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


def _parsed(data: bytes) -> list[tuple[str, str, bytes, bytes]]:
    """Read PUB and HPUB frames as the protocol says: (subject, reply, headers, payload)."""
    found = []
    while data:
        line, _, data = data.partition(b"\r\n")
        verb, *words = line.decode().split(" ")
        sizes = [int(word) for word in words[2:]]
        headers = sizes[0] if verb == "HPUB" else 0
        assert verb in {"PUB", "HPUB"}
        assert data[sizes[-1] : sizes[-1] + 2] == b"\r\n"
        found.append((words[0], words[1], data[:headers], data[headers : sizes[-1]]))
        data = data[sizes[-1] + 2 :]
    return found


def _array(payloads: list[bytes]) -> pa.Array:
    return pa.array(payloads, pa.binary())


@given(PAYLOADS, st.integers(0, 2**40) | st.integers(0, 1_100))
def test_each_frame_says_which_sequence_it_follows(payloads, after):
    built = frames.expecting(_array(payloads), after, "s$1.final", "_INBOX.a")
    for n, (subject, reply, headers, payload) in enumerate(_parsed(bytes(built.data))):
        assert (subject, reply, payload) == ("s$1.final", "_INBOX.a", payloads[n])
        assert headers == b"NATS/1.0\r\nNats-Expected-Last-Sequence: %d\r\n\r\n" % (after + n)
        assert len(headers) + len(payload) <= built.largest


@given(
    PAYLOADS,
    st.integers(0, 1_100),
    st.integers(0, 9),
    st.booleans(),
    st.sampled_from(["", "k: v\r\n", "k: v\r\nl:\r\n"]),
)
def test_a_batch_has_further_header_lines_and_says_what_it_follows_in_its_first_message_or_not(
    payloads, start, before, expects, further
):
    total = start + before + len(payloads)
    dialect = FastBatch("s$1.final", "_INBOX.a", range(start, total), 500, further, expects=expects)
    built = dialect.build(_array(payloads), start + before)
    frames_ = _parsed(bytes(built.data))
    for n, (_, reply, headers, payload) in enumerate(frames_, before + 1):
        operation = 2 if n == before + len(payloads) else 0 if n == 1 else 1
        assert (reply, payload) == (f"_INBOX.a.b.500.fail.{n}.{operation}.$FI", payloads[n - before - 1])
        lines = (f"Nats-Expected-Last-Sequence: {start}\r\n" if n == 1 and expects else "") + further
        assert headers == (f"NATS/1.0\r\n{lines}\r\n".encode() if lines else b"")
        assert len(headers) + len(payload) <= built.largest


@given(PAYLOADS, st.integers(0, 1_100), st.lists(st.from_regex("[a-z$-]{1,9}: [a-z]{0,9}", fullmatch=True), max_size=3))
def test_further_header_lines_stand_in_every_frame(payloads, after, lines):
    further = "".join(f"{line}\r\n" for line in lines)
    built = AckEach("s$1.final", "_INBOX.a", further).build(_array(payloads), after)
    plain = AckEach("s$1.final", "_INBOX.a").build(_array(payloads), after)
    for n, (_, _, headers, payload) in enumerate(_parsed(bytes(built.data))):
        expected = f"NATS/1.0\r\nNats-Expected-Last-Sequence: {after + n}\r\n{further}\r\n"
        assert (headers.decode(), payload) == (expected, payloads[n])
        assert len(headers) + len(payload) <= built.largest
    assert built.largest == plain.largest + len(further)


@given(PAYLOADS, st.integers(0, 1_100), st.integers(0, 1_100), st.integers(0, 3))
def test_a_batch_starts_appends_and_commits(payloads, start, already, more):
    after, total = start + already, start + already + len(payloads) + more
    built = frames.batched(_array(payloads), after, start, total, "s$1.final", "_INBOX.a.b.500.fail.")
    parsed = _parsed(bytes(built.data))
    assert [payload for *_, payload in parsed] == payloads
    for n, (_, reply, headers, payload) in enumerate(parsed, start=already + 1):
        last = start + n == total
        operation = 2 if last else 0 if n == 1 else 1
        assert reply == f"_INBOX.a.b.500.fail.{n}.{operation}.$FI"
        assert headers == (b"NATS/1.0\r\nNats-Expected-Last-Sequence: %d\r\n\r\n" % start if n == 1 else b"")
        assert len(headers) + len(payload) <= built.largest


@given(PAYLOADS, st.integers(0, 200), st.booleans(), st.data())
def test_a_cut_is_the_bytes_of_its_frames(payloads, after, batch, data):
    built = (
        frames.batched(_array(payloads), after, after, after + len(payloads), "s", "r.")
        if batch
        else frames.expecting(_array(payloads), after, "s", "r")
    )
    assert len(built) == len(payloads)
    middle = data.draw(st.integers(0, len(payloads)))
    assert bytes(built.cut(0, middle)) + bytes(built.cut(middle, len(payloads))) == bytes(built.data)
    assert len(_parsed(bytes(built.cut(middle, len(payloads))))) == len(payloads) - middle


@given(PAYLOADS, st.integers(0, 1_100))
def test_the_size_asked_for_holds_what_is_stored(payloads, after):
    parsed = _parsed(bytes(frames.expecting(_array(payloads), after, "zakar$1.final", "r").data))
    stored = sum(22 + len(subject) + 4 + len(headers) + len(payload) + 8 for subject, _, headers, payload in parsed)
    total = sum(map(len, payloads))
    assert stored <= frames.stored_bytes(total, after + len(payloads), "zakar$1.final")


def _deliveries(*payloads: object) -> list[Delivery]:
    return [Delivery(b"_INBOX", b"", b"", json.dumps(payload, separators=(",", ":")).encode()) for payload in payloads]


def test_acks_are_cumulative_but_prove_nothing_after_a_refusal():
    chunk = _deliveries(
        {"stream": "s", "seq": 7},
        {"error": {"code": 400, "err_code": 10071, "description": "wrong"}, "stream": "s", "seq": 0},
        {"stream": "s", "seq": 8, "domain": "hub"},
    )
    dialect = AckEach("s", "i")
    assert dialect.take(chunk) == Answer(7, 3, (10071, "wrong"))
    assert dialect.take(_deliveries({"stream": "s", "seq": 9})) == Answer(None, 1)


def test_an_ack_with_a_space_before_its_sequence_is_read():
    assert AckEach("s", "i").take([Delivery(b"i", b"", b"", b'{"stream":"s", "seq": 12}')]).acked == 12


def test_no_responders_are_a_refusal_in_both_dialects():
    nobody = [Delivery(b"i", b"", b"NATS/1.0 503\r\n\r\n", b"")]
    for dialect in (AckEach("s", "i"), FastBatch("s", "i", range(9), 500)):
        assert dialect.take(nobody).refusal == (0, "no stream listens on this subject")


def test_a_stream_that_stores_a_batch_one_by_one_ends_it():
    """As one that is kept by a server without fast ingest does."""
    answer = FastBatch("s", "i", range(9), 500).take([Delivery(b"i", b"", b"", b'{"stream":"s","seq":1}')])
    assert (answer.acked, answer.ended, answer.refusal and answer.refusal[0]) == (None, True, -1)


def test_a_flow_ack_counts_from_where_the_batch_began():
    dialect = FastBatch("s", "i", range(1_000, 9_000), 500)
    assert dialect.take(_deliveries({"type": "ack", "seq": 0, "msgs": 500})) == Answer(1_000)
    assert dialect.take(_deliveries({"type": "gap", "last_seq": 3, "seq": 9})) == Answer()
    assert dialect.take(_deliveries({"stream": "s", "seq": 1_777, "batch": "b", "count": 777})) == Answer(
        1_777, ended=True
    )


def test_a_batch_among_which_something_else_was_stored_is_refused():
    ended = FastBatch("s", "i", range(100, 200), 500).take(
        _deliveries({"stream": "s", "seq": 201, "batch": "b", "count": 100})
    )
    assert ended.refusal is not None


def test_what_comes_after_the_end_of_a_batch_says_nothing_of_it():
    ending = {"stream": "s", "seq": 200, "batch": "b", "count": 100}
    late = {"error": {"code": 400, "err_code": 10208, "description": "batch publish ID unknown"}, "stream": "s"}
    together = FastBatch("s", "i", range(100, 200), 500)
    assert together.take(_deliveries(ending, late)) == Answer(200, ended=True)
    assert together.take(_deliveries(late)) == Answer(ended=True)


def test_an_error_within_a_batch_is_kept_until_its_end():
    dialect = FastBatch("s", "i", range(9), 500)
    error = {"code": 400, "err_code": 10077, "description": "maximum bytes exceeded"}
    assert dialect.take(_deliveries({"type": "err", "seq": 5, "error": error})) == Answer(
        refusal=(10077, "maximum bytes exceeded")
    )
    assert dialect.take(_deliveries({"error": error, "stream": "s"})).ended


def test_a_batch_can_be_asked_for_its_acks_and_ended_early():
    dialect = FastBatch("s$1.final", "_INBOX.a", range(100, 200), 10)
    assert _parsed(dialect.ping(150)) == [("s$1.final", "_INBOX.a.b.10.fail.50.4.$FI", b"", b"")]
    assert _parsed(dialect.finish(150)) == [("s$1.final", "_INBOX.a.b.10.fail.51.3.$FI", b"", b"")]
    assert dialect.finish(100) == b""  # nothing was sent
    assert dialect.finish(200) == b""  # the last message ends it by itself


class WindowMachine(RuleBasedStateMachine):
    """A window against a plain model: what was sent, what was acknowledged, whether it drains."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(10, 15.0, 100)
        self.sent = self.acked = 100
        self.times: dict[int, float] = {}
        self.now = 0.0
        self.draining = False

    @rule(seconds=st.floats(0, 5))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.window.room > 0)
    @rule(data=st.data())
    def send(self, data) -> None:
        number = data.draw(st.integers(1, self.window.room))
        self.window.send(number, self.now)
        self.times.update(dict.fromkeys(range(self.sent + 1, self.sent + number + 1), self.now))
        self.sent += number
        self.draining = self.sent - self.acked >= 10

    @rule(sequence=st.integers(90, 200))
    def ack(self, sequence: int) -> None:
        self.window.ack(sequence, self.now)
        self.acked = max(self.acked, min(sequence, self.sent))

    @invariant()
    def it_agrees_with_the_model(self) -> None:
        flight = self.sent - self.acked
        assert self.window.in_flight == flight <= 10
        if self.draining and flight <= 5:
            self.draining = False
        assert self.window.room == (0 if self.draining else 10 - flight)
        oldest = min((self.times[n] for n in range(self.acked + 1, self.sent + 1)), default=None)
        assert self.window.deadline == (None if oldest is None else oldest + 15.0)


test_a_window_keeps_its_limit_drains_to_half_and_knows_its_deadline = WindowMachine.TestCase


def test_more_than_the_room_is_refused():
    with pytest.raises(ValueError, match="room of 3"):
        Window(3, 1, 0).send(4, 0.0)


TARGET = Target(
    ALERTS,
    "a$1",
    "a$1.final",
    10,
    999,
    {plan.TABLE: "fire_alerts", plan.FINGERPRINT: "f" * 64, plan.SCENARIO: "x"},
    wire_bytes=800,
)


def _stream(**changes) -> Stream:
    values = {
        "name": "a$1", "first": 1, "last": 4, "messages": 4, "bytes": 9, "max_bytes": -1, "subjects": ("a$1.>",),
        "metadata": TARGET.metadata, "batched": True,
    }  # fmt: skip
    return Stream(**(values | changes))


def test_a_beginning_of_this_table_and_an_empty_stream_are_filled():
    assert plan.judge(TARGET, _stream(), b"row", b"row") is None
    assert plan.judge(TARGET, _stream(last=10, messages=10), b"row", b"row") is None
    assert plan.judge(TARGET, _stream(max_message=80), b"row", b"row") is None
    assert plan.judge(TARGET, _stream(last=0, messages=0), None, None) is None
    assert plan.judge(TARGET, _stream(last=0, messages=0, metadata={}), None, None) is None


def test_the_partitions_of_a_station_that_zakar_did_not_fill_are_its_streams():
    assert plan.partitions([_stream(metadata={}), _stream(metadata={}), _stream(metadata={})]) == 3
    assert plan.partitions([_stream(metadata={plan.PARTITIONS: "4"})]) == 4
    assert plan.partitions([_stream(), _stream(metadata={})]) == 1


def test_a_station_that_never_grows_refuses_partitions_that_it_lacks():
    second = dataclasses.replace(TARGET, stream="a$2", number=2, of=2)
    assert plan.ungrown(second, []) is None
    refusal = plan.ungrown(second, [_stream()])
    assert refusal == plan.Refusal("a$1", "is one of 1 partitions, not of 2; give --partitions 1")
    account = Account("", 0, 0, 0, None, None, 0, None, size_required=False)
    found = plan.stream_plan(second, None, refusal, "nonblocking", account)
    assert (found.action, found.sends, found.needs, found.why) == (Action.REFUSE, 0, 0, refusal.found)


@pytest.mark.parametrize(
    ("has", "asked", "recreate", "gets"),
    [(0, None, False, 1), (3, None, False, 3), (3, None, True, 1), (3, 2, False, 2), (3, 2, True, 2), (0, 2, False, 2)],
)
def test_a_station_gets_the_partitions_asked_for_or_keeps_its_own(has: int, asked: int | None, recreate, gets: int):
    streams = [_stream(metadata=TARGET.metadata | {plan.PARTITIONS: str(has)})] * has
    assert plan.partitions_to_be(streams, asked, recreate=recreate) == gets


@pytest.mark.parametrize(
    ("changes", "stored", "said"),
    [
        ({"subjects": ("b.>",)}, b"row", "its subjects are b.>"),
        ({"metadata": {}}, b"row", "holds 4 messages that zakar did not load"),
        ({"metadata": TARGET.metadata | {plan.FINGERPRINT: "e" * 64}}, b"row", "another dataset.*eeeeeeeeeeee"),
        ({"metadata": TARGET.metadata | {plan.TABLE: "tweets"}}, b"row", "holds table tweets"),
        ({"messages": 3}, b"row", "3 are left of 4"),
        ({"last": 11, "messages": 11}, b"row", "the table only 10"),
        ({}, b"other", "differs from the dataset at message 4"),
        ({}, None, "differs from the dataset at message 4"),
        ({"first": 2}, b"row", "has lost messages"),
        ({"retention": "interest"}, b"row", "its retention is interest"),
        ({"retention": "workqueue"}, b"row", "its retention is workqueue"),
        ({"max_messages": 9}, b"row", "its max_msgs is 9"),
        ({"max_messages_a_subject": 9}, b"row", "its max_msgs_per_subject is 9"),
        ({"max_age": 1.0}, b"row", "its max_age is 1 s"),
        ({"max_bytes": 500, "discard": "old"}, b"row", "its max_bytes is 500"),
        ({"sealed": True}, b"row", "it is sealed"),
        ({"acknowledges": False}, b"row", "cannot be filled: its no_ack is true"),
        ({"counts": True}, b"row", "cannot be filled: its allow_msg_counter is true"),
        ({"max_message": 79}, b"row", "its max_msg_size is 79, and the messages have 80 bytes on average"),
    ],
)
def test_a_stream_that_holds_anything_else_is_refused(changes, stored, said: str):
    refusal = plan.judge(TARGET, _stream(**changes), b"row", stored)
    assert refusal is not None
    assert re.search(said, refusal.found)
