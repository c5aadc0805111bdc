"""A starter: learned from released days of one place, it warns on the days of another, where no alert is known.

    python examples/09_starter.py --learn data/island --warn nats://127.0.0.1:4300 --team owls

Each place is a folder with a dataset or the address of a broker. Hashed words say which posts are like those near
alerts; counts of such posts in the cells around, today and before, and the temperatures say, by gradient boosting,
where a fire starts today. Nothing of a day to come is used for a day: an alert teaches only once it has been told, and
the last days of those learned from, whose alerts are still to come, are left out.
"""

import argparse
import asyncio
import getpass
import json
import os
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse
from scipy.ndimage import maximum_filter, uniform_filter
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from zakar.broker.access import Access, with_creds
from zakar.broker.connection import connected
from zakar.broker.reader import read_station
from zakar.errors import ZakarError
from zakar.loader.unload import unload

MINE, BUCKETS, LATE = "zakar-fire-predictions", 2**15, 10  # days after which an alert is not expected any more
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--learn", required=True, help="folder of a dataset or address of a broker: released days")
parser.add_argument("--warn", required=True, help="the same: days to warn on; without alerts")
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
parser.add_argument("--team", default=os.environ.get("ZAKAR_TEAM") or getpass.getuser(), help="whose predictions")
parser.add_argument("--out", type=Path, help="file for the warnings, a line of JSON each [default: where they belong]")


def say(text):
    print(text, file=sys.stderr, flush=True)


def table(place, name, creds):
    """Return a table of a dataset's folder or of a broker's station."""
    say(f"reading {name} of {place}")
    if "://" not in place:
        return pq.read_table(Path(place) / "public" / name)

    async def fetch(out):
        async with connected(with_creds(Access((place,)), creds)) as broker:
            await unload(broker, f"zakar-{name.replace('_', '-')}", out)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fetch(Path(folder) / name))
        return pq.read_table(Path(folder) / name)


def places(rows, day="day"):
    """Return the day, x and y of each row, as indices."""
    return tuple(rows[key].to_numpy().astype(np.int64) for key in (day, "geospatial_x", "geospatial_y"))


def hashed(posts):
    """Return which of the BUCKETS each post's words fall into: a sparse matrix, (posts, BUCKETS)."""
    words = pc.split_pattern_regex(pc.utf8_lower(posts.combine_chunks()), r"[^\pL']+")
    coded = words.flatten().dictionary_encode()
    bucket = np.array([zlib.crc32(word.encode()) % BUCKETS for word in coded.dictionary.to_pylist()])
    columns, starts = bucket[coded.indices.to_numpy()], words.offsets.to_numpy() - words.offsets[0].as_py()
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), (len(words), BUCKETS))


def suspicions(model, posts):
    """Return how likely each post is about a fire nearby, by the words of it."""
    parts, step = [], 250_000
    for start in range(0, posts.num_rows, step):
        say(f"words of {start:,} of {posts.num_rows:,} posts")
        parts.append(model.predict_proba(hashed(posts["tweet"].slice(start, step)))[:, 1])
    return np.concatenate(parts)


def signals(posts, suspicion, levels, readings, first, shape):
    """Return what is known of each day and cell on that day: (days, width, height, signals)."""

    def counted(rows, weights=None):
        day, x, y = places(rows)
        flat = np.ravel_multi_index((day - first, x, y), shape)
        return np.bincount(flat, weights, np.prod(shape)).reshape(shape).astype(np.float32)

    def nearby(grid, reach):
        return uniform_filter(grid, (0, 2 * reach + 1, 2 * reach + 1), mode="constant") * (2 * reach + 1) ** 2

    def before(grid, days):  # the days before, and not the day itself
        total = np.concatenate([np.zeros((days + 1, *shape[1:])), np.cumsum(grid, 0, dtype=np.float64)])
        return (total[days : days + shape[0]] - total[: shape[0]]).astype(np.float32)

    grids = [counted(posts), *(counted(posts, (suspicion > level).astype(float)) for level in levels)]
    found = [nearby(grid, reach) for grid in grids for reach in (0, 1, 2, 4)]
    found += [before(nearby(grid, reach), days) for grid in grids for reach in (1, 3) for days in (1, 7)]
    with np.errstate(invalid="ignore"):  # a cell without a reading has none
        heat = counted(readings, readings["temperature"].to_numpy()) / counted(readings)
    island = np.nanmean(heat, axis=(1, 2), keepdims=True)
    season = ((first + np.arange(shape[0])) % 365.25)[:, None, None]
    found += [heat, heat - island, *(np.broadcast_to(each, shape) for each in (island, season))]
    return np.stack(found, -1, dtype=np.float32)


def chances(model, signal):
    """Return how likely a fire starts in each cell on each day, 0 where nobody near writes of one."""
    worth = signal[..., 5] > 0
    chance = np.zeros(signal.shape[:3])
    if worth.any():
        chance[worth] = model.predict_proba(signal[worth])[:, 1]
    return np.where(chance >= maximum_filter(chance, (1, 5, 5)), chance, 0)  # one warning, not one a neighbour


def learned(options):
    """Return the model of words, its levels, the model of fires, the chance from which on to warn, and the grid."""
    readings, posts, alerts = (
        table(options.learn, name, options.creds) for name in ("temperature_readings", "tweets", "fire_alerts")
    )
    last = int(np.max(readings["day"].to_numpy()))
    alerts = alerts.filter(pc.less_equal(alerts["notification_day"], last))  # later ones nobody has heard of
    if not alerts.num_rows:
        parser.error(f"--learn {options.learn}: no alert was told by day {last}, so there is nothing to learn from")
    day, x, y = (np.concatenate(both) for both in zip(places(readings), places(posts), strict=True))
    first, grid = int(day.min()), (int(x.max()) + 1, int(y.max()) + 1)
    shape = (last - first + 1, *grid)
    alerted = np.zeros(shape, bool)
    day, x, y = places(alerts, "event_day")
    alerted[day - first, x, y] = True
    near = maximum_filter(alerted, (1, 5, 5))
    day, x, y = places(posts)
    about, draw = near[day - first, x, y], np.random.default_rng(0)
    some = (day <= last - LATE) & (about | (draw.random(len(about)) < 0.05))
    say(f"learning the words of {some.sum():,} posts")
    words = LogisticRegression(C=0.1, class_weight="balanced", solver="liblinear").fit(
        hashed(posts["tweet"].filter(some)), about[some]
    )
    suspicion = suspicions(words, posts)
    levels = np.quantile(suspicion, [0.95, 0.98, 0.995])
    signal = signals(posts, suspicion, levels, readings, first, shape)
    near = maximum_filter(alerted, (1, 3, 3))

    def fitted(days):
        rows = np.zeros(shape, bool)
        rows[:days] = (near | (draw.random(shape) < 0.05))[:days]
        weights = np.where(near[rows], 1, 20)
        model = HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40, random_state=0
        )
        return model.fit(signal[rows], near[rows], weights)

    say("learning where fires start; the last third of the days says when to warn")
    sure, third = shape[0] - LATE, shape[0] * 2 // 3
    chance = chances(fitted(third), signal[third:sure])
    tried = np.unique(np.quantile(chance[chance > 0], 1 - np.geomspace(1, 0.0001, 200)))
    close, true = near[third:sure], alerted[third:sure]

    def worth(least):  # F1
        warned = chance >= least
        hits, heard = (warned & close).sum(), (true & maximum_filter(warned, (1, 3, 3))).sum()
        precision, recall = hits / max(1, warned.sum()), heard / max(1, true.sum())
        return 2 * precision * recall / max(1e-9, precision + recall)

    return words, levels, fitted(sure), max(tried, key=worth), grid


def warnings(options):
    """Return the day, x and y of each warning: three arrays."""
    words, levels, fires, least, grid = learned(options)
    readings, posts = (table(options.warn, name, options.creds) for name in ("temperature_readings", "tweets"))
    first, last = (int(edge(readings["day"].to_numpy())) for edge in (np.min, np.max))
    posts = posts.filter(pc.and_(pc.greater_equal(posts["day"], first), pc.less_equal(posts["day"], last)))
    signal = signals(posts, suspicions(words, posts), levels, readings, first, (last - first + 1, *grid))
    day, x, y = np.nonzero(chances(fires, signal) >= least)
    return day + first, x, y


async def publish(lines, server, creds):
    async with connected(with_creds(Access((server,)), creds)) as broker:
        stored = {message async for messages in read_station(broker, MINE) for message in messages}
        jetstream = broker.jetstream()
        domain = (await jetstream.account_info()).domain
        for line in lines:
            if line.encode() not in stored:
                ack = await jetstream.publish(f"{MINE}$1.final", line.encode(), headers={"Nats-Msg-Id": line})
                if (ack.stream, ack.domain) != (f"{MINE}$1", domain):
                    raise ZakarError(f"{ack.stream} has stored what is for {MINE}; nothing more was sent")


def main():
    options = parser.parse_args()
    rows = zip(*(each.tolist() for each in warnings(options)), strict=True)
    keys = ("event_day", "geospatial_x", "geospatial_y", "team")
    lines = [json.dumps(dict(zip(keys, (*row, options.team), strict=True))) for row in rows]
    if options.out or "://" not in options.warn:
        text = "".join(f"{line}\n" for line in lines)
        _ = options.out.write_text(text) if options.out else sys.stdout.write(text)
    else:
        asyncio.run(publish(lines, options.warn, options.creds))
    say(f"{len(lines):,} warnings")


if __name__ == "__main__":
    try:
        main()
    except ZakarError as error:
        raise SystemExit(str(error)) from None
