"""The examples that ask a dataset without a broker: their answers, held against the same counted here."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq
import pytest

SAMPLE = Path(__file__).parents[2] / "data" / "sample"

pytestmark = pytest.mark.slow  # they need what `pip install '.[examples]'` brings


def rows(table: str) -> list[dict]:
    return pq.read_table(SAMPLE / "public" / table).to_pylist()


def cells(said: str) -> list[list[str]]:
    """What the lines of a printed table say that have numbers in them."""
    lines = [re.sub("[│┆|]", " ", line).split() for line in said.splitlines()]
    return [line for line in lines if len(line) > 1 and re.fullmatch(r"-?[\d.]+", line[1])]


def around(alert: dict, since: int = 0) -> list[tuple[int, int, int]]:
    """The cells within one of an alert, so many days after."""
    x, y = alert["geospatial_x"], alert["geospatial_y"]
    return [(alert["event_day"] + since, x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]


def place(row: dict) -> tuple[int, int, int]:
    return row["day"], row["geospatial_x"], row["geospatial_y"]


def test_duckdb_counts_the_alerts_by_the_islands_temperature(run):
    readings = defaultdict(list)
    for row in rows("temperature_readings"):
        readings[row["day"]].append(row["temperature"])
    warmth = {day: int(fmean(temperatures) // 10) * 10 for day, temperatures in readings.items()}
    alerts = Counter(warmth[row["event_day"]] for row in rows("fire_alerts"))
    days = Counter(warmth.values())
    said = [list(map(float, line)) for line in cells(run("04").stdout)]
    assert said == [
        pytest.approx([band, days[band], alerts[band], alerts[band] / days[band]], abs=0.0051) for band in sorted(days)
    ]


def test_polars_finds_the_words_that_are_more_frequent_near_alerts(run):
    near = {cell for alert in rows("fire_alerts") for cell in around(alert)}
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for row in rows("tweets"):
        counts[place(row) in near].update(set(re.findall("[a-z']{4,}", row["tweet"].lower())))
    said = cells(run("05").stdout)
    assert len(said) == 15
    for word, close, far, _ in said:
        assert (counts[True][word], counts[False][word]) == (int(close), int(far))
    times = [float(line[-1]) for line in said]
    assert times == sorted(times, reverse=True)
    assert times[-1] > 5


def test_pandas_counts_posts_by_days_since_a_fire_and_the_alerts_that_have_come(run):
    alerts = rows("fire_alerts")
    posts = Counter(
        place(row)
        for row in rows("tweets")
        if re.search(r"\b(fire|flames|smoke|burning|embers|ash)\b", row["tweet"], re.IGNORECASE)
    )
    said = cells(run("06").stdout)
    assert [int(line[0]) for line in said] == list(range(-3, 8))
    for since, number, by_then in said:
        mean = sum(posts[cell] for alert in alerts for cell in around(alert, int(since))) / len(alerts)
        assert float(number) == pytest.approx(mean, abs=0.0051)
        come = sum(alert["notification_day"] - alert["event_day"] <= int(since) for alert in alerts)
        assert by_then == f"{come / len(alerts):.0%}"


@pytest.mark.parametrize("number", ["04", "05", "06"])
def test_a_folder_without_a_dataset_is_named(run, tmp_path: Path, number: str):
    ended = run(number, str(tmp_path))
    assert ended.returncode == 2
    assert f"{tmp_path / 'public'}: no such folder" in ended.stderr
