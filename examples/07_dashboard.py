"""A live dashboard of the island, a day at a time, for `streamlit run`; it waits where stations are not filled yet."""

import argparse
import asyncio
import itertools
import json
import os
from pathlib import Path

import altair as alt
import nats
import pandas as pd
import streamlit as st

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
options = parser.parse_args()
ORDER = {"zakar-temperature-readings": "day", "zakar-tweets": "day", "zakar-fire-alerts": "event_day"}
BRIEF = nats.js.api.ConsumerConfig(ack_policy="none", inactive_threshold=600)  # soon forgotten if its page is closed
X, Y = alt.X("geospatial_x:O", title=None), alt.Y("geospatial_y:O", title=None, sort="descending")
HEAT = alt.Color("mean(temperature):Q", title="degrees F", scale=alt.Scale(scheme="yelloworangered", domain=[0, 120]))


def credentials(path):  # as nats-py wants them: line ends of Windows stop it, and it waits for ever for what is missing
    words = Path(path).read_text("utf-8-sig", "replace").split()
    jwt, seed = ([word for word in words if word.startswith(kind)] for kind in ("eyJ", "SU"))
    if not (jwt and seed):
        raise nats.errors.Error("--creds: the file lacks a JWT or its seed")
    return nats.aio.client.RawCredentials(f"BEGIN NATS USER JWT\n{jwt[0]}\nBEGIN USER NKEY SEED\n{seed[0]}\n")


async def read_on(page, day):  # each station until the day is over; whether it is, or nothing more came
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(
        options.server, user_credentials=options.creds and credentials(options.creds), error_cb=fail
    ) as client:
        for station, key in ORDER.items():
            page.rows[station] = rows = [row for row in page.rows[station] if row[key] > day - 10]
            for number in itertools.count(1):
                stream = f"{station}${number}"
                try:
                    pull = await client.jetstream().pull_subscribe(f"{stream}.final", page.name, stream, BRIEF)
                except nats.js.errors.NotFoundError:
                    if number == 1:
                        raise
                    break  # it has no more partitions
                info = json.loads((await client.request(f"$JS.API.CONSUMER.INFO.{stream}.{page.name}")).data)
                most = min(500, info["config"].get("max_batch") or 500)  # a server may set a limit to a pull
                try:
                    while page.reached.get(stream, 0) <= day:
                        rows += [json.loads(message.data) for message in await pull.fetch(most, timeout=0.5)]
                        page.reached[stream] = rows[-1][key]
                except TimeoutError:
                    if station != "zakar-fire-alerts":  # which come late, on some days none
                        return False
    return True


@st.fragment(run_every=1)
def draw(page):
    try:
        if asyncio.run(read_on(page, page.day + 1)):
            page.day += 1
        else:
            st.caption(f"Waiting for the rest of day {page.day + 1}; {sum(map(len, page.rows.values())):,} rows so far")
    except (nats.errors.Error, OSError) as error:
        st.error(f"{error}; is the broker running, and loaded? `zakar doctor` says more")
    if page.day:
        keys = {**ORDER, "zakar-fire-alerts": "notification_day"}
        readings, posts, alerts = (pd.DataFrame([r for r in page.rows[s] if r[k] == page.day]) for s, k in keys.items())
        st.subheader(f"Day {page.day}: posts (circles) {len(posts)}, alerts (squares) {len(alerts)}")
        heat = alt.Chart(readings).mark_rect().encode(X, Y, HEAT)
        talk = alt.Chart(posts).mark_circle(color="dimgray", opacity=1).encode(X, Y, alt.Size("count():Q", legend=None))
        fires = alt.Chart(alerts).mark_square(filled=False, color="dodgerblue", strokeWidth=3, size=400).encode(X, Y)
        left, right = st.columns([3, 2])
        left.altair_chart((heat + talk + fires).properties(height=500))
        right.container(height=500).table(posts.reindex(columns=["tweet"]).set_index("tweet"))


st.set_page_config(page_title="Zakar", layout="wide")
page = argparse.Namespace(day=0, name=os.urandom(8).hex(), reached={}, rows={station: [] for station in ORDER})
draw(st.session_state.setdefault("page", page))
