"""The dashboard, looked at in a browser while its stations fill."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browser
from helpers import clean, free_port, load

from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset import store
from zakar.dataset.days import first
from zakar.dataset.schema import PUBLIC, TWEETS
from zakar.loader.options import PublishOptions

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
DRAWN = "document.querySelector('canvas, svg.marks') !== null"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@contextlib.contextmanager
def dashboard(server: Server, folder: Path) -> Iterator[str]:
    """Run the dashboard, its days five times as fast, on a free port."""
    port = free_port()
    script = folder / "dashboard.py"
    text = (ROOT / "examples" / "07_dashboard.py").read_text(encoding="utf-8")
    assert "run_every=1" in text
    script.write_text(text.replace("run_every=1", "run_every=0.2"), encoding="utf-8")
    words = ["run", str(script), "--server.port", str(port), "--server.headless", "true"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", *words, "--", server.url],
            cwd=ROOT,
            env=clean(),
            stdout=said,
            stderr=said,
        )
        try:
            while "URL: " not in (folder / "said").read_text():
                assert process.poll() is None, (folder / "said").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "partitions"), [(1280, 2), (390, 1)], ids=["desk", "phone"])
def test_the_dashboard_waits_for_stations_and_shows_their_days_one_after_the_other(
    tmp_path: Path, width: int, partitions: int
):
    """All posts of a day, in whichever partition (streamlit#744), where a pull may ask for few (nats.go#2149)."""
    tweets = store.read(store.open_dataset(str(SAMPLE)), TWEETS)["day"].to_pylist()
    (tmp_path / "browser").mkdir()
    with (
        running(
            ServerSettings(
                extra=f'jetstream {{ store_dir: "{tmp_path.as_posix()}/store", limits {{ max_request_batch: 250 }} }}'
            )
        ) as server,
        dashboard(server, tmp_path) as address,
        browser(tmp_path / "browser") as page,
    ):
        page.open(address, width)
        page.until("document.body.innerText.includes('zakar doctor')")
        sample, access = store.open_dataset(str(SAMPLE)), Access((server.url,))
        asyncio.run(load(sample, access, PUBLIC, PublishOptions(), partitions=partitions))
        page.until(f"/Day [1-9]\\d*: /.test(document.body.innerText) && {DRAWN}")
        shown = r"document.body.innerText.match(/Day (\d{2,}): posts \(circles\) (\d+), alerts \(squares\) \d+/)"
        page.until(f"{shown} !== null")  # whichever day it has come to
        day, posts = page.value(f"{shown}.slice(1)")
        assert int(posts) == tweets.count(int(day))
        assert not page.value("document.body.innerText.includes('zakar doctor')")
        assert page.value(FITS)
        page.picture(tmp_path / "page.png")
        assert not page.complaints
        assert all(asked.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")) for asked in page.asked)


@pytest.mark.slow
def test_the_dashboard_says_what_it_waits_for(tmp_path: Path):
    """A day is over once a later one has come, so the third of three days is waited for."""
    (tmp_path / "browser").mkdir()
    with (
        running(ServerSettings()) as server,
        dashboard(server, tmp_path) as address,
        browser(tmp_path / "browser") as page,
    ):
        sample, access = first(store.open_dataset(str(SAMPLE)), 3), Access((server.url,))
        asyncio.run(load(sample, access, sample.tables, PublishOptions()))
        page.open(address, 1280)
        page.until("document.body.innerText.includes('Waiting for the rest of day 3; ')")
        shown = r"document.body.innerText.match(/Waiting for the rest of day 3; ([\d,]+) rows so far/)"
        assert int(page.value(f"{shown}[1]").replace(",", "")) == sample.manifest.records
