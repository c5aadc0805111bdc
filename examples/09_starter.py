"""A starter: learned from released days of one place, it warns on the days of another, where no alert is known.

    python examples/09_starter.py --learn data/island --warn nats://127.0.0.1:4300 --team owls

Each place is a folder with a dataset or the address of a broker. Hashed words say which posts are like those near
alerts; counts of such posts in the cells around, today, yesterday and usually, and the temperatures say, by gradient
boosting, where a fire starts today. Nothing of a day to come is counted on a day: an alert teaches only once it has
been told, and the last days of those learned from, whose alerts are still to come, are left out. Posts are rated by
words learned from other days, as days to come will be: a model is too sure of what it has learned by heart.
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

MINE, BUCKETS = "zakar-fire-predictions", 2**17
LEVELS = 0.95, 0.98, 0.99, 0.996, 0.9985, 0.9995  # parts of the posts that are less suspicious than those counted
OTHERS = 100_000  # rows without an alert to learn from; of more a part is enough
LATE, BLOCKS = 10, 4  # days after which no alert is expected any more; parts of the days, each rated by the others
PRUDENT = {"learning_rate": 0.03, "max_iter": 200, "max_leaf_nodes": 8, "min_samples_leaf": 200, "random_state": 0}
PRUDENT["l2_regularization"] = 10  # a few hundred alerts: without these limits trees learn chance
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
    """Return which of the BUCKETS each post's words and pairs of words fall into: a sparse matrix, (posts, BUCKETS)."""
    words = pc.split_pattern_regex(pc.utf8_lower(posts.combine_chunks()), r"[^\pL']+")
    coded, starts = words.flatten().dictionary_encode(), words.offsets.to_numpy() - words.offsets[0].as_py()
    code = np.array([zlib.crc32(word.encode()) for word in coded.dictionary.to_pylist()], np.uint64)
    word = code[coded.indices.to_numpy()]
    following = np.roll(word, -1)
    following[starts[1:] - 1] = 0  # the last word of a post has none
    pair = (word * 2654435761 ^ following * 40503) * 2654435761 >> 7
    columns = (np.stack([word, pair], 1) % BUCKETS).astype(np.int32).ravel()
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, 2 * starts), (len(words), BUCKETS))


def of_words(posts):
    """Return what hashed() does of all posts, and say how far it is."""
    parts, step = [], 250_000
    for start in range(0, posts.num_rows, step):
        say(f"words of {start:,} of {posts.num_rows:,} posts")
        parts.append(hashed(posts["tweet"].slice(start, step)))
    hashes = sparse.vstack(parts, "csr")
    hashes.sum_duplicates()
    hashes.data[:] = 1  # that a word is there says it all
    return hashes


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
    found += [before(nearby(grid, reach), days) for grid in grids for reach, days in ((2, 1), (1, 28))]
    with np.errstate(invalid="ignore"):  # a cell without a reading has none
        heat = counted(readings, readings["temperature"].to_numpy()) / counted(readings)
    island = np.nanmean(heat, axis=(1, 2), keepdims=True)
    season = ((first + np.arange(shape[0])) % 365.25)[:, None, None]
    found += [heat, heat - island, *(np.broadcast_to(each, shape) for each in (island, season))]
    return np.stack(found, -1, dtype=np.float32)


def by_others(fit, usable, block, rate):
    """Return a rating of every day's rows by a model that was fitted to the usable rows of the other blocks of days."""
    rating = np.zeros(len(block), np.float32)
    for each in range(BLOCKS):
        rating[block == each] = rate(fit(usable & (block != each)), block == each)
    return rating


def f1(warned, alerted):
    """Return the harmonic mean of how many warnings come true and how many alerts are found, within a cell."""
    close, heard = (maximum_filter(grid, (1, 3, 3)) for grid in (alerted, warned))
    precision = (warned & close).sum() / max(1, warned.sum())
    recall = (alerted & heard).sum() / max(1, alerted.sum())
    return 2 * precision * recall / max(1e-9, precision + recall)


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
    day, x, y = places(posts)
    about = maximum_filter(alerted, (1, 5, 5))[day - first, x, y]
    hashes, draw = of_words(posts), np.random.default_rng(0)

    def telling(rows):
        say(f"learning the words of {rows.sum():,} posts")
        return LogisticRegression(C=0.03, class_weight="balanced", solver="liblinear").fit(hashes[rows], about[rows])

    some = (day <= last - LATE) & (about | (draw.random(len(about)) < OTHERS / len(about)))
    block = (day - first) * BLOCKS // shape[0]
    words = telling(some)
    suspicion = by_others(telling, some, block, lambda model, rows: model.decision_function(hashes[rows]))
    levels = np.quantile(suspicion, LEVELS)
    signal = signals(posts, suspicion, levels, readings, first, shape).reshape(np.prod(shape), -1)
    fire = alerted.ravel()
    weight = max(1, len(fire) / OTHERS)

    def starting(rows):
        say(f"learning where fires start from {fire[rows].sum():,} alerts")
        return HistGradientBoostingClassifier(**PRUDENT).fit(signal[rows], fire[rows], np.where(fire[rows], 1, weight))

    day = np.repeat(np.arange(shape[0]), np.prod(grid))
    some = (day < shape[0] - LATE) & (fire | (draw.random(len(fire)) < OTHERS / len(fire)))
    block = day * BLOCKS // shape[0]
    chance = by_others(starting, some, block, lambda model, rows: model.predict_proba(signal[rows])[:, 1])
    sure, chance = alerted[:-LATE], chance.reshape(shape)[:-LATE]
    tried = np.sort(chance, None)[-np.geomspace(10, min(20 * alerted.sum(), chance.size), 60).astype(int)]
    return words, levels, starting(some), max(tried, key=lambda least: f1(chance >= least, sure)), grid


def warnings(options):
    """Return the day, x and y of each warning: three arrays."""
    words, levels, fires, least, grid = learned(options)
    readings, posts = (table(options.warn, name, options.creds) for name in ("temperature_readings", "tweets"))
    first, last = (int(edge(readings["day"].to_numpy())) for edge in (np.min, np.max))
    posts = posts.filter(pc.and_(pc.greater_equal(posts["day"], first), pc.less_equal(posts["day"], last)))
    shape = (last - first + 1, *grid)
    signal = signals(posts, words.decision_function(of_words(posts)), levels, readings, first, shape)
    chance = fires.predict_proba(signal.reshape(np.prod(shape), -1))[:, 1].reshape(shape)
    day, x, y = np.nonzero(chance >= least)
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
