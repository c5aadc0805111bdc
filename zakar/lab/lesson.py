"""A lesson as it was seen: a question, what theory expects, what was measured. Plain values, kept as JSON."""

import statistics

from msgspec import Struct


class Point(Struct, frozen=True):
    """Measurements at one setting: ``values``, one a repetition, and what theory ``expected``, None if it is silent."""

    series: str
    x: float
    values: tuple[float, ...]
    expected: float | None = None

    @property
    def median(self) -> float:
        """The median of the repetitions."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """The median over what was expected."""
        return self.median / self.expected if self.expected else None


class Curve(Struct, frozen=True):
    """Theory as a line. Raises ValueError if it is none."""

    label: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.xs) != len(self.ys):
            raise ValueError(f"xs and ys of a curve must have the same length, got {len(self.xs)} and {len(self.ys)}")


class Claim(Struct, frozen=True):
    """A figure of the article of 2023. ``x`` is None for one that holds at no particular setting."""

    label: str
    y: float
    x: float | None = None


class Graph(Struct, frozen=True):
    """One picture. ``x_log``, ``y_log``: whether an axis goes by powers of ten."""

    title: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    curves: tuple[Curve, ...] = ()
    claims: tuple[Claim, ...] = ()
    x_log: bool = False
    y_log: bool = False


class Table(Struct, frozen=True):
    """Figures in rows, for what is no graph."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Lesson(Struct, frozen=True):
    """What came of a lesson.

    ``prediction`` starts from nothing but what was measured without a link; ``seen`` says what was seen. ``unseen``:
    what this machine could not show, each with the evidence. ``article``: what the article of 2023 says of it, in our
    words. ``further``: what to try next.
    """

    number: int
    name: str
    title: str
    question: str
    prediction: str
    seen: str
    graphs: tuple[Graph, ...] = ()
    tables: tuple[Table, ...] = ()
    unseen: tuple[str, ...] = ()
    article: str = ""
    further: tuple[str, ...] = ()


class Machine(Struct, frozen=True):
    """Where a lesson ran, and with which versions."""

    system: str
    cores: int
    python: str
    software: dict[str, str]


class Record(Struct, frozen=True):
    """A lesson with its circumstances. ``link`` is the preset asked for, if any; ``began`` is in ISO 8601."""

    lesson: Lesson
    machine: Machine
    link: str | None
    quick: bool
    began: str
    seconds: float
