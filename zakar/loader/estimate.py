"""What acks say of a link and the server behind it, and so how much to have in flight. Pure; the clock is passed in."""

import math

_FIRST = 64  # messages: few enough for the slowest link's ack deadline
_LEAST = 16
_MOST = 65_536  # a server drops what overflows the 100,000 messages of a stream's queue
_STEADY = 2.0  # shortest round trips in flight once the link is full
_GROWING = 3.25  # until then: the limit doubles in a round trip, even where acks come half a round trip late
_AHEAD = 0.1  # seconds in flight beyond those: for a server and a client that stop for a moment
_ROUNDS = 3  # round trips over which the highest rate counts
_GROWTH = 1.25  # of the rate in a round trip: the link is not full yet; less than that
_FLAT = 2  # times in a row says that it is
_FRESH = 20.0  # seconds that a shortest round trip is believed
_DRAINED = 0.75  # of what fills the link: nothing queues, so that a round trip is the link's own
_KEPT = 0.25  # of the limit, even when drained: a fast batch has acks only every so many messages
_DEADLINES = 4  # of what is in flight in the length of an ack deadline, so that a slower link still keeps it


class Estimate:
    """A link's rate and shortest round trip, learned from acks, and the limit on messages in flight that follows.

    As TCP BBR does (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14, 2016): the limit is
    what the link takes in two of its shortest round trips and a moment, and in a few while its rate still grows, so
    that the limit doubles in each. Since a queue hides the shortest round trip, the link is drained for one of them
    now and then.

    ``limit`` is in messages, ``rate`` in messages a second, ``round_trip`` in seconds.
    """

    def __init__(self, ack_timeout: float, most: int = _MOST) -> None:
        self.limit = min(_FIRST, most)
        self.round_trip = math.inf
        self._longest = ack_timeout / _DEADLINES
        self._most = most
        self._rates = [0.0]  # the highest of each of the last round trips
        self._full_rate = 0.0  # at which the link was last taken to be full
        self._flat = 0  # round trips in a row in which the rate did not grow
        self._measured = 0.0  # when the shortest round trip was
        self._draining_since: float | None = None

    @property
    def settled(self) -> bool:
        """Whether the rate grows no more: the link is full."""
        return self._flat >= _FLAT

    @property
    def rate(self) -> float:
        """Messages a second that the link takes, as last seen."""
        return max(self._rates)

    def hear(self, rate: float, round_trip: float, sent: float, now: float, *, new_round: bool) -> None:
        """Take what an ack says of messages, the last of which was sent at ``sent``.

        ``rate`` is at which messages were acknowledged since that one was sent. ``new_round`` says that it was
        sent after the ack that began the last round.
        """
        drained = self._draining_since is not None and sent >= self._draining_since
        if drained or round_trip <= self.round_trip:
            self.round_trip, self._measured, self._draining_since = round_trip, now, None
        if drained:
            # What was in flight is known to have been too little: had the link become slower meanwhile, the rate
            # remembered and the round trip of its queue together would let that queue grow. Coming back to the
            # rate remembered is no growth.
            self._full_rate = max(self.rate, rate / _DRAINED)
            self._rates = [rate / _DRAINED]
        elif new_round:
            self._rates = [*self._rates[1 - _ROUNDS :], rate]
        else:
            self._rates[-1] = max(self._rates[-1], rate)
        if new_round:
            self._count()
        self._follow(now)

    def _count(self) -> None:
        """Count the round trips in which the rate did not grow. Their delay says nothing: a loss looks like a queue."""
        grown = self.rate >= _GROWTH * self._full_rate
        self._full_rate = self.rate if grown else self._full_rate
        self._flat = 0 if grown else self._flat + 1

    def _follow(self, now: float) -> None:
        """Follow the rate; drain the link when its shortest round trip has not been seen for long."""
        if self._draining_since is None and now - self._measured > _FRESH:
            self._draining_since = now
        seconds = self._horizon
        if self._draining_since is not None:
            seconds = max(_DRAINED * self.round_trip, _KEPT * self._horizon)
        self.limit = max(min(_LEAST, self._most), min(self._most, int(self.rate * seconds)))

    @property
    def _horizon(self) -> float:
        """Seconds that messages may be in flight."""
        round_trips = _STEADY if self.settled else _GROWING
        return min(round_trips * self.round_trip + _AHEAD, self._longest)
