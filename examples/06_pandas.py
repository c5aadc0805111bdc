"""The dataset in pandas, without a broker: how long before the official alert do people speak of a fire?

It counts posts with a word for fire from an alert's cell and the cells around it, by days since the fire started, and
sets beside them how many alerts had come by then. Between the two is the time that an early warning can win.
"""

import argparse
import itertools
import sys
from pathlib import Path

import pandas as pd

FIRE = r"\b(?:fire|flames|smoke|burning|embers|ash)\b"
KEYS = ["day", "geospatial_x", "geospatial_y"]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dataset", nargs="?", type=Path, default=Path("data/sample"))
public = parser.parse_args().dataset / "public"
if not public.is_dir():
    parser.error(f"{public}: no such folder; `zakar simulate tiny --out data/tiny` makes a dataset")

tweets = pd.read_parquet(public / "tweets", columns=[*KEYS, "tweet"])
telling, step = [], 250_000
for start in range(0, len(tweets), step):
    some = tweets[start : start + step]
    telling.append(some[some["tweet"].str.contains(FIRE, case=False)])
    print(f"{start + len(some):,} of {len(tweets):,} posts searched", file=sys.stderr)
posts = pd.concat(telling).groupby(KEYS).size()
alerts = pd.read_parquet(public / "fire_alerts")

rows = []
for since, dx, dy in itertools.product(range(-3, 8), (-1, 0, 1), (-1, 0, 1)):
    places = [alerts["event_day"] + since, alerts["geospatial_x"] + dx, alerts["geospatial_y"] + dy]
    found = posts.reindex(pd.MultiIndex.from_arrays(places), fill_value=0)
    rows.append({"days since": since, "posts": found.sum() / len(alerts)})
answer = pd.DataFrame(rows).groupby("days since").sum().round(2)
late = (alerts["notification_day"] - alerts["event_day"]).value_counts(normalize=True).sort_index().cumsum()
answer["alerts by then"] = late.reindex(answer.index).ffill().fillna(0).map("{:.0%}".format)
print(answer)
