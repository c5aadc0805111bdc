"""The lab's page stands alone, says what the records say and what they lack, and can be looked at in a browser."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from browser import browser
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import ATTACK, OVERLAPS, Page

from zakar.__main__ import main
from zakar.lab import pictures, run
from zakar.lab.lesson import Claim, Curve, Graph, Lesson, Machine, Point, Record, Table
from zakar.lab.lessons import LESSONS
from zakar.lab.report import page
from zakar.page import canvas

MACHINE = Machine("Linux", 2, "3.11.2", {"zakar": "0.1.0", "memphis-py": "1.3.1"})
TRIPS = (10.0, 20.0, 33.0, 50.0, 100.0, 150.0, 250.0)


def points(series: str, xs: Sequence[float], share: float = 0.95) -> tuple[Point, ...]:
    return tuple(Point(series, x, (900 * share / x, 1000 * share / x, 990 * share / x), 1000 / x) for x in xs)


LATENCY = Lesson(
    number=1,
    name="latency",
    title="Do not underestimate latency",
    question="How many messages a second does a producer send that waits for each acknowledgement?",
    prediction="One a round trip: N messages take N times the round trip.",
    seen="Theory holds within 5 %.",
    graphs=(
        Graph(
            "Blocking producers over ever longer round trips",
            "round trip, ms",
            "messages a second",
            points("Memphis SDK, blocking", TRIPS) + points("zakar, one in flight", TRIPS, 0.97),
            (Curve("1 / round trip", TRIPS, tuple(1000 / trip for trip in TRIPS)),),
            (Claim("the article, against its cloud", 30.0),),
            x_log=True,
            y_log=True,
        ),
    ),
    article="Thirty messages a second.",
    further=("How long at 250 ms?", "And at yours?"),
)
PARTITIONS = Lesson(
    number=6,
    name="partitions",
    title="More than one partition",
    question="Do two partitions take more than one?",
    prediction="No more than the machine has.",
    seen="They do not.",
    graphs=tuple(
        Graph(
            title,
            "producer processes, each with a connection of its own",
            "messages that the broker received in an interval of ten seconds",
            tuple(
                Point(f"{number} partitions, limit 500", processes, (0.0, 21_000.0 * number), None)
                for number in (1, 2, 4)
                for processes in (1, 2, 4, 8)
            ),
            (
                Curve("one connection, times so many", (1, 8), (22_000, 176_000)),
                Curve("what two cores can do, once all of it is spent on nothing else", (1, 8), (50_000, 50_000)),
            ),
            (Claim("the article", 22_000, 1), Claim("the article", 176_000, 8), Claim("its machine", 9, 2)),
            y_log=log,
        )
        for title, log in (("Straight", False), ("By powers of ten", True))
    ),
    tables=(Table("Acks", ("limit", "p50, ms", "p99, ms"), (("500", "33", "41"), ("250", "33", "34"))),),
    unseen=("That a lock costs anything: the broker was busy for 12 % of the time, the producers for 190 %.",),
)


def record(lesson: Lesson, **changes: object) -> Record:
    made = Record(lesson, MACHINE, None, True, "2026-01-02T03:04:05+00:00", 34.6)
    return msgspec.structs.replace(made, **changes)


def made(*lessons: Lesson) -> Page:
    return Page(page([record(lesson) for lesson in lessons], ["latency", "partitions", "bytes"]))


def labels(graph: Graph) -> list[str]:
    """The words of a picture."""
    with canvas.styled():
        return re.findall(r"<text[^>]*>([^<]*)</text>", pictures.picture(graph, "name"))


# The page.


def test_the_page_refers_to_nothing_but_itself_and_runs_nothing() -> None:
    found = made(LATENCY, PARTITIONS)
    local = {reference[1:] for reference in found.references if reference.startswith("#")}
    assert all(reference.startswith(("#", "data:")) for reference in found.references)
    assert local <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(found.elements)


def test_all_that_a_lesson_says_is_on_the_page() -> None:
    words = " ".join(made(LATENCY, PARTITIONS).words.split())
    for lesson in (LATENCY, PARTITIONS):
        said = [lesson.title, lesson.question, lesson.prediction, lesson.seen, lesson.article]
        assert all(text in words for text in (*said, *lesson.unseen, *lesson.further))
        assert all(graph.title in words for graph in lesson.graphs)
    assert "Acks limit p50, ms p99, ms 500 33 41 250 33 34" in words
    assert "Linux, 2 cores, Python 3.11.2, zakar 0.1.0, memphis-py 1.3.1." in words
    assert "Measured on 2026-01-02 03:04:05 UTC in 35 s; quick: few settings and repetitions; the lesson's own" in words
    assert "What this machine could not show That a lock costs anything" in words


def test_a_lesson_that_could_show_everything_has_no_empty_list_of_what_it_could_not() -> None:
    assert "could not show" not in made(LATENCY).words


def test_lessons_without_results_are_named_with_the_command_that_makes_them() -> None:
    words = " ".join(made(LATENCY).words.split())
    assert "lessons without results here: partitions, bytes" in words
    assert "zakar lab run partitions bytes" in words
    nothing_missing = Page(page([record(LATENCY)], ["latency"]))
    assert "missing" not in nothing_missing.ids


def test_the_figures_stand_beside_a_picture_with_their_spread_and_their_share_of_theory() -> None:
    assert "Memphis SDK, blocking 10 94 85.5 to 95 100 94%" in " ".join(made(LATENCY).words.split())


def test_lessons_of_two_machines_say_which_is_whose() -> None:
    other = msgspec.structs.replace(MACHINE, cores=8)
    found = Page(page([record(LATENCY), record(PARTITIONS, machine=other, link="home", quick=False)], ["latency"]))
    words = " ".join(found.words.split())
    assert "Machine 1: Linux, 2 cores" in words
    assert "Machine 2: Linux, 8 cores" in words
    assert "in full; link: home; machine 2." in words


def test_a_lesson_of_which_there_are_two_results_counts_once() -> None:
    found = Page(page([record(LATENCY), record(LATENCY, link="home")], ["latency", "partitions"]))
    assert found.words.split()[:4] == ["The", "lab:", "1", "lesson"]
    assert "lessons of 2" in found.words


def hostile(value: object) -> object:
    """A value with words of an attack in place of all words."""
    if isinstance(value, str):
        return ATTACK
    if isinstance(value, dict):
        return {key: hostile(entry) for key, entry in value.items()}
    return [hostile(entry) for entry in value] if isinstance(value, list) else value


def test_words_of_records_are_shown_and_never_run() -> None:
    values = hostile(msgspec.to_builtins(record(PARTITIONS)))
    values["machine"]["software"] = {ATTACK: ATTACK}
    found = Page(page([msgspec.convert(values, Record)], [ATTACK + "!"]))
    assert found.elements["script"] == 0
    assert found.words.count(ATTACK) >= 13


def test_commands_between_backticks_are_set_as_commands_and_still_escaped() -> None:
    asked = msgspec.structs.replace(LATENCY, further=(f"Try `zakar doctor` and `{ATTACK}`.",))
    found = made(asked)
    assert f"Try zakar doctor and {ATTACK}." in found.words
    assert found.elements["script"] == 0


# Pictures.


def test_a_picture_names_series_theory_and_the_articles_figures_and_the_settings_measured() -> None:
    found = labels(LATENCY.graphs[0])
    assert {"Memphis SDK, blocking", "zakar, one in flight", "1 / round trip", "the article, against its cloud"} <= set(
        found
    )
    assert {"10", "20", "33", "50", "100", "250"} <= set(found)


def test_names_may_hold_what_an_svg_may_not() -> None:
    graph = Graph("", "x\x00", "y\x07", (Point("a\x1b", 1, (1.0,)),), (Curve("b\ufffe", (1.0,), (1.0,)),))
    assert {"x\ufffd", "y\ufffd", "a\ufffd", "b\ufffd"} <= set(labels(graph))


def test_settings_that_are_many_are_named_by_round_numbers() -> None:
    course = tuple(Point("a", 1.7 * step, (step,)) for step in range(1, 20))
    found = labels(Graph("", "x", "y", course))
    assert {"10", "20", "30"} <= set(found)
    assert "1.7" not in found


def test_points_of_several_series_at_one_setting_stand_side_by_side_and_others_where_they_are() -> None:
    both = (Point("a", 1, (1.0,)), Point("b", 1, (1.0,)), Point("b", 2, (1.0,)), Point("c", 2, ()))
    assert [pictures._aside(point, both) for point in both[:3]] == [-2.5, 2.5, 0]


def test_each_repetition_is_in_the_picture() -> None:
    graph = Graph("", "x", "y", (Point("a", 1, (1.0, 2.0, 3.0)), Point("a", 2, (2.0, 2.5, 4.0))))
    with canvas.styled():
        svg = pictures.picture(graph, "name")
    assert len(re.findall(r"<use [^>]*y=", svg)) >= 6 + 2  # and two medians


@pytest.mark.parametrize("log", [False, True])
@settings(max_examples=12)  # a picture takes a while
@given(values=st.lists(st.just(0.0) | st.floats(1e-3, 1e9), max_size=6))
def test_whatever_was_measured_can_be_drawn(log: bool, values: list[float]) -> None:
    found = tuple(Point(f"series {place % 2}", value, (value, value / 2)) for place, value in enumerate(values))
    assert "messages" in labels(Graph("", "messages", "rate", found, x_log=log, y_log=log))


@given(st.floats(1e-6, 1e9), st.floats(1, 1e6))
def test_an_axis_of_powers_of_ten_ends_at_round_numbers_around_what_it_holds(low: float, ratio: float) -> None:
    ticks = pictures.round_numbers(low, low * ratio)
    assert 2 <= len(ticks) <= 10
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low
    assert ticks[-1] >= low * ratio


# The command.


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`zakar lab report` with further words: its exit code and what it says, by either way."""

    def done(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["zakar", "lab", "report", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        return exit_.value.code, said.out, said.err

    return done


def test_the_command_makes_the_page_of_a_folder_and_gives_the_results_as_json(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "lab").mkdir()
    for lesson in (PARTITIONS, LATENCY):
        run.keep(record(lesson), tmp_path / "lab")
    out = tmp_path / "page.html"
    code, told, complaints = command(tmp_path / "lab", "--out", out, "--json")
    assert (code, complaints) == (0, "")
    said = json.loads(told)
    assert said["page"] == str(out)
    assert [entry["lesson"]["name"] for entry in said["lessons"]] == ["latency", "partitions"]
    assert msgspec.convert(said["lessons"], list[Record]) == run.kept(tmp_path / "lab")
    assert out.read_text(encoding="utf-8") == page(run.kept(tmp_path / "lab"), list(LESSONS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab", "page.html"]


def test_without_further_words_the_page_of_what_was_run_without_further_words_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    run.keep(record(LATENCY), tmp_path / "lab")
    code, told, said = command()
    assert (code, told) == (0, "")
    assert said.startswith("lab.html: 1 of 8 lessons")
    assert (tmp_path / "lab.html").read_text(encoding="utf-8") == page([record(LATENCY)], list(LESSONS))


@pytest.mark.parametrize(
    ("folder", "out", "code", "said"),
    [
        ("nowhere", "page.html", 2, "nowhere: no results of the lab there; make some with `zakar lab run --out"),
        ("damaged", "page.html", 1, "1-latency.json: not a result of the lab"),
        ("deep", "page.html", 1, "1-latency.json: not a result of the lab"),
        ("whole", "whole", 2, "whole: is no file; give --out the name of one"),
        ("whole", "no/such/page.html", 2, "page.html: cannot be written"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_one_line(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], folder: str, out: str, code: int, said: str
) -> None:
    for name, text in (("damaged", '{"lesson": 1}'), ("deep", "[" * 100_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1-latency.json").write_text(text, encoding="utf-8")
    (tmp_path / "whole").mkdir()
    run.keep(record(LATENCY), tmp_path / "whole")
    before = sorted(tmp_path.rglob("*"))
    ended, told, complaint = command(tmp_path / folder, "--out", tmp_path / out)
    assert (ended, told) == (code, "")
    assert said in complaint
    assert len(complaint.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


# In a browser.


@pytest.mark.slow
def test_a_browser_shows_the_page_without_complaint_on_desk_and_phone(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page([record(LATENCY), record(PARTITIONS)], ["bytes"]), encoding="utf-8")
    with browser(tmp_path / "profile") as looked:
        for width in (1280, 390):
            for dark in (False, True):
                looked.open(path, width, dark)
                assert looked.value("document.documentElement.scrollWidth") <= width
                assert looked.value("document.querySelectorAll('figure svg text').length") > 30
                assert looked.value(OVERLAPS) == []
        assert looked.complaints == []
        assert all(url == path.as_uri() or url.startswith("data:") for url in looked.asked)


WIDE = Table("Who was busy", tuple(f"a column of many words, number {n}" for n in range(8)), (("17",) * 8,) * 3)
HIDDEN = "[...document.querySelectorAll('td')].filter(td => td.getBoundingClientRect().right > innerWidth).length"


@pytest.mark.slow
def test_no_column_of_a_table_is_out_of_sight_on_a_phone_and_each_figure_has_its_columns_name(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page([record(msgspec.structs.replace(PARTITIONS, tables=(WIDE,)))], []), encoding="utf-8")
    with browser(tmp_path / "profile") as looked:
        looked.open(path, 390, False)
        looked.value("document.querySelectorAll('details').forEach(details => details.open = true) ?? 0")
        assert looked.value("document.querySelectorAll('.numbers td').length") >= 24
        assert looked.value(HIDDEN) == 0
        names = looked.value("[...document.querySelectorAll('td')].map(td => getComputedStyle(td, '::before').content)")
        assert '"a column of many words, number 7"' in names
