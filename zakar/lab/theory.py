"""What theory expects of a producer, a window and a link. Pure; rates are in messages a second, times in seconds."""

import math
from collections.abc import Mapping


def blocking(round_trip: float) -> float:
    """Return the rate of a producer that waits for each ack: N messages take N round trips."""
    return 1 / round_trip


def windowed(window: int, round_trip: float, link: float, server: float) -> float:
    """Return the rate with ``window`` messages in flight: Little's law, until the link or the server is full.

    J. D. C. Little, "A Proof for the Queuing Formula L = lambda W", Operations Research 9 (1961): what is under way is
    the rate times the time that each is under way.
    """
    return min(window / round_trip, link, server)


def link_rate(bits_per_second: float, wire_bytes: float) -> float:
    """Return how many messages of so many bytes, all headers included, a link takes."""
    return bits_per_second / 8 / wire_bytes


def drain(messages: int, rate: float, round_trip: float) -> float:
    """Return when the last of ``messages`` that are sent at once has its ack: after all before it, and a round trip."""
    return messages / rate + round_trip


def in_flight(rate: float, round_trip: float) -> float:
    """Return how many messages are under way: Little's law, at a link's rate its bandwidth-delay product."""
    return rate * round_trip


def transmission(size: float, bits_per_second: float) -> float:
    """Return how long so many bytes take to get onto a link; with propagation it makes the time that a message takes.

    J. F. Kurose and K. W. Ross, "Computer Networking: A Top-Down Approach", section 1.4.
    """
    return size * 8 / bits_per_second


def halved(window: int, round_trip: float, link: float, server: float) -> float:
    """Return the least rate of a window that is drained to half before more is sent.

    Once a little more than half of it went at once, half a window must wait for acks of that: half a window a round
    trip. It takes twice the bandwidth-delay product to fill a link.
    """
    return windowed(window, 2 * round_trip, link, server)


def polled(window: int, round_trip: float, poll: float, sender: float) -> float:
    """Return the rate where whether half a window has drained is looked up every ``poll`` seconds only.

    Within a round trip the ``sender`` alone makes ``sender * round_trip`` messages: a wider window is never full. A
    narrower one is sent, and found drained at the first poll after a round trip.
    """
    if window >= sender * round_trip:
        return sender
    return window / (math.ceil(round_trip / poll) * poll + window / sender)


def late(messages: int, rate: float, round_trip: float, deadline: float) -> float:
    """Return how many of ``messages`` that are sent at once have their ack after a deadline: all that drain later."""
    return max(0.0, messages - drained_by(deadline, rate, round_trip))


def drained_by(deadline: float, rate: float, round_trip: float) -> float:
    """Return how many messages that are sent at once have drained by a time: the inverse of ``drain``."""
    return max(0.0, deadline - round_trip) * rate


def frame(subject: str, reply: str, headers: Mapping[str, str], payload: int) -> int:
    """Return the bytes that a message of ``payload`` bytes is on a NATS connection, before TCP's and IP's own headers.

    ``PUB subject reply size``, or ``HPUB subject reply headers total`` and the headers, each line with its end; see
    NATS's description of its client protocol.
    """
    lines = sum(len(f"{key}: {value}\r\n") for key, value in headers.items())
    block = len("NATS/1.0\r\n\r\n") + lines if headers else 0
    sizes = f"{block} {block + payload}" if headers else f"{payload}"
    return len(f"{'H' if headers else ''}PUB {subject} {reply} {sizes}\r\n") + block + payload + len("\r\n")


def side_by_side(producers: int, one: float, link: float) -> float:
    """Return the rate of so many producers who do not disturb each other: linear, until the link is full."""
    return min(producers * one, link)


def fetched(size: int, round_trip: float, working: float, down: float, up: float) -> float:
    """Return the rate of a consumer that asks for ``size`` messages and waits for them before it asks again.

    A fetch takes a round trip, the ``working`` seconds that client and broker need for it where there is no link, and
    the time that messages take to come, ``down`` a second, and their acks to go, ``up`` a second, which what is asked
    next waits behind. Without any of the latter it is Little's law with ``size`` in flight.
    """
    return size / (round_trip + working + size / down + size / up)
