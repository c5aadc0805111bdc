"""The lesson on bytes: what a tape of a connection says, and what is said of invented figures."""

import math
import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from zakar.lab import samples, tape, theory
from zakar.lab.lessons import wire
from zakar.lab.lessons.wire import BATCH, EACH, SDK, SQUEEZED, Rate, Wire

word = st.text("abcxyz$_.", min_size=1, max_size=40)


@given(word, word, st.dictionaries(word, word, max_size=3), st.binary(max_size=300))
def test_a_frame_is_as_long_as_theory_has_it_and_its_parts_are_all_of_it(subject, reply, headers, payload):
    block = b"NATS/1.0\r\n" + b"".join(f"{key}: {value}\r\n".encode() for key, value in headers.items()) + b"\r\n"
    block = block if headers else b""
    sizes = f"{len(block)} {len(block) + len(payload)}" if headers else f"{len(payload)}"
    line = f"{'H' if headers else ''}PUB {subject} {reply} {sizes}\r\n".encode()
    (frame,) = tape.frames(b"PING\r\n" + line + block + payload + b"\r\nPONG\r\n")
    assert frame.size == theory.frame(subject, reply, headers, len(payload)) == sum(frame.parts.values())
    assert (frame.subject, frame.headers, frame.payload) == (subject, block, payload)
    assert frame.parts["where to answer"] == len(reply)


@given(st.lists(st.tuples(word, st.binary(max_size=50)), max_size=8), st.integers(0, 500))
def test_half_a_message_at_the_end_of_a_tape_is_none(messages, cut):
    said = b"".join(b"MSG %s 1 %d\r\n%s\r\n" % (to.encode(), len(held), held) for to, held in messages)
    found = [(frame.subject, frame.payload) for frame in tape.frames(said[:cut])]
    assert found == messages[: len(found)]
    assert [(frame.subject, frame.payload) for frame in tape.frames(said)] == messages


def test_a_message_to_nobody_who_answers_has_no_part_for_it():
    (frame,) = tape.to(b"PUB a.final 2\r\nhi\r\nPUB b.final 2\r\nho\r\n", ["a."])
    assert frame.parts["where to answer"] == 0
    assert frame.size == len(b"PUB a.final 2\r\nhi\r\n")


def test_a_tape_keeps_what_both_ends_say_of_one_connection_after_the_other():
    with socket.create_server(("127.0.0.1", 0)) as server, tape.recording(f"nats://{_address(server)}") as recorded:
        answering = threading.Thread(target=_answer, args=(server, 3))
        answering.start()
        for said in (b"one", b"two"):
            with socket.create_connection(_place(recorded.url)) as client:
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == said.upper()
                assert client.recv(100) == b""
    answering.join()
    assert (recorded.up, recorded.down) == (b"onetwo", b"ONETWO")


def _address(server: socket.socket) -> str:
    return "{}:{}".format(*server.getsockname())


def _place(url: str) -> tuple[str, int]:
    host, _, port = url.partition("//")[2].partition(":")
    return host, int(port)


def _answer(server: socket.socket, connections: int) -> None:
    """Answer so many connections, the last being the one that ends a tape."""
    for _ in range(connections):
        client, _ = server.accept()
        with client:
            while said := client.recv(100):
                client.sendall(said.upper())


def test_the_samples_are_readings_and_posts_as_they_are_sent():
    found = samples.messages()
    assert list(found) == ["readings", "posts"]
    assert all(b'"temperature":' in message for message in found["readings"])
    assert all(b'"tweet":' in message for message in found["posts"])


def wires(squeezed: float = 10.0) -> list[Wire]:
    sizes = {SDK: 250.0, EACH: 150.0, BATCH: 125.0, SQUEEZED: squeezed}
    return [
        Wire("readings", way, 60.0, up, None if way == SQUEEZED else 50.0, {} if way == SQUEEZED else {"payload": 60.0})
        for way, up in sizes.items()
    ]


def over(squeezed: float, size: float = 10.0) -> list[Rate]:
    rates = {SDK: 500.0, EACH: 830.0, BATCH: 1_000.0}
    found = [Rate("readings", way, (rate,) * 3, 125_000 / rate, rate) for way, rate in rates.items()]
    return [*found, Rate("readings", SQUEEZED, (squeezed,) * 3, size, 12_500.0)]


def test_where_theory_holds_fewer_bytes_are_said_to_make_more_messages():
    lesson = wire.concluded("slow-dsl", 1e6, wires(), over(12_000))
    assert f"the most went by {SQUEEZED}, 12,000 a second, the fewest by {SDK}, 500" in lesson.seen
    assert "the fewer bytes, the more messages. Rate over bytes is off by 4% at most" in lesson.seen
    assert lesson.unseen == ()
    assert f"over `slow-dsl`, 1 Mbit/s take 500 ({SDK}), 830 ({EACH}), 1,000 ({BATCH}), 12,500 ({SQUEEZED})" in (
        lesson.prediction
    )


def test_text_curve_and_table_of_theory_have_the_same_figures_at_the_bytes_that_were_counted():
    lesson = wire.concluded("slow-dsl", 1e6, wires(), over(900, size=14.0))
    (graph,) = lesson.graphs
    (curve,) = graph.curves
    assert [(point.x, point.expected) for point in graph.points] == list(zip(curve.xs, curve.ys, strict=True))
    assert all(f"{y:,.0f} (" in lesson.prediction for y in curve.ys)


def test_where_the_lightest_is_not_the_quickest_it_was_not_bytes_and_what_fell_short_is_told():
    lesson = wire.concluded("slow-dsl", 1e6, wires(), over(900, size=14.0))
    assert f"the most went by {BATCH}" in lesson.seen
    assert f"it was not bytes that decided. Rate over bytes is off by 93% at most ({SQUEEZED}" in lesson.seen
    (unseen,) = lesson.unseen
    assert "did not fill `slow-dsl`: 900 of 12,500 a second; a message had 14.0 bytes there, not 10.0" in unseen


def test_where_only_the_lightest_is_in_its_place_it_was_not_bytes_alone():
    rates = [rate if rate.way != EACH else Rate("readings", EACH, (100.0,), 150.0, 830.0) for rate in over(12_000)]
    lesson = wire.concluded("slow-dsl", 1e6, wires(), rates)
    assert (
        f"the fewest by {EACH}, 100: it was not bytes alone that decided. Rate over bytes is off by 88%" in lesson.seen
    )


def test_without_a_link_nothing_is_expected_of_bytes():
    rates = [Rate(rate.kind, rate.way, rate.rates, rate.bytes, None) for rate in over(900)]
    lesson = wire.concluded("same-machine", math.inf, wires(), rates)
    assert "bytes should matter little" in lesson.prediction
    assert "off by" not in lesson.seen
    assert lesson.seen.endswith(": with no link to fill, what decides is the work that each way makes.")
    assert lesson.graphs[0].curves == lesson.unseen == ()


def test_what_was_not_counted_is_not_a_figure():
    rows = wire.concluded("slow-dsl", 1e6, wires(), over(12_000)).tables[0].rows
    assert [row[-1] for row in rows] == ["50.0", "50.0", "50.0", "not counted"]
    assert [row[4] for row in rows] == ["24%", "40%", "48%", "600%"]
