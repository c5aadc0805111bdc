"""Who hears a subject, read from answers and traces such as real servers give; answers of anything but our stream."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker import hearing
from zakar.broker.connection import Delivery
from zakar.broker.hearing import Hearer
from zakar.loader.dialect import AckEach, Answer, FastBatch, Place, Stranger
from zakar.loader.overheard import sentence

OURS = Place("s$1", "leaf")
SUBJECT = "s$1.final"


def _refusal(stream: str) -> Delivery:
    error = {"code": 400, "err_code": 10071, "description": "wrong last sequence: 0"}
    return Delivery(b"i", b"", b"", json.dumps({"error": error, "stream": stream, "seq": 0}).encode())


def _trace(server: str, domain: str, *events: dict[str, Any], hop: str = "") -> dict[str, Any]:
    header = {"Nats-Trace-Hop": [hop]} if hop else {}
    arrived = {"type": "in", "acc": "$G", "subj": "s$1.final"}
    return {"server": {"name": server, "domain": domain}, "request": {"header": header}, "events": [arrived, *events]}


def _stored(stream: str) -> dict[str, Any]:
    return {"type": "js", "stream": stream, "error": "last sequence mismatch: 9223372036854775807 vs 0"}


def test_the_station_alone_has_no_strangers_with_a_trace_or_without():
    traces = [_trace("leaf", "leaf", _stored("s$1"))]
    for found in (hearing.read(SUBJECT, [[_refusal("s$1")]], traces), hearing.read(SUBJECT, [[_refusal("s$1")]], [])):
        assert hearing.strangers(found, "s$1", "leaf") == []
        assert len(hearing.strangers(found, "s$1", "leaf", there=False)) == 1  # while it is not there yet


def test_a_stream_of_the_same_name_in_another_domain_or_at_another_server_is_a_stranger():
    for domains in (("leaf", "hub"), ("", "")):
        link = {"type": "eg", "kind": 4, "name": "hub", "hop": "1"}
        traces = [_trace("leaf", domains[0], _stored("s$1"), link)]
        assert not hearing.trace_whole(traces)
        traces.append(_trace("hub", domains[1], _stored("s$1"), hop="1"))
        assert hearing.trace_whole(traces)
        found = hearing.read(SUBJECT, [[_refusal("s$1"), _refusal("s$1")]], traces)
        assert hearing.strangers(found, "s$1", domains[0]) == [Hearer("s$1", domains[1], "hub")]
    untraced = hearing.read(SUBJECT, [[_refusal("s$1"), _refusal("s$1")]], [])
    assert hearing.strangers(untraced, "s$1", "leaf") == [Hearer("s$1")]


def test_the_stream_itself_is_a_stranger_where_only_its_namesake_hears():
    found = hearing.read(SUBJECT, [[_refusal("s$1")]], [_trace("hub", "hub", _stored("s$1"))])
    assert hearing.strangers(found, "s$1", "leaf") == [Hearer("s$1", "hub", "hub")]


def test_a_link_that_denies_the_subject_is_not_waited_for_and_one_without_traces_is():
    link = {"type": "eg", "kind": 4, "name": "hub", "hop": "1"}
    denies = link | {"error": "Not delivered because subscription denies this subject"}
    assert hearing.trace_whole([_trace("leaf", "leaf", _stored("s$1"), denies)])
    older = link | {"error": "Not delivered because remote does not support message tracing"}
    assert not hearing.trace_whole([_trace("leaf", "leaf", _stored("s$1"), older)])


@pytest.mark.parametrize("first", [True, False])
def test_an_import_is_a_stranger_unless_a_trace_shows_a_program_behind_it(first: bool):
    imported, program = {"type": "se", "acc": "B", "to": "s$1.final"}, {"type": "eg", "kind": 0, "acc": "B"}

    def of(*beyond: dict[str, Any]) -> list[Hearer]:
        own = [_stored("s$1")]
        traces = [_trace("one", "", *(own if first else []), *beyond, *([] if first else own))]
        return hearing.strangers(hearing.read(SUBJECT, [[_refusal("s$1")]], traces), "s$1", "")

    assert of(imported, program) == []
    assert of(imported) == [Hearer(account="B")]
    assert of(imported, program, imported, _stored("x")) == [Hearer("x", "", "one")]
    assert of(imported, _stored("s$1")) == [Hearer("s$1", "", "one")]


@pytest.mark.parametrize("said", [b"ok", b"[]", b"7", b"", b'{"stream":"s$1","seq":1}', b'{"error":{}}'])
def test_what_no_stream_says_to_a_message_that_each_must_refuse_is_a_stranger(said: bytes):
    (found,) = hearing.strangers(hearing.read(SUBJECT, [[Delivery(b"i", b"", b"", said)]], []), "s$1", "")
    assert "no stream" in str(found)


def _unheard(subject: str | None) -> Delivery:
    said = b"" if subject is None else f"Nats-Subject: {subject}\r\n".encode()
    return Delivery(b"i", b"", b"NATS/1.0 503\r\n" + said + b"\r\n", b"")


@pytest.mark.parametrize(
    ("instead", "told"), [("gone.x", True), ("", True), (SUBJECT, False), (None, False), ("s$1.raw", False)]
)
@pytest.mark.parametrize("there", [True, False])
def test_what_nobody_hears_is_told_where_a_mapping_is_why(instead: str | None, told: bool, there: bool):
    """Without one, the stream is not there yet, or has no leader at the moment."""
    heard = hearing.read(SUBJECT, [[_refusal("s$1")] if there else [], [_unheard(instead)]], [])
    assert hearing.strangers(heard, "s$1", "", there=there) == [Hearer(nowhere=instead)] * told


def test_where_a_mapping_leads_any_of_many_answers_tells():
    answers = [[_refusal("s$1")], [_refusal("s$1")], [_refusal("ARCHIVE")], [_refusal("ARCHIVE")]]
    assert hearing.strangers(hearing.read(SUBJECT, answers, []), "s$1", "") == [Hearer("ARCHIVE")]


@pytest.mark.parametrize(
    ("source", "destination", "subject"),
    [
        (">", "live.>", "live.s$1.final"),
        ("", "live.>", "live.s$1.final"),
        ("s$1.>", "t$1.>", "t$1.final"),
        ("*.*", "x.$2.{{wildcard(1)}}", "x.final.s$1"),
        ("s$1.final", "archive", "archive"),
        ("s$1.other", "archive", None),
        ("s$1", "archive", None),
        ("*.final", "x.{{partition(3,1)}}", None),
    ],
)
def test_what_is_published_again_has_the_subject_that_a_server_gives_it(source, destination, subject):
    assert hearing.republished("s$1.final", source, destination) == subject


def test_a_sentence_names_both_sides_and_what_to_do():
    said = sentence("s$1", "leaf", [Hearer("s$1", "hub", "n1"), Hearer("ARCHIVE", "", "")])
    assert said.startswith(
        "what is sent to `s$1` (domain leaf) would also reach stream `s$1` (domain hub, server n1) and"
    )
    assert "stream `ARCHIVE`: delete that one" in said
    assert "take away the mapping" in said


def _acks(*sequences: int, stream: str = "s$1", domain: str = "leaf") -> list[Delivery]:
    where = f'"stream":"{stream}",' + (f'"domain":"{domain}",' if domain else "")
    return [Delivery(b"i", b"", b"", f'{{{where}"seq":{sequence}}}'.encode()) for sequence in sequences]


@given(st.integers(0, 5), st.sampled_from([("s$1", "hub"), ("s$1", ""), ("ARCHIVE", "leaf"), ("s$11", "leaf")]))
def test_an_ack_of_another_stream_or_domain_is_no_ack_wherever_it_comes(before: int, place: tuple[str, str]):
    dialect = AckEach("s$1.final", "i", place=OURS)
    chunk = _acks(*range(1, before + 1)) + _acks(before + 1, stream=place[0], domain=place[1]) + _acks(before + 1)
    answer = dialect.take(chunk)
    assert answer.strangers == (Stranger(Place(*place), before + 1),)
    assert answer.acked == before + 1


def test_a_refusal_of_another_stream_is_no_refusal_of_ours():
    refusal = _refusal("ARCHIVE")
    for dialect in (AckEach("s$1.final", "i", place=OURS), FastBatch("s$1.final", "i", range(9), 500, place=OURS)):
        answer = dialect.take([refusal])
        assert answer.refusal is None
        assert not answer.ended
        assert answer.strangers == (Stranger(Place("ARCHIVE", ""), None, "wrong last sequence: 0"),)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 20))
def test_a_message_of_another_writer_is_not_taken_for_a_second_stream(before: int, after: int, cut: int):
    dialect = AckEach("s$1.final", "i", place=OURS)
    dialect.build(pa.array([b"a"] * (before + 1 + after), pa.binary()), 0)
    refused = before + 1  # the other's message has its place; what follows is in order again
    answers = [*_acks(*range(1, refused)), _refusal("s$1"), *_acks(*range(refused + 1, refused + 1 + after))]
    for chunk in (answers[:cut], answers[cut:]):
        assert dialect.take(chunk).strangers == ()


def test_two_streams_of_a_name_without_domains_are_told_by_their_acks_number():
    place = Place("s$1", "")
    dialect = AckEach("s$1.final", "i", place=place)
    dialect.build(pa.array([b"a", b"b", b"c"], pa.binary()), 4)
    assert dialect.take(_acks(5, 6, domain="")).strangers == ()
    assert dialect.take(_acks(6, 7, domain="")).strangers == (Stranger(place, 7, "answers twice"),)


def test_a_batch_that_begins_in_two_streams_and_one_that_ends_in_anothers_are_told():
    def begun() -> Delivery:
        return Delivery(b"i.b.500.fail.1.0.$FI", b"", b"", b'{"type":"ack","seq":0,"msgs":500}')

    dialect = FastBatch("s$1.final", "i", range(9), 500, place=OURS)
    assert dialect.take([begun()]) == Answer(0)
    assert dialect.take([begun()]).strangers == (Stranger(OURS, None, "answers twice"),)
    end = b'{"stream":"s$1","domain":"hub","seq":8,"batch":"b","count":8}'
    answer = FastBatch("s$1.final", "i", range(9), 500, place=OURS).take([Delivery(b"i", b"", b"", end)])
    assert (answer.acked, answer.ended, answer.strangers) == (None, False, (Stranger(Place("s$1", "hub"), 8),))


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["stream", "domain", "seq", "type", "error", "count", "batch"]),
        st.none() | st.text(max_size=4) | st.floats(allow_nan=False) | st.just({}),
    ).map(lambda answer: json.dumps(answer).encode())
)
def test_no_answer_breaks_a_dialect(payload: bytes):
    for dialect in (AckEach("s$1.final", "i", place=OURS), FastBatch("s$1.final", "i", range(9), 500, place=OURS)):
        assert dialect.take([Delivery(b"i", b"", b"", payload)]).acked is None
